"""DCI: disentanglement, completeness and informativeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.importance import Learner, fitted
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, around, positive
from kontrast.probes.probe import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

TINY = 1e-11
FEWEST = 500


@chz.chz
class DCI(Disentanglement):
    """Disentanglement, completeness and informativeness, by how much features matter to models of the factors.

    R_jk >= 0 is how much feature j of m matters to a model that predicts factor k of K, fitted on `train`. With
    P = R / sum over the factors in each row, and Q = R / sum over the features in each column,

        D = sum_j w_j (1 + sum_k P_jk log_K P_jk),   w_j = sum_k R_jk / sum R   whether a feature serves one factor,
        C = sum_k v_k (1 + sum_j Q_jk log_m Q_jk),   v_k = sum_j R_jk / sum R   whether a factor needs one feature,
        I = mean_k accuracy, or R^2 where the factor is a number, on `test`     whether the model predicts it.

    D and C are in [0, 1], I in (-inf, 1]. `learner` "boosting" is the reference's gradient boosting with its settings
    (100 trees of depth 3, rate .1), "forest" a forest whose trees see all features, "lasso" the absolute weights of a
    linear model. A continuous factor is regressed, a periodic one as the cosine and sine of its angle at its symmetry,
    with the mean of their importances; the reference makes each value a class, which takes as many trees as values.
    Constant features do not matter and weigh nothing; if none matters D and C are 0. With one factor there is no D;
    with one feature that matters C is 1.

    Boosting takes time in proportion to rows times features, so at most `cells` of them are fitted, by drawing
    some of the training rows, though never fewer than 500. Scores are "disentanglement/boosting,trees=100",
    "completeness/..." and "informativeness/...", the last for each factor, with the interval of a linearized bootstrap
    over the rows of `test`.
    Source: Eastwood and Williams 2018 (ICLR).
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    learner: Learner = chz.field(default="boosting", doc="the model: boosting, forest or lasso")
    trees: int = chz.field(default=100, doc="trees of a boosting or a forest")
    penalty: float = chz.field(default=0.02, doc="penalty of the lasso, beside half the mean squared error")
    cells: int = chz.field(default=20_000, doc="most rows times features that trees are fitted to")
    bins: int = chz.field(default=20, doc="equally wide bins by which factors are found constant or dependent")
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the trees and permutations")

    @chz.validate
    def _ranges(self) -> None:
        given = {"bins": self.bins, "permutations": self.permutations, "seed": self.seed}
        positive("DCI", trees=self.trees, cells=self.cells, **given)
        if not 0 < self.penalty < float("inf"):
            raise ValueError(f"penalty of DCI must be above 0 and finite, not {self.penalty}; write penalty=.02")

    def measure(self, train: Rows, test: Rows) -> Measured:
        n, m = train.codes.shape
        most = n if self.learner == "lasso" else min(n, max(FEWEST, self.cells // m))
        rows = np.sort(np.random.default_rng(self.seed).permutation(n)[:most])
        fit = Rows(train.codes[rows], train.truth.at(rows))
        names = test.truth.names
        models = [fitted(fit, test, k, self.learner, self.trees, self.penalty, self.seed) for k in range(len(names))]
        matrix = np.stack([model.importance for model in models], 1)
        how = f"penalty={self.penalty:g}" if self.learner == "lasso" else f"trees={self.trees}"
        key = f"{self.learner},{how}"
        values = {f"disentanglement/{key}": disentanglement(matrix)} if len(names) > 1 else {}
        values[f"completeness/{key}"] = completeness(matrix)
        informed = f"informativeness/{key}"
        scores = [float(np.mean([model.score for model in models])), *(model.score for model in models)]
        values[informed] = scores[0]
        moved = np.stack([model.moved for model in models], 1)
        bounds = around(scores, np.concatenate([moved.mean(1, keepdims=True), moved], 1), -np.inf, 1)
        keys = [informed, *(f"{informed}/{name}" for name in names)]
        return Measured(
            values,
            f"{self.learner} with {how} fitted on {len(rows):,} rows, informativeness scored on {len(test.codes):,}",
            {informed: dict(zip(names, scores[1:], strict=True))},
            dict(zip(keys, bounds, strict=True)),
            matrix=matrix / np.where(matrix.sum(0) > 0, matrix.sum(0), 1),
            shows="Importance of a feature to the model of a factor",
        )


def disentanglement(matrix: NDArray[np.float64]) -> float:
    """D in [0, 1] of importances [m, k], for k >= 2."""
    weight = matrix.sum(1)
    if not weight.any():
        return 0.0
    return float((_order(matrix) * weight).sum() / weight.sum())


def completeness(matrix: NDArray[np.float64]) -> float:
    """C in [0, 1] of importances [m, k]; with one feature 1 if it matters."""
    if len(matrix) < 2:
        return float(matrix.any())
    return disentanglement(matrix.T)


def _order(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 minus the entropy [r] of each row of a matrix [r, c], as a share of log c."""
    share = (matrix + TINY) / (matrix + TINY).sum(1, keepdims=True)
    order: NDArray[np.float64] = 1 + (share * np.log(share)).sum(1) / np.log(matrix.shape[1])
    return order
