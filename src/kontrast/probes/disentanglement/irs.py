"""IRS: whether a feature stands still as long as its factor does, whatever the others do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, positive
from kontrast.probes.probe import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class IRS(Disentanglement):
    """The interventional robustness score: how little a feature moves while one factor is held at a value.

    For feature j and factor k with levels g, over the rows of each level,

        R_jk = 1 - mean_g Q_q |h_j - E[h_j | g]| / max |h_j - E[h_j]|,      IRS = sum_j w_j max_k R_jk / sum_j w_j,

    with Q_q the `quantile` (1 is the maximum of the definition) and w_j = max |h_j - E[h_j]|, so that a feature counts
    by its range. A constant feature has range 0 and does not count; if all are constant the score is 0. In [0, 1] but
    for the difference between a mean and a level's own. Continuous and periodic factors are in `bins` of equal width,
    angles modulo their symmetry. Rows stand for interventions, which they are where factors are independent. Levels of
    few rows look more robust than they are: read the score against its null. By definition of one set of rows: `test`.

    Scores are "irs/bins=B,quantile=Q". Source: Suter et al. 2019, arXiv 1811.00007.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    bins: int = chz.field(default=20, doc="equally wide bins of continuous and periodic factors")
    quantile: float = chz.field(default=0.99, doc="quantile of the deviations within a level")
    permutations: int = chz.field(default=3, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        positive("IRS", bins=self.bins, permutations=self.permutations, seed=self.seed)
        if not 0 < self.quantile <= 1:
            raise ValueError(f"quantile of IRS must be above 0 and at most 1, not {self.quantile}; write quantile=.99")

    def least(self) -> int:
        """Rows enough for the quantile to be one of a level."""
        return 50 * self.bins

    def measure(self, train: Rows, test: Rows) -> Measured:
        matrix, reach = robustness(test.codes, test.truth.own, self.quantile)
        best = matrix.max(1)
        value = float((best * reach).sum() / reach.sum()) if reach.sum() > 0 else 0.0
        return Measured(
            {f"irs/bins={self.bins},quantile={self.quantile:g}": value},
            f"deviations within levels of {len(test.codes):,} test rows",
            matrix=matrix,
            shows="Robustness of a feature while a factor is held",
        )


def robustness(
    codes: NDArray[np.float64], levels: NDArray[np.int64], quantile: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R [m, k] of features [n, m] and levels [n, k], 0 for a constant feature; and the largest deviation of each."""
    varies = codes.max(0) > codes.min(0)
    reach = np.where(varies, np.abs(codes - codes.mean(0)).max(0), 0.0)
    found = np.zeros((codes.shape[1], levels.shape[1]))
    for k, column in enumerate(levels.T):
        groups = [codes[column == level] for level in np.unique(column)]
        moved = [np.quantile(np.abs(group - group.mean(0)), quantile, 0) for group in groups]
        found[:, k] = np.where(varies, 1 - np.mean(moved, 0) / np.where(varies, reach, 1), 0.0)
    return found, reach
