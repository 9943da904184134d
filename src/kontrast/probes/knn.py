"""The nearest-neighbor probe: whether rows of one class lie near each other, with nothing learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.probe import Layer, Probe, Scores, check_labels, check_splits, check_values, labeled, most_frequent
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 2**23
TIE = 1e-10


@chz.chz
class KNN(Probe):
    """Weighted vote of the k nearest training rows in cosine similarity; there is nothing to fit.

    With s_j the cosine of a test row and training row j, and N the k training rows of largest s_j, class c gets

        v_c = sum_{j in N, y_j = c} exp(s_j / temperature)

    votes, and the score "accuracy" is the share of test rows whose class has most of them. Rows with label -1 are left
    out. Where fewer than k training rows have a label, all of them vote. Rows tied with the k-th neighbor (to within
    1e-10) vote too, so that the order of the rows changes nothing; of classes with equal votes the lowest label wins.
    A row of zeros has similarity 0 to every row. Constant features score the share, in `test`, of the class most
    frequent in `train`. Chance is the share of the most frequent class in `test`. A ValueError if features are not
    finite or no row has a label. Source: Wu et al. 2018, arXiv 1805.01978.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    k: int = chz.field(default=200, doc="how many nearest training rows vote")
    temperature: float = chz.field(default=0.07, doc="divisor of the similarity in the weight of a vote")

    @chz.validate
    def _ranges(self) -> None:
        if self.k < 1:
            raise ValueError(f"KNN needs at least one neighbor, not k={self.k}; write k=200")
        if not self.temperature > 0:
            raise ValueError(f"the temperature of KNN must be positive, not {self.temperature}; write temperature=0.07")

    def check(self, features: Features) -> None:
        check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        (x, y), (x_test, y_test) = labeled(train), labeled(test)
        classes, target = np.unique(y, return_inverse=True)
        x, x_test, k = _unit(x), _unit(x_test), min(self.k, len(x))
        step = max(1, CHUNK // len(x))
        voted = [self._vote(x_test[i : i + step] @ x.T, target, k, len(classes)) for i in range(0, len(x_test), step)]
        accuracy = float((classes[np.concatenate(voted)] == y_test).mean())
        unlabeled = len(train) - len(x) + len(test) - len(x_test)
        parts = [
            f"vote of the {k} nearest of {len(x):,} rows by cosine similarity, scored on {len(x_test):,}",
            f"k={self.k} asked for but there are no more rows" if k < self.k else "",
            f"weights exp(similarity / {self.temperature:g})",
            f"{unlabeled:,} unlabeled rows left out" if unlabeled else "",
        ]
        return Scores({"accuracy": accuracy}, "; ".join(filter(None, parts)), {"accuracy": most_frequent(y_test)})

    def _vote(
        self, similarity: NDArray[np.float64], target: NDArray[np.int64], k: int, classes: int
    ) -> NDArray[np.int64]:
        """The class number [n] with most votes for similarities [n, m] to training rows of class numbers target [m]."""
        last = np.partition(similarity, -k, axis=1)[:, -k]
        row, neighbor = np.nonzero(similarity >= last[:, None] - TIE)
        nearest = similarity.max(1)
        # Relative to the nearest one, so that no temperature overflows; a row's factor changes no winner.
        weight = np.exp((similarity[row, neighbor] - nearest[row]) / self.temperature)
        votes = np.bincount(row * classes + target[neighbor], weight, len(similarity) * classes).reshape(-1, classes)
        winner: NDArray[np.int64] = (votes >= votes.max(1, keepdims=True) * (1 - TIE)).argmax(1)
        return winner


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.abs(x).max(1, keepdims=True)
    x = x / np.where(size > 0, size, 1)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm > 0, norm, 1)
