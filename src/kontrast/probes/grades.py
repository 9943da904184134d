"""Grades of predicted target columns: R^2 of factors that are numbers, accuracy of those that are classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.probes.bootstrap import resampled
from kontrast.probes.determination import by_factor, r2, resampled_r2
from kontrast.probes.probe import most_frequent
from kontrast.probes.targets import Targets
from kontrast.views import Factor

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Grades(NamedTuple):
    """By name: `scores` [p] of each of p predictions, bootstrap `samples` [b] of the first, and what guessing gives."""

    scores: dict[str, NDArray[np.float64]]
    samples: dict[str, NDArray[np.float64]]
    chance: dict[str, float]


def grade(
    truth: Targets, factors: Sequence[Factor], predicted: NDArray[np.float64], resamples: int = 0, seed: int = 0
) -> Grades:
    """Score predictions [p, n, t] of the target columns [n, t].

    "r2/NAME" and "r2/mean" are of continuous and periodic factors. "accuracy/NAME" and "accuracy/mean" are of discrete
    ones, whose predicted value is the one of the largest column. Chance is 0, and the share of the most frequent value.
    """
    discrete = {factor.name for factor in factors if factor.kind == "discrete"}
    numbers = {name: own for name, own in truth.of.items() if name not in discrete}
    classes = [name for name in truth.of if name in discrete]
    found = Grades({}, {}, {})
    if numbers:
        found.scores.update(by_factor("r2", r2(truth.columns, predicted), numbers))
        found.chance.update(dict.fromkeys(found.scores, 0.0))
        if resamples:
            drawn = resampled_r2(truth.columns, predicted[0], resamples, seed)
            found.samples.update(by_factor("r2", drawn, numbers))
    if classes:
        _grade_classes(found, truth, classes, factors, predicted, resamples, seed)
    return found


def _grade_classes(
    found: Grades,
    truth: Targets,
    names: list[str],
    factors: Sequence[Factor],
    predicted: NDArray[np.float64],
    resamples: int,
    seed: int,
) -> None:
    spans = _spans(factors)
    named = [truth.columns[:, spans[name]].argmax(1) for name in names]
    right = np.stack([predicted[..., spans[name]].argmax(-1) == own for name, own in zip(names, named, strict=True)])
    each = {name: [i] for i, name in enumerate(names)}
    found.scores.update(by_factor("accuracy", right.mean(-1).T, each))
    shares = np.array([most_frequent(own) for own in named])
    found.chance.update({name: float(row) for name, row in by_factor("accuracy", shares, each).items()})
    if resamples:
        drawn = resampled(right[:, 0].T.astype(np.float64), resamples, seed)
        found.samples.update(by_factor("accuracy", drawn, each))


def _spans(factors: Sequence[Factor]) -> dict[str, slice]:
    """The columns of each factor as `encode` lays them out."""
    spans, start = {}, 0
    for factor in factors:
        width = {"continuous": 1, "periodic": 2, "discrete": factor.size or 0}[factor.kind]
        spans[factor.name] = slice(start, start + width)
        start += width
    return spans
