"""SAP: whether one feature predicts a factor, and no other does as well."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, around, positive
from kontrast.probes.disentanglement.truth import Truth
from kontrast.probes.probe import Layer, moments

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class SAP(Disentanglement):
    """The separated attribute predictability: the gap between the two features that best predict a factor alone.

    With S_jk how well feature j alone predicts factor k on `test`, and (1), (2) the best and second best feature,

        SAP = mean_k S_(1)k - S_(2)k.

    For a continuous factor S is R^2 of a line fitted on `train`, in (-inf, 1]; for others it is the accuracy of a
    linear support vector machine with C and balanced classes, fitted on `train`: of a discrete factor as it is, of a
    periodic one in `bins` of its angle modulo its symmetry, for which a line would not do. Features are standardized,
    so their scale does not matter. With one feature the second best is the guess: S of a constant.

    With held_out=False, a continuous factor's S is the squared correlation on `test` itself, as in the definition,
    where a line is fitted to the rows it is scored on; the two agree in many rows. Scores are "sap/C=.." and those of
    each factor; intervals are of linearized bootstraps over the rows. Source: Kumar et al. 2018, arXiv 1711.00848.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    C: float = chz.field(default=0.01, doc="inverse penalty of the support vector machine")
    bins: int = chz.field(default=20, doc="equally wide bins of a periodic factor")
    held_out: bool = chz.field(default=True, doc="score lines on other rows than they are fitted on")
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        positive("SAP", bins=self.bins, permutations=self.permutations, seed=self.seed)
        if not 0 < self.C < float("inf"):
            raise ValueError(f"C of SAP must be above 0 and finite, not {self.C}; write C=.01")

    def measure(self, train: Rows, test: Rows) -> Measured:
        hits = [self._hits(train, test, k) for k in range(len(train.truth.factors))]
        scores = np.stack([each.mean(0) for each in hits], 1)
        order = np.argsort(-scores, 0, kind="stable")
        rows = range(scores.shape[1])
        guess = [self._hits(_blank(train), _blank(test), k) if len(scores) < 2 else hits[k] for k in rows]
        moved = [hits[k][:, order[0, k]] - guess[k][:, order[1, k] if len(scores) > 1 else 0] for k in rows]
        each = np.stack(moved, 1)
        gaps = each.mean(0)
        name = f"sap/C={self.C:g}{'' if self.held_out else ',in_sample'}"
        names = [name, *(f"{name}/{factor}" for factor in test.truth.names)]
        values = [float(gaps.mean()), *map(float, gaps)]
        columns = np.concatenate([each.mean(1, keepdims=True), each], 1)
        bounds = around(values, columns, -np.inf, 1)
        fitted = f"fitted on {len(train.codes):,} rows and scored on {len(test.codes):,}"
        return Measured(
            {name: values[0]},
            f"single features, {fitted if self.held_out else f'{fitted}, lines on these themselves'}",
            {name: dict(zip(test.truth.names, values[1:], strict=True))},
            dict(zip(names, bounds, strict=True)),
            matrix=np.maximum(scores, 0),
            shows="How well a feature alone predicts a factor",
        )

    def _hits(self, train: Rows, test: Rows, factor: int) -> NDArray[np.float64]:
        """What every row of `test` adds to the score [n, m] of each feature; the score is the mean."""
        if train.truth.factors[factor].kind == "continuous":
            return _line(train, test, factor) if self.held_out else _line(test, test, factor)
        return np.stack([self._right(*pair, train.truth, test.truth, factor) for pair in _pairs(train, test)], 1)

    def _right(
        self, code: NDArray[np.float64], held: NDArray[np.float64], fit: Truth, truth: Truth, factor: int
    ) -> NDArray[np.float64]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        mean, deviation = moments(code[:, None])
        model = LinearSVC(C=self.C, class_weight="balanced", dual=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((code[:, None] - mean) / deviation, fit.levels[:, factor])
        right: NDArray[np.bool_] = model.predict((held[:, None] - mean) / deviation) == truth.levels[:, factor]
        return right.astype(np.float64)


def _pairs(train: Rows, test: Rows) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    return list(zip(train.codes.T, test.codes.T, strict=True))


def _blank(rows: Rows) -> Rows:
    return Rows(np.zeros((len(rows.codes), 1)), rows.truth)


def _line(train: Rows, test: Rows, factor: int) -> NDArray[np.float64]:
    """1 - e^2 / v [n, m], with e the error of the line from each feature and v the factor's variance in `test`.

    To the first order, that is also how much a row moves R^2 but for (1 - R^2) (d^2 / v - 1), d the distance from the
    factor's mean, which is added: its mean is 0.
    """
    x, held = train.codes, test.codes
    t, wanted = (rows.truth.columns[:, factor] for rows in (train, test))
    mean, deviation = moments(x)
    slope = ((x - mean) / deviation).T @ (t - t.mean()) / len(t)
    error = (wanted - t.mean())[:, None] - (held - mean) / deviation * slope
    share = (wanted - wanted.mean()) ** 2 / wanted.var()
    lost = error**2 / wanted.var()
    found: NDArray[np.float64] = 1 - lost + lost.mean(0) * (share - 1)[:, None]
    return found
