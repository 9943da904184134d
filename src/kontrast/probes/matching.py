"""One-to-one matching of factors and features by the largest sum of correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.probes.dependence import Waves, canonical
from kontrast.probes.probe import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("pearson", "spearman", "rdc")
MOST = 5000
"""Rows from which the randomized dependence coefficient is fitted, and on which it is scored, at most."""


class Pair(NamedTuple):
    """The factors z float64 [n, d] and the features h float64 [n, m] of the same rows."""

    z: NDArray[np.float64]
    h: NDArray[np.float64]


class Matched(NamedTuple):
    """What matching gives: first on the rows in their order, then on permutations of the factors' rows.

    `scores` [1 + p, d] of each factor, matched on train and taken on test; `in_sample` [1 + p, d] its correlation
    without sign, matched and taken on test. `held_out` and `fitted` are the two correlated columns [n, d] of the first
    of either, 0 for a factor without a partner.
    """

    scores: NDArray[np.float64]
    in_sample: NDArray[np.float64]
    held_out: Pair
    fitted: Pair


def correlations(z: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation [d, m] of every column of z [n, d] with every column of h [n, m]; 0 with a constant one."""
    return _products(standardized(z), standardized(h))


def match(correlation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs (i, j) [min(d, m)] of rows and columns of C [d, m], one to one, of the largest sum of |C_ij|."""
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(-np.abs(correlation))


def crossed(train: NDArray[np.float64], test: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score [d] of each factor: its correlation in `test` [d, m] with the feature and sign matched in `train`."""
    factor, feature = match(train)
    score = np.zeros(len(train))
    score[factor] = np.sign(train[factor, feature]) * test[factor, feature]
    return score


def ranks(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rank [n, m] of each value in its column, from 1; ties share their mean rank."""
    from scipy.stats import rankdata

    return rankdata(columns, axis=0)


def standardized(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of mean 0 and variance 1; constant ones are 0."""
    mean, deviation = moments(columns)
    return (columns - mean) / deviation


def padded(pair: Pair, seed: int) -> Pair:
    """The pair with columns of standard normal noise beside the factors, up to the number of features."""
    surplus = max(0, pair.h.shape[1] - pair.z.shape[1])
    noise = np.random.default_rng(seed).normal(size=(len(pair.z), surplus))
    return Pair(np.concatenate([pair.z, noise], 1), pair.h)


def pairs(kind: str, given: Sequence[Pair], d: int, permutations: int, seed: int) -> Matched:
    """Match the factors and features of train and test, for one kind of correlation; the first d factors are scored."""
    if kind == "rdc":
        given = [Pair(*(part[:MOST] for part in pair)) for pair in given]
    rng = np.random.default_rng(seed)
    whole: list[NDArray[np.int64]] = [np.arange(len(pair.z)) for pair in given]
    orders = [whole, *([rng.permutation(rows) for rows in whole] for _ in range(permutations))]
    if kind == "rdc":
        return _by_waves(given, orders, d)
    if kind == "spearman":
        given = [Pair(ranks(z), ranks(h)) for z, h in given]
    train, test = (Pair(standardized(z), standardized(h)) for z, h in given)
    tables = [
        [_products(part.z[own], part.h) for part, own in zip((train, test), order, strict=True)] for order in orders
    ]
    scores = np.stack([crossed(*each)[:d] for each in tables])
    own = np.stack([np.abs(crossed(each[1], each[1]))[:d] for each in tables])
    return Matched(scores, own, *(_partners(test, table, d) for table in tables[0]))


def _partners(pair: Pair, table: NDArray[np.float64], d: int) -> Pair:
    """Each of d factors and the feature that a table of correlations matches it to, with the sign of that."""
    factor, feature = match(table)
    partner = np.zeros(pair.z.shape)
    partner[:, factor] = pair.h[:, feature] * np.sign(table[factor, feature])
    return Pair(pair.z[:, :d], partner[:, :d])


def _by_waves(given: Sequence[Pair], orders: Sequence[Sequence[NDArray[np.int64]]], d: int) -> Matched:
    """As `pairs`, of the randomized dependence coefficient: its functions are fitted where pairs are matched."""
    fits = [(Waves(z, 0), Waves(h, 1)) for z, h in given]
    here = [Pair(own(z), other(h)) for (own, other), (z, h) in zip(fits, given, strict=True)]
    ahead = Pair(fits[0][0](given[1].z), fits[0][1](given[1].h))
    scores, own_scores, shown = [], [], list[Pair]()
    for order in orders:
        first = _variables(here[0], Pair(ahead.z[order[1]], ahead.h), order[0])
        own = _variables(here[1], Pair(here[1].z[order[1]], here[1].h), order[1])
        scores.append(_diagonal(first)[:d])
        own_scores.append(np.abs(_diagonal(own))[:d])
        shown = shown or [Pair(pair.z[:, :d], pair.h[:, :d]) for pair in (first, own)]
    return Matched(np.stack(scores), np.stack(own_scores), *shown)


def _variables(fitted: Pair, taken: Pair, order: NDArray[np.int64]) -> Pair:
    """The correlated combinations [n, d] of the waves `taken`, matched and fitted on others, whose factors are so
    ordered."""
    table, left, right = canonical(fitted.z[order], fitted.h)
    factor, feature = match(table)
    z, h = np.zeros(taken.z.shape[:2]), np.zeros(taken.z.shape[:2])
    z[:, factor] = np.einsum("nik,ik->ni", taken.z[:, factor], left[factor, feature])
    h[:, factor] = np.einsum("nik,ik->ni", taken.h[:, feature], right[factor, feature])
    return Pair(z, h)


def _diagonal(pair: Pair) -> NDArray[np.float64]:
    """The correlation [d] of column i of one with column i of the other."""
    z, h = standardized(pair.z), standardized(pair.h)
    found: NDArray[np.float64] = np.clip((z * h).mean(0), -1, 1)
    return found


def _products(z: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(z.T @ h / len(z), -1, 1)
