"""Runs beside each other: whether they saw the same rows, and what other runs would have given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kontrast.probes.probe import Comparison, check_apart
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_runs(comparison: Comparison, train: Sequence[Features], test: Sequence[Features]) -> None:
    """A ValueError unless two or more runs encoded the same training rows, and the same other rows for the test.

    Splits overlap where those of a probe do.
    """
    if len(train) != len(test) or len(train) < 2:
        raise ValueError(f"a comparison is of two or more runs, not {min(len(train), len(test))}; name another run")
    for a, b in zip(train, test, strict=True):
        if a.values is b.values:
            raise ValueError("train and test are the same rows, so nothing would be held out; give two splits")
        comparison.check(a)
        comparison.check(b)
        if a.values.shape[1] != b.values.shape[1]:
            dimensions = f"{a.values.shape[1]} and {b.values.shape[1]} dimensions"
            raise ValueError(f"the features of train and test have {dimensions}; encode both with one encoder")
    for split in (train, test):
        if not all(_same(split[0], other) for other in split[1:]):
            raise ValueError("the runs did not encode the same rows; encode one data set with all of them")
    check_apart(train[0], test[0])


def _same(one: Features, other: Features) -> bool:
    if len(one) != len(other) or one.origin != other.origin:
        return False
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("index", "digest"))
    return all(a is None or b is None or np.array_equal(a, b) for a, b in pairs)


def mean_of_pairs(table: NDArray[np.float64]) -> float:
    """The mean of a table [K, K] of ordered pairs of runs, without its diagonal."""
    return float(table[~np.eye(len(table), dtype=bool)].mean())


def over_runs(table: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 95 % interval of the mean over pairs, had it been other runs; None for two runs, which cannot tell.

    Pairs that share a run are not independent, so whole runs are left out: with m_i the mean over pairs without run i,
    it is the mean +- t s, s^2 = (K - 1)/K sum_i (m_i - mean(m))^2, and t of Student's law with K - 1 degrees of freedom
    (the jackknife of a U-statistic, Arvesen 1969), cut at 1.
    """
    from scipy.stats import t

    count = len(table)
    if count < 3:
        return None
    keep = ~np.eye(count, dtype=bool)
    without = np.array([mean_of_pairs(table[np.ix_(others, others)]) for others in keep])
    reach = float(t.ppf(0.975, count - 1)) * math.sqrt((count - 1) * float(without.var()))
    value = mean_of_pairs(table)
    return value - reach, max(value, min(1.0, value + reach))
