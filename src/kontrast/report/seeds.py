"""Scores of settings over their seeds, as figures show them: means with intervals, and what each axis does alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from kontrast.results import Levels, Results
from kontrast.text import plain

WORDLESS = {"true", "false", "on", "off", "yes", "no", "none"}
"""Levels that say nothing without the name of their axis, as numbers do."""


@dataclass(frozen=True)
class Center:
    """The mean of one number a seed, its 95 % interval of Student's t (NaN below three seeds), and the numbers."""

    value: float
    low: float
    high: float
    each: tuple[float, ...]


def center(values: Iterable[float]) -> Center:
    """The mean of the values that are finite, m +- t s / sqrt(n), t of n - 1 degrees of freedom; NaN without any."""
    each = tuple(value for value in values if math.isfinite(value))
    if not each:
        return Center(math.nan, math.nan, math.nan, ())
    value, half = mean(each), math.nan
    if len(each) > 2:
        from scipy.stats import t

        half = float(t.ppf(0.975, len(each) - 1)) * stdev(each) / math.sqrt(len(each))
    return Center(value, value - half, value + half, each)


def of_setting(results: Results, levels: Levels, column: str) -> Center:
    """The score of one setting in one column over its seeds."""
    return center(score.value for score in results.of(levels, column).values())


def shown(results: Results, column: str) -> dict[Levels, Center]:
    """The settings that have a score in a column, with it."""
    found = {levels: of_setting(results, levels, column) for levels in results.settings}
    return {levels: value for levels, value in found.items() if value.each}


def floor(results: Results, column: str, name: str) -> float | None:
    """The mean of what stands beside a column's scores ("untrained", "chance", ...); None where none is known."""
    scores = [score for levels in results.settings for score in results.of(levels, column).values()]
    known = [x for score in scores if (x := getattr(score, name)) is not None and math.isfinite(x)]
    return mean(known) if known else None


def varied(results: Results) -> tuple[str, ...]:
    """The axes on which the settings differ, in order."""
    return tuple(
        name for at, name in enumerate(results.axes) if len({levels[at] for levels in results.settings}) > 1
    )


def numeric(levels: Sequence[str]) -> tuple[float, ...] | None:
    """The numbers that three or more different levels are; None where any is no finite number."""
    try:
        values = tuple(float(level) for level in levels)
    except ValueError:
        return None
    return values if len(set(values)) > 2 and all(map(math.isfinite, values)) else None


def geometric(values: Sequence[float]) -> bool:
    """Whether positive numbers are spread by factors rather than by steps, so that a logarithmic axis is theirs."""
    found = np.unique(np.asarray(values, dtype=np.float64))
    if len(found) < 3 or found[0] <= 0 or found[-1] < 4 * found[0]:
        return False
    steps, factors = np.diff(found), np.diff(np.log(found))
    return bool(factors.std() / factors.mean() < steps.std() / steps.mean())


def last(axis: str, results: Results, limit: int = 40) -> str:
    """An axis by the last word of its name, or by the whole name where two would be called the same."""
    short = axis.rpartition(".")[2]
    return plain(axis if sum(other.rpartition(".")[2] == short for other in results.axes) > 1 else short, limit)


def level_name(results: Results, axis: str, level: str, limit: int = 40) -> str:
    """A level, with its axis before it where it would say nothing alone."""
    bare = not level or level.lower() in WORDLESS or _number(level)
    return plain(f"{last(axis, results)} {level}".strip() if bare else level, limit)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def setting_name(results: Results, levels: Levels, limit: int = 80) -> str:
    """A setting by its levels on the axes that vary: "Cosine · batch 256"."""
    names = list(results.axes)
    each = [level_name(results, axis, levels[names.index(axis)], limit) for axis in varied(results)]
    return plain(" · ".join(each) or "the setting", limit)


def marginal(results: Results, axis: str, column: str) -> dict[str, Center]:
    """For each level of an axis the mean over all other axes, one for each seed, over what all levels have.

    A combination of the other levels, with a seed, counts where every level was scored there: a cell that failed takes
    its counterparts with it, so that levels are compared like with like. Empty where nothing remains.
    """
    at = list(results.axes).index(axis)
    cells: dict[str, dict[tuple[Levels, int], float]] = {}
    for levels in results.settings:
        others = (*levels[:at], *levels[at + 1 :])
        for seed, score in results.of(levels, column).items():
            if math.isfinite(score.value):
                cells.setdefault(levels[at], {})[others, seed] = score.value
    if len(cells) < 2:
        return {}
    shared = set.intersection(*(set(found) for found in cells.values()))
    seeds = sorted({seed for _, seed in shared})

    def of(level: str) -> Center:
        return center(mean(x for key, x in cells[level].items() if key in shared and key[1] == seed) for seed in seeds)

    return {level: of(level) for level in cells} if shared else {}
