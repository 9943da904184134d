"""Statistics of an order of rows: how well an uncertainty sorts them, with ties counted fairly and rows weighted.

Each statistic takes whole weights [n], how often each row counts: ones give its value, and those of rows drawn with
replacement its bootstrap distribution, for one sort of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kontrast.probes.bootstrap import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Order:
    """Rows sorted by a number, ascending, and the blocks of rows that share it: they count as in random order."""

    order: NDArray[np.int64]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, u: NDArray[np.floating]) -> Order:
        """The order of numbers u [n], n >= 1."""
        order = np.argsort(u, kind="stable")
        return cls(order, np.concatenate([[0], 1 + np.flatnonzero(np.diff(u[order]))]))

    def sums(self, x: Array) -> Array:
        """The sum of x [n] over each block [b]."""
        found: Array = np.add.reduceat(x[self.order], self.start)
        return found

    def ranks(self, weights: Array) -> Array:
        """The mean rank [n] of each row among the weighted rows."""
        size = self.sums(weights)
        middle = np.cumsum(size) - size + (size + 1) / 2
        found = np.empty(len(self.order))
        found[self.order] = np.repeat(middle, np.diff(self.start, append=len(self.order)))
        return found


def aurc(order: Order, error: Array, weights: Array) -> float:
    """The area under the risk-coverage curve: the mean, over c = 1, ..., n, of the error of the c most certain rows.

    `order` is that of the uncertainty, `error` [n] in [0, 1]. Among rows of equal uncertainty it is the mean over their
    orders: a block of m rows of mean error r after c rows with errors e adds sum_j (e + j r) / (c + j), j = 1, ..., m.
    (Geifman, El-Yaniv 2017, arXiv 1705.08500; Geifman, Uziel, El-Yaniv 2019, arXiv 1805.08206.)
    """
    size, wrong = order.sums(weights), order.sums(weights * error)
    before, errors = np.cumsum(size) - size, np.cumsum(wrong) - wrong
    rate = wrong / np.maximum(size, 1)
    total = round(float(weights.sum()))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, total + 1))])
    apart = harmonic[np.rint(before + size).astype(int)] - harmonic[np.rint(before).astype(int)]
    return float((wrong + (errors - before * rate) * apart).sum() / total)


def best(error: Array, weights: Array) -> float:
    """The least area that any order of these rows has: all errors come last."""
    return aurc(Order.of(error), error, weights)


def selective(order: Order, error: Array, weights: Array, coverage: float) -> float:
    """The error of the share `coverage` of rows that are most certain, in (0, 1]; of ties, of as many as it takes."""
    size, wrong = order.sums(weights), order.sums(weights * error)
    kept = coverage * weights.sum()
    return float(np.interp(kept, np.cumsum(np.r_[0, size]), np.cumsum(np.r_[0, wrong])) / kept)


def auroc(order: Order, positive: Array, weights: Array) -> float:
    """P(u of a positive > u of a negative) + P(both equal) / 2 for rows positive [n] = 1 or 0; NaN if all are alike."""
    ones, zeros = order.sums(weights * positive), order.sums(weights * (1 - positive))
    pairs = ones.sum() * zeros.sum()
    return float((ones * (np.cumsum(zeros) - zeros / 2)).sum() / pairs) if pairs else float("nan")


def spearman(x: Order, y: Order, weights: Array) -> float:
    """Spearman's correlation of two orders of the same rows, of mean ranks; 0 where one of them is constant."""
    ranks = np.stack([x.ranks(weights), y.ranks(weights)])
    ranks -= ranks @ weights[:, None] / weights.sum()
    covariance = ranks * weights @ ranks.T
    scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(np.clip(covariance[0, 1] / scale, -1, 1)) if scale > 0 else 0.0


def resamples(n: int, count: int, seed: int) -> Array:
    """How often each of n rows is drawn with replacement, [count, n]: the weights of the bootstrap."""
    rng = np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(count)]).astype(np.float64)


def mean(x: Array, weights: Array) -> float:
    """The weighted mean of x [n]."""
    return float(x @ weights / weights.sum())


def estimate(statistic: Callable[[Array], float], weights: Array) -> tuple[float, tuple[float, float]]:
    """A statistic of weights [n], and its 95 % interval over those of `weights` [b, n]."""
    return statistic(np.ones(weights.shape[1])), interval(np.array([statistic(row) for row in weights]))
