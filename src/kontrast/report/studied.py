"""Which figures a study has: they follow from what varied, and from what was scored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from statistics import mean

import numpy as np

from kontrast.panels import Bars, Heat
from kontrast.report.bars import draw_bars
from kontrast.report.changed import maps
from kontrast.report.effects import draw_effects
from kontrast.report.facets import Facets, draw_facets
from kontrast.report.figures import Drawing
from kontrast.report.heat import draw_heat
from kontrast.report.layout import WHOLE
from kontrast.report.scatter import FEWEST, Scatter, draw_scatter
from kontrast.report.seeds import (
    INTERVAL,
    PAIRED,
    Center,
    alone,
    differences,
    floor,
    geometric,
    last,
    level_name,
    numeric,
    reach,
    say,
    setting_name,
    shown,
    varied,
)
from kontrast.results import Levels, Results
from kontrast.results.numbers import direction
from kontrast.text import plain

MOST_FIGURES, MOST_SCATTERS = 12, 2
FLOORS = {"untrained": "untrained", "raw": "raw input", "chance": "chance"}
FEW = "Below three seeds there is no interval."


def figures(results: Results) -> list[Drawing]:
    """At most a dozen figures.

    The main score over what varied: bars for one axis of names, curves for one of numbers, and for two axes dots or
    curves and a heat map. More axes give the effect of each alone, and small multiples of the whole. A metric of
    several things (the R2 of each factor) gives a map of its differences to the baseline; a second probe a scatter.
    """
    if not results.columns:
        return []
    column = results.chosen()
    found = itertools.chain(_main(results, column), maps(results, column), _scatters(results, column))
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


def _single(results: Results, column: str, axes: tuple[str, ...], values: Mapping[Levels, Center]) -> Iterator[Drawing]:
    """One axis, or settings that are no grid: a curve over numbers, bars for names, and over each number drawn."""
    title, note, floors = say(column), _note(values), _floors(results, column)
    places = {axis: numeric([levels[_at(results, axis)] for levels in values]) for axis in axes}
    if len(axes) == 1 and (at := places[axes[0]]):
        names = tuple(levels[_at(results, axes[0])] for levels in values)
        cells = {("", title, name): x for name, x in zip(names, values.values(), strict=True)}
        of = Facets(
            title, title, last(axes[0], results), ("",), (title,), names, cells, at, geometric(at), floors, note
        )
        yield draw_facets(of, "score")
        return
    way = direction(column) or 1
    order = sorted(values, key=lambda levels: -way * values[levels].value) if len(axes) > 1 else list(values)
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
    if len(axes) < 2:
        yield from _differences(results, column, order)
    for axis in axes if len(axes) > 1 and len(values) >= FEWEST else ():
        if where := places[axis]:
            yield _over(results, column, axis, where, values)


def _over(
    results: Results, column: str, axis: str, where: tuple[float, ...], values: Mapping[Levels, Center]
) -> Drawing:
    """The score of each setting over a number that was drawn for it."""
    pairs = tuple((Center(x, math.nan, math.nan, (x,)), y) for x, y in zip(where, values.values(), strict=True))
    names, short, title = tuple(setting_name(results, each) for each in values), last(axis, results), say(column)
    drawn = Scatter(f"{title} by {short}", short, title, names, pairs, (), "", True, geometric(where))
    return draw_scatter(drawn, f"by-{axis}")


def _differences(results: Results, column: str, order: list[Levels]) -> Iterator[Drawing]:
    """What each setting gains over the baseline, seed by seed."""
    found = differences(results, column)
    known = {setting_name(results, levels, 40): found[levels] for levels in order if levels in found}
    if known:
        base = setting_name(results, results.baseline, 40)
        title = f"{say(column)}, less that of {base}"
        note = f"Each seed against the same seed of {base}."
        note += f" {PAIRED}" if any(math.isfinite(x.low) for x in known.values()) else ""
        yield draw_effects(title, "difference", {"": known}, note, "differences")


def _effects(results: Results, column: str, axes: tuple[str, ...]) -> Iterator[Drawing]:
    """What each axis does alone: how far the mean of each level is from that of all."""
    found = {axis: alone(results, axis, column) for axis in axes}
    known = {
        last(axis, results): {plain(level, 40): x for level, x in levels.items()}
        for axis, levels in sorted(found.items(), key=lambda item: -reach(results, item[0], column))
        if levels
    }
    if known:
        note = "Means over all other axes less the mean over all, of the cells that every level has."
        title = "What each axis does alone"
        yield draw_effects(title, f"{say(column)}, from the mean", known, note, "effects")


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
    panel = Heat(
        f"{say(column)}, as a table",
        rows,
        columns,
        found,
        center=middle,
        row=last(down, results),
        column=last(across, results),
        note=note,
    )
    return draw_heat(panel, "grid")


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
    across, up = shown(results, x), shown(results, y)
    known = {levels: (across[levels], up[levels]) for levels in across if levels in up}
    axes = [axis for axis in varied(results) if 1 < len({levels[_at(results, axis)] for levels in known}) <= 8]
    groups: tuple[str, ...] = ()
    if len(varied(results)) > 1 and axes:
        widest = max(axes, key=lambda axis: np.nan_to_num(reach(results, axis, y)))
        groups = tuple(level_name(results, widest, levels[_at(results, widest)]) for levels in known)
    names = tuple(setting_name(results, levels) for levels in known)
    return Scatter(f"{say(y)} against {say(x)}", say(x), say(y), names, tuple(known.values()), groups)
