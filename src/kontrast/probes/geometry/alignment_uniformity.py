"""Alignment and uniformity: how near the views of a thing are, and how evenly things lie on the sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import chz
import numpy as np
import torch

from kontrast import directional, tiles
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.geometry.lidar import members
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class AlignmentUniformity(Probe):
    """Alignment of two views of a thing, and uniformity of things on the sphere (Wang and Isola, arXiv 2005.10242).

    Of the directions z of the rows of `test` [n, d], and x and y of the two views that the run's own pairing makes of
    them,

        alignment = mean_i |x_i - y_i|^alpha   in [0, 2^alpha],
        uniformity = log mean_{i < j} exp(-t |z_i - z_j|^2)   in [-4 t, 0],

    both lower for better. "uniformity/floor" is what points spread evenly over the sphere S^(d-1) would have, -2 t +
    log 0F1(; d/2; t^2): -3.9375 at d = 128 and t = 2. Compare uniformity only at equal d. n points may lie below by the
    order of 1/n, since none is compared with itself. The constants are in the scores' names, "alignment/alpha=2" and
    "uniformity/t=2".

    The 95 % intervals are over resampled rows; that of uniformity, a mean over pairs, by its projection on single rows.
    Memory grows with n, not with the pairs. A row of length 0 has no direction and stays at the center, which a warning
    says; without views there is no alignment. A ValueError if features are not finite or there is a single row.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    alpha: float = chz.field(default=2.0, doc="power of the distance in alignment")
    t: float = chz.field(default=2.0, doc="sharpness of the potential in uniformity")
    seed: int = chz.field(default=0, doc="seed of the views and of the intervals")

    @chz.validate
    def _positive(self) -> None:
        if not (0 < self.alpha < math.inf and 0 < self.t < math.inf and self.seed >= 0):
            raise ValueError("alpha and t are positive and a seed is 0 or more; write alpha=2 t=2 seed=0")

    def check(self, features: Features) -> None:
        check_values(features)
        if len(features) < 2:
            raise ValueError("uniformity compares rows with each other, and there is only one; encode two or more")

    def extra(self) -> Mapping[str, Encoding]:
        return {f"view {k}": Encoding(view=k, seed=self.seed) for k in (0, 1)}

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = test.values.shape
        z, lost = directions(test.values)
        spread = f"uniformity/t={self.t:g}"
        potential = np.exp(potentials(z, self.t))
        uniformity = math.log(potential.mean())
        # The mean over pairs varies twice as much as that of the rows' own means (Hoeffding 1948).
        around = potential.mean() + 2 * (resampled(potential[:, None], seed=self.seed)[:, 0] - potential.mean())
        values = {spread: uniformity, "uniformity/floor": floor(d, self.t)}
        intervals = {spread: interval(np.log(np.maximum(around, np.finfo(float).tiny)))}
        if set(self.extra()) <= set(test.extra):
            views = members(test, self.extra())
            (x, lost_x), (y, lost_y) = directions(views[:, 0]), directions(views[:, 1])
            near = np.linalg.norm(x - y, axis=1) ** self.alpha
            values = {f"alignment/alpha={self.alpha:g}": float(near.mean()), **values}
            intervals[f"alignment/alpha={self.alpha:g}"] = interval(resampled(near[:, None], seed=self.seed)[:, 0])
            lost += lost_x + lost_y
        protocol = f"directions of {n:,} test rows of {d} dimensions, and all {n * (n - 1) // 2:,} pairs of them"
        if len(values) == 3:
            protocol += "; alignment of two views of each by the run's own pairing"
        warnings = {"": f"{lost} rows have length 0 and so no direction; they count as the center"} if lost else {}
        return Scores(values, protocol, interval=intervals, warnings=warnings)


def directions(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], int]:
    """Rows [n, d] at length 1, and how many are 0 and stay so."""
    rows = values.astype(np.float64)
    rows = rows / np.maximum(np.abs(rows).max(1, keepdims=True), np.finfo(float).tiny)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    zero = length == 0
    return rows / np.where(zero, 1, length), int(zero.sum())


def potentials(z: NDArray[np.float64], t: float) -> NDArray[np.float64]:
    """log mean over j != i of exp(-t |z_i - z_j|^2), for each row i of z [n, d]: [n], by blocks of pairs."""
    rows = torch.from_numpy(z)
    own = torch.arange(len(rows))[:, None]
    found = tiles.log_sum_exp(rows, rows, tiles.Power(2.0), tiles.Negative(), t, own)
    logs: NDArray[np.float64] = found.numpy() - math.log(len(z) - 1)
    return logs


def floor(d: int, t: float = 2.0) -> float:
    """The uniformity of the uniform law on the unit sphere of R^d, -2 t + log 0F1(; d/2; t^2).

    0F1(; d/2; t^2) is the mean of exp(2 t <u, v>) over directions v; on the two points of S^0 it is cosh 2 t.
    """
    if d == 1:
        return math.log1p(math.exp(-4 * t)) - math.log(2)
    kappa = torch.tensor(2 * t, dtype=torch.float64)
    return -2 * t - float(directional.log_normalizer(kappa, d)) - directional.log_area(d)
