"""The mutual information gap: whether one feature tells a factor, and no other does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.mutual import (
    Information,
    bins_of,
    entropy,
    information,
    paired,
    surprise,
)
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, around, positive
from kontrast.probes.probe import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class MIG(Disentanglement):
    """The mutual information gap of the two features that tell most of a factor, and three measures of its kind.

    With features h_j and factors z_k in `bins` equally wide bins, I in nats, and h_(1), h_(2) the features of the
    largest and second largest I(z_k; h_j),

        MIG     = mean_k (I(z_k; h_(1)) - I(z_k; h_(2))) / H(z_k)                              in [0, 1],
        JEMMIG  = mean_k 1 - (H(z_k, h_(1)) - I(z_k; h_(1)) + I(z_k; h_(2))) / (H(z_k) + log B),
        DCIMIG  = sum_k max_j g_jk / sum_k H(z_k), with g_jk the gap of feature j over its two best factors, given to
                  the best of them,
        MIG-sup = mean_j (I(h_j; z_(1)) - I(h_j; z_(2))) / H(h_j),

    the last two from the features' side. Bins of a feature lie between its least and largest value in the rows, so an
    outlier widens them; discrete factors are taken as they are, and angles modulo their symmetry. A true factor of 40
    values does not score 1, since bins join values: five of sizes 3, 6, 40, 32, 32 score .902. With one feature the
    second largest is 0; a constant feature tells nothing. By definition a score of one set of rows: those of `test`.

    Scores are "mig/bins=B" and that of each factor, "jemmig/bins=B", "dcimig/bins=B" and "mig_sup/bins=B". Intervals of
    MIG are of linearized bootstraps over the rows. Sources: Chen et al. 2018, arXiv 1802.04942; Do and Tran 2020, arXiv
    1908.09961; Sepliarskaia et al. 2019, arXiv 1910.05587; Li et al. 2020, arXiv 2002.10549.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    bins: int = chz.field(default=20, doc="equally wide bins of every feature and of continuous and periodic factors")
    permutations: int = chz.field(default=10, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        positive("MIG", bins=self.bins, permutations=self.permutations, seed=self.seed)

    def least(self) -> int:
        """As many rows as cells that a feature and a factor share."""
        return self.bins**2

    def measure(self, train: Rows, test: Rows) -> Measured:
        codes, levels = bins_of(test.codes, self.bins), test.truth.own
        found = information(codes, levels)
        each = gaps(found)
        name = f"mig/bins={self.bins}"
        values = {name: float(each.mean())}
        for other, value in (
            ("jemmig", _jemmig(found, codes, levels, self.bins)),
            ("dcimig", _dcimig(found)),
            ("mig_sup", _mig_sup(found)),
        ):
            values[f"{other}/bins={self.bins}"] = value
        bounds = around([values[name], *each], _influence(found, codes, levels), 0, 1)
        names = [name, *(f"{name}/{factor}" for factor in test.truth.names)]
        return Measured(
            values,
            f"{self.bins} equally wide bins on {len(codes):,} test rows",
            {name: dict(zip(test.truth.names, map(float, each), strict=True))},
            dict(zip(names, bounds, strict=True)),
            matrix=found.mutual / found.factors,
            shows="Mutual information, as a share of the factor's entropy",
        )


def gaps(found: Information) -> NDArray[np.float64]:
    """The gap [k] of each factor, as a share of its entropy."""
    first, second = _best(found)
    gap: NDArray[np.float64] = (_of(found, first) - _of(found, second)) / found.factors
    return gap


def _best(found: Information) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The features that tell most and second most of each factor; -1 where there is no second."""
    order = np.argsort(-found.mutual, 0, kind="stable")
    return order[0], order[1] if len(order) > 1 else np.full(order.shape[1], -1)


def _of(found: Information, features: NDArray[np.int64]) -> NDArray[np.float64]:
    told = found.mutual[features, np.arange(found.mutual.shape[1])]
    return np.where(features >= 0, told, 0.0)


def _jemmig(found: Information, codes: NDArray[np.int64], levels: NDArray[np.int64], bins: int) -> float:
    first, second = _best(found)
    joint = np.array([entropy(paired(codes[:, j], levels[:, k])) for k, j in enumerate(first)])
    lost = joint - _of(found, first) + _of(found, second)
    return float(np.mean(1 - lost / (found.factors + np.log(bins))))


def _two(found: Information) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The gap [m] of each feature over its two best factors, and the best one [m]; the second is 0 with one factor."""
    ranked = np.sort(found.mutual, 1)
    second = ranked[:, -2] if ranked.shape[1] > 1 else np.zeros(len(ranked))
    return ranked[:, -1] - second, found.mutual.argmax(1)


def _dcimig(found: Information) -> float:
    gap, best = _two(found)
    given = np.zeros(len(found.factors))
    np.maximum.at(given, best, gap)
    return float(given.sum() / found.factors.sum())


def _mig_sup(found: Information) -> float:
    gap, _ = _two(found)
    return float(np.mean(gap / np.where(found.features > 0, found.features, np.inf)))


def _influence(found: Information, codes: NDArray[np.int64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How each row moves MIG and the gap of each factor [n, 1 + k]: d(a / H) = (da - (a / H) dH) / H."""
    first, second = _best(found)
    columns = []
    for k, (a, b, gap) in enumerate(zip(first, second, gaps(found), strict=True)):
        own = surprise(levels[:, k])
        moved = told(codes[:, a], levels[:, k]) - (told(codes[:, b], levels[:, k]) if b >= 0 else 0)
        columns.append((moved - gap * own) / found.factors[k])
    each = np.stack(columns, 1)
    return np.concatenate([each.mean(1, keepdims=True), each], 1)


def told(code: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.float64]:
    """log p(h, z) / (p(h) p(z)) [n] of every row; the mean is the mutual information."""
    return surprise(code) + surprise(level) - surprise(paired(code, level))
