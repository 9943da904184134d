"""One score against another: a point a setting, with its intervals on both axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kontrast.report import colors
from kontrast.report.figures import WIDTH, Drawing, Size, caption, figure, finish, legend, listed, ticks
from kontrast.report.layout import number
from kontrast.report.seeds import Center
from kontrast.text import plain

MOST_POINTS, MOST_NUMBERED, MOST_NAMED, MOST_LETTERS = 400, 16, 6, 22
FEWEST = 4
"""Points below which a rank correlation says nothing."""


@dataclass(frozen=True)
class Scatter:
    """Named points with two scores each. `groups` color them, one for each point, or are empty; `x` and `y` name the
    axes. With `plain_x` the first is no score but a number that was set, `logarithmic` if it goes by factors.
    """

    title: str
    x: str
    y: str
    names: tuple[str, ...]
    points: tuple[tuple[Center, Center], ...]
    groups: tuple[str, ...] = ()
    note: str = ""
    plain_x: bool = False
    logarithmic: bool = False


def rank_correlation(scatter: Scatter) -> float:
    """Spearman's correlation of the two scores over the points; NaN where there are few, or one score is constant."""
    x, y = (np.array([point[at].value for point in scatter.points]) for at in (0, 1))
    if len(x) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return float("nan")
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)


def draw_scatter(scatter: Scatter, name: str) -> Drawing:
    """Points with bars of error, numbered where there are not too many; the rank correlation goes below them."""
    points = scatter.points[:MOST_POINTS]
    size: Size = "" if scatter.plain_x else "two"
    made, axes = figure(WIDTH[size], 3.4 if size else 2.4)
    if scatter.logarithmic:
        axes.set_xscale("log")
    groups = list(dict.fromkeys(scatter.groups[: len(points)])) or [""]
    several = 1 < len(groups) <= len(colors.SERIES)
    for at, group in enumerate(groups if several else [""]):
        mine = [p for i, p in enumerate(points) if not several or scatter.groups[i] == group]
        color = colors.SERIES[at] if several else colors.TRAINED
        x, y = (np.array([p[axis].value for p in mine]) for axis in (0, 1))
        errors = [np.array([[p[i].value - p[i].low, p[i].high - p[i].value] for p in mine]).T for i in (0, 1)]
        look: dict[str, Any] = {"linestyle": "", "marker": colors.mark(color), "markersize": 4.8, "color": color}
        look |= {"elinewidth": 0.8, "ecolor": (color, 0.45)}
        axes.errorbar(x, y, xerr=errors[0], yerr=errors[1], label=caption(group, 26), **look)
    axes.margins(0.08)
    axes.set(xlabel=plain(scatter.x, 60), ylabel=plain(scatter.y, 44))
    ticks(axes.xaxis, scatter.logarithmic)
    if scatter.logarithmic:
        from matplotlib.ticker import LogLocator

        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(10, (1.0,) if high > 20 * low else (1.0, 3.0)))
    ticks(axes.yaxis)
    if several:
        legend(made, axes.get_legend_handles_labels()[0], WIDTH[size], dots=True)
    numbered = bool(size) and len(points) <= MOST_NUMBERED
    if numbered:
        _number(axes, scatter, len(points))
    title = plain(scatter.title, 80)
    return finish(made, name, title, f"{title}: {_said(scatter)}", _note(scatter, numbered=numbered), size)


def _named(scatter: Scatter) -> bool:
    """Whether points are few enough, and called shortly enough, to have their names beside them."""
    return len(scatter.points) <= MOST_NAMED and max(map(len, scatter.names), default=0) <= MOST_LETTERS


def _number(axes: Any, scatter: Scatter, count: int) -> None:
    """The number of each point beside it, on the side where the fewest other points and numbers are near."""
    axes.figure.canvas.draw()
    at = axes.transData.transform([(p[0].value, p[1].value) for p in scatter.points[:count]])
    inches = 72 / axes.figure.dpi
    taken = [tuple(point * inches) for point in at]
    few = _named(scatter)
    for i, (x, y) in enumerate(list(taken)):
        text = caption(scatter.names[i], MOST_LETTERS) if few else str(i + 1)
        half = 2.2 * len(text)
        spots = [(half + 5, 6), (-half - 5, 6), (half + 5, -6), (-half - 5, -6), (0, 10), (0, -10)]
        low, high = (axes.bbox.x0 * inches, axes.bbox.x1 * inches)
        inside = [s for s in spots if low <= x + s[0] - half and x + s[0] + half <= high + 30] or spots
        near = [
            min((abs(x + dx - a) / (half + 4) + abs(y + dy - b) / 6 for a, b in taken), default=9) for dx, dy in inside
        ]
        dx, dy = inside[int(np.argmax(np.minimum(near, 2)))]
        taken.append((x + dx, y + dy))
        point = scatter.points[i]
        look: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 8}
        axes.annotate(text, (point[0].value, point[1].value), (dx, dy), color=colors.MUTED, **look)


def _note(scatter: Scatter, *, numbered: bool) -> str:
    rank = rank_correlation(scatter)
    said = f"Rank correlation over {len(scatter.points)} settings: {number(rank)}. " if rank == rank else ""
    key = ""
    if numbered and not _named(scatter):
        key = "; ".join(f"{at} {plain(name, 60)}" for at, name in enumerate(scatter.names, start=1)) + ". "
    left = len(scatter.points) - MOST_POINTS
    more = f"{left} points are left out. " if left > 0 else ""
    return (said.replace("-", "−") + more + key + plain(scatter.note, 300)).strip()


def _said(scatter: Scatter) -> str:
    each: Sequence[str] = [
        f"{plain(name, 40)} {number(x.value)}, {number(y.value)}"
        for name, (x, y) in zip(scatter.names, scatter.points, strict=True)
    ]
    return listed(each, 24)
