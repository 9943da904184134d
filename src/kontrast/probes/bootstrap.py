"""Intervals: how much a score would move if other rows had been held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 200
LEVEL = 0.95


def resampled(columns: NDArray[np.floating], resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """The means [resamples, c] of columns [n, c] over n rows drawn with replacement (Efron 1979).

    What is a function of means has its bootstrap distribution from these at once: an accuracy, 1 - mean(e^2) / (mean
    (t^2) - mean(t)^2), a correlation.
    """
    n = len(columns)
    rng = np.random.default_rng(seed)
    weights = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(resamples)])
    found: NDArray[np.float64] = weights.astype(np.float64) @ columns.astype(np.float64) / n
    return found


def interval(samples: NDArray[np.floating], level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval of bootstrap samples [b], those that are no numbers left out; (nan, nan) if all are."""
    known = samples[np.isfinite(samples)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], n: int, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of a statistic of row numbers [n], for statistics that are no function of means."""
    rng = np.random.default_rng(seed)
    return interval(np.array([statistic(rng.integers(0, n, n)) for _ in range(resamples)]))
