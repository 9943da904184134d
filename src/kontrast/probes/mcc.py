"""The mean correlation coefficient: whether single features are single factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed, moments
from kontrast.probes.targets import check_latents
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class MCC(Probe):
    """Mean correlation of each factor with the one feature matched to it, matched on `train` and scored on `test`.

    With C_ij the correlation of factor i of d and feature j on `train`, the matching pi pairs factors and features one
    to one so that sum_i |C_i,pi(i)| is largest, and with c_ij the correlation on `test`,

        MCC = (1/d) sum_i sign(C_i,pi(i)) c_i,pi(i)   in [-1, 1],

    once for Pearson's correlation and once for Spearman's (of ranks, ties sharing their mean rank), each with its own
    matching. It is 1 for features that are the factors up to order, sign and scale (Spearman: up to a monotone map
    of each). Since pairs and signs are chosen on other rows, noise scores about 0, where the usual mean of |C_i,pi(i)|
    on one set of rows grows with the number of features. The sum is divided by the number of factors even where there
    are fewer features, so a factor that is left without one counts as 0; so does a correlation with what is
    constant in `train` or in `test`, as of constant features. A value of .6 is no "60 %": a random rotation of
    ten uniform factors scores .59.

    Scores are "mcc/pearson", "mcc/spearman", and "mcc/pearson/NAME" for each factor. Only continuous factors take part:
    the zero of an angle and the order of classes mean nothing. Chance is the mean over `permutations` of the rows of
    the factors, in both splits. A ValueError if features or latents are not finite, if no factor is continuous, or if
    latents do not fit their factors. Source: Hyvarinen and Morioka 2016, arXiv 1605.06336.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    permutations: int = chz.field(default=10, doc="permutations of the rows that give the null level; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if self.permutations < 0 or self.seed < 0:
            raise ValueError("neither permutations nor seed of MCC can be negative; write permutations=10 seed=0")

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)
        if all(factor.kind != "continuous" for factor in features.factors):
            raise ValueError("MCC correlates continuous factors, of which there is none here; ask Recovery instead")

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        names = [factor.name for factor in test.factors if factor.kind == "continuous"]
        rng = np.random.default_rng(self.seed)
        whole: list[NDArray[np.int64]] = [np.arange(len(train)), np.arange(len(test))]
        orders = [whole, *([rng.permutation(rows) for rows in whole] for _ in range(self.permutations))]
        pearson = _scores([(_latents(split), split.values.astype(np.float64)) for split in (train, test)], orders)
        spearman = _scores([(_ranks(_latents(split)), _ranks(split.values)) for split in (train, test)], orders)
        rows = {"mcc/pearson": pearson.mean(1), "mcc/spearman": spearman.mean(1)}
        rows |= {f"mcc/pearson/{name}": pearson[:, i] for i, name in enumerate(names)}
        values = {name: float(row[0]) for name, row in rows.items()}
        null = {name: float(row[1:].mean()) for name, row in rows.items()} if self.permutations else {}
        return Scores(values, self._protocol(train, test, names), null=null)

    def _protocol(self, train: Features, test: Features, names: list[str]) -> str:
        d, m = len(names), test.values.shape[1]
        others = [f"{factor.name} ({factor.kind})" for factor in test.factors if factor.name not in names]
        features = _constant(train.values) | _constant(test.values)
        factors = _constant(_latents(train)) | _constant(_latents(test))
        parts = [
            f"{d} factors matched to {m} features on {len(train):,} rows and scored on {len(test):,}",
            f"{listed(others)} left out" if others else "",
            f"{d - m} factors without a feature count as 0" if m < d else "",
            f"{features.sum()} constant features correlate 0" if features.any() else "",
            f"{factors.sum()} constant factors count as 0" if factors.any() else "",
            f"null from {self.permutations} permutations of the factors' rows" if self.permutations else "",
        ]
        return "; ".join(filter(None, parts))


def correlations(z: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation [d, m] of every column of z [n, d] with every column of h [n, m]; 0 with a constant one."""
    return _products(_standardized(z), _standardized(h))


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


def _scores(
    splits: list[tuple[NDArray[np.float64], NDArray[np.float64]]], orders: list[list[NDArray[np.int64]]]
) -> NDArray[np.float64]:
    """The scores [orders, d] of (factors, features) in train and test, with the rows of the factors in each order."""
    scaled = [(_standardized(z), _standardized(h)) for z, h in splits]
    found = []
    for order in orders:
        train, test = (_products(z[rows], h) for (z, h), rows in zip(scaled, order, strict=True))
        found.append(crossed(train, test))
    return np.stack(found)


def _products(z: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(z.T @ h / len(z), -1, 1)


def _standardized(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    mean, deviation = moments(columns)
    return (columns - mean) / deviation


def _ranks(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return rankdata(columns, axis=0)


def _latents(features: Features) -> NDArray[np.float64]:
    """The columns of the continuous factors, float64 [n, d]."""
    assert features.latents is not None
    columns = [i for i, factor in enumerate(features.factors) if factor.kind == "continuous"]
    return features.latents[:, columns].astype(np.float64)


def _constant(columns: NDArray[np.floating]) -> NDArray[np.bool_]:
    constant: NDArray[np.bool_] = columns.max(0) == columns.min(0)
    return constant
