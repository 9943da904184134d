"""What each axis of a study does alone: bars from the mean over all, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kontrast.report import colors
from kontrast.report.figures import WIDTH, Drawing, Size, caption, captions, finish, listed, ticks
from kontrast.report.seeds import Center
from kontrast.results.numbers import digits
from kontrast.results.numbers import shown as written
from kontrast.text import plain

MOST_AXES, MOST_LEVELS = 6, 24
MOST_LETTERS = 22


def draw_effects(title: str, score: str, axes: Mapping[str, Mapping[str, Center]], note: str, name: str) -> Drawing:
    """For each axis, its levels as bars from 0, with their intervals and numbers; all axes share one scale."""
    from matplotlib.figure import Figure

    kept = {axis: dict(list(levels.items())[:MOST_LEVELS]) for axis, levels in list(axes.items())[:MOST_AXES]}
    form = digits(x.value for levels in kept.values() for x in levels.values())
    rows = [len(levels) for levels in kept.values()]
    high = 0.6 + 0.25 * sum(rows) + 0.3 * len(rows) * (len(rows) > 1)
    size: Size = "two" if max(len(level) for levels in kept.values() for level in levels) > MOST_LETTERS else ""
    made = Figure(figsize=(WIDTH[size], high), layout="constrained")
    grid = made.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=rows)
    for (axis, levels), panel in zip(kept.items(), grid.flat, strict=True):
        _bars(panel, levels, form)
        if axis:
            panel.set_title(caption(axis, 40), fontsize=9)
        panel.tick_params(axis="x", labelbottom=panel is grid.flat[-1], size=0 if panel is not grid.flat[-1] else 3.5)
    last = grid.flat[-1]
    last.set_xlabel(plain(score, 60))
    ticks(last.xaxis, most=4)
    said = [
        f"{plain(axis, 40)} {plain(level, 40)} {signed(x.value, form)}"
        for axis, levels in axes.items()
        for level, x in levels.items()
    ]
    left = sum(len(levels) for levels in axes.values()) - sum(rows)
    more = f"Shown: the first {sum(rows)} of {sum(rows) + left}. " if left else ""
    return finish(made, name, plain(title, 80), f"{plain(title, 80)}: {listed(said, 24)}", more + note, size)


def _bars(axes: Any, levels: Mapping[str, Center], form: str) -> None:
    at = np.arange(len(levels))
    values, low, high = (np.array([getattr(x, key) for x in levels.values()]) for key in ("value", "low", "high"))
    axes.barh(at, values, height=0.56, color=colors.TRAINED)
    axes.hlines(at, low, high, color=colors.PAGE, linewidth=3.4)
    axes.hlines(at, low, high, color=colors.INK, linewidth=1.2)
    axes.axvline(0, color=colors.MUTED, linewidth=0.8)
    for y, value in enumerate(values):
        axes.text(1.02, y, signed(value, form), transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(at, captions(levels, 44))
    axes.tick_params(axis="y", labelcolor=colors.INK)
    axes.set_ylim(len(levels) - 0.45, -0.55)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")


def signed(value: float, form: str = ".3f") -> str:
    """A number with its sign, as it is printed."""
    return written(value, form, sign=True).replace("-", "−")
