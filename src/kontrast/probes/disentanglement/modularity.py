"""Modularity: whether a feature tells of one factor and of no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.mig import told
from kontrast.probes.disentanglement.mutual import bins_of, information
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, around, positive
from kontrast.probes.probe import Layer
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class Modularity(Disentanglement):
    """How far every feature tells of one factor alone, by mutual information in bins.

    With I_jk the mutual information of feature j and factor k of K, in `bins` equally wide bins,

        modularity = mean_j 1 - (sum_k I_jk^2 - max_k I_jk^2) / ((K - 1) max_k I_jk^2)   in [0, 1],

    where a feature that tells nothing, such as a constant one, counts 0. It does not ask how much a feature tells, or
    whether all factors are told: five features of the same factor are perfectly modular. By definition a score of one
    set of rows, those of `test`. Scores are "modularity/bins=B"; the interval is of a linearized bootstrap over rows. A
    ValueError with one factor, since there is no other to tell of. Source: Ridgeway and Mozer 2018, arXiv 1802.05312.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    bins: int = chz.field(default=20, doc="equally wide bins of every feature and of continuous and periodic factors")
    permutations: int = chz.field(default=10, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        positive("Modularity", bins=self.bins, permutations=self.permutations, seed=self.seed)

    def least(self) -> int:
        """As many rows as cells that a feature and a factor share."""
        return self.bins**2

    def check(self, features: Features) -> None:
        super().check(features)
        several(len(features.factors), "Modularity")

    def measure(self, train: Rows, test: Rows) -> Measured:
        several(len(test.truth.factors), "Modularity")
        codes, levels = bins_of(test.codes, self.bins), test.truth.own
        found = information(codes, levels)
        name = f"modularity/bins={self.bins}"
        value = float(modularity(found.mutual).mean())
        bounds = around([value], _influence(found.mutual, codes, levels), 0, 1)
        return Measured(
            {name: value},
            f"{self.bins} equally wide bins on {len(codes):,} test rows",
            interval={name: bounds[0]},
            matrix=found.mutual / found.factors,
            shows="Mutual information, as a share of the factor's entropy",
        )


def several(factors: int, where: str) -> None:
    """A ValueError with fewer than two factors."""
    if factors < 2:
        raise ValueError(f"{where} compares factors, of which only {factors} varies here; ask MIG or SAP instead")


def modularity(mutual: NDArray[np.float64]) -> NDArray[np.float64]:
    """The modularity [m] of each feature, from mutual information [m, k]."""
    square = mutual**2
    largest = square.max(1)
    alive = largest > 0
    rest = (square.sum(1) - largest) / np.where(alive, largest * (square.shape[1] - 1), 1)
    return np.where(alive, 1 - rest, 0.0)


def _influence(mutual: NDArray[np.float64], codes: NDArray[np.int64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How each row moves the mean [n, 1]: each share (I_jk / I_max)^2 moves by 2 s (dI_jk / I_jk - dI_max / I_max)."""
    (m, k), n = mutual.shape, len(codes)
    total = np.zeros(n)
    for j in np.flatnonzero(mutual.max(1) > 0):
        best = int(mutual[j].argmax())
        top = told(codes[:, j], levels[:, best])
        for other in range(k):
            if other != best:
                ratio = mutual[j, other] / mutual[j, best]
                change = told(codes[:, j], levels[:, other]) - ratio * top
                total -= 2 * ratio * change / mutual[j, best] / (k - 1)
    moved: NDArray[np.float64] = total[:, None] / m
    return moved
