"""Calibration: whether a classifier is right as often as it says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kontrast.panels import Curves, Line
from kontrast.probes.bootstrap import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15


def gaps(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Columns [n, 2 BINS] whose means over rows say how calibrated they are.

    In row i, column b of the first half is right_i - confidence_i and column b of the second is 1, where b is the bin
    of row i, and all others are 0. The bins ((b - 1) / BINS, b / BINS] have equal widths; 0 is in the first.
    """
    n = len(confidence)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    columns = np.zeros((n, 2 * BINS))
    columns[np.arange(n), bins] = right - confidence
    columns[np.arange(n), BINS + bins] = 1
    return columns


def calibration_error(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expected calibration error from means [..., 2 BINS] of the columns of `gaps`.

        ECE = sum_b (n_b / n) |accuracy of bin b - mean confidence of bin b|   in [0, 1]

    0 for a classifier that is right as often as it says. It is biased: a calibrated one scores above 0 where bins have
    few rows. Source: Guo et al. 2017, arXiv 1706.04599.
    """
    error: NDArray[np.float64] = np.abs(means[..., :BINS]).sum(-1)
    return error


def error_interval(means: NDArray[np.float64], samples: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the calibration error of `means`; samples [s, 2 BINS] are of such means.

    The noise of rows biases a sum of absolute values upwards, and that of resampled rows does so once more: a
    percentile interval lies above what it is of. So it goes from e - n.975 or 0, for the error e of `means` and n that
    of samples - means, which is the noise alone (|e - true| is no more than the noise), to 2 e - q.025 or e, for the
    errors q of samples: the basic interval (Davison and Hinkley 1997).
    """
    error = float(calibration_error(means))
    noise = interval(calibration_error(samples - means))[1]
    return max(0.0, error - noise), max(error, 2 * error - interval(calibration_error(samples))[0])


def reliability(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], samples: NDArray[np.float64], error: float
) -> Curves:
    """The accuracy in each bin that has rows over its mean confidence; samples [s, 2 BINS] are of the means of `gaps`.

    A curve below the diagonal is of a classifier that is too sure of itself.
    """
    means = gaps(confidence, right).mean(0)
    held = np.flatnonzero(means[BINS:])
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    at = {int(b): float(confidence[bins == b].mean()) for b in held}
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = samples[:, :BINS] / samples[:, BINS:]
    ends = {b: interval(gap[:, b]) for b in at}
    line = Line(
        "accuracy",
        tuple(at.values()),
        tuple(at[b] + float(means[b] / means[BINS + b]) for b in at),
        tuple(at[b] + ends[b][0] for b in at),
        tuple(at[b] + ends[b][1] for b in at),
    )
    note = f"expected calibration error {error:.3f} over {BINS} bins of equal width"
    return Curves("Calibration", "confidence", "accuracy", (line,), diagonal=True, note=note)
