"""One score against another: a point a setting, with its intervals on both axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kontrast.report import colors
from kontrast.report.figures import WIDTH, Drawing, Size, captions, figure, finish, legend, listed, ticks
from kontrast.report.layout import number
from kontrast.report.seeds import Center
from kontrast.text import plain

MOST_POINTS, MOST_NUMBERED, MOST_NAMED, MOST_LETTERS = 400, 16, 6, 22
FEWEST = 4
"""Points below which a rank correlation says nothing."""
HALF, HIGH = 2.3, 4.6
"""Half the width of a letter beside a point, and half its height, in points of an inch."""
SPOTS = (
    *((1.0, 5.0, 6.0), (-1.0, -5.0, 6.0), (1.0, 5.0, -6.0), (-1.0, -5.0, -6.0), (1.0, 6.0, 0.0), (-1.0, -6.0, 0.0)),
    *(
        (0.0, 0.0, 10.0),
        (0.0, 0.0, -10.0),
        (0.5, 4.0, 11.0),
        (-0.5, -4.0, 11.0),
        (0.5, 4.0, -11.0),
        (-0.5, -4.0, -11.0),
    ),
)
"""Where a text can be, the better first: shares of half its width to the side, and points to the side and up."""

Spot = tuple[float, float]


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
    labels = captions(groups, 26)
    for at, group in enumerate(groups if several else [""]):
        mine = [p for i, p in enumerate(points) if not several or scatter.groups[i] == group]
        color = colors.SERIES[at] if several else colors.TRAINED
        x, y = (np.array([p[axis].value for p in mine]) for axis in (0, 1))
        errors = [np.array([[p[i].value - p[i].low, p[i].high - p[i].value] for p in mine]).T for i in (0, 1)]
        look: dict[str, Any] = {"linestyle": "", "marker": colors.mark(color), "markersize": 4.8, "color": color}
        look |= {"elinewidth": 0.8, "ecolor": (color, 0.45)}
        axes.errorbar(x, y, xerr=errors[0], yerr=errors[1], label=labels[at], **look)
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
    named = numbered and _number(axes, scatter, len(points))
    title = plain(scatter.title, 80)
    return finish(made, name, title, f"{title}: {_said(scatter)}", _note(scatter, keyed=numbered and not named), size)


def _number(axes: Any, scatter: Scatter, count: int) -> bool:
    """Write beside each point its name, or its number where names are many, long, or in each other's way.

    Whether it was names.
    """
    axes.figure.draw_without_rendering()
    scale = 72 / axes.figure.dpi
    at = [(float(x) * scale, float(y) * scale) for x, y in axes.transData.transform(
        [(p[0].value, p[1].value) for p in scatter.points[:count]]
    )]  # fmt: skip
    ends = (axes.bbox.x0 * scale, axes.bbox.x1 * scale + 30)
    texts = captions(scatter.names[:count], MOST_LETTERS)
    named = count <= MOST_NAMED and max(map(len, scatter.names), default=0) <= MOST_LETTERS
    spots, clear = _beside(at, [HALF * len(text) for text in texts], ends) if named else ([], False)
    if not clear:
        texts = [str(i) for i in range(1, count + 1)]
        spots, _ = _beside(at, [HALF * len(text) for text in texts], ends)
    look: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 8}
    for text, point, spot in zip(texts, scatter.points, spots, strict=False):
        axes.annotate(text, (point[0].value, point[1].value), spot, color=colors.MUTED, **look)
    return clear


def _beside(at: list[Spot], halves: list[float], ends: Spot) -> tuple[list[Spot], bool]:
    """For each point the place of a text half as wide as given, and whether none covers another, or is another's.

    Texts are moved in turns, each to where it is least in the way.
    """
    places = [[(x * half + dx, dy) for x, dx, dy in SPOTS] for half in halves]
    chosen = [0] * len(at)

    def cost(i: int, spot: Spot) -> float:
        x, y = at[i][0] + spot[0], at[i][1] + spot[1]
        found = 100.0 * (x - halves[i] < ends[0] or x + halves[i] > ends[1])
        own = max(abs(spot[0]) - halves[i], 0) + max(abs(spot[1]) - HIGH, 0)
        for j in range(len(at)):
            if j != i:
                there = tuple(a + b for a, b in zip(at[j], places[j][chosen[j]], strict=True))
                found += 10.0 * (abs(x - there[0]) < halves[i] + halves[j] and abs(y - there[1]) < 2 * HIGH)
                away = [max(abs(x - at[j][0]) - halves[i], 0), max(abs(y - at[j][1]) - HIGH, 0)]
                found += 10.0 * (max(away) < 2 and at[j] != at[i]) + 1.0 * (sum(away) < own - 0.5)
        return found

    for _ in range(4):
        for i, spots in enumerate(places):
            chosen[i] = int(np.argmin([cost(i, spot) for spot in spots]))
    found = [spots[spot] for spots, spot in zip(places, chosen, strict=True)]
    return found, max((cost(i, spot) for i, spot in enumerate(found)), default=0.0) < 1


def _note(scatter: Scatter, *, keyed: bool) -> str:
    rank = rank_correlation(scatter)
    said = f"Rank correlation over {len(scatter.points)} settings: {number(rank)}. " if rank == rank else ""
    key = ""
    if keyed:
        key = "; ".join(f"{at} {name}" for at, name in enumerate(captions(scatter.names, 60), start=1)) + ". "
    left = len(scatter.points) - MOST_POINTS
    more = f"{left} points are left out. " if left > 0 else ""
    return (said.replace("-", "−") + more + key + plain(scatter.note, 300)).strip()


def _said(scatter: Scatter) -> str:
    each: Sequence[str] = [
        f"{plain(name, 40)} {number(x.value)}, {number(y.value)}"
        for name, (x, y) in zip(scatter.names, scatter.points, strict=True)
    ]
    return listed(each, 24)
