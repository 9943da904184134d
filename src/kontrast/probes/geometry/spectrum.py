"""The spectrum of the covariance: how much variance lies in how many directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.panels import Curves, Line
from kontrast.probes.geometry import jackknife
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = (0.9, 0.99)


@chz.chz
class Spectrum(Probe):
    """The eigenvalues of the covariance of `test`, drawn, and what they add up to.

    With lambda_1 >= ... >= lambda_d those of the rows [n, d], about their mean:

    - "participation_ratio", (sum lambda)^2 / sum lambda^2, from 1 to min(n - 1, d): how many directions share the
      variance (Gao et al. 2017), with its 95 % interval by a jackknife over ten blocks of rows;
    - "components/90%" and "components/99%": the fewest directions that have so much of the variance;
    - "dead/below=0.001": coordinates whose standard deviation is below that share of the largest one's.

    Constant rows have no variance: their participation ratio and components are 0, and every coordinate is dead.
    `train` is not looked at. A ValueError if features are not finite.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    dead: float = chz.field(default=1e-3, doc="standard deviation of a dead coordinate, as a share of the largest")

    @chz.validate
    def _share(self) -> None:
        if not 0 < self.dead < 1:
            raise ValueError(f"dead is a share between 0 and 1, not {self.dead}; write spectrum.dead=0.001")

    def check(self, features: Features) -> None:
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = test.values.shape
        spectrum = eigenvalues(test.values)
        deviation = test.values.astype(np.float64).std(0)
        varies = bool(positive(spectrum))
        alive = int((deviation >= self.dead * deviation.max()).sum()) if varies else 0
        values = {"participation_ratio": participation_ratio(spectrum) if varies else 0.0}
        values |= {f"components/{share:.0%}": float(components(spectrum, share)) if varies else 0.0 for share in SHARES}
        values[f"dead/below={self.dead:g}"] = float(d - alive)
        protocol = f"covariance of {n:,} test rows of {d} dimensions"
        rows = test.values.astype(np.float64)
        without = jackknife.of_spectrum(rows, True, participation_ratio) if varies else None
        interval = {}
        if without is not None:
            ratio = values["participation_ratio"]
            interval["participation_ratio"] = jackknife.interval(ratio, without, 1.0, float(d))
            protocol += f"; {jackknife.SAID}"
        warnings = {} if varies else {"": "the rows are all the same: there is no variance"}
        return Scores(values, protocol, interval=interval, warnings=warnings, panels=_panel(spectrum))


def eigenvalues(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The eigenvalues [d] of the covariance (over n) of rows [n, d], falling; 0 beyond the n - 1 that there can be.

    They are squares of singular values, which are exact far below those of the covariance matrix.
    """
    rows = values.astype(np.float64)
    rows = rows - rows.mean(0)
    found = np.zeros(rows.shape[1])
    singular = np.linalg.svd(rows, compute_uv=False)
    found[: len(singular)] = np.square(singular) / len(rows)
    # Rounding of the mean leaves a little of what is constant.
    floor = np.square(np.finfo(np.float64).eps * np.abs(values).max(initial=0)) * max(rows.shape)
    return np.where(found > floor, found, 0.0)


def positive(spectrum: NDArray[np.float64]) -> int:
    """How many eigenvalues are more than rounding: above 1e-28 d of the largest (their roots, 1e-14 sqrt(d))."""
    return int((spectrum > 1e-28 * len(spectrum) * spectrum.max()).sum()) if spectrum.max() > 0 else 0


def participation_ratio(spectrum: NDArray[np.float64]) -> float:
    """(sum lambda)^2 / sum lambda^2 of eigenvalues [d] that are not all 0: 1 for one direction, d for d alike."""
    shares = spectrum / spectrum.sum()
    return float(1 / np.square(shares).sum())


def components(spectrum: NDArray[np.float64], share: float) -> int:
    """The fewest of the eigenvalues [d], falling, that add up to a share of their sum."""
    return int(np.searchsorted(np.cumsum(spectrum) / spectrum.sum(), share * (1 - 1e-12))) + 1


def _panel(spectrum: NDArray[np.float64]) -> tuple[Curves, ...]:
    count = positive(spectrum)
    if count < 2:
        return ()
    shares = (spectrum[:count] / spectrum.sum()).tolist()
    line = Line("share of the variance", tuple(range(1, count + 1)), tuple(shares))
    title, note = "Spectrum of the covariance", f"{count} of {len(spectrum)} eigenvalues are above rounding"
    return (Curves(title, "rank", "share of the variance", (line,), logarithmic="xy", note=note),)
