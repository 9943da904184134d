"""The few-shot probe: whether a handful of labeled rows of each class is enough to name the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.panels import Curves, Line
from kontrast.probes.probe import Layer, Probe, Scores, check_labels, check_splits, check_values, labeled, listed
from kontrast.probes.rows import unit
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIE = 1e-10
NORMAL = 1.959963984540054


@chz.chz
class FewShot(Probe):
    """Accuracy of the nearest class centroid in episodes of N ways and K shots; there is nothing to fit.

    An episode draws N of the classes, K rows of each from `train` (the support) and some from `test` (the queries), all
    without replacement. With p_c the mean of the support rows of class c at length 1, a query x gets the class of the
    largest cosine of x and p_c; where m classes are tied, it counts as 1/m right if its own is one of them.

    Scores are "accuracy/K-shot" for each K, the mean over episodes, and their interval is this mean +- 1.96 standard
    errors over episodes. Chance is 1 / N. Classes without rows in one of the splits have no part. Where there are fewer
    classes than `ways` all are in every episode, and where a class has fewer test rows than `queries` all of them are
    asked about, which the protocol says. Constant features score chance. A ValueError if a class has fewer training
    rows than the largest K, if there are fewer than two classes, or if features are not finite. Source: Snell et al.
    2017, arXiv 1703.05175, with cosines in place of squared distances.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head), embedding, raw, or a block as block1")
    shots: tuple[int, ...] = chz.field(default=(1, 5, 20), doc="numbers of training rows of each class")
    ways: int = chz.field(default=5, doc="how many classes there are in an episode, if there are as many")
    queries: int = chz.field(default=15, doc="how many test rows of each class are asked about in an episode")
    episodes: int = chz.field(default=600, doc="episodes for each number of shots")
    seed: int = chz.field(default=0, doc="seed of the episodes")

    @chz.validate
    def _ranges(self) -> None:
        if not self.shots or min(self.shots) < 1 or len(set(self.shots)) < len(self.shots):
            raise ValueError(
                f"the shots of FewShot are different positive numbers, not {self.shots}; write shots=1,5,20"
            )
        if self.ways < 2 or self.queries < 1:
            raise ValueError("FewShot needs two ways and one query, or more; write ways=5 queries=15")
        if self.episodes < 2 or self.seed < 0:
            raise ValueError("FewShot needs two episodes or more by a seed from 0 on; write episodes=600 seed=0")

    def check(self, features: Features) -> None:
        check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        (x, y), (x_test, y_test) = labeled(train), labeled(test)
        classes = np.intersect1d(y, y_test)
        if len(classes) < 2:
            raise ValueError(
                "fewer than two classes have rows in both train and test, and an episode needs two or more"
            )
        support = [np.flatnonzero(y == label) for label in classes]
        asked = [np.flatnonzero(y_test == label) for label in classes]
        fewest = min(range(len(classes)), key=lambda c: len(support[c]))
        if len(support[fewest]) < max(self.shots):
            label, rows = classes[fewest], len(support[fewest])
            name = train.classes[label] if label < len(train.classes) else f"class {label}"
            raise ValueError(
                f"{name} has {rows} labeled training rows, too few for {max(self.shots)} shots; encode more rows, or "
                f"write shots={rows}"
            )
        x, x_test = (unit(rows).at(slice(None)) for rows in (x, x_test))
        found = {shots: self._episodes(x, x_test, support, asked, shots) for shots in self.shots}
        values = {f"accuracy/{shots}-shot": float(each.mean()) for shots, each in found.items()}
        error = [NORMAL * float(each.std(ddof=1)) / np.sqrt(len(each)) for each in found.values()]
        spread = {name: (value - e, value + e) for (name, value), e in zip(values.items(), error, strict=True)}
        chance = dict.fromkeys(values, 1 / min(self.ways, len(classes)))
        return Scores(
            values,
            self._protocol(len(x), len(x_test), len(classes), min(map(len, asked))),
            chance,
            interval=spread,
            panels=(_curve(self.shots, values, spread, chance),) if len(self.shots) > 1 else (),
        )

    def _episodes(
        self,
        x: NDArray[np.float64],
        x_test: NDArray[np.float64],
        support: list[NDArray[np.int64]],
        asked: list[NDArray[np.int64]],
        shots: int,
    ) -> NDArray[np.float64]:
        """The accuracy of each episode, of rows at length 1 whose numbers are given for each class."""
        rng, found = np.random.default_rng([self.seed, shots]), np.empty(self.episodes)
        ways, queries = min(self.ways, len(support)), min(self.queries, *map(len, asked))
        for episode in range(self.episodes):
            drawn = rng.choice(len(support), ways, replace=False)
            rows = np.stack([rng.choice(support[c], shots, replace=False) for c in drawn])
            about = np.stack([rng.choice(asked[c], queries, replace=False) for c in drawn])
            cosine = x_test[about] @ unit(x[rows].mean(1)).at(slice(None)).T
            tied = cosine >= cosine.max(2, keepdims=True) - TIE
            own = np.einsum("cqc->cq", tied)
            found[episode] = (own / tied.sum(2)).mean()
        return found

    def _protocol(self, trained: int, tested: int, classes: int, fewest: int) -> str:
        ways, queries = min(self.ways, classes), min(self.queries, fewest)
        parts = [
            f"nearest centroid by cosine in {self.episodes:,} episodes of {ways} of {classes} classes",
            f"{listed([str(shots) for shots in self.shots])} of {trained:,} training rows for each class",
            f"{queries} of {tested:,} test rows for each class",
            f"ways={self.ways} asked for but there are no more classes" if ways < self.ways else "",
            f"queries={self.queries} asked for but a class has no more test rows" if queries < self.queries else "",
            "interval over episodes",
        ]
        return "; ".join(filter(None, parts))


def _curve(
    shots: tuple[int, ...],
    values: dict[str, float],
    spread: dict[str, tuple[float, float]],
    chance: dict[str, float],
) -> Curves:
    order = np.argsort(shots)
    at, names = tuple(float(shots[i]) for i in order), [[*values][i] for i in order]
    low, high = (tuple(spread[name][end] for name in names) for end in (0, 1))
    lines = (
        Line("nearest centroid", at, tuple(values[name] for name in names), low, high),
        Line("chance", at, tuple(chance[name] for name in names)),
    )
    return Curves("Accuracy by labeled rows of each class", "shots", "accuracy", lines, logarithmic="x")
