"""Linear recovery: how much of each known factor an affine map reads off the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.bootstrap import RESAMPLES, resampled
from kontrast.probes.determination import by_factor, intervals, r2, resampled_squares
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed
from kontrast.probes.targets import Targets, check_latents, columns_of, targets
from kontrast.probes.validity import dead_codes, dependent, few_rows, least_squares, remarks, said
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

MORE = 0.1


@chz.chz
class Recovery(Probe):
    """R^2 of an affine map from features to each factor, fitted on `train` and scored on `test`.

    Ordinary least squares with an intercept finds A and b on `train`; for a target column t, over the rows of `test`,

        R^2 = 1 - sum_i (t_i - (A x_i + b))^2 / sum_i (t_i - mean(t))^2   in (-inf, 1],

    which is negative where the map does worse than the mean of `test`, and is left negative. `targets.encode` says
    what a factor's columns are: cos and sin of a periodic one at its symmetry order, one-hot of a discrete one.
    "r2/NAME" is the mean over them, and "r2/mean" that over factors. A column that is constant in `test` has no R^2:
    it is left out, and so is a factor without other columns, which the protocol says. "pooled_r2" divides the squared
    errors of all columns by all their squares, so that a column weighs by its variance, in the units of the factors.
    "explained" is the other direction: how much of the variance of the features an affine map of the target columns
    explains, pooled in the same way; what it lacks of 1 is not in the factors, or not affine in them.

    Least squares is the one of least norm where features are linearly dependent, so a constant or repeated feature
    changes nothing; constant features score about 0, and 0 in "explained". The null is the mean score over
    `permutations` fits to training latents whose rows were permuted. (Scored on the rows it was fitted on, noise of d
    dimensions would reach d / (n - 1).) Intervals are over resampled test rows, the fit being fixed. A warning says
    where rows are few, where factors tell each other, and where features read factors that do not explain them in turn.
    A ValueError if features or latents are not finite, if latents do not fit their factors, if `train` has no more than
    d + 1 rows, or if every factor is constant in `test`.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    permutations: int = chz.field(default=10, doc="fits to permuted latents that give the null level; 0 for none")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if min(self.permutations, self.resamples, self.seed) < 0:
            raise ValueError(
                "neither permutations nor resamples nor seed of Recovery can be negative; "
                "write permutations=10 resamples=200 seed=0"
            )

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = train.values.shape
        if n < d + 2:
            raise ValueError(f"{n} rows cannot fit {d} dimensions and an intercept; train on at least {d + 2} rows")
        wanted, truth = columns_of(train)[0], targets(test)
        rng = np.random.default_rng(self.seed)
        shuffled = [wanted, *(wanted[rng.permutation(n)] for _ in range(self.permutations))]
        predicted, rank = least_squares(train.values, np.concatenate(shuffled, 1), test.values)
        read = np.stack(np.split(predicted, len(shuffled), axis=1))
        inverse = [least_squares(z, train.values.astype(np.float64), truth.columns)[0] for z in shuffled]
        rows = by_factor("r2", r2(truth.columns, read), truth.of)
        rows |= {"pooled_r2": _pooled(truth.columns, read), "explained": _pooled(test.values, np.stack(inverse))}
        values = {name: float(row[0]) for name, row in rows.items()}
        return Scores(
            values,
            self._protocol(train, test, truth, rank),
            null={name: float(row[1:].mean()) for name, row in rows.items()} if self.permutations else {},
            interval=self._interval(truth, read[0], test.values, inverse[0]) if self.resamples else {},
            warnings=_warnings(values, train, test),
        )

    def _interval(
        self,
        truth: Targets,
        read: NDArray[np.float64],
        features: NDArray[np.floating],
        inverse: NDArray[np.float64],
    ) -> dict[str, tuple[float, float]]:
        error, total = resampled_squares(truth.columns, read, self.resamples, self.seed)
        samples = by_factor("r2", 1 - error / total, truth.of)
        every = np.nansum(total, 1)
        samples["pooled_r2"] = 1 - error.sum(1) / np.where(every > 0, every, np.nan)
        centered = features - features.mean(0, dtype=np.float64)
        squares = np.stack([np.square(features - inverse).sum(1), np.square(centered).sum(1)], 1)
        drawn = resampled(np.concatenate([squares, centered], 1), self.resamples, self.seed)
        spread = drawn[:, 1] - np.square(drawn[:, 2:]).sum(1)
        if squares[:, 1].any():
            samples["explained"] = 1 - drawn[:, 0] / np.where(spread > 1e-12 * squares[:, 1].mean(), spread, np.nan)
        return intervals(samples)

    def _protocol(self, train: Features, test: Features, truth: Targets, rank: int) -> str:
        return said(
            f"least squares with intercept on {train.values.shape[1]} features of rank {rank}",
            f"fitted on {len(train):,} rows and scored on {len(test):,}",
            f"mean over {len(truth.of)} factors",
            f"{listed(truth.flat)} constant in test and left out" if truth.flat else "",
            f"null from {self.permutations} permutations of the training latents" if self.permutations else "",
            f"95 % intervals from {self.resamples} resamples of the test rows" if self.resamples else "",
        )


def _pooled(target: NDArray[np.floating], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - |T - P|^2 / |T - mean(T)|^2 [...] of predictions P [..., n, t] of T [n, t]; 0 where T is constant."""
    varies = target.max(0) > target.min(0)
    total = np.square(target[:, varies] - target[:, varies].mean(0, dtype=np.float64)).sum()
    if not total:
        return np.zeros(len(predicted))
    found: NDArray[np.float64] = 1 - np.square(target - predicted).sum((-2, -1)) / total
    return found


def _warnings(values: dict[str, float], train: Features, test: Features) -> dict[str, str]:
    read, explained = values["r2/mean"], values["explained"]
    lacking = f"an affine map of the factors explains {explained:.2f} of the features, which hold more than its image"
    return remarks(
        every=said(few_rows(train, test), dependent(train, test), dead_codes(train, test)),
        explained=lacking if read > 0.5 and read - explained > MORE else "",
    )
