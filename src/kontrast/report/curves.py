"""Curves: those of training, over its steps, and those that a probe shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.panels import Curves, Line
from kontrast.report import colors
from kontrast.report.figures import Drawing, caption, captions, figure, finish, legend, listed, ticks
from kontrast.report.layout import number
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Points = Sequence[tuple[float, float]]

MOST_CURVES, MOST_POINTS, MOST_LINES = 12, 1000, 16
NAMES = {
    "online": "online probe",
    "batch": "training batch",
    "gradient": "gradient flow",
    "update": "step over weights",
    "std": "spread of embeddings",
    "rank": "effective rank",
    "alarm": "collapse alarm",
    "rate": "learning rate",
    "gradient_norm": "gradient norm",
    "waiting": "waiting for data",
}
"""Groups of metrics.jsonl as headings, in the order in which they are shown, after the loss and before all others."""
BLOCKWISE = ("gradient", "update")
"""Groups of one value for each block of the network, from input to output, that go over powers of ten."""


def title(name: str) -> str:
    """A name of metrics.jsonl as a heading."""
    return NAMES.get(name, plain(name, 40).replace("_", " "))


def curves(metrics: Sequence[Mapping[str, object]]) -> list[Drawing]:
    """One figure for each group of metrics ("loss" and "loss/alignment" are one), over the steps.

    An alarm that was never given is left out.
    """
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for at, row in enumerate(metrics):
        step = row.get("step", at)
        for key, value in row.items():
            if key not in ("step", "epoch") and numeric(value) and numeric(step):
                group, _, part = key.partition("/")
                groups.setdefault(group, {}).setdefault(part, []).append((float(step), float(value)))  # type: ignore[arg-type]
    if not any(value for points in groups.get("alarm", {}).values() for _, value in points):
        groups.pop("alarm", None)
    order = ["loss", *NAMES]
    names = sorted(groups, key=lambda name: order.index(name) if name in order else len(order))
    return [_over_steps(at, name, groups[name]) for at, name in enumerate(names[:MOST_CURVES])]


def numeric(value: object) -> bool:
    """Whether a value of metrics.jsonl is a number, whole or not."""
    return isinstance(value, float) or (isinstance(value, int) and type(value) is int and abs(value) < 10**300)


def _over_steps(at: int, name: str, parts: Mapping[str, Points]) -> Drawing:
    logarithmic = name in BLOCKWISE and any(y > 0 for points in parts.values() for _, y in points)
    ordered = name in BLOCKWISE or len(parts) > len(colors.SERIES)
    palette = ramp(len(parts)) if ordered else colors.SERIES
    made, axes = figure(3.1, 2.1 if len(parts) < 7 else 2.4)
    said = []
    for color, (part, points) in zip(palette, parts.items(), strict=False):
        x, y = np.array(sorted(points, key=lambda point: point[0])).T
        y = np.where((np.abs(y) < 1e300) & ((y > 0) | (not logarithmic)), y, np.nan)
        label = title(part.replace("encoder.", "block ") if name in BLOCKWISE else part)
        label = label or ("total" if len(parts) > 1 else title(name))
        _smoothed(axes, x, y, color, smooth=name != "rate" and len(y) >= 100, faint=name not in BLOCKWISE)
        axes.lines[-1].set(**marks(color, len(y), several=len(parts) > 1))
        key = axes.plot([], [], color=color, linewidth=1.8, label=caption(label, 28))[0]
        key.set(**{"marker": axes.lines[-2].get_marker(), "markersize": 4})
        finite = y[np.isfinite(y)]
        ends = f"from {number(float(finite[0]))} to {number(float(finite[-1]))}" if len(finite) else "never finite"
        said.append(f"{label} {ends}")
    axes.set_xlabel("step")
    _steps(axes, logarithmic)
    if len(parts) > 1:
        legend(made, axes.get_legend_handles_labels()[0])
    return finish(made, f"curve-{at}-{name}", title(name), f"{title(name)} over the steps: {'; '.join(said)}")


def _smoothed(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], color: str, *, smooth: bool, faint: bool
) -> None:
    """A curve; where it is long, its rolling mean, with the curve itself faint behind it."""
    few = np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_POINTS)).astype(int))
    if faint or not smooth:
        axes.plot(x[few], y[few], color=color, linewidth=1.6, alpha=0.22 if smooth else 1, label=None)
    if smooth:
        axes.plot(x[few], rolling(y)[few], color=color, linewidth=1.8)


def marks(color: str, points: int, *, several: bool) -> dict[str, Any]:
    """The marks of a curve: at each of its points where these are few, and at some where it has others beside it.

    Colors of an order have none on long curves.
    """
    if points < 20:
        return {"marker": colors.mark(color), "markersize": 4}
    if not several or color not in colors.THEME:
        return {}
    step = min(points, MOST_POINTS) // 5
    first = colors.SERIES.index(color) if color in colors.SERIES else len(colors.SERIES)
    return {"marker": colors.mark(color), "markersize": 4, "markevery": (first * step // 9, step)}


def _steps(axes: Axes, logarithmic: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    if logarithmic:
        axes.set_yscale("log")
    ticks(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    ticks(axes.yaxis, logarithmic)


def rolling(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over a fortieth of the curve around each point; shorter windows at the ends, gaps left out."""
    half, seen = max(1, len(y) // 80), np.isfinite(y)
    total = np.concatenate([[0.0], np.cumsum(np.where(seen, y, 0.0))])
    count = np.concatenate([[0], np.cumsum(seen)])
    low, high = np.maximum(np.arange(len(y)) - half, 0), np.minimum(np.arange(len(y)) + half + 1, len(y))
    counts = (count[high] - count[low]).astype(float)
    return np.where(counts > 0, (total[high] - total[low]) / np.where(counts > 0, counts, 1), np.nan)


def ramp(count: int) -> Sequence[str]:
    """Colors for things that have an order, from the first to the last."""
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in colors.sequential()(np.linspace(0, 1, max(count, 2)))]


def draw_curves(panel: Curves, name: str) -> Drawing:
    """The curves of a panel, each with its interval as a band; filled down to 0 if they are densities."""
    lines = panel.lines[:MOST_LINES]
    palette = iter(colors.SERIES if len(lines) <= len(colors.SERIES) else ramp(len(lines)))
    several = len(lines) > 1 or panel.diagonal
    made, axes = figure(3.1, 2.3 + (0.07 * len(lines) if several else 0))
    for axis in panel.logarithmic:
        getattr(axes, f"set_{axis}scale")("log")
    for line, label in zip(lines, captions((line.name for line in lines), 26), strict=True):
        draw_line(axes, panel, line, colors.ROLES.get(line.name) or next(palette), label, several=several)
    if panel.diagonal:
        low, high = axes.get_xlim()
        ends = np.geomspace(low, high, 50) if "x" in panel.logarithmic else np.array([low, high])
        axes.plot(ends, ends, color=colors.FLOOR, linewidth=1.2, linestyle=(0, (3, 2)), label="y = x", scalex=False)
    if panel.filled and "y" not in panel.logarithmic:
        axes.set_ylim(bottom=0)
    axes.set(xlabel=plain(panel.x, 60), ylabel=plain(panel.y, 40))
    ticks(axes.xaxis, "x" in panel.logarithmic)
    ticks(axes.yaxis, "y" in panel.logarithmic)
    if several:
        legend(made, axes.get_legend_handles_labels()[0])
    left = f"The first {len(lines)} of {len(panel.lines)} curves. " if len(panel.lines) > len(lines) else ""
    heading = plain(panel.title, 80)
    said = listed([_said(line, panel) for line in lines], 8)
    return finish(made, name, heading, f"{heading}: {said}", left + plain(panel.note, 400))


def draw_line(axes: Axes, panel: Curves, line: Line, color: str, label: str, *, several: bool = True) -> None:
    """One curve of a panel on axes, its interval as a band; with marks of its own if there are several."""
    x, y, low, high = (_positive(np.array(column), axis, panel) for column, axis in _columns(line))
    few = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int)) if len(x) else np.zeros(0, int)
    if panel.filled:
        axes.fill_between(x[few], 0, y[few], color=color, alpha=0.22, linewidth=0)
    if len(low) and len(high):
        axes.fill_between(x[few], low[few], high[few], color=color, alpha=0.18, linewidth=0)
    floor = colors.ROLES.get(line.name) == colors.FLOOR
    look = {} if panel.filled and len(x) < 20 else marks(color, len(x), several=several)
    look = {"linestyle": colors.dash(color)} if floor else look
    axes.plot(x[few], y[few], color=color, linewidth=1.7, label=label, **look)


def _columns(line: Line) -> list[tuple[tuple[float, ...], str]]:
    return [(line.x, "x"), (line.y, "y"), (line.low, "y"), (line.high, "y")]


def _positive(values: NDArray[np.float64], axis: str, panel: Curves) -> NDArray[np.float64]:
    """Values as they are, those that a logarithmic axis has no place for, or no drawing, as gaps."""
    kept = np.abs(values) < 1e300
    if axis in panel.logarithmic:
        kept &= values > 1e-300
    return np.where(kept, values, np.nan)


def _said(line: Line, panel: Curves) -> str:
    known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if np.isfinite(x) and np.isfinite(y)]
    if not known:
        return f"{plain(line.name, 40)} without a point"
    if panel.filled:
        peak = max(known, key=lambda point: point[1])
        return f"{plain(line.name, 40)} highest at {number(peak[0])}"
    ends = f"from {number(known[0][1])} at {number(known[0][0])} to {number(known[-1][1])} at {number(known[-1][0])}"
    return f"{plain(line.name, 40)} {ends}"
