"""Settings of a study beside their baseline, and the levels of an axis over all others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from kontrast.results.results import Levels, Results
from kontrast.results.statistics import Difference, Summary, corrected, subtract, summarize

FLOORS = ("untrained", "raw", "null", "chance", "ceiling")
"""What a score has beside its value."""


@dataclass(frozen=True)
class Compared:
    """One setting, or one level of an axis, in one column.

    `difference` is that to the baseline, and None of the baseline itself and where there is no baseline. `floors` are
    the means over seeds of what is known beside the score: "untrained", "raw", "null", "chance" and "ceiling".
    """

    levels: Levels
    summary: Summary
    difference: Difference | None
    floors: dict[str, float]


def compare(results: Results, name: str = "", baseline: Levels | None = None) -> tuple[Compared, ...]:
    """Every setting in one column, with its difference to the baseline over the seeds that both have.

    The p values of all comparisons of the column are one family. `baseline` is a setting other than that of the study.
    """
    column, basis = results.chosen(name), results.baseline if baseline is None else baseline
    scores = {levels: results.of(levels, column) for levels in results.settings}
    values = {levels: {seed: score.value for seed, score in of.items()} for levels, of in scores.items()}
    others = [levels for levels in scores if basis in scores and levels != basis]
    differences = corrected([subtract(values[levels], values[basis]) for levels in others])
    found = dict(zip(others, differences, strict=True))
    return tuple(
        Compared(levels, summarize(values[levels]), found.get(levels), _floors(scores[levels].values()))
        for levels in scores
    )


def _floors(scores: Iterable[object]) -> dict[str, float]:
    rows = [*scores]
    known = {name: [value for row in rows if (value := getattr(row, name)) is not None] for name in FLOORS}
    finite = {name: values for name, values in known.items() if values and all(map(math.isfinite, values))}
    # The mean of equal numbers may round to another.
    return {name: values[0] if len({*values}) == 1 else fmean(values) for name, values in finite.items()}


def main_effects(results: Results, axis: str, name: str = "", baseline: str = "") -> tuple[Compared, ...]:
    """The levels of one axis, each as the mean over all choices of the other axes, beside one level.

    For each seed the mean is over those choices that have a score at every level of the axis, so that levels differ by
    nothing else; where there are none, as in random draws, no level has a value. `baseline` is the level that others
    are compared with: that of the study's baseline, or else the first. ValueError for an axis that there is none of.
    """
    if axis not in results.axes:
        raise ValueError(f"no axis of this study is named {axis!r}; write one of {', '.join(results.axes)}")
    at, column = [*results.axes].index(axis), results.chosen(name)
    levels = tuple(dict.fromkeys(each[at] for each in results.settings))
    known: dict[tuple[Levels, int], dict[str, float]] = {}
    for setting in results.settings:
        for seed, score in results.of(setting, column).items():
            if math.isfinite(score.value):
                known.setdefault((setting[:at] + setting[at + 1 :], seed), {})[setting[at]] = score.value
    blocks: dict[int, list[dict[str, float]]] = {}
    for (_, seed), values in known.items():
        if len(values) == len(levels):
            blocks.setdefault(seed, []).append(values)
    means = {level: {seed: fmean(one[level] for one in of) for seed, of in blocks.items()} for level in levels}
    basis = baseline or (results.baseline[at] if results.baseline else levels[0] if levels else "")
    others = [level for level in levels if level != basis and basis in means]
    found = dict(zip(others, corrected([subtract(means[one], means[basis]) for one in others]), strict=True))
    return tuple(Compared((one,), summarize(means[one]), found.get(one), {}) for one in levels)


def missing(results: Results) -> tuple[tuple[Levels, int], ...]:
    """The settings and seeds that have no outcome although another setting has that seed."""
    seeds = sorted({outcome.seed for outcome in results.outcomes})
    there = {(outcome.levels, outcome.seed) for outcome in results.outcomes}
    return tuple(cell for cell in product(results.settings, seeds) if cell not in there)
