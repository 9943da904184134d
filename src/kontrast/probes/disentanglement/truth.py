"""The true factors of some rows, in the forms that scores of disentanglement ask for: numbers, targets and levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.probes.targets import encode
from kontrast.views import Factor, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 1e-6
"""Share of a turn that an angle may lack and yet count as 0, as 2 pi does in single precision."""


@dataclass(frozen=True)
class Truth:
    """What is true of n rows, a column for each of k factors.

    `columns` float64 [n, k] are numbers: a continuous factor as it is, a discrete one's value, and of a periodic one
    the share of a turn in [0, 1), with values that look the same being equal. `levels` int64 [n, k] count from 0: a
    discrete factor's value, and the bin of any other, from the least to the largest value of the training rows; in
    `own`, from those of these rows, for scores of one set of rows.
    """

    factors: tuple[Factor, ...]
    columns: NDArray[np.float64]
    levels: NDArray[np.int64]
    own: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        """The factors' names."""
        return tuple(factor.name for factor in self.factors)

    def at(self, rows: NDArray[np.int64]) -> Truth:
        """The truth of these rows, in this order."""
        return Truth(self.factors, self.columns[rows], self.levels[rows], self.own[rows])

    def of(self, kept: list[int]) -> Truth:
        """The truth of these factors alone."""
        factors = tuple(self.factors[i] for i in kept)
        return Truth(factors, self.columns[:, kept], self.levels[:, kept], self.own[:, kept])

    def targets(self, factor: int) -> NDArray[np.float64]:
        """What a regression is asked for [n, t]: the column, or the cosine and sine of an angle."""
        column = self.columns[:, factor]
        if self.factors[factor].kind != "periodic":
            return column[:, None]
        return np.stack([np.cos(2 * math.pi * column), np.sin(2 * math.pi * column)], 1)


def edges(column: NDArray[np.floating[Any]], bins: int) -> NDArray[np.float64]:
    """The left edges [bins] of equally wide bins from the least to the largest value of a column [n]."""
    found: NDArray[np.float64] = np.histogram(column.astype(np.float64), bins)[1][:-1]
    return found


def binned(column: NDArray[np.floating[Any]], at: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin [n] of every value, from 0, of bins with these left edges; values before the first are in the first."""
    return np.maximum(np.digitize(column.astype(np.float64), at) - 1, 0)


def truths(train: Features, test: Features, bins: int) -> tuple[Truth, Truth, list[str]]:
    """The truth of both splits, with the bins of `train`, and the factors that are constant in either and left out.

    A ValueError if that leaves none.
    """
    columns = [_columns(split) for split in (train, test)]
    found = []
    for numbers in columns:
        levels = [
            np.stack([_levels(*each, bins) for each in zip(train.factors, ends.T, numbers.T, strict=True)], 1)
            for ends in (columns[0], numbers)
        ]
        found.append(Truth(train.factors, numbers, *levels))
    moves = [all(len(np.unique(truth.levels[:, i])) > 1 for truth in found) for i in range(len(train.factors))]
    kept = [i for i, varies in enumerate(moves) if varies]
    if not kept:
        raise ValueError("every factor is constant in the train or the test rows, so nothing varies; encode more rows")
    flat = [factor.name for factor, varies in zip(train.factors, moves, strict=True) if not varies]
    return found[0].of(kept), found[1].of(kept), flat


def _columns(features: Features) -> NDArray[np.float64]:
    assert features.latents is not None
    latents = features.latents.astype(np.float64)
    targets, slices = encode(latents, features.factors)
    numbers = latents.copy()
    for i, factor in enumerate(features.factors):
        if factor.kind == "periodic":
            cosine, sine = targets[:, slices[factor.name]].T
            turn = np.arctan2(sine, cosine) / (2 * math.pi) % 1
            numbers[:, i] = np.where(turn > 1 - NEAR, 0, turn)
    return numbers


def _levels(factor: Factor, train: NDArray[np.float64], column: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    if factor.kind == "discrete":
        return column.round().astype(np.int64)
    if factor.kind == "periodic":
        # Angles of a grid are at the ends of bins, where rounding must not choose the bin.
        return np.minimum(((column + NEAR) * bins).astype(np.int64), bins - 1)
    return binned(column, edges(train, bins))
