"""alpha-ReQ: how fast the spectrum of the covariance falls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.geometry import jackknife
from kontrast.probes.geometry.spectrum import eigenvalues, positive
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class AlphaReQ(Probe):
    """alpha-ReQ: the exponent of the power law lambda_j ~ j^(-alpha) of the covariance (Agrawal et al. 2022).

    Of the eigenvalues of the covariance of `test` [n, d], falling, those with first <= j <= last are fitted by least
    squares,

        log lambda_j = b - alpha log j,        with weight 1 / j,

    as Stringer et al. 2019 do. Near 1 a representation is said to generalize best; larger is fewer dimensions. The
    paper names no range, and programs differ: numpy.arange(3, 100) as a 0-based range is first=4 last=100 here. So the
    range is part of the score's name, "alpha_req/11-100". Where there are fewer eigenvalues, last is the number of
    those above rounding, and where that leaves fewer than three, first is 1; a warning says so. Fewer than two positive
    eigenvalues have no law, and the score is 0. The 95 % interval is a jackknife over ten blocks of rows. `train` is
    not looked at. A ValueError if features are not finite.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    first: int = chz.field(default=11, doc="the largest eigenvalue of the fit, counted from 1")
    last: int = chz.field(default=100, doc="the smallest eigenvalue of the fit")

    @chz.validate
    def _range(self) -> None:
        if not 1 <= self.first < self.last:
            raise ValueError(
                f"a fit goes from one eigenvalue to a later one, not {self.first} to {self.last}; "
                "write alphareq.first=11 alphareq.last=100"
            )

    def check(self, features: Features) -> None:
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = test.values.shape
        spectrum = eigenvalues(test.values)
        first, last = self._fitted(positive(spectrum))
        name = f"alpha_req/{first}-{last}"
        protocol = f"covariance of {n:,} test rows of {d} dimensions"
        if last < 2:
            return Scores({name: 0.0}, protocol, warnings={name: "fewer than two eigenvalues: there is no power law"})
        alpha, explained = power_law(spectrum, first, last)
        protocol += f"; log-log fit of eigenvalues {first} to {last} with weights 1/j, which explains {explained:.3f}"
        interval, warnings = {}, {}
        # Below, the eigenvalues of a covariance matrix are rounding.
        if spectrum[last - 1] > 1e-12 * spectrum[0]:
            rows, least = test.values.astype(np.float64), spectrum[last - 1] / 1e3
            without = jackknife.of_spectrum(rows, True, lambda own: power_law(own.clip(least), first, last)[0])
            if without is not None:
                interval[name] = jackknife.interval(alpha, without, -math.inf, math.inf)
                protocol += f"; {jackknife.SAID}"
        if (first, last) != (self.first, self.last):
            warnings[name] = f"there are {positive(spectrum)} eigenvalues, so the fit is of {first} to {last} instead"
        return Scores({name: alpha}, protocol, interval=interval, warnings=warnings)

    def _fitted(self, count: int) -> tuple[int, int]:
        """The range that there is, of so many eigenvalues."""
        last = max(1, min(self.last, count))
        return (self.first if last - self.first >= 2 else 1), last


def power_law(spectrum: NDArray[np.float64], first: int, last: int) -> tuple[float, float]:
    """alpha of lambda_j ~ j^(-alpha) for first <= j <= last, and the weighted share of variance that it explains.

    Weighted least squares of log lambda_j on -log j with weights 1 / j. Where the eigenvalues are all equal, alpha is 0
    and explains all there is, 1.
    """
    j = np.arange(first, last + 1)
    x, y, weight = -np.log(j), np.log(spectrum[first - 1 : last]), 1 / j / (1 / j).sum()
    x, y = x - weight @ x, y - weight @ y
    alpha = float(weight @ (x * y) / (weight @ x**2))
    total = float(weight @ y**2)
    return alpha, 1 - float(weight @ (y - alpha * x) ** 2) / total if total > 0 else 1.0
