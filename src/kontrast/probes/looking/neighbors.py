"""Nearest neighbors: how often they are of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.panels import Curves, Line
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.looking.pair_similarity import unit
from kontrast.probes.probe import Layer, Probe, Scores, check_labels, check_splits, check_values, labeled
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 2**23


@chz.chz
class Neighbors(Probe):
    """The share of the k nearest neighbors of a test row, among the test rows, that are of its class.

    Near is by cosine, as in the pictures of a report; the row itself is left out, and rows labeled -1 are. For each k
    "same_class/k=K" is the mean over rows of the share among the k nearest (precision at k); 1 where classes are
    apart. A tie goes to the row that comes first. `k` above the rows that there are counts as all of them. Chance is
    the share of another row drawn at random that is of the same class, sum_c n_c (n_c - 1) / (n (n - 1)).

    ValueError for features that are not finite, and with fewer than two rows that have a label. It needs no training
    rows.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    k: tuple[int, ...] = chz.field(default=(1, 5, 10), doc="numbers of neighbors")

    @chz.validate
    def _ranges(self) -> None:
        if not self.k or min(self.k) < 1 or len(set(self.k)) < len(self.k):
            raise ValueError(f"k of Neighbors are different numbers from 1 on, not {self.k}; write k=1,5,10")

    def check(self, features: Features) -> None:
        check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        x, y = labeled(test)
        n = len(x)
        if n < 2:
            raise ValueError("one test row has a label, so it has no neighbor that has; encode more rows")
        most = min(max(self.k), n - 1)
        same = y[_nearest(unit(x), most)] == y[:, None]
        shares = same.cumsum(1) / np.arange(1, most + 1)
        columns = shares[:, [min(k, most) - 1 for k in self.k]]
        means = resampled(columns)
        names = [f"same_class/k={k}" for k in self.k]
        sizes = np.unique(y, return_counts=True)[1].astype(float)
        chance = float((sizes * (sizes - 1)).sum() / (n * (n - 1)))
        protocol = f"cosine neighbors of {n:,} test rows among the others"
        protocol += f"; there are no more than {n - 1}" if most < max(self.k) else ""
        ks = tuple(range(1, most + 1))
        lines = (
            Line("same class", ks, tuple(shares.mean(0).tolist())),
            Line("chance", ks, (chance,) * most),
        )
        return Scores(
            dict(zip(names, columns.mean(0).tolist(), strict=True)),
            protocol,
            dict.fromkeys(names, chance),
            interval={name: interval(column) for name, column in zip(names, means.T, strict=True)},
            panels=(Curves("Neighbors of the same class", "nearest neighbors", "share of the same class", lines),),
        )


def _nearest(x: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The k rows [n, k] of largest product with each row of x [n, d], nearest first, itself left out."""
    found = []
    step = max(1, CHUNK // len(x))
    for at in range(0, len(x), step):
        products = x[at : at + step] @ x.T
        rows = np.arange(len(products))
        products[rows, at + rows] = -np.inf
        found.append(np.argsort(-products.round(10), axis=1, kind="stable")[:, :k])
    return np.concatenate(found)
