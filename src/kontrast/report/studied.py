"""Which figures a study has: they follow from what varied, and from what was scored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from statistics import mean

from kontrast.panels import Bars, Heat
from kontrast.report.bars import draw_bars
from kontrast.report.facets import Facets, draw_facets
from kontrast.report.figures import Drawing
from kontrast.report.heat import draw_heat
from kontrast.report.layout import WHOLE, symbol
from kontrast.report.scatter import FEWEST, Scatter, draw_scatter
from kontrast.report.seeds import (
    Center,
    center,
    floor,
    geometric,
    last,
    level_name,
    marginal,
    numeric,
    of_setting,
    setting_name,
    shown,
    varied,
)
from kontrast.results import Levels, Results

MOST_FIGURES, MOST_BARS, MOST_MAPS, MOST_SCATTERS = 12, 24, 2, 2
FLOORS = {"untrained": "untrained", "raw": "raw input", "chance": "chance"}
INTERVAL = "Intervals are 95 % of Student's t over seeds."
FEW = "Below three seeds there is no interval."


def figures(results: Results) -> list[Drawing]:
    """At most a dozen figures.

    The main score over what varied: bars for one axis of names, curves for one of numbers, and for two axes dots or
    curves and a heat map. More axes give the effect of each alone, and small multiples of the whole. A metric of several
    things (the R2 of each factor) gives a map of its differences to the baseline; a second probe a scatter.
    """
    if not results.columns:
        return []
    column = results.chosen()
    found = itertools.chain(_main(results, column), _maps(results, column), _scatters(results, column))
    return list(itertools.islice(found, MOST_FIGURES))


def _main(results: Results, column: str) -> Iterator[Drawing]:
    axes, values = varied(results), shown(results, column)
    if not values:
        return
    crossed = 2 * len(values) > math.prod(len({levels[_at(results, axis)] for levels in values}) for axis in axes)
    if len(axes) < 2 or not crossed:
        yield from _single(results, column, axes, values)
        return
    if len(axes) > 2:
        yield from _effects(results, column, axes)
    yield draw_facets(_facets(results, column, values), "score")
    if len(axes) == 2:
        yield _grid(results, column, axes, values)


def _at(results: Results, axis: str) -> int:
    return list(results.axes).index(axis)


def _floors(results: Results, column: str) -> dict[str, float]:
    known = {name: floor(results, column, key) for key, name in FLOORS.items()}
    return {name: value for name, value in known.items() if value is not None}


def _note(values: Mapping[Levels, Center]) -> str:
    counts = {len(x.each) for x in values.values()}
    several = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(max(counts))
    seeds = f"{several} seed{'s' if max(counts) > 1 else ''} a setting. "
    return seeds + (INTERVAL if min(counts) > 2 else f"{INTERVAL} {FEW}" if max(counts) > 2 else FEW)


def _single(
    results: Results, column: str, axes: tuple[str, ...], values: Mapping[Levels, Center]
) -> Iterator[Drawing]:
    """One axis, or settings that are no grid: a curve over numbers, bars for names, and over each number drawn."""
    title, note, floors = say(column), _note(values), _floors(results, column)
    places = {axis: numeric([levels[_at(results, axis)] for levels in values]) for axis in axes}
    if len(axes) == 1 and (at := places[axes[0]]):
        names = tuple(levels[_at(results, axes[0])] for levels in values)
        cells = {("", title, name): x for name, x in zip(names, values.values(), strict=True)}
        of = Facets(title, title, last(axes[0], results), ("",), (title,), names, cells, at, geometric(at), floors, note)
        yield draw_facets(of, "score")
        return
    order = sorted(values, key=lambda levels: -values[levels].value) if len(axes) > 1 else list(values)
    each = [values[levels] for levels in order]
    intervals = any(math.isfinite(x.low) for x in each)
    yield draw_bars(
        Bars(
            title,
            tuple(setting_name(results, levels, 40) for levels in order),
            tuple(x.value for x in each),
            tuple(x.low for x in each) if intervals else (),
            tuple(x.high for x in each) if intervals else (),
            floors,
            title,
            note,
        ),
        "score",
    )
    for axis in axes if len(axes) > 1 else ():
        if (at := places[axis]) and len(values) >= FEWEST:
            where = [center([x]) for x in at]
            pairs = tuple(zip(where, values.values(), strict=True))
            names = tuple(setting_name(results, levels) for levels in values)
            yield draw_scatter(Scatter(f"{title} by {last(axis, results)}", last(axis, results), title, names, pairs), f"by-{axis}")


def _effects(results: Results, column: str, axes: tuple[str, ...]) -> Iterator[Drawing]:
    """What each axis does alone: the mean of each level over all others."""
    for axis in axes[:4]:
        found = marginal(results, axis, column)
        if not found:
            continue
        intervals = any(math.isfinite(x.low) for x in found.values())
        bounds = [tuple(getattr(x, end) for x in found.values()) if intervals else () for end in ("low", "high")]
        names = tuple(level_name(results, axis, level, 24) for level in found)
        values = tuple(x.value for x in found.values())
        note = "Means over all other axes, of the cells that every level has."
        yield draw_bars(Bars(f"By {last(axis, results)}", names, values, *bounds, _floors(results, column), say(column), note), f"effect-{axis}")


def _roles(results: Results, values: Mapping[Levels, Center]) -> tuple[str, list[str]]:
    """The axis along the figure, and the others by how many levels they have, the most first.

    Along it goes the axis of numbers with the most levels, and without one that of names.
    """
    axes = varied(results)
    count = {axis: len({levels[_at(results, axis)] for levels in values}) for axis in axes}
    numbered = [axis for axis in axes if numeric(list(dict.fromkeys(levels[_at(results, axis)] for levels in values)))]
    along = max(numbered or axes, key=lambda axis: count[axis])
    return along, sorted((axis for axis in axes if axis != along), key=lambda axis: -count[axis])


def _facets(results: Results, column: str, values: Mapping[Levels, Center]) -> Facets:
    along, others = _roles(results, values)
    rows = tuple(dict.fromkeys(levels[_at(results, along)] for levels in values))
    names, cells = dict[str, None](), dict[tuple[str, str, str], Center]()
    hues = dict[str, None]()
    for levels, x in values.items():
        named = [level_name(results, axis, levels[_at(results, axis)], 24) for axis in others]
        facet, hue = " · ".join(named[1:]), named[0]
        names[facet], hues[hue] = None, None
        cells[facet, hue, levels[_at(results, along)]] = x
    at = numeric(rows) or ()
    note = _note(values) + ("" if at else " Small dots are single seeds.")
    return Facets(
        say(column), say(column), last(along, results), tuple(names), tuple(hues), rows, cells, at,
        geometric(at) if at else False, {} if len(names) > 1 else _floors(results, column), note,
    )  # fmt: skip


def _grid(results: Results, column: str, axes: tuple[str, ...], values: Mapping[Levels, Center]) -> Drawing:
    """The score of each pair of levels."""
    down, across = sorted(axes, key=lambda axis: -len({levels[_at(results, axis)] for levels in values}))
    rows, columns = (tuple(dict.fromkeys(levels[_at(results, axis)] for levels in values)) for axis in (down, across))
    table = {(levels[_at(results, down)], levels[_at(results, across)]): x for levels, x in values.items()}
    found = tuple(tuple(table[r, c].value if (r, c) in table else math.nan for c in columns) for r in rows)
    known = [x for row in found for x in row if math.isfinite(x)]
    middle = mean(known)
    note = "Colored by the distance from the mean over all settings."
    panel = Heat(f"{say(column)}, as a table", rows, columns, found, center=middle, row=last(down, results), column=last(across, results), note=note)
    return draw_heat(panel, "grid")


def _maps(results: Results, column: str) -> Iterator[Drawing]:
    """What the settings change of each thing that a metric is of, as differences to the baseline."""
    groups: dict[str, list[str]] = {}
    for each in results.columns:
        head, _, of = each.partition("/")
        if of not in WHOLE:
            groups.setdefault(head, []).append(each)
    main = column.partition("/")[0]
    several = sorted((head for head, found in groups.items() if len(found) > 1), key=lambda head: head != main)
    settings = [levels for levels in results.settings if levels != results.baseline]
    if results.baseline not in results.settings or not settings:
        return
    for at, head in enumerate(several[:MOST_MAPS]):
        yield _map(results, head, groups[head], settings, f"things-{at}")


def _map(results: Results, head: str, columns: list[str], settings: list[Levels], name: str) -> Drawing:
    base = {each: results.of(results.baseline, each) for each in columns}
    table = [[_difference(results, levels, each) for each in columns] for levels in settings]
    bounds = all(math.isfinite(x.low) for row in table for x in row)
    labels = tuple(
        f"{each.partition('/')[2]} ({center(x.value for x in base[each].values()).value:.2f})" for each in columns
    )
    note = (
        f"Differences to {setting_name(results, results.baseline)}, whose own scores stand beside the names: "
        "positive is above it. Pairs of one seed each."
    )
    panel = Heat(
        f"{say(head)} of each, minus the baseline's",
        tuple(setting_name(results, levels, 40) for levels in settings),
        labels,
        tuple(tuple(x.value for x in row) for row in table),
        *([tuple(tuple(getattr(x, end) for x in row) for row in table) for end in ("low", "high")] if bounds else ()),
        center=0.0,
        note=note + (f" {INTERVAL}" if bounds else ""),
    )
    return draw_heat(panel, name)


def _difference(results: Results, levels: Levels, column: str) -> Center:
    """The mean difference to the baseline over the seeds that both have."""
    mine, base = results.of(levels, column), results.of(results.baseline, column)
    return center(mine[seed].value - base[seed].value for seed in mine if seed in base)


def _scatters(results: Results, column: str) -> Iterator[Drawing]:
    """The main score against those that a study names, or against the first of each other probe."""
    named = getattr(results, "scatter", ())
    others = [results.chosen(name) for name in named]
    pairs = [(others[0], others[1])] if len(others) == 2 else []
    first: dict[str, str] = {column.partition(": ")[0]: column}
    for each in results.columns:
        if each.partition("/")[2] in WHOLE:
            first.setdefault(each.partition(": ")[0], each)
    pairs += [(other, column) for other in first.values() if other != column]
    for at, (x, y) in enumerate(dict.fromkeys(pairs[:MOST_SCATTERS])):
        drawn = _scatter(results, x, y)
        if len(drawn.points) >= FEWEST:
            yield draw_scatter(drawn, f"scatter-{at}")


def _scatter(results: Results, x: str, y: str) -> Scatter:
    both = {levels: (of_setting(results, levels, x), of_setting(results, levels, y)) for levels in results.settings}
    known = {levels: pair for levels, pair in both.items() if pair[0].each and pair[1].each}
    axes = [axis for axis in varied(results) if 1 < len({levels[_at(results, axis)] for levels in known}) <= 8]
    groups: tuple[str, ...] = ()
    if len(varied(results)) > 1 and axes:
        widest = max(axes, key=lambda axis: _reach(results, axis, y))
        groups = tuple(level_name(results, widest, levels[_at(results, widest)]) for levels in known)
    names = tuple(setting_name(results, levels) for levels in known)
    return Scatter(f"{say(y)} against {say(x)}", say(x), say(y), names, tuple(known.values()), groups)


def _reach(results: Results, axis: str, column: str) -> float:
    """By how much the mean of a score over all other axes differs between the levels of one."""
    values = [x.value for x in marginal(results, axis, column).values()]
    return max(values) - min(values) if values else 0.0


def say(column: str) -> str:
    """A column as it is printed: "Linear accuracy", "Recovery R² scale"."""
    probe, _, metric = column.partition(": ")
    name, _, of = metric.partition("/")
    return " ".join(filter(None, [probe, symbol(name), of]))
