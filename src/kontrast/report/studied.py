"""Which figures a study has: they follow from what varied, and from what was scored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np

from kontrast.panels import Bars
from kontrast.report.bars import MOST_BARS, draw_bars
from kontrast.report.changed import maps
from kontrast.report.crossed import effects, facets, grid
from kontrast.report.effects import draw_effects
from kontrast.report.facets import Facets, draw_facets
from kontrast.report.figures import Drawing
from kontrast.report.layout import WHOLE
from kontrast.report.scatter import FEWEST, Scatter, draw_scatter
from kontrast.report.seeds import (
    PAIRED,
    Center,
    differences,
    floors_of,
    foremost,
    geometric,
    index_of,
    last,
    left_out,
    level_name,
    note_of,
    numeric,
    reach,
    say,
    setting_name,
    shown,
    varied,
)
from kontrast.results import Levels, Results
from kontrast.results.numbers import direction

MOST_FIGURES, MOST_SCATTERS = 12, 2


def figures(results: Results) -> list[Drawing]:
    """At most a dozen figures.

    The main score over what varied: bars for one axis of names, curves for one of numbers, and for two axes dots or
    curves and a heat map. More axes give the effect of each alone, and small multiples of the whole. A metric of
    several things (the R2 of each factor) gives a map of its differences to the baseline. The main score is drawn
    against those that the study names, and where it names none against the first of each other probe.
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
    crossed = 2 * len(values) > math.prod(len({levels[index_of(results, axis)] for levels in values}) for axis in axes)
    if len(axes) < 2 or not crossed:
        yield from _single(results, column, axes, values)
        return
    if len(axes) > 2:
        yield from effects(results, column, axes)
    yield draw_facets(facets(results, column, values), "score")
    if len(axes) == 2:
        yield grid(results, column, axes, values)


def _single(results: Results, column: str, axes: tuple[str, ...], values: Mapping[Levels, Center]) -> Iterator[Drawing]:
    """One axis, or settings that are no grid: a curve over numbers, bars for names, and over each number drawn."""
    title, note, floors = say(column), note_of(values), floors_of(results, column)
    places = {axis: numeric([levels[index_of(results, axis)] for levels in values]) for axis in axes}
    if len(axes) == 1 and (at := places[axes[0]]):
        names = tuple(levels[index_of(results, axes[0])] for levels in values)
        cells = {("", title, name): x for name, x in zip(names, values.values(), strict=True)}
        of = Facets(
            title, title, last(axes[0], results), ("",), (title,), names, cells, at, geometric(at), floors, note
        )
        yield draw_facets(of, "score")
        return
    way = direction(column) or 1
    order = foremost({levels: values[levels].value for levels in values}, MOST_BARS, results.baseline, way)
    note += left_out(len(order), len(values), "settings")
    if len(axes) > 1:
        order.sort(key=lambda levels: -way * values[levels].value)
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


def _scatters(results: Results, column: str) -> Iterator[Drawing]:
    """The main score against those that a study names, or against the first of each other probe."""
    first: dict[str, str] = {column.partition(": ")[0]: column}
    for each in results.columns:
        if each.partition("/")[2] in WHOLE:
            first.setdefault(each.partition(": ")[0], each)
    named = [found for name in results.against if (found := results.find(name))]
    others = [name for name in named or first.values() if name != column]
    for at, other in enumerate(dict.fromkeys(others if named else others[:MOST_SCATTERS])):
        drawn = _scatter(results, other, column)
        if len(drawn.points) >= FEWEST:
            yield draw_scatter(drawn, f"scatter-{at}")


def _scatter(results: Results, x: str, y: str) -> Scatter:
    across, up = shown(results, x), shown(results, y)
    known = {levels: (across[levels], up[levels]) for levels in across if levels in up}
    axes = [axis for axis in varied(results) if 1 < len({levels[index_of(results, axis)] for levels in known}) <= 8]
    groups: tuple[str, ...] = ()
    if len(varied(results)) > 1 and axes:
        widest = max(axes, key=lambda axis: np.nan_to_num(reach(results, axis, y)))
        groups = tuple(level_name(results, widest, levels[index_of(results, widest)]) for levels in known)
    names = tuple(setting_name(results, levels) for levels in known)
    return Scatter(f"{say(y)} against {say(x)}", say(x), say(y), names, tuple(known.values()), groups)
