"""The interface of a probe: what a frozen encoder's features say, as numbers with a protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from kontrast.parts import Part
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


Layer = Literal["feature", "embedding"]


class Scores(NamedTuple):
    """What a probe found: named numbers, and the protocol that made them in one line.

    Names are `metric` or `metric/of_what`, as in "accuracy", "r2/scale". Under the same names `chance` holds what
    guessing gives and `null` what the probe finds where the rows of the truth are permuted; each is empty where it is
    not known.
    """

    values: dict[str, float]
    protocol: str
    chance: dict[str, float] = {}  # noqa: RUF012
    null: dict[str, float] = {}  # noqa: RUF012


class Probe(Part, ABC):
    """A question asked of frozen features."""

    layer: Layer
    """What it is asked of: the features before the head, or the embeddings in the space. A field of every probe."""

    @abstractmethod
    def check(self, features: Features) -> None:
        """A ValueError, in one sentence, if these features lack what the probe needs (labels, latents, rows)."""

    @abstractmethod
    def __call__(self, train: Features, test: Features) -> Scores:
        """Learn from `train` if there is something to learn; every score is of `test`, on which nothing was fitted."""


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
    """A ValueError if a split fails the probe's own check, or both are one, or differ in dimension or factors."""
    if train.values is test.values:
        raise ValueError("train and test are the same rows, so nothing would be held out; give two splits")
    probe.check(train)
    probe.check(test)
    if train.values.shape[1] != test.values.shape[1]:
        dimensions = f"{train.values.shape[1]} and {test.values.shape[1]} dimensions"
        raise ValueError(f"the features of train and test have {dimensions}; encode both with one encoder")
    if train.factors != test.factors:
        raise ValueError("train and test name different factors; encode two splits of one dataset")


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
