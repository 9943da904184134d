"""The BetaVAE score: whether the differences of features say which factor two rows share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.interventions import chunks, groups
from kontrast.probes.disentanglement.logistic import logistic, unconverged
from kontrast.probes.disentanglement.modularity import several
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, positive
from kontrast.probes.probe import Layer, listed, moments
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

FALL, LED = 0.05, 1.5
"""How far a difference falls, as a share, where its factor is shared; and how often a factor is told, in guesses."""


@chz.chz
class BetaVAE(Disentanglement):
    """How well a linear classifier tells from differences of features which factor pairs of rows share.

    A point: draw a factor k, then `batch` pairs of rows that agree on k (each pair on its own value), and take the mean
    of |h - h'| over the pairs, with each feature divided by its deviation in `train` (so its scale does not matter).
    Logistic regression learns k from `points` points of pairs of `train`; the score is its accuracy on `points` / 2
    points of pairs of `test`, in [0, 1]; guessing gives 1 / K. It does not ask that a factor have one feature: any
    rotation within a group of features of one factor scores as high. Continuous and periodic factors agree in a bin.
    Nor does it ask that every factor be recovered: where all others are, the one that is not is told by elimination,
    since then no feature differs less than usual, and scores as high as they do. A warning names factors that are told
    though no feature's mean difference is lower for them than for the factor of the largest one by 5 %, or by more than
    rows differ by chance, 2 / sqrt(n).

    Scores are "beta_vae/batch=..", and, for each factor, the share of its points that are told right. A ValueError with
    one factor, or if no two rows share a value. Source: Higgins et al. 2017, beta-VAE (ICLR).
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    batch: int = chz.field(default=64, doc="pairs of rows in a point")
    points: int = chz.field(default=10_000, doc="points of training rows; half as many of test rows")
    bins: int = chz.field(default=20, doc="equally wide bins of continuous and periodic factors")
    penalty: float = chz.field(default=1.0, doc="weight of half the squared norm of the classifier's weights")
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the points and permutations")

    @chz.validate
    def _ranges(self) -> None:
        given = {"bins": self.bins, "permutations": self.permutations, "seed": self.seed}
        positive("BetaVAE", batch=self.batch, **given)
        if self.points < 100:
            raise ValueError(f"points of BetaVAE cannot be {self.points}; write points=100 or more")
        if not 0 < self.penalty < float("inf"):
            raise ValueError(f"penalty of BetaVAE must be above 0 and finite, not {self.penalty}; write penalty=1")

    def check(self, features: Features) -> None:
        super().check(features)
        several(len(features.factors), "BetaVAE")

    def measure(self, train: Rows, test: Rows) -> Measured:
        several(len(train.truth.factors), "BetaVAE")
        deviation = moments(train.codes)[1]
        rng = np.random.default_rng(self.seed)
        sizes = self.points, max(1, self.points // 2)
        (x, y), (held, wanted) = (
            self._points((rows.codes / deviation).astype(np.float32), rows.truth.levels, size, rng)
            for rows, size in zip((train, test), sizes, strict=True)
        )
        found = logistic(x, y, held, self.penalty)
        right = found.levels[found.probability.argmax(1)] == wanted
        name = f"beta_vae/batch={self.batch}"
        each = {factor: _share(right[wanted == k]) for k, factor in enumerate(test.truth.names)}
        said = [
            unconverged([] if found.converged else ["the factor that is shared"]),
            _eliminated(held, wanted, each, len(test.codes)),
        ]
        return Measured(
            {name: float(right.mean())},
            f"{sizes[0]:,} points of {self.batch} pairs among {len(train.codes):,} rows fitted, {sizes[1]:,} among "
            f"{len(test.codes):,} scored",
            {name: each},
            warning="; ".join(filter(None, said)),
        )

    def _points(
        self, codes: NDArray[np.float32], levels: NDArray[np.int64], points: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Mean differences [points, m], and the factor [points] on which the pairs agree."""
        found = groups(levels)
        factor, row = found.held(points, self.batch, rng)
        other = found.drawn(factor, row, rng)
        parts = [
            np.abs(codes[row[part]] - codes[other[part]]).mean(1) for part in chunks(points, self.batch, codes.shape[1])
        ]
        return np.concatenate(parts).astype(np.float64), factor[:, 0]


def _eliminated(differences: NDArray[np.float64], wanted: NDArray[np.int64], right: dict[str, float], rows: int) -> str:
    """A sentence on the factors that are told though no feature differs less where they are shared; "" without any.

    Differences [points, m] of pairs, among so many rows, that agree on the factors `wanted` [points]; the share `right`
    of each.
    """
    names, least = [*right], LED / len(right)
    there = [k for k in range(len(names)) if (wanted == k).any()]
    means = np.stack([differences[wanted == k].mean(0) for k in there])
    largest = means.max(0)
    falls = 1 - (means[:, largest > 0] / largest[largest > 0]).min(1, initial=1)
    flat = [names[k] for k, fall in zip(there, falls, strict=True) if fall < max(FALL, 2 / rows**0.5)]
    found = [name for name in flat if right[name] > least] if np.mean([*right.values()]) > least else []
    return f"{listed(found)} may be told by elimination: no feature differs less where it is shared" if found else ""


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else 0.0
