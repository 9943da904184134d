"""LiDAR: how many dimensions tell things apart, beside the noise between views of one thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.geometry import jackknife
from kontrast.probes.geometry.rankme import effective_rank
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class LiDAR(Probe):
    """LiDAR: the smooth rank of what separates things, in units of what their views differ by (arXiv 2312.04000).

    Each row of `test` is a class of its own, whose members e_iv are the q `views` that the run's own pairing makes of
    it. With m_i the mean of class i and m that of all,

        S_b = mean_i (m_i - m)(m_i - m)',    S_w = mean_iv (e_iv - m_i)(e_iv - m_i)' + delta I,

    and lambda the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2), it is exp(-sum_k p_k log p_k) with p_k = lambda_k / sum
    lambda + epsilon: RankMe's entropy, of a linear discriminant analysis. It is from 1 to d, and knows noise: of eight
    directions that tell things apart under noise in 64, RankMe sees some 35 and LiDAR 8 (Thilak et al. 2023).

    The paper takes q = 50 of 1,000 pictures; the constants are in the score's name, as in
    "lidar/q=10,delta=0.0001,eps=1e-08". delta is in the unit of the embedding squared, so scores of embeddings of
    another length are other numbers; a warning says where delta exceeds the mean variance between views. Views are
    taken in turn from the first and the second of the pairing. The 95 % interval is a jackknife over ten blocks of
    things. Things that are all alike score 1. ValueError if features are not finite or no views were encoded.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    views: int = chz.field(default=10, doc="views q of each row, 2 or more; each costs an encoding of the test rows")
    delta: float = chz.field(default=1e-4, doc="added to the variances between views")
    epsilon: float = chz.field(default=1e-8, doc="added to each share of the eigenvalues")
    seed: int = chz.field(default=0, doc="seed of the views")

    @chz.validate
    def _ranges(self) -> None:
        if self.views < 2:
            raise ValueError(f"views of a row differ only if there are two or more, not {self.views}; write views=10")
        if not (self.delta > 0 and 0 < self.epsilon < 1 and self.seed >= 0):
            raise ValueError(
                "LiDAR needs positive constants and a seed from 0 on; write delta=1e-4 epsilon=1e-8 seed=0"
            )

    def check(self, features: Features) -> None:
        check_values(features)

    def extra(self) -> Mapping[str, Encoding]:
        return {f"view {k}": Encoding(view=k % 2, seed=self.seed + k // 2) for k in range(self.views)}

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        views = members(test, self.extra())
        n, q, d = views.shape
        name = f"lidar/q={q},delta={self.delta:g},eps={self.epsilon:g}"
        within, between = deviations(views)
        noise = float(np.square(within).sum() / (n * q * d))
        value = self._rank(between.T @ between / n, _second(within) / (n * q), d)
        protocol = f"{n:,} test rows of {d} dimensions as classes of {q} views each"
        interval = {}
        if n >= max(2 * d, 2 * jackknife.BLOCKS):
            interval[name] = jackknife.interval(value, self._without(views), 1.0, float(d))
            protocol += f"; {jackknife.SAID}"
        warnings = []
        if noise < self.delta:
            warnings.append(f"delta={self.delta:g} exceeds the variance between views, {noise:.1g} a dimension")
        if n <= d:
            warnings.append(f"{n} things cannot show a rank above {n}, and there are {d} dimensions")
        return Scores(
            {name: value}, protocol, interval=interval, warnings={name: "; ".join(warnings)} if warnings else {}
        )

    def _rank(self, between: NDArray[np.float64], within: NDArray[np.float64], d: int) -> float:
        from scipy.linalg import eigh

        spectrum = eigh(between, within + self.delta * np.eye(d), eigvals_only=True)
        return effective_rank(np.clip(spectrum, 0, None), self.epsilon)

    def _without(self, views: NDArray[np.float64]) -> NDArray[np.float64]:
        """The score [B] without each block of things."""
        n, q, d = views.shape
        means, (within, _) = views.mean(1), deviations(views)
        parts = [_second(within[block]) for block in jackknife.blocks()]
        left = [n - len(means[block]) for block in jackknife.blocks()]
        others = zip(jackknife.scatters(means, True), parts, left, strict=True)
        return np.array([self._rank(between, (sum(parts) - own) / (count * q), d) for between, own, count in others])


def members(test: Features, asked: Mapping[str, Encoding]) -> NDArray[np.float64]:
    """The views [n, q, d] that a probe asked for, of those that are there; ValueError if they are not two or more."""
    there = [test.extra[name] for name in asked if name in test.extra]
    if len(there) < 2:
        raise ValueError("no views of the test rows were encoded; ask this probe of a run whose pairing makes views")
    for view in there:
        check_values(view)
        if view.values.shape != test.values.shape:
            raise ValueError(f"views of shape {view.values.shape} belong to no rows of shape {test.values.shape}")
    return np.stack([view.values for view in there], 1).astype(np.float64)


def deviations(views: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of views [n, q, d]: each from the mean of its thing [n, q, d], and these means from that of all [n, d]."""
    means = views.mean(1)
    return views - means[:, None], means - means.mean(0)


def _second(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum [d, d] of outer products of the last axis."""
    flat = rows.reshape(-1, rows.shape[-1])
    return flat.T @ flat
