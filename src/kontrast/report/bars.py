"""Bars: the recovery of each factor, and any values by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.panels import Bars
from kontrast.report import colors
from kontrast.report.answer import factor_rows
from kontrast.report.figures import WIDTH, Drawing, Size, caption, captions, figure, finish, legend, listed, ticks
from kontrast.report.layout import number, symbol
from kontrast.report.record import Record
from kontrast.scores import Score
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS, MOST_PANELS = 24, 4
MOST_LETTERS = 22
"""Letters of a name beside a bar; longer ones take two columns of the page."""


def bars(record: Record) -> list[Drawing]:
    """For each probe that scored single factors, a bar a factor, with marks for what is no achievement."""
    return [
        _bars(f"bars-{at}-{part}-{probe}", probe, rows[:MOST_BARS])
        for at, (probe, found) in enumerate(list(factor_rows(record).items())[:MOST_PANELS])
        for part, rows in enumerate(_together(found))
    ]


def _together(rows: Sequence[Score]) -> list[list[Score]]:
    """Metrics that score different factors share a panel; those that score the same ones do not."""
    panels: list[list[Score]] = []
    for name in dict.fromkeys(row.name for row in rows):
        mine = [row for row in rows if row.name == name]
        home = next((p for p in panels if not {row.of for row in p} & {row.of for row in mine}), None)
        if home is None:
            panels.append(mine)
        else:
            home.extend(mine)
    return panels


def _bars(name: str, probe: str, rows: Sequence[Score]) -> Drawing:
    made, axes = figure(4.8, 0.95 + 0.36 * len(rows))
    metrics = list(dict.fromkeys(row.name for row in rows))
    low = -0.06 if any((getattr(row, key) or 0) < 0 for row in rows for key in ("value", "untrained", "raw")) else -0.01
    high = max(1.01, *(row.value for row in rows if np.isfinite(row.value)), 0)
    at = np.arange(len(rows))
    spread = [row.deviation or 0 for row in rows] if any(row.deviation for row in rows) else None
    whisker = {"ecolor": colors.INK, "elinewidth": 1.1}
    values = np.nan_to_num(np.clip([row.value for row in rows], low, None))
    bar = axes.barh(at, values, height=0.36, color=colors.TRAINED, xerr=spread, error_kw=whisker, label="trained")
    keys = [bar, *_marks(axes, rows, low)]
    for y, row in enumerate(rows):
        axes.text(1.02, y, number(row.value), transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    several = len(metrics) > 1
    axes.set_yticks(at, [plain(row.of, 22) + (f" ({symbol(row.name)})" if several else "") for row in rows])
    axes.tick_params(axis="y", labelcolor=colors.INK, labelsize=9)
    axes.set(xlim=(low, high), ylim=(len(rows) - 0.45, -0.55), xlabel=f"held-out {' or '.join(map(symbol, metrics))}")
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    made.legend(handles=keys, loc="outside upper left", ncols=5, columnspacing=1.2, handletextpad=0.5)
    said = "; ".join(f"{plain(row.of, 40)} {number(row.value)}" + _said(row) for row in rows)
    return finish(made, name, plain(probe, 60), f"Score of each factor, {plain(probe, 60)}: {said}")


def _marks(axes: Axes, rows: Sequence[Score], low: float) -> list[Any]:
    """A tick across the bar for each score that is no achievement, on it a mark of its own, with a rim to be seen."""
    floors = [row.chance if row.null is None else row.null for row in rows]
    named = {row.null is None for row, x in zip(rows, floors, strict=True) if x is not None}
    marks = (
        ("untrained", colors.UNTRAINED, [row.untrained for row in rows]),
        ("raw input", colors.RAW, [row.raw for row in rows]),
        ("null or chance" if len(named) > 1 else "chance" if named == {True} else "null", colors.FLOOR, floors),
    )
    keys = []
    for label, color, values in marks:
        found = [(y, max(x, low)) for y, x in enumerate(values) if x is not None and np.isfinite(x)]
        if not found:
            continue
        y, x = np.array(found).T
        axes.vlines(x, y - 0.36, y + 0.36, color=colors.PAGE, linewidth=4.6)
        axes.vlines(x, y - 0.33, y + 0.33, color=color, linewidth=2.2)
        look: dict[str, Any] = {"marker": colors.mark(color), "color": color, "markeredgecolor": colors.PAGE}
        look |= {"linestyle": "", "markersize": 6.0, "markeredgewidth": 0.7}
        axes.plot(x, y - 0.33, clip_on=False, **look)
        keys += axes.plot([], [], label=label, **look)
    return keys


def _said(row: Score) -> str:
    floors = [f"{number(x)} {key}" for key in ("untrained", "raw", "null") if (x := getattr(row, key)) is not None]
    return f" ({', '.join(floors)})" if floors else ""


def draw_bars(panel: Bars, name: str) -> Drawing:
    """Horizontal bars with their intervals, and a dashed line for each of the values that they are read against."""
    names, values = panel.names[:MOST_BARS], np.array(panel.values[:MOST_BARS])
    size: Size = "two" if max(map(len, names), default=0) > MOST_LETTERS else ""
    made, axes = figure(WIDTH[size], 0.75 + 0.26 * len(names) + 0.2 * bool(panel.references))
    at = np.arange(len(names))
    axes.barh(at, np.nan_to_num(values), height=0.56, color=colors.TRAINED)
    if panel.low and panel.high:
        low, high = (np.array(bound[:MOST_BARS]) for bound in (panel.low, panel.high))
        axes.hlines(at, low, high, color=colors.PAGE, linewidth=3.4)
        axes.hlines(at, low, high, color=colors.INK, linewidth=1.2)
    others = iter(colors.SERIES[1:] * len(panel.references))
    for label, x in panel.references.items():
        color = colors.ROLES.get(label) or next(others)
        if np.isfinite(x):
            axes.axvline(x, color=color, linewidth=1.4, linestyle=colors.dash(color), label=caption(label, 18))
    for y, value in enumerate(values):
        axes.text(1.02, y, number(value).replace("nan", "–"), transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(at, captions(names, 44 if size else MOST_LETTERS))
    axes.tick_params(axis="y", labelcolor=colors.INK)
    axes.set(ylim=(len(names) - 0.45, -0.55), xlabel=plain(panel.y, 60))
    ticks(axes.xaxis, most=4)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    legend(made, axes.get_legend_handles_labels()[0], WIDTH[size])
    said = listed([f"{plain(each, 40)} {number(value)}" for each, value in zip(names, values, strict=True)], MOST_BARS)
    against = "".join(f", {plain(key, 40)} {number(x)}" for key, x in [*panel.references.items()][:6])
    left = f"The first {len(names)} of {len(panel.names)}. " if len(panel.names) > len(names) else ""
    title = plain(panel.title, 80)
    return finish(made, name, title, f"{title}: {said}{against}", left + plain(panel.note, 400), size)
