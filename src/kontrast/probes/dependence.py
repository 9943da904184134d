"""The randomized dependence coefficient: how much two variables depend on each other, in whatever form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAVES = 20
VARIANCE = 1 / 6
KEPT = 1e-8
"""Directions of less variance than this share of the largest are not told from rounding."""
DIRECTIONS = 6
"""So many are kept at most; of twenty waves of that variance fewer are above KEPT."""


class Waves:
    """The waves of which the randomized dependence coefficient is made (Lopez-Paz et al. 2013, arXiv 1304.7717).

    A column x [n] becomes its ranks u = rank(x) / n - 1/2, and these k = 20 random waves sin(b_l +- a_l u), with a_l
    and b_l drawn from a normal law of variance s = 1/6; in pairs, so that the sign of x does not matter. The
    coefficient is the largest canonical correlation of the waves of two columns, in [0, 1]. Waves so long are nearly
    dependent: directions of less than 1e-8 of the variance are left out. (Public code keeps them, and with them noise
    of a thousand rows reaches .6.)

    On the rows that it was fitted on, the coefficient is above 0 for independent columns, too. So combinations can be
    fitted on some rows, `columns` here, and be taken of others, with the ranks that those would have had among them.
    """

    def __init__(self, columns: NDArray[np.floating], seed: int) -> None:
        self.sorted = np.sort(columns.astype(np.float64), axis=0)
        slopes, phases = np.random.default_rng(seed).normal(size=(2, WAVES // 2)) * math.sqrt(VARIANCE)
        self.slopes, self.phases = np.concatenate([slopes, -slopes]), np.tile(phases, 2)
        self.maps = [self._whitening(column, column) for column in self.sorted.T]

    def __call__(self, columns: NDArray[np.floating]) -> NDArray[np.float64]:
        """The waves [n, m, 6] of rows [n, m], uncorrelated and of variance 1 where they were fitted, or 0."""
        white = np.empty((*columns.shape, DIRECTIONS))
        for j, (fitted, (center, whitening)) in enumerate(zip(self.sorted.T, self.maps, strict=True)):
            white[:, j] = (self._waves(columns[:, j].astype(np.float64), fitted) - center) @ whitening
        return white

    def _waves(self, column: NDArray[np.float64], fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        below, upto = np.searchsorted(fitted, column, "left"), np.searchsorted(fitted, column, "right")
        ranks = (below + upto - len(fitted)) / (2 * len(fitted))
        waves: NDArray[np.float64] = np.sin(ranks[:, None] * self.slopes + self.phases)
        return waves

    def _whitening(
        self, column: NDArray[np.float64], fitted: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The mean [k] of the waves, and a map [k, 6] to their principal directions at variance 1."""
        waves = self._waves(column, fitted)
        center = waves.mean(0)
        size, axes = np.linalg.eigh((waves - center).T @ (waves - center) / len(waves))
        size, axes = size[::-1][:DIRECTIONS], axes[:, ::-1][:, :DIRECTIONS]
        kept = size > max(KEPT * size[0], 1e-14)
        return center, axes * np.where(kept, 1 / np.sqrt(np.where(kept, size, 1)), 0)


def canonical(
    z: NDArray[np.float64], h: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of white waves z [n, d, k] and h [n, m, k]: the largest canonical correlations [d, m], and their two directions.

    The directions [d, m, k] combine the waves of a column of z, and of a column of h, to the two correlated variables.
    """
    n, d, k = z.shape
    m = h.shape[1]
    cross = (z.reshape(n, -1).T @ h.reshape(n, -1) / n).reshape(d, k, m, k).swapaxes(1, 2)
    left, size, right = np.linalg.svd(cross)
    return np.clip(size[..., 0], 0, 1), left[..., 0], right[..., 0, :]


def rdc(z: NDArray[np.floating], h: NDArray[np.floating], seed: int = 0) -> NDArray[np.float64]:
    """The randomized dependence coefficient [d, m] of every column of z [n, d] with every column of h [n, m].

    It is taken on the rows it is fitted on, as published, and 0 with a constant column.
    """
    return canonical(*(Waves(columns, seed + side)(columns) for side, columns in enumerate((z, h))))[0]
