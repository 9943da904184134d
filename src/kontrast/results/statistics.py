"""Statistics over seeds: means with Student's interval, paired differences with bootstrap intervals, Holm's correction.

Few seeds say little, and these say how little: below three there is neither interval nor test.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

FEWEST = 3
"""Seeds below which there is no interval and no test."""
LEVEL = 0.05
"""The probability of calling any setting of a column better or worse where none differs."""
RESAMPLES = 9999
SAME = 1e-12
"""The spread of differences, as a share of the largest value, up to which they count as one number."""


@dataclass(frozen=True)
class Summary:
    """Values over seeds: `values` by seed, their mean, standard deviation (n - 1) and the interval of the mean.

    Only finite values count; `lost` are the seeds of the others. `deviation` is None of one value, and `low` and `high`
    bound the 95 % interval of Student's t, m +- t s / sqrt(n), which there is of three values or more.
    """

    values: Mapping[int, float]
    lost: tuple[int, ...] = ()
    mean: float | None = None
    deviation: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)


@dataclass(frozen=True)
class Difference:
    """Values minus those of a baseline, paired by seed: `values` by the seeds that both have, and their mean.

    `low` and `high` bound the 95 % percentile bootstrap interval of the mean, `p` is that of the paired t test that it
    is zero, and `holm` the same corrected for all comparisons of the family; all are None of fewer than three pairs.
    """

    values: Mapping[int, float]
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    holm: float | None = None

    def verdict(self, direction: int = 1) -> str:
        """What the test says: "better", "worse" or "not told apart"; "too few seeds" where there is none.

        With a `direction` of 0 neither more nor less is better, and it says "higher" and "lower".
        """
        if self.holm is None or self.mean is None:
            return "too few seeds"
        if self.holm > LEVEL:
            return "not told apart"
        if direction == 0:
            return "higher" if self.mean > 0 else "lower"
        return "better" if self.mean * direction > 0 else "worse"


def summarize(values: Mapping[int, float]) -> Summary:
    """Summarize the values of one score by seed: how many, their mean, how far they scatter, and where the mean lies.

    The deviation is that of a sample, s^2 = sum_i (x_i - m)^2 / (n - 1), from two values on; the 95 % interval is
    Student's, m +- t s / sqrt(n) with n - 1 degrees of freedom, from `FEWEST` values on. Values that are infinite or
    not a number count nowhere, and their seeds are `lost`. Without a finite value there is no mean.
    """
    kept = {seed: values[seed] for seed in sorted(values) if math.isfinite(values[seed])}
    lost = tuple(seed for seed in sorted(values) if seed not in kept)
    if not kept:
        return Summary({}, lost)
    found = [*kept.values()]
    center = fmean(found)
    spread = stdev(found) if len(found) > 1 else None
    if spread is None or len(found) < FEWEST:
        return Summary(kept, lost, center, spread)
    from scipy.stats import t

    half = float(t.ppf(0.975, len(found) - 1)) * spread / math.sqrt(len(found))
    return Summary(kept, lost, center, spread, center - half, center + half)


def subtract(values: Mapping[int, float], baseline: Mapping[int, float]) -> Difference:
    """The difference of values to a baseline over the seeds that both have, without Holm's correction.

    Where all differences are one number the t test has nothing to divide by: p is then that of the sign test, 2^(1-n),
    or 1 where they are zero.
    """
    shared = [s for s in sorted(values) if s in baseline and math.isfinite(values[s]) and math.isfinite(baseline[s])]
    found = {seed: values[seed] - baseline[seed] for seed in shared}
    if not found:
        return Difference({})
    apart, center = [*found.values()], fmean(found.values())
    if len(found) < FEWEST:
        return Difference(found, center)
    scale = max(max(abs(values[seed]), abs(baseline[seed])) for seed in shared)
    if max(apart) - min(apart) <= SAME * scale:
        p = 1.0 if abs(center) <= SAME * scale else 2.0 ** (1 - len(apart))
        return Difference(found, center, center, center, p)
    from scipy.stats import ttest_1samp

    return Difference(found, center, *bootstrap_interval(apart), float(ttest_1samp(apart, 0.0).pvalue))


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over 9,999 resamples, which are the same ones in each call.

    It never leaves the range of the values. Of three values it is that range: 1 resample in 27 holds the least alone.
    """
    return _interval(tuple(values))


@functools.lru_cache(maxsize=16384)
def _interval(values: tuple[float, ...]) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    sample = (np.asarray(values, dtype=np.float64),)
    found = bootstrap(sample, np.mean, n_resamples=RESAMPLES, method="percentile", random_state=rng)
    # A mean of equal numbers may round to one beyond them.
    ends = (float(found.confidence_interval.low), float(found.confidence_interval.high))
    return max(ends[0], min(values)), min(ends[1], max(values))


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number, in the order given: max over j <= i of min(1, (m - j + 1) p_(j)).

    p_(1) <= ... <= p_(m) are the sorted values. Whatever is true, the probability that any comparison without a
    difference comes out at or below a level is at most that level (Holm 1979).
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[at]))
        corrected[at] = largest
    return corrected


def corrected(differences: Sequence[Difference]) -> list[Difference]:
    """Differences with Holm's correction over those that have a p value, which are one family."""
    tested = [at for at, each in enumerate(differences) if each.p is not None]
    found = list(differences)
    for at, value in zip(tested, holm([p for each in differences if (p := each.p) is not None]), strict=True):
        found[at] = replace(found[at], holm=value)
    return found
