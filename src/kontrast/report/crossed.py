"""Figures of two axes or more: what each does alone, the whole as small multiples, and two of them as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import fmean, mean

import numpy as np

from kontrast.panels import Heat
from kontrast.report.effects import draw_effects
from kontrast.report.facets import MOST_COLORS, MOST_FACETS, MOST_ROWS, Facets
from kontrast.report.figures import Drawing, captions
from kontrast.report.heat import draw_heat
from kontrast.report.seeds import (
    INTERVAL,
    Center,
    alone,
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
    varied,
)
from kontrast.results import Levels, Results
from kontrast.results.numbers import direction


def effects(results: Results, column: str, axes: tuple[str, ...]) -> Iterator[Drawing]:
    """What each axis does alone: how far the mean of each level is from that of all."""
    found = {axis: alone(results, axis, column) for axis in axes}
    known = {
        last(axis, results): dict(zip(captions(levels, 40), levels.values(), strict=True))
        for axis, levels in sorted(found.items(), key=lambda item: -reach(results, item[0], column))
        if levels
    }
    if known:
        note = f"Means over all other axes less the mean over all, of the cells that every level has. {INTERVAL}"
        title = "What each axis does alone"
        yield draw_effects(title, f"{say(column)}, from the mean", known, note, "effects")


def _roles(results: Results, values: Mapping[Levels, Center]) -> tuple[str, list[str]]:
    """The axis along the figure, and the others by how many levels they have, the most first.

    Along it goes the axis of numbers with the most levels, and without one that of names.
    """
    axes = varied(results)
    count = {axis: len({levels[index_of(results, axis)] for levels in values}) for axis in axes}
    numbered = [
        axis for axis in axes if numeric(list(dict.fromkeys(levels[index_of(results, axis)] for levels in values)))
    ]
    along = max(numbered or axes, key=lambda axis: count[axis])
    return along, sorted((axis for axis in axes if axis != along), key=lambda axis: -count[axis])


def facets(results: Results, column: str, values: Mapping[Levels, Center]) -> Facets:
    """Small multiples of all settings; where there is no room for all, the best levels and those of the baseline."""
    along, others = _roles(results, values)
    cells, base = dict[tuple[str, str, str], Center](), ("", "", "")
    for levels in [*values, *({results.baseline} - {*values} if results.baseline else ())]:
        named = [level_name(results, axis, levels[index_of(results, axis)], 24) for axis in others]
        place = (" · ".join(named[1:]), named[0], levels[index_of(results, along)])
        base = place if levels == results.baseline else base
        if levels in values:
            cells[place] = values[levels]
    at = numeric([*dict.fromkeys(row for _, _, row in cells)]) or ()
    limits = (MOST_FACETS, MOST_COLORS, len(values) if at else MOST_ROWS)
    kept = [_levels(cells, i, most, base[i], direction(column) or 1) for i, most in enumerate(limits)]
    note = note_of(values) + ("" if at else " Small dots are single seeds.")
    for i, what in enumerate(("panels", f"levels of {last(others[0], results)}", f"levels of {last(along, results)}")):
        note += left_out(len(kept[i]), len({place[i] for place in cells}), what)
    cells = {place: x for place, x in cells.items() if all(place[i] in kept[i] for i in range(3))}
    floors = {} if len(kept[0]) > 1 else floors_of(results, column)
    return Facets(
        say(column), say(column), last(along, results), tuple(kept[0]), tuple(kept[1]), tuple(kept[2]), cells, at,
        geometric(at) if at else False, floors, note,
    )  # fmt: skip


def _levels(cells: Mapping[tuple[str, str, str], Center], i: int, most: int, base: str, way: int) -> list[str]:
    """The levels of one role that are shown, by the means of their cells."""
    each: dict[str, list[float]] = {}
    for place, x in cells.items():
        each.setdefault(place[i], []).append(x.value)
    return foremost({level: fmean(found) for level, found in each.items()}, most, base, way)


def grid(results: Results, column: str, axes: tuple[str, ...], values: Mapping[Levels, Center]) -> Drawing:
    """The score of each pair of levels."""
    down, across = sorted(axes, key=lambda axis: -len({levels[index_of(results, axis)] for levels in values}))
    rows, columns = (
        tuple(dict.fromkeys(levels[index_of(results, axis)] for levels in values)) for axis in (down, across)
    )
    table = {(levels[index_of(results, down)], levels[index_of(results, across)]): x for levels, x in values.items()}
    found = tuple(tuple(table[r, c].value if (r, c) in table else math.nan for c in columns) for r in rows)
    known = [x for row in found for x in row if math.isfinite(x)]
    middle = mean(known)
    spreads = [np.std(x.each, ddof=1) for x in values.values() if len(x.each) > 1]
    noise = float(np.sqrt(np.mean(np.square(spreads)))) if spreads else 0.0
    note = "Colored by the distance from the mean over all settings, fully from four deviations of seeds on."
    panel = Heat(
        f"{say(column)}, as a table",
        rows,
        columns,
        found,
        center=middle,
        row=last(down, results),
        column=last(across, results),
        note=note,
        reach=4 * noise,
    )
    return draw_heat(panel, "grid")
