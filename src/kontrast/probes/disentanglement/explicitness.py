"""Explicitness: how easily a factor's values are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.logistic import logistic, unconverged
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, around, positive
from kontrast.probes.probe import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class Explicitness(Disentanglement):
    """How well logistic regression on all features tells each value of a factor from the others: the area under ROC.

    For every level c of factor k, the area under the curve of true against false positives as the threshold on the
    probability of c falls: the share of pairs (a row of c, another row) of which the first has the larger one, ties
    counting half. The factor's score is the mean over levels, the score the mean over factors, in [0, 1]; guessing
    gives .5. Fitted on standardized features of `train` with the given penalty, scored on `test`. Continuous and
    periodic factors are in `bins` of equal width, angles modulo their symmetry. Levels that are not in both splits are
    left out.

    Scores are "explicitness/bins=B,penalty=P" and those of each factor; intervals are of linearized bootstraps over the
    rows of `test`. Source: Ridgeway and Mozer 2018, arXiv 1802.05312.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    bins: int = chz.field(default=20, doc="equally wide bins of continuous and periodic factors")
    penalty: float = chz.field(
        default=1.0, doc="weight of half the squared norm of the weights, beside a sum over rows"
    )
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        positive("Explicitness", bins=self.bins, permutations=self.permutations, seed=self.seed)
        if not 0 < self.penalty < float("inf"):
            raise ValueError(f"penalty of Explicitness must be above 0 and finite, not {self.penalty}; write penalty=1")

    def measure(self, train: Rows, test: Rows) -> Measured:
        scored, moves, short = {}, [], []
        for k, name in enumerate(test.truth.names):
            found = logistic(train.codes, train.truth.levels[:, k], test.codes, self.penalty)
            short += [] if found.converged else [name]
            held = test.truth.levels[:, k]
            areas = [_area(found.probability[:, c], held == level) for c, level in enumerate(found.levels)]
            known = [area for area in areas if area is not None]
            if known:
                scored[name] = float(np.mean([value for value, _ in known]))
                moves.append(np.mean([moved for _, moved in known], 0))
        if not scored:
            raise ValueError("no value of a factor is in both the train and the test rows; encode more rows")
        name = f"explicitness/bins={self.bins},penalty={self.penalty:g}"
        names = [name, *(f"{name}/{factor}" for factor in scored)]
        values = [float(np.mean(list(scored.values()))), *scored.values()]
        each = np.stack(moves, 1)
        bounds = around(values, np.concatenate([each.mean(1, keepdims=True), each], 1), 0, 1)
        return Measured(
            {name: values[0]},
            f"logistic regression fitted on {len(train.codes):,} rows and scored on {len(test.codes):,}, each value "
            "of a factor against the others",
            {name: scored},
            dict(zip(names, bounds, strict=True)),
            unconverged(short),
        )


def _area(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]] | None:
    """The area under the curve and how each row [n] moves it (DeLong et al. 1988); None without rows of both kinds."""
    from scipy.stats import rankdata

    share = positive.mean()
    if share in (0, 1):
        return None
    rank = rankdata(score)
    placed = np.empty(len(score))
    placed[positive] = (rank[positive] - rankdata(score[positive])) / (~positive).sum()
    placed[~positive] = 1 - (rank[~positive] - rankdata(score[~positive])) / positive.sum()
    area = float(placed[positive].mean())
    return area, (placed - area) / np.where(positive, share, 1 - share)
