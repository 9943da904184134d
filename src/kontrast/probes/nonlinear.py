"""Nonlinear recovery: how much of each known factor any smooth map reads off the features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import chz
import numpy as np

from kontrast.probes.bootstrap import RESAMPLES
from kontrast.probes.determination import intervals
from kontrast.probes.grades import grade
from kontrast.probes.kernels import ALPHAS, FOLDS, GAMMAS, chosen_rows, kernel_ridge
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed
from kontrast.probes.targets import Targets, check_latents, columns_of, targets
from kontrast.probes.validity import dead_codes, dependent, few_rows, remarks, said
from kontrast.views import Factor, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class NonlinearRecovery(Probe):
    """R^2 of a nonlinear map from features to each factor, fitted on `train` and scored on `test`.

    The map is, by `learner`,

    - kernel_ridge: f(x) = sum_i w_i exp(-gamma |x - x_i|^2), w = (K + alpha I)^-1 t, on features and targets that are
      standardized, with alpha and gamma by three-fold cross-validation for each target column. The grid is that of von
      Kugelgen et al. 2021 (arXiv 2106.04619), where it is for ten dimensions; for d > 10 gammas are times 10 / d. It
      costs the cube of the rows, so that it learns from `rows` of them, drawn by `seed`; they take 4,096.
    - boosting: gradient-boosted trees on binned features, scikit-learn's HistGradientBoosting, from all rows.

    "r2/NAME" is R^2 = 1 - sum_i (t_i - f(x_i))^2 / sum_i (t_i - mean(t))^2 over `test`, in (-inf, 1], of a continuous
    factor, or the mean over the cos and sin column of a periodic one at its symmetry order (`targets.encode`), and
    "r2/mean" the mean over those factors. A discrete factor has an "accuracy/NAME": its predicted value is the most
    likely one (boosting), or the one whose one-hot column is predicted largest (kernel_ridge). Factors constant in
    `test` are left out. Chance is 0, and the share of the most frequent value; the null is the mean over `permutations`
    fits to permuted rows. What exceeds "r2" of Recovery is there, but not affine; where it falls short, rows are too
    few to learn what an affine map needs not learn.

    A ValueError if features or latents are not finite, if latents do not fit their factors, if `train` has fewer than
    six rows, or if every factor is constant in `test`.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    learner: Literal["kernel_ridge", "boosting"] = chz.field(
        default="kernel_ridge", doc="kernel_ridge (smooth maps), or boosting (trees)"
    )
    rows: int = chz.field(default=2048, doc="training rows of kernel_ridge; published results use 4096")
    alphas: tuple[float, ...] = chz.field(default=ALPHAS, doc="penalties that kernel_ridge chooses from")
    gammas: tuple[float, ...] = chz.field(default=GAMMAS, doc="inverse squared widths that kernel_ridge chooses from")
    rounds: int = chz.field(default=100, doc="rounds of boosting")
    permutations: int = chz.field(default=2, doc="fits to permuted latents that give the null level; 0 for none")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the rows, the folds and the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if self.learner not in ("kernel_ridge", "boosting"):
            raise ValueError(f"learner is kernel_ridge or boosting, not {self.learner!r}; write learner=kernel_ridge")
        if min(self.permutations, self.resamples, self.seed) < 0:
            raise ValueError(
                "neither permutations nor resamples nor seed of NonlinearRecovery can be negative; "
                "write permutations=2 resamples=200 seed=0"
            )
        if self.rows < 2 * FOLDS or self.rounds < 1:
            raise ValueError(
                "NonlinearRecovery learns from 6 rows or more in 1 round or more; write rows=2048 rounds=100"
            )
        if not (self.alphas and self.gammas and all(0 < value < math.inf for value in (*self.alphas, *self.gammas))):
            raise ValueError("alphas and gammas are lists of positive numbers; write alphas=1,.1,.01 gammas=.01,.1,1")

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, (wanted, slices), truth = len(train), columns_of(train), targets(test)
        if n < 2 * FOLDS:
            raise ValueError(f"{n} rows are too few to learn a nonlinear map from; train on {2 * FOLDS} or more")
        rng = np.random.default_rng(self.seed)
        orders = [np.arange(n), *(rng.permutation(n) for _ in range(self.permutations))]
        x, x_test = train.values.astype(np.float64), test.values.astype(np.float64)
        if self.learner == "kernel_ridge":
            rows = chosen_rows(n, self.rows, self.seed)
            every = np.concatenate([wanted[order][rows] for order in orders], 1)
            fitted = kernel_ridge(x[rows], every, x_test, self.alphas, self.gammas, self.seed)
            predicted = np.stack(np.split(fitted, len(orders), axis=1))
        else:
            each = [
                boosted(x, wanted[order], slices, train.factors, x_test, self.rounds, self.seed) for order in orders
            ]
            predicted = np.stack(each)
        found = grade(truth, test.factors, predicted, self.resamples, self.seed)
        return Scores(
            {name: float(row[0]) for name, row in found.scores.items()},
            self._protocol(train, test, truth),
            chance=found.chance,
            null={name: float(row[1:].mean()) for name, row in found.scores.items()} if self.permutations else {},
            interval=intervals(found.samples),
            warnings=remarks(every=said(few_rows(train, test), dependent(train, test), dead_codes(train, test))),
        )

    def _protocol(self, train: Features, test: Features, truth: Targets) -> str:
        m, kernel = train.values.shape[1], self.learner == "kernel_ridge"
        way = "kernel ridge regression" if kernel else f"{self.rounds} rounds of gradient boosting"
        return said(
            f"{way} on {m} features",
            f"fitted on {min(len(train), self.rows) if kernel else len(train):,} rows and scored on {len(test):,}",
            f"alpha of {len(self.alphas)} and gamma of {len(self.gammas)} by {FOLDS}-fold cross-validation"
            if kernel
            else "",
            f"mean over {len(truth.of)} factors",
            f"{listed(truth.flat)} constant in test and left out" if truth.flat else "",
            f"null from {self.permutations} permutations of the training latents" if self.permutations else "",
            f"95 % intervals from {self.resamples} resamples of the test rows" if self.resamples else "",
        )


def boosted(
    x: NDArray[np.float64],
    columns: NDArray[np.float64],
    slices: dict[str, slice],
    factors: tuple[Factor, ...],
    x_new: NDArray[np.float64],
    rounds: int,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Predictions [m, t] at x_new [m, d] of trees boosted from x [n, d] on each target column [n, t].

    The columns of a discrete factor are the probabilities of its values, by one classifier.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    predicted = np.zeros((len(x_new), columns.shape[1]))
    for factor in factors:
        own = slices[factor.name]
        if factor.kind == "discrete":
            labels = columns[:, own].argmax(1)
            seen = np.unique(labels)
            where = own.start + seen
            if len(seen) < 2:
                predicted[:, where] = 1
                continue
            judge = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=False, random_state=seed)
            predicted[:, where] = judge.fit(x, labels).predict_proba(x_new)
            continue
        for j in range(own.start, own.stop):
            model = HistGradientBoostingRegressor(max_iter=rounds, early_stopping=False, random_state=seed)
            predicted[:, j] = model.fit(x, columns[:, j]).predict(x_new)
    return predicted
