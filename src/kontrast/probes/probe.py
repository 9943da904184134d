"""The interface of a probe: what a frozen encoder's features say, as numbers with a protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.augmentations import Recipe
from kontrast.datasets import Dataset
from kontrast.panels import Panel
from kontrast.parts import Part
from kontrast.views import Features, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray


ALIKE = 0.1
"""The share of test rows that may be equal to training rows."""
Layer = str
"""Where in the network features are taken: "feature" (before the head), "embedding" (in the space), "raw" (the
observations themselves), or a block of the encoder: "stem", "block1", "block2", ..."""


class Scores(NamedTuple):
    """What a probe found: named numbers, and the protocol that made them in one line.

    Names are `metric` or `metric/of_what`, as in "accuracy", "r2/scale". Under the same names `chance` holds what
    guessing gives, `null` what the probe finds where the rows of the truth are permuted, and `interval` the 95 %
    interval over resampled test rows; each is empty where it is not known. `warnings` say, by name or by "" for all,
    where a number leaves the domain in which it means what it is named. `panels` are what there is to look at.
    """

    values: dict[str, float]
    protocol: str
    chance: dict[str, float] = {}  # noqa: RUF012
    null: dict[str, float] = {}  # noqa: RUF012
    interval: dict[str, tuple[float, float]] = {}  # noqa: RUF012
    warnings: dict[str, str] = {}  # noqa: RUF012
    panels: tuple[Panel, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """Something that a probe asks to have encoded besides its train and test rows, at its own layer.

    The rows are those of `split`, of the run's own data or of `data`, as many as the probe's own. Pictures may go
    through `change` first, with draws that are a function of `seed` and the row. With `view` = v the v-th view that the
    run's own pairing makes of each row is encoded in its place: views 0 and 1 belong together. With `samples` > 1 each
    row passes so many times with dropout, and has a `spread`.
    """

    split: Split = "test"
    data: Dataset | None = None
    change: Recipe | None = None
    view: int | None = None
    samples: int = 1
    seed: int = 0


class Probe(Part, ABC):
    """A question asked of frozen features."""

    layer: Layer
    """What it is asked of, as in "feature" or "embedding". A field of every probe."""

    @abstractmethod
    def check(self, features: Features) -> None:
        """A ValueError, in one sentence, if these features lack what the probe needs (labels, latents, rows)."""

    @abstractmethod
    def __call__(self, train: Features, test: Features) -> Scores:
        """Learn from `train` if there is something to learn; every score is of `test`, on which nothing was fitted."""

    def extra(self) -> Mapping[str, Encoding]:
        """What else the probe needs, by names of its own: it finds the features in `test.extra`."""
        return {}


class Comparison(Part, ABC):
    """A question asked of several encoders that saw the same rows: whether they agree with each other."""

    layer: Layer
    """What it is asked of. A field of every comparison."""

    @abstractmethod
    def check(self, features: Features) -> None:
        """A ValueError, in one sentence, if these features lack what the comparison needs."""

    @abstractmethod
    def __call__(self, train: Sequence[Features], test: Sequence[Features]) -> Scores:
        """What two or more encoders have in common: item i of both is what encoder i made of the same rows."""


def check_values(features: Features) -> None:
    """A ValueError if there is no row or no dimension, or if a feature is not a finite number."""
    if 0 in features.values.shape:
        raise ValueError(f"features of shape {features.values.shape} are empty; encode at least one row")
    bad = np.count_nonzero(~np.isfinite(features.values).all(1))
    if bad:
        raise ValueError(f"{bad} of {len(features)} rows have features that are NaN or infinite, so they mean nothing")


def check_labels(features: Features) -> None:
    """A ValueError if no row has a label, or if a label is neither -1 nor the number of a class."""
    if features.labels is None or not (features.labels >= 0).any():
        raise ValueError("no row has a label, which this probe predicts; encode a dataset with classes")
    if features.labels.min() < -1:
        raise ValueError(f"labels count from 0, and -1 means none, so {features.labels.min()} is not a label")


def check_splits(probe: Probe, train: Features, test: Features) -> None:
    """A ValueError if a split fails the probe's own check, or they overlap, or differ in dimension or factors.

    They overlap where both hold a row of one origin and one index, or where more than a tenth of the test rows are
    `repeated` in train. A few are not refused, for real data sets have them, and neither are those of a world in which
    every factor is discrete: it has only so many different rows, and rows drawn apart from each other then repeat.
    """
    if train.values is test.values:
        raise ValueError("train and test are the same rows, so nothing would be held out; give two splits")
    check_apart(train, test)
    probe.check(train)
    probe.check(test)
    if train.values.shape[1] != test.values.shape[1]:
        dimensions = f"{train.values.shape[1]} and {test.values.shape[1]} dimensions"
        raise ValueError(f"the features of train and test have {dimensions}; encode both with one encoder")
    if train.factors != test.factors:
        raise ValueError("train and test name different factors; encode two splits of one dataset")


def check_apart(train: Features, test: Features) -> None:
    """A ValueError if test rows are training rows, by their numbers or, for more than a tenth of them, by content."""
    if train.origin and train.origin == test.origin and train.index is not None and test.index is not None:
        both = int(np.isin(test.index, train.index).sum())
        if both:
            raise ValueError(
                f"the test rows overlap the training rows: {both:,} of {len(test):,} are rows of both; give two splits"
            )
    finite = bool(test.factors) and all(factor.kind == "discrete" for factor in test.factors)
    again = repeated(train, test)
    if again > ALIKE * len(test) and not finite:
        raise ValueError(
            f"the test rows overlap the training rows: {again:,} of {len(test):,} are equal to one of them; give two "
            "splits that were drawn apart"
        )


def repeated(train: Features, test: Features) -> int:
    """How many test rows occur among the training rows too: their observations are equal, by `digest`.

    Where the latents are known they must be equal too, for in pictures of few pixels many latents look alike.
    """
    if train.digest is None or test.digest is None:
        return 0
    rows = np.flatnonzero(np.isin(test.digest, train.digest))
    if train.latents is None or test.latents is None or not len(rows):
        return len(rows)
    others = np.flatnonzero(np.isin(train.digest, test.digest[rows]))
    there = {(train.digest[row], train.latents[row].tobytes()) for row in others}
    return sum((test.digest[row], test.latents[row].tobytes()) in there for row in rows)


def labeled(features: Features) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The rows that have a label: features float64 [m, d] and labels int64 [m]."""
    assert features.labels is not None
    rows = features.labels >= 0
    return features.values[rows].astype(np.float64), features.labels[rows].astype(np.int64)


def moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [d] and standard deviation [d] (over n, not n - 1) of each column of values [n, d].

    The deviation of a constant column is given as infinity, so that (x - mean) / deviation is 0 there, and never NaN.
    """
    mean, deviation = values.mean(0), values.std(0)
    varies = (deviation > 0) & (values.max(0) > values.min(0))
    return mean, np.where(varies, deviation, np.inf)


def most_frequent(labels: NDArray[np.int64], count: int = 1) -> float:
    """The share of rows in the `count` most frequent classes: the accuracy of always naming these."""
    sizes = np.unique(labels, return_counts=True)[1]
    return float(np.sort(sizes)[::-1][:count].sum() / len(labels))


def listed(words: Sequence[str]) -> str:
    """Words as a phrase: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
