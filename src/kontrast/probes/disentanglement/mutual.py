"""Mutual information of features and factors, both binned or by nearest neighbors; everything in nats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kontrast.probes.disentanglement.truth import binned, edges

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Information(NamedTuple):
    """`mutual` I(h_j; z_k) [m, k]; the entropies `features` H(h_j) [m] and `factors` H(z_k) [k]."""

    mutual: NDArray[np.float64]
    features: NDArray[np.float64]
    factors: NDArray[np.float64]


def bins_of(codes: NDArray[np.floating[Any]], bins: int) -> NDArray[np.int64]:
    """The bins [n, m] of features [n, m], each in equally wide ones from its least to its largest value."""
    return np.stack([binned(column, edges(column, bins)) for column in codes.T], 1)


def information(codes: NDArray[np.int64], levels: NDArray[np.int64]) -> Information:
    """What binned features [n, m] say of levels [n, k], with the relative frequencies as probabilities."""
    features = np.array([entropy(column) for column in codes.T])
    factors = np.array([entropy(column) for column in levels.T])
    joint = np.array([[entropy(paired(a, b)) for b in levels.T] for a in codes.T])
    return Information(np.maximum(features[:, None] + factors - joint, 0), features, factors)


def entropy(column: NDArray[np.int64]) -> float:
    """-sum p log p over the values of a column [n], with their relative frequencies p."""
    counts = np.bincount(column)
    share = counts[counts > 0] / len(column)
    return float(-(share * np.log(share)).sum() + 0.0)


def surprise(column: NDArray[np.int64]) -> NDArray[np.float64]:
    """-log p [n] of the value in every row; the mean is the entropy."""
    counts = np.bincount(column)
    found: NDArray[np.float64] = -np.log(counts[column] / len(column))
    return found


def paired(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number [n] for every pair of values."""
    found: NDArray[np.int64] = a * (b.max() + 1) + b
    return found


def by_neighbors(
    codes: NDArray[np.float64], levels: NDArray[np.int64], neighbors: int, seed: int
) -> NDArray[np.float64]:
    """I(h_j; z_k) [m, k] of real features [n, m] and levels [n, k], by nearest neighbors (Ross 2014).

    With r_i the distance from row i to its K-th neighbor of the same level (fewer where a level has no more rows), N_i
    the rows of that level, and M_i all the rows nearer than r_i, itself included,

        I = psi(n) + mean psi(K) - mean psi(N_i) - mean psi(M_i),

    or 0 where that is negative. As scikit-learn's `mutual_info_classif`, whose search trees are not needed on a line.
    Levels of one row are left out. Noise of 1e-10 of the scale, drawn by `seed`, tells equal values apart.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros((codes.shape[1], levels.shape[1]))
    for j, column in enumerate(codes.T):
        scale = column.std()
        x = column / (scale if scale > 0 and column.max() > column.min() else 1.0)
        x = x + 1e-10 * max(1.0, float(np.abs(x).mean())) * rng.standard_normal(len(x))
        found[j] = [_ross(x, level, neighbors) for level in levels.T]
    return found


def _ross(x: NDArray[np.float64], level: NDArray[np.int64], neighbors: int) -> float:
    from scipy.special import digamma

    counts = np.bincount(level)
    kept = counts[level] > 1
    x, level = x[kept], level[kept]
    if not len(x):
        return 0.0
    order = np.lexsort((x, level))
    x, size = x[order], counts[level[order]]
    start = np.searchsorted(level[order], level[order])
    k = np.minimum(neighbors, size - 1)
    within = _nearer(np.sort(x), x, _distance(x, start, size, k))
    n = len(x)
    value = digamma(n) + digamma(k).mean() - digamma(size).mean() - digamma(within).mean()
    return max(0.0, float(value))


def _distance(
    x: NDArray[np.float64], start: NDArray[np.int64], size: NDArray[np.int64], k: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The distance [n] to the k-th neighbor, where the rows of a level stand together and rise."""
    here = np.arange(len(x))
    found = np.full(len(x), np.inf)
    for below in range(int(k.max()) + 1):
        left, right = here - below, here - below + k
        fits = (left >= start) & (right < start + size) & (below <= k)
        left, right = np.where(fits, left, here), np.where(fits, right, here)
        reach = np.maximum(x - x[left], x[right] - x)
        found = np.where(fits & (reach < found), reach, found)
    return found


def _nearer(line: NDArray[np.float64], x: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many points of a rising line [n] are nearer to x than r, for each x; at least 1, which is x itself."""
    last = len(line) - 1
    high, low = np.searchsorted(line, x + r), np.searchsorted(line, x - r, side="right")
    # x + r rounds, so the point at distance r itself may have come out on either side.
    high = np.where(line[np.clip(high - 1, 0, last)] - x >= r, high - 1, high)
    low = np.where(x - line[np.clip(low, 0, last)] >= r, low + 1, low)
    found: NDArray[np.int64] = np.maximum(high - low, 1)
    return found
