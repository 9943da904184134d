"""The figures of a report: how they look, the curves of training, and the recovery of each factor."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.report import colors
from kontrast.report.answer import factor_rows
from kontrast.report.record import Record
from kontrast.report.tables import number, symbol
from kontrast.scores import Score
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "kontrast",
    "font.size": 9,
    "text.color": colors.INK,
    "axes.labelcolor": colors.MUTED,
    "axes.edgecolor": colors.LINE,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": colors.INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": colors.FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": colors.LINE,
    "ytick.color": colors.LINE,
    "xtick.labelcolor": colors.MUTED,
    "ytick.labelcolor": colors.MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.2,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0,
}
MOST_CURVES, MOST_POINTS, MOST_BARS, MOST_PANELS = 12, 1000, 24, 4
NAMES = {"rate": "learning rate", "batch": "training batch", "online": "online probe", "waiting": "waiting for data"}


@dataclass(frozen=True)
class Drawing:
    """A finished figure: a file name without its ending, the two files, and what it shows in words."""

    name: str
    title: str
    alt: str
    svg: str
    png: bytes


@contextmanager
def style() -> Iterator[None]:
    """The report's look and fixed bytes for the same figure, whatever the user's own settings are; then those again."""
    import matplotlib.style

    with warnings.catch_warnings(), matplotlib.style.context(["default", STYLE], after_reset=True):
        for kind in (UserWarning, RuntimeWarning):
            warnings.filterwarnings("ignore", category=kind, module=r"matplotlib|kontrast")
        yield


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own, known to no global state, with one pair of axes; sizes in inches."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.add_subplot()


def finish(made: Figure, name: str, title: str, alt: str) -> Drawing:
    """Render a figure as SVG without a background and as PNG on white."""
    svg, png = io.StringIO(), io.BytesIO()
    blank = {"Date": None, "Creator": None, "Format": None, "Type": None}
    made.savefig(svg, format="svg", dpi=220, transparent=True, metadata=blank)
    made.savefig(png, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return Drawing(slug, title, alt, svg.getvalue(), png.getvalue())


def title(name: str) -> str:
    """A name of metrics.jsonl as a heading."""
    return NAMES.get(name, plain(name, 40).replace("_", " "))


def caption(text: object, limit: int) -> str:
    """A short text for a legend, which leaves out labels that are empty or begin with an underscore."""
    short = plain(text, limit)
    return f"\u2009{short}" if short.startswith("_") else short.strip() or "\u2013"


def curves(metrics: Sequence[Mapping[str, object]]) -> list[Drawing]:
    """One figure for each group of metrics ("loss" and "loss/alignment" are one), over the steps."""
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for at, row in enumerate(metrics):
        step = row.get("step", at)
        for key, value in row.items():
            if key not in ("step", "epoch") and _numeric(value) and _numeric(step):
                group, _, part = key.partition("/")
                groups.setdefault(group, {}).setdefault(part, []).append((float(step), float(value)))  # type: ignore[arg-type]
    order = ["loss", "online", "rate"]
    names = sorted(groups, key=lambda name: order.index(name) if name in order else len(order))
    return [_curve(at, name, groups[name]) for at, name in enumerate(names[:MOST_CURVES])]


def _numeric(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and type(value) is int and abs(value) < 10**300)


def _curve(at: int, name: str, parts: Mapping[str, Sequence[tuple[float, float]]]) -> Drawing:
    from matplotlib.ticker import MaxNLocator

    made, axes = figure(3.1, 2.1)
    said = []
    for color, (part, points) in zip(colors.SERIES, parts.items(), strict=False):
        x, y = np.array(sorted(points, key=lambda point: point[0])).T
        y = np.where(np.abs(y) < 1e300, y, np.nan)
        label = title(part) or ("total" if len(parts) > 1 else title(name))
        smooth = _rolling(y) if name != "rate" and len(y) >= 100 else None
        single = {"marker": "o", "markersize": 3} if len(y) < 20 else {}
        few = np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_POINTS)).astype(int))
        axes.plot(x[few], y[few], color=color, linewidth=1.6, alpha=1 if smooth is None else 0.22, label=None, **single)  # type: ignore[arg-type]
        if smooth is not None:
            axes.plot(x[few], smooth[few], color=color, linewidth=1.8)
        axes.plot([], [], color=color, linewidth=1.8, label=caption(label, 28))
        finite = y[np.isfinite(y)]
        ends = f"from {number(float(finite[0]))} to {number(float(finite[-1]))}" if len(finite) else "never finite"
        said.append(f"{label} {ends}")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_tick)
    if len(parts) > 1:
        made.legend(loc="outside upper left", ncols=3, columnspacing=1)
    return finish(made, f"curve-{at}-{name}", title(name), f"{title(name)} over the steps: {'; '.join(said)}")


def _tick(value: float, _: object) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}".replace("-", "\u2212")
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}".replace("-", "\u2212")


def _rolling(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over a fortieth of the curve around each point; shorter windows at the ends, gaps left out."""
    half, seen = max(1, len(y) // 80), np.isfinite(y)
    total = np.concatenate([[0.0], np.cumsum(np.where(seen, y, 0.0))])
    count = np.concatenate([[0], np.cumsum(seen)])
    low, high = np.maximum(np.arange(len(y)) - half, 0), np.minimum(np.arange(len(y)) + half + 1, len(y))
    counts = (count[high] - count[low]).astype(float)
    return np.where(counts > 0, (total[high] - total[low]) / np.where(counts > 0, counts, 1), np.nan)


def bars(record: Record) -> list[Drawing]:
    """For each probe that scored single factors, a bar a factor, with marks for what is no achievement."""
    return [
        _bars(f"bars-{at}-{panel}-{probe}", probe, rows[:MOST_BARS])
        for at, (probe, found) in enumerate(list(factor_rows(record).items())[:MOST_PANELS])
        for panel, rows in enumerate(_panels(found))
    ]


def _panels(rows: Sequence[Score]) -> list[list[Score]]:
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
    """A tick across the bar for each score that is no achievement, with a rim so that it is seen on the bar."""
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
        keys += axes.plot([], [], "|", color=color, markersize=9, markeredgewidth=2.2, label=label)
    return keys


def _said(row: Score) -> str:
    floors = [f"{number(x)} {key}" for key in ("untrained", "raw", "null") if (x := getattr(row, key)) is not None]
    return f" ({', '.join(floors)})" if floors else ""
