"""The nearest-neighbor probe: whether rows of one class lie near each other, with nothing learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import chz
import numpy as np

from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.choice import edges
from kontrast.probes.probe import Layer, Probe, Scores, check_labels, check_splits, check_values, most_frequent
from kontrast.probes.rows import Rows, parts, spread, unit
from kontrast.probes.votes import Ballot, Distance, Voters, placed
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class KNN(Probe):
    """Weighted vote of the k nearest training rows; there is nothing to fit.

    With s_j the similarity of a test row and training row j, and N the k training rows of largest s_j, class c gets

        v_c = sum_{j in N, y_j = c} exp(s_j / temperature)

    votes. For distance=cosine s_j is the cosine. For distance=euclidean it is -d_j^2 / 2, where d_j^2 is the squared
    distance in units that make its mean over all pairs of training rows 2, as it is for rows spread evenly over the
    unit sphere: there both distances give the same votes, and a temperature means the same for both. All votes are
    equal for temperature=inf.

    Of several `ks` and `temperatures` those are taken with which most training rows are named right by the others, each
    row left out in turn (at most `chosen_on` rows, drawn by `seed`); of equals, the first. A warning says if they are
    the least or largest ones.

    The score "accuracy" is the share of test rows whose class has most votes, "accuracy/top5", where there are more
    than five classes, of those whose class is among the five with most, and "accuracy/validation" that of the training
    rows by which k and temperature were chosen. Rows with label -1 are left out. Where fewer than k training rows have
    a label, all of them vote. Rows tied with the k-th neighbor (to within 1e-10) vote too, so that the order of the
    rows changes nothing; of classes with equal votes the lowest label wins. A row of zeros has cosine 0 to every row.
    Constant features score the share, in `test`, of the class most frequent in `train`. Chance is the share of the most
    frequent class (of the five most frequent ones) in `test`. Besides the features it takes 300 MB at the most. A
    ValueError if features are not finite or no row has a label. Source: Wu et al. 2018, arXiv 1805.01978.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head), embedding, raw, or a block as block1")
    k: int = chz.field(default=200, doc="how many nearest training rows vote")
    temperature: float = chz.field(
        default=0.07, doc="divisor of the similarity in the weight of a vote; inf: equal votes"
    )
    distance: Distance = chz.field(default="cosine", doc="cosine, or euclidean")
    ks: tuple[int, ...] = chz.field(default=(), doc="numbers of neighbors to choose from; none: k")
    temperatures: tuple[float, ...] = chz.field(default=(), doc="temperatures to choose from; none: the one above")
    chosen_on: int = chz.field(default=5000, doc="training rows by which k and temperature are chosen, at most")
    seed: int = chz.field(default=0, doc="seed of which training rows these are")

    @chz.validate
    def _ranges(self) -> None:
        k, temperature = min(self.k, *self.ks, self.k), [self.temperature, *self.temperatures]
        if k < 1:
            raise ValueError(f"KNN needs at least one neighbor, not k={k}; write k=200")
        if not all(each > 0 for each in temperature):
            raise ValueError(f"a temperature of KNN must be positive, not {min(temperature)}; write temperature=0.07")
        if self.distance not in ("cosine", "euclidean"):
            raise ValueError(f"a distance of KNN is not {self.distance!r}; write distance=cosine or distance=euclidean")
        if len(set(self.ks)) < len(self.ks) or len(set(self.temperatures)) < len(self.temperatures):
            raise ValueError("the ks and the temperatures of KNN are different ones; write ks=5,20,200")
        if self.chosen_on < 1 or self.seed < 0:
            raise ValueError("k is chosen on one row or more by a seed from 0 on; write chosen_on=5000 seed=0")

    def check(self, features: Features) -> None:
        check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        (x, y), (x_test, y_test) = _labeled(train), _labeled(test)
        classes, target = np.unique(y, return_inverse=True)
        left = len(train) - len(x) + len(test) - len(x_test)
        voters, queries = _voters(self.distance, x, x_test, target, len(classes))
        chosen, validation, words = self._chosen(voters)
        k, temperature = min(chosen.ks[0], len(x)), chosen.temperatures[0]
        at = np.minimum(np.searchsorted(classes, y_test), len(classes) - 1)
        own = np.where(classes[at] == y_test, at, -1)
        right = placed(voters, queries, own, Ballot((k,), (temperature,)))[0, 0]
        names = ["accuracy", "accuracy/top5"][: 2 if len(classes) > 5 else 1]
        drawn = resampled(right.T)
        values = {name: float(right[i].mean()) for i, name in enumerate(names)}
        chance = {name: most_frequent(y_test, count) for name, count in zip(names, (1, 5), strict=False)}
        spread = {name: interval(drawn[:, i]) for i, name in enumerate(names)}
        warned = {}
        if words:
            values["accuracy/validation"], chance["accuracy/validation"] = validation, most_frequent(y)
            said = edges({"k": (chosen.ks[0], self.ks), "temperature": (temperature, self.temperatures)}, (1, np.inf))
            warned = {"accuracy": said} if said else {}
        similarity = "cosine similarity" if self.distance == "cosine" else "Euclidean distance"
        scale = "similarity" if self.distance == "cosine" else "-distance^2 / 2"
        parts = [
            f"vote of the {k} nearest of {len(x):,} rows by {similarity}, scored on {len(x_test):,}",
            f"k={chosen.ks[0]} asked for but there are no more rows" if k < chosen.ks[0] else "",
            f"weights exp({scale} / {temperature:g})" if np.isfinite(temperature) else "equal weights",
            words,
            f"{left:,} unlabeled rows left out" if left else "",
        ]
        return Scores(values, "; ".join(filter(None, parts)), chance, {}, spread, warned)

    def _chosen(self, voters: Voters) -> tuple[Ballot, float, str]:
        """One k and one temperature, their accuracy on training rows that were left out, and how they were chosen."""
        ks, temperatures = self.ks or (self.k,), self.temperatures or (self.temperature,)
        if len(ks) * len(temperatures) == 1:
            return Ballot(ks, temperatures), np.nan, ""
        n = len(voters.target)
        if n < 2:
            raise ValueError("one training row cannot be left out to choose k by; give one k and one temperature")
        rows = np.sort(np.random.default_rng(self.seed).permutation(n)[: self.chosen_on])
        ballot = Ballot(tuple(min(k, n - 1) for k in ks), temperatures)
        queries = voters.rows._replace(values=voters.rows.values[rows], factor=voters.rows.factor[rows])
        right = placed(voters, queries, voters.target[rows], ballot, rows)[:, :, 0].mean(2)
        best, hottest = np.unravel_index(right.argmax(), right.shape)
        words = (
            f"chosen of {len(ks)} numbers of neighbors and {len(temperatures)} temperatures by the accuracy "
            f"{right.max():.4f} on {len(rows):,} training rows, each left out in turn"
        )
        return Ballot((ks[best],), (temperatures[hottest],)), float(right.max()), words


def _labeled(features: Features) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    """The rows that have a label, in the precision they have: features [m, d] and labels int64 [m]."""
    assert features.labels is not None
    rows = features.labels >= 0
    return features.values if rows.all() else features.values[rows], features.labels[rows].astype(np.int64)


def _voters(
    distance: Distance,
    train: NDArray[np.floating[Any]],
    test: NDArray[np.floating[Any]],
    target: NDArray[np.int64],
    classes: int,
) -> tuple[Voters, Rows]:
    """The training rows of class numbers `target` [n] as voters, and the test rows as queries."""
    if distance == "cosine":
        return Voters(unit(train), np.zeros(len(train)), 1.0, target, classes), unit(test)
    voters, queries = spread(train, test)
    square = np.concatenate([np.square(voters.at(part)).sum(1) for part in parts(len(train))])
    return Voters(voters, square / 2, float(np.sqrt(square.max())), target, classes), queries
