"""Small multiples: a score over two axes, once for each level of the others, on one scale."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.panels import Curves, Line
from kontrast.report import colors
from kontrast.report.curves import draw_line
from kontrast.report.figures import WIDTH, Drawing, Size, caption, captions, finish, legend, listed, ticks
from kontrast.report.layout import number
from kontrast.report.seeds import Center
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FACETS, MOST_ROWS, MOST_COLORS = 6, 24, 8


@dataclass(frozen=True)
class Facets:
    """Scores by three names: the facet (""), the color and the row, or the place on a numeric axis.

    `numbers` are the places of the rows where they are numbers, `logarithmic` if these go by factors; empty: rows are
    names, drawn as dots with intervals. `references` are values that all is read against.
    """

    title: str
    score: str
    row: str
    facets: tuple[str, ...]
    colors: tuple[str, ...]
    rows: tuple[str, ...]
    values: Mapping[tuple[str, str, str], Center]
    numbers: tuple[float, ...] = ()
    logarithmic: bool = False
    references: Mapping[str, float] | None = None
    note: str = ""


def draw_facets(shown: Facets, name: str) -> Drawing:
    """Panels side by side that share both scales: curves over numbers, dots with their intervals over names."""
    facets, rows, hues = shown.facets[:MOST_FACETS], shown.rows[:MOST_ROWS], shown.colors[:MOST_COLORS]
    size: Size = "" if len(facets) == 1 else "two" if len(facets) == 2 else "three"
    across = min(len(facets), 3)
    down = -(-len(facets) // across)
    made, grid = _figure(shown, size, down, across, len(rows), len(hues))
    palette = dict(zip(hues, colors.SERIES, strict=False))
    headings = captions(facets, 34 if across < 3 else 28)
    for at, (facet, axes) in enumerate(zip(facets, grid, strict=False)):
        if facet:
            axes.set_title(headings[at], fontsize=9)
        if shown.numbers:
            _curves(axes, shown, facet, palette)
        else:
            _dots(axes, shown, facet, rows, palette, named=at % across == 0)
    for axes in grid[len(facets) :]:
        axes.set_visible(False)
    handles = grid[0].get_legend_handles_labels()[0] if len(hues) > 1 or _near(shown) else []
    legend(made, handles, WIDTH[size])
    for at, axes in enumerate(grid[: len(facets)]):
        _finish_axes(axes, shown, bottom=at + across >= len(facets), left=at % across == 0)
    left = [
        f"the first {most} of {len(all_)} {what}"
        for what, all_, most in (("panels", shown.facets, MOST_FACETS), ("rows", shown.rows, MOST_ROWS))
        if len(all_) > most
    ]
    far = [f"{plain(key, 30)} is {number(x)}" for key, x in (shown.references or {}).items() if key not in _near(shown)]
    said = [f"Shown: {' and '.join(left)}." if left else "", plain(shown.note, 400)]
    note = " ".join(filter(None, [*said, f"Outside the figure: {', '.join(far)}." if far else ""]))
    title = plain(shown.title, 80)
    return finish(made, name, title, f"{title}: {_said(shown)}", note, size)


def _figure(shown: Facets, size: Size, down: int, across: int, rows: int, hues: int) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    high = 1.75 if shown.numbers else max(0.6, rows * max(0.2, 0.075 * hues + 0.1))
    extra = 0.75 + 0.2 * (1 + hues // 4)
    made = Figure(figsize=(WIDTH[size], down * (high + 0.35 * (len(shown.facets) > 1)) + extra), layout="constrained")
    grid = made.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    return made, list(grid.flat)


def _curves(axes: Axes, shown: Facets, facet: str, palette: Mapping[str, str]) -> None:
    flat = Curves("", "", "", (), "x" if shown.logarithmic else "")
    if shown.logarithmic:
        axes.set_xscale("log")
    order = np.argsort(shown.numbers, kind="stable")
    for label, (hue, color) in zip(captions(palette, 26), palette.items(), strict=True):
        found = [(shown.numbers[i], x) for i in order if (x := shown.values.get((facet, hue, shown.rows[i])))]
        line = Line(
            hue, *(tuple(column) for column in zip(*((at, x.value, x.low, x.high) for at, x in found), strict=True))
        ) if found else Line(hue, (), ())  # fmt: skip
        draw_line(axes, flat, line, color, label, several=len(palette) > 1)
    _references(axes, shown, "h")


def _dots(
    axes: Axes, shown: Facets, facet: str, rows: Sequence[str], palette: Mapping[str, str], *, named: bool
) -> None:
    """A dot a setting, its interval, and its seeds behind them; colors of one row lie below one another."""
    axes.grid(visible=False, axis="y")
    step = 0.72 / len(palette)
    labels = captions(palette, 26)
    for at, (hue, color) in enumerate(palette.items()):
        found = [(row, x) for row, each in enumerate(rows) if (x := shown.values.get((facet, hue, each)))]
        high = [row + (at - (len(palette) - 1) / 2) * step for row, _ in found]
        for y, (_, x) in zip(high, found, strict=True):
            look: dict[str, Any] = {
                "color": color,
                "alpha": 0.35,
                "linestyle": "",
                "marker": colors.mark(color),
                "markersize": 2.6,
            }
            axes.plot(x.each, [y] * len(x.each), **look)
        centers, low, down = _columns([x for _, x in found])
        axes.hlines(high, low, down, color=color, linewidth=1.4)
        axes.plot(centers, high, linestyle="", marker=colors.mark(color), markersize=4.8, color=color, label=labels[at])
    _references(axes, shown, "v")
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks(range(len(rows)), captions(rows, 26))
    axes.tick_params(axis="y", labelcolor=colors.INK, labelleft=named)
    axes.spines["left"].set_visible(False)
    for row in range(1, len(rows)):
        axes.axhline(row - 0.5, color=colors.FAINT, linewidth=0.8, zorder=0)


def _columns(found: Sequence[Center]) -> tuple[list[float], list[float], list[float]]:
    return [x.value for x in found], [x.low for x in found], [x.high for x in found]


def _near(shown: Facets) -> dict[str, float]:
    """The references that lie no farther from the scores than these reach: others would make them one flat line."""
    values = [x.value for x in shown.values.values() if np.isfinite(x.value)]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    room = 0.6 * (high - low)
    return {key: x for key, x in (shown.references or {}).items() if low - room <= x <= high + room}


def _references(axes: Axes, shown: Facets, way: str) -> None:
    others = itertools.cycle(colors.SERIES[1:])
    for label, value in _near(shown).items():
        if np.isfinite(value):
            color = colors.ROLES.get(label) or next(others)
            look: dict[str, Any] = {"linewidth": 1.2, "linestyle": colors.dash(color), "label": caption(label, 22)}
            getattr(axes, f"ax{way}line")(value, color=color, **look)


def _finish_axes(axes: Axes, shown: Facets, *, bottom: bool, left: bool) -> None:
    row, score = plain(shown.row, 40), plain(shown.score, 40)
    across, up = (row, score) if shown.numbers else (score, "")
    axes.set(xlabel=across if bottom else "", ylabel=up if left else "")
    axes.tick_params(axis="x", labelbottom=bottom)
    ticks(axes.xaxis, shown.logarithmic, 5 if shown.numbers else 4)
    if shown.numbers:
        if len(shown.numbers) < 8 and len(set(shown.numbers)) == len(shown.numbers):
            axes.set_xticks(sorted(shown.numbers))
            axes.minorticks_off()
        ticks(axes.yaxis)


def _said(shown: Facets) -> str:
    each = [f"{', '.join(filter(None, key))} {number(x.value)}" for key, x in shown.values.items()]
    return listed([plain(text, 90) for text in each], 24)
