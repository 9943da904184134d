"""Heat: a matrix with named rows and columns, its numbers in its cells where there is room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kontrast.panels import Heat
from kontrast.report import colors
from kontrast.report.figures import WIDTH, Drawing, Size, captions, figure, finish, legend, listed
from kontrast.report.layout import number
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

DEEPEST = 0.62
"""The strongest tint of a cell: numbers in the ink of the page can be read on it, on light and on dark."""
MOST_CELLS = 900
"""Cells drawn as shapes; more than these are one picture."""
MOST_SIDE, MOST_WRITTEN, MOST_LETTERS = 400, 32, 32
"""Rows and columns that are drawn, rows up to which their numbers are, and letters of the name of a row."""
PICTURED = ("#d9704f", "#4d7df0")
"""Colors of a matrix that is one picture, which knows no theme: they can be seen on light and on dark."""
LETTER, POINTS = 4.9, 72.0
"""Width of a letter of a label, and the points of an inch."""


class Room(NamedTuple):
    """How a matrix is laid out: columns of the page, points of a cell, and what is written in it."""

    size: Size
    wide: float
    high: float
    numbers: bool
    intervals: bool
    turned: bool


def draw_heat(panel: Heat, name: str) -> Drawing:
    """Cells tinted by their value, from none at 0 (or at the center) to the strongest at the largest distance."""
    rows, columns = panel.rows[:MOST_SIDE], panel.columns[:MOST_SIDE]
    values, low, high = (_table(each, len(rows), len(columns)) for each in (panel.values, panel.low, panel.high))
    assert values is not None
    room = _room(panel, values, low is not None and high is not None)
    top = 0.2 + (0.055 * min(18, _longest(columns)) if room.turned else 0.15) + 0.2 * bool(panel.column)
    made, axes = figure(WIDTH[room.size], top + 0.12 + room.high * len(rows) / POINTS + (0 if room.numbers else 0.35))
    tints = _tints(values, panel)
    _cells(axes, tints)
    if room.numbers:
        _write(axes, values, low if room.intervals else None, high)
    else:
        _scale(made, values, panel, WIDTH[room.size])
    _label(axes, panel, rows, columns, room)
    heading = plain(panel.title, 80)
    left = [
        f"the first {MOST_SIDE} {what}"
        for what, all_ in (("rows", panel.rows), ("columns", panel.columns))
        if len(all_) > MOST_SIDE
    ]
    cut = (
        "The intervals are left out for want of room."
        if low is not None and high is not None and not room.intervals
        else ""
    )
    note = " ".join(filter(None, [f"Shown: {' and '.join(left)}." if left else "", plain(panel.note, 400), cut]))
    return finish(made, name, heading, f"{heading}: {_said(rows, columns, values)}", note, room.size)


def _table(values: tuple[tuple[float, ...], ...], rows: int, columns: int) -> NDArray[np.float64] | None:
    if not values:
        return None if rows else np.zeros((0, columns))
    return np.array([row[:columns] for row in values[:rows]]).reshape(rows, columns)


def _longest(names: tuple[str, ...]) -> int:
    return max(map(len, names), default=0)


def _room(panel: Heat, values: NDArray[np.float64], bounded: bool) -> Room:
    """The smallest of the three widths at which each number fits its cell: with its interval, else alone, else none."""
    labels = LETTER * min(MOST_LETTERS, _longest(panel.rows)) + 22
    digits = max((len(_cell(x, values)) for x in values.ravel()[:MOST_CELLS]), default=1)
    choices = [(True, True, 52.0, 27.0)] if bounded else []
    choices += [(True, False, 5.2 * digits + 7, 19.0)]
    for numbers, intervals, wanted, high in choices:
        for fitting, inches in WIDTH.items():
            wide = (inches * POINTS - labels) / max(1, values.shape[1])
            if wide >= wanted and len(values) <= MOST_WRITTEN:
                return Room(
                    fitting, wide, high, numbers, intervals, wide < LETTER * min(18, _longest(panel.columns)) + 6
                )
    size: Size = "" if values.shape[1] <= 24 else "two" if values.shape[1] <= 64 else "three"
    wide = (WIDTH[size] * POINTS - labels) / max(1, values.shape[1])
    return Room(size, wide, float(np.clip(420 / max(1, len(values)), 1.2, 15)), False, False, True)


def _away(values: NDArray[np.float64], panel: Heat) -> tuple[float, NDArray[np.float64], float]:
    """The value without color, how far each cell is from it (0 in a gap), and the distance of the full color."""
    center = panel.center if panel.center is not None and np.isfinite(panel.center) else 0.0
    away = np.nan_to_num(values - center)
    reach = panel.reach if np.isfinite(panel.reach) else 0.0
    return center, away, float(np.abs(away).max(initial=reach))


def _tints(values: NDArray[np.float64], panel: Heat) -> NDArray[np.float64]:
    """How strongly each cell is tinted, from -1 to 1; a gap is 0."""
    _, away, most = _away(values, panel)
    return np.asarray(away / most if 0 < most < np.inf else away * 0, dtype=np.float64)


def _cells(axes: Axes, tints: NDArray[np.float64]) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    if tints.size > MOST_CELLS:
        rgba = np.zeros((*tints.shape, 4))
        rgba[..., :3] = np.where((tints < 0)[..., None], to_rgb(PICTURED[0]), to_rgb(PICTURED[1]))
        rgba[..., 3] = np.abs(tints)
        axes.imshow(rgba, aspect="auto", interpolation="nearest", extent=(0, tints.shape[1], tints.shape[0], 0))
    else:
        for (i, j), tint in np.ndenumerate(tints):
            color = colors.BELOW if tint < 0 else colors.TRAINED
            look: dict[str, Any] = {"facecolor": color, "alpha": round(DEEPEST * abs(float(tint)), 3), "linewidth": 0}
            axes.add_patch(Rectangle((j + 0.02, i + 0.04), 0.96, 0.92, **look))
    axes.set(xlim=(0, max(1, tints.shape[1])), ylim=(max(1, tints.shape[0]), 0))


def _cell(value: float, values: NDArray[np.float64]) -> str:
    """A number of a cell: whole ones as they are, others with two digits after the point where that says enough."""
    if not np.isfinite(value):
        return "–"
    finite = values[np.isfinite(values)]
    if (finite == finite.round()).all() and np.abs(finite).max() < 1e6:
        return f"{value:.0f}".replace("-", "−")
    most, apart = float(np.abs(finite).max()), float(np.ptp(finite))
    if not 0.02 <= most < 1000:
        return number(value, most).replace("-", "−")
    text = f"{value:.{3 if most < 0.1 or 0 < apart < 0.05 else 2 if most < 10 else 1 if most < 100 else 0}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")


def _write(
    axes: Axes, values: NDArray[np.float64], low: NDArray[np.float64] | None, high: NDArray[np.float64] | None
) -> None:
    for (i, j), value in np.ndenumerate(values):
        look: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": colors.INK if np.isfinite(value) else colors.MUTED,
        }
        bounds = None if low is None or high is None else (float(low[i, j]), float(high[i, j]))
        axes.text(j + 0.5, i + (0.5 if bounds is None else 0.34), _cell(value, values), fontsize=8.5, **look)
        if bounds is not None and np.isfinite(bounds).all():
            text = f"[{', '.join(_cell(x, values) for x in bounds)}]"
            axes.text(j + 0.5, i + 0.73, text, fontsize=6.6, **look)


def _scale(made: Any, values: NDArray[np.float64], panel: Heat, inches: float) -> None:
    """A few cells of the tints with the values that they stand for, below a matrix without numbers."""
    from matplotlib.patches import Patch

    middle, away, most = _away(values, panel)
    signs = [
        x
        for x in (-1.0, -0.5, 0.0, 0.5, 1.0)
        if (x >= 0 or away.min(initial=0) < 0) and (x <= 0 or away.max(initial=0) > 0)
    ]
    keys = [
        Patch(
            facecolor=colors.BELOW if x < 0 else colors.TRAINED,
            alpha=DEEPEST * abs(x) if values.size <= MOST_CELLS else abs(x),
            label=_cell(middle + x * most, np.array([middle + most, 0.5])),
            linewidth=0,
        )
        for x in signs
    ]
    legend(made, keys, inches, below=True)


def _label(axes: Axes, panel: Heat, rows: tuple[str, ...], columns: tuple[str, ...], room: Room) -> None:
    """Names of rows and columns, every k-th where they would overlap."""
    for axis, names, space, limit in (
        (axes.yaxis, rows, room.high, MOST_LETTERS),
        (axes.xaxis, columns, room.wide, 18),
    ):
        every = max(1, int(np.ceil(10 / space)))
        at = np.arange(0, len(names), every)
        axis.set_ticks(at + 0.5, captions((names[i] for i in at), limit))
    axes.tick_params(length=0, pad=2, labelcolor=colors.INK, labelsize=8.5)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    if room.turned:
        for label in axes.get_xticklabels():
            label.set(rotation=90 if room.wide < 16 else 40, ha="center" if room.wide < 16 else "left", va="bottom")
            label.set_rotation_mode("anchor" if room.wide >= 16 else "default")
    axes.set(xlabel=plain(panel.column, 40), ylabel=plain(panel.row, 40))
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _said(rows: tuple[str, ...], columns: tuple[str, ...], values: NDArray[np.float64]) -> str:
    lines = []
    for name, row in zip(rows, values, strict=True):
        cells = [f"{plain(column, 24)} {number(float(x))}" for column, x in zip(columns, row, strict=True)]
        lines.append(f"{plain(name, 24)}: {', '.join(cells[:12])}{', …' if len(cells) > 12 else ''}")
    return f"{len(rows)} rows by {len(columns)} columns; {listed(lines, 12)}"
