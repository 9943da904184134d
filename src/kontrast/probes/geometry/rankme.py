"""RankMe: how many dimensions are in use, by the entropy of the singular values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.geometry import jackknife
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPSILON = 1e-7
"""The constant of the paper, added to each share."""


@chz.chz
class RankMe(Probe):
    """RankMe: the exponential of the entropy of the singular values, a smooth rank (arXiv 2210.02885, eq. 1).

    With sigma the singular values of the rows of `test` [n, d], which are not centered,

        p_k = sigma_k / sum_j sigma_j + epsilon,        RankMe = exp(-sum_k p_k log p_k),

    from 1, where all rows lie on one line through the origin, to min(n, d). Of sigma, not of its squares, the
    eigenvalues, whose entropy is another number: the score is named "rankme/singular,eps=1e-07". Epsilon counts: at
    1e-5 a line in 512 dimensions has 1.061 instead of 1.0008. Compare only at equal n and d; Garrido et al. take 25,600
    rows. All rows 0 score 1 as a line does. The 95 % interval is a jackknife over ten blocks of rows, given where those
    are twice as many as dimensions. `train` is not looked at. A ValueError if features are not finite.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    epsilon: float = chz.field(default=EPSILON, doc="added to each share of the singular values")

    @chz.validate
    def _positive(self) -> None:
        if not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon is between 0 and 1, not {self.epsilon}; write rankme.epsilon=1e-7")

    def check(self, features: Features) -> None:
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        rows = scaled(test.values)
        n, d = rows.shape
        name = f"rankme/singular,eps={self.epsilon:g}"
        value = effective_rank(np.linalg.svd(rows, compute_uv=False), self.epsilon)
        without = jackknife.of_spectrum(rows, False, lambda squares: effective_rank(np.sqrt(squares), self.epsilon))
        interval = {} if without is None else {name: jackknife.interval(value, without, 1.0, float(min(n, d)))}
        warnings = {name: f"{n} rows cannot show a rank above {n}, and there are {d} dimensions"} if n < d else {}
        protocol = f"entropy of the singular values of {n:,} test rows of {d} dimensions, not centered"
        if interval:
            protocol += f"; {jackknife.SAID}"
        return Scores({name: value}, protocol, interval=interval, warnings=warnings)


def effective_rank(spectrum: NDArray[np.floating], epsilon: float = EPSILON) -> float:
    """exp(-sum_k p_k log p_k) with p_k = s_k / sum_j s_j + epsilon, for s >= 0 [k]; all zeros count as one direction.

    It is 1 or more: epsilon alone can bring the sum no lower than 1 - epsilon.
    """
    shares = np.asarray(spectrum, np.float64)
    total = shares.sum()
    shares = shares / total if total > 0 else np.eye(1, len(shares))[0]
    p = shares + epsilon
    return max(1.0, float(np.exp(-(p * np.log(p)).sum())))


def scaled(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The same rows in float64, divided by their largest number, so that no square of them is out of range."""
    rows = values.astype(np.float64)
    largest = np.abs(rows).max()
    return rows / largest if largest > 0 else rows
