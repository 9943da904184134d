"""Linear recovery: how much of each known factor an affine map reads off the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed, moments
from kontrast.probes.targets import check_latents, encode
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAT = 1e-5


@chz.chz
class Recovery(Probe):
    """R^2 of an affine map from features to each factor, fitted on `train` and scored on `test`.

    Ordinary least squares with an intercept finds A and b on `train`; for a target column t, over the rows of `test`,

        R^2 = 1 - sum_i (t_i - (A x_i + b))^2 / sum_i (t_i - mean(t))^2   in (-inf, 1],

    which is negative where the map does worse than the mean of `test`, and is left negative. `targets.encode` says
    what a factor's columns are: cos and sin of a periodic one at its symmetry order, one-hot of a discrete one.
    "r2/NAME" is the mean over them, and "r2/mean" that over factors. A column that is constant in `test` has no R^2:
    it is left out, and so is a factor without other columns, which the protocol says.

    Least squares is the one of least norm where features are linearly dependent, so a constant or repeated feature
    changes nothing; constant features score about 0. Chance is the mean score over `permutations` fits to training
    latents whose rows were permuted. (Scored on the rows it was fitted on, noise of d dimensions would reach
    d / (n - 1).) A ValueError if features or latents are not finite, if latents do not fit their factors, if `train`
    has no more than d + 1 rows, or if every factor is constant in `test`.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    permutations: int = chz.field(default=10, doc="fits to permuted latents that give the null level; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if self.permutations < 0 or self.seed < 0:
            raise ValueError("neither permutations nor seed of Recovery can be negative; write permutations=10 seed=0")

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = train.values.shape
        if n < d + 2:
            raise ValueError(f"{n} rows cannot fit {d} dimensions and an intercept; train on at least {d + 2} rows")
        (wanted, _), (target, slices) = _columns(train), _columns(test)
        rng = np.random.default_rng(self.seed)
        shuffled = [wanted[rng.permutation(n)] for _ in range(self.permutations)]
        predicted, rank = _least_squares(train.values, np.concatenate([wanted, *shuffled], 1), test.values)
        error = np.stack([target - fit for fit in np.split(predicted, 1 + self.permutations, axis=1)])
        scored = _varying(test, target, slices)
        r2 = 1 - np.square(error / moments(target)[1]).mean(1)
        rows = {f"r2/{name}": r2[:, columns].mean(1) for name, columns in scored.items()}
        rows["r2/mean"] = np.mean(list(rows.values()), axis=0)
        values = {name: float(row[0]) for name, row in rows.items()}
        null = {name: float(row[1:].mean()) for name, row in rows.items()} if self.permutations else {}
        flat = [name for name in slices if name not in scored]
        parts = [
            f"least squares with intercept on {d} features of rank {rank}",
            f"fitted on {n:,} rows and scored on {len(test):,}",
            f"mean over {len(scored)} factors",
            f"{listed(flat)} constant in test and left out" if flat else "",
            f"null from {self.permutations} permutations of the training latents" if self.permutations else "",
        ]
        return Scores(values, "; ".join(filter(None, parts)), null=null)


def _columns(features: Features) -> tuple[NDArray[np.float64], dict[str, slice]]:
    """The target columns float64 [n, t] of these rows, and those of each factor."""
    assert features.latents is not None
    columns, slices = encode(features.latents.astype(np.float64), features.factors)
    return columns.astype(np.float64), slices


def _varying(features: Features, target: NDArray[np.float64], slices: dict[str, slice]) -> dict[str, list[int]]:
    """By factor, the target columns [n, t] that are not constant; factors without any are left out."""
    deviation = np.where(np.isinf(moments(target)[1]), 0, target.std(0))
    # sin(2 pi) is not quite 0: what a periodic factor varies by rounding is nothing.
    floors = {factor.name: FLAT if factor.kind == "periodic" else 0 for factor in features.factors}
    kept = {
        name: [j for j in range(columns.start, columns.stop) if deviation[j] > floors[name]]
        for name, columns in slices.items()
    }
    if not any(kept.values()):
        raise ValueError("every factor is constant in the test rows, so there is nothing to recover; encode more rows")
    return {name: columns for name, columns in kept.items() if columns}


def _least_squares(
    x: NDArray[np.floating], y: NDArray[np.float64], x_new: NDArray[np.floating]
) -> tuple[NDArray[np.float64], int]:
    """The prediction at x_new [m, d] of least squares with intercept from x [n, d] to y [n, t], and the rank of x."""
    mean, deviation = moments(x.astype(np.float64))
    center = y.mean(0)
    slope, _, rank, _ = np.linalg.lstsq((x - mean) / deviation, y - center, rcond=None)
    return (x_new - mean) / deviation @ slope + center, int(rank)
