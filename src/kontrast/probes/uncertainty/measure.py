"""The interface of a measure of uncertainty, and the training rows that measures compare with."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.parts import Part
from kontrast.probes.linear import classify
from kontrast.probes.probe import Encoding, check_values, labeled, moments
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTY, STEPS, TOLERANCE = 1e-3, 1000, 1e-3
"""Of the linear probe: those of `Linear`."""
CHUNK = 2**22
"""Similarities that are held at once."""
SIMPLEX = 2e-3
"""How far from 1 the sum of probabilities in half precision may be."""


class _Fit(NamedTuple):
    """A linear probe of standardized features."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Gallery(Features):
    """Training rows, with what several measures learn from them, once."""

    @classmethod
    def of(cls, train: Features) -> Gallery:
        """These rows as a gallery; what is one already stays it."""
        return train if isinstance(train, cls) else cls(**{f.name: getattr(train, f.name) for f in fields(Features)})

    @functools.cached_property
    def directions(self) -> NDArray[np.float32]:
        """The rows brought to length 1, float32 [n, d]."""
        return directions(self.values)

    @functools.cached_property
    def classes_seen(self) -> int:
        """How many classes the labeled rows have."""
        return 0 if self.labels is None else len(np.unique(self.labels[self.labels >= 0]))

    def logits(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """What the linear probe says of features [n, d]: logits [n, K] of the classes `seen`."""
        fit = self._linear
        found: NDArray[np.float64] = (values.astype(np.float64) - fit.mean) / fit.deviation @ fit.weight.T + fit.bias
        return found

    @property
    def seen(self) -> NDArray[np.int64]:
        """The labels that the linear probe knows, int64 [K]."""
        return self._linear.classes

    @functools.cached_property
    def _linear(self) -> _Fit:
        x, y = labeled(self)
        mean, deviation = moments(x)
        fit = classify((x - mean) / deviation, y, PENALTY, STEPS, TOLERANCE)
        return _Fit(mean, deviation, fit.weight, fit.bias, fit.classes)


class Measure(Part, ABC):
    """How uncertain an encoder is of each row: one number, larger for less certain."""

    @abstractmethod
    def lacks(self, train: Features, test: Features) -> str:
        """In one sentence, what these features lack for this measure to mean something; "" if nothing."""

    @abstractmethod
    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        """The uncertainty [n] of the rows of `test`, which lack nothing."""

    def extra(self) -> Mapping[str, Encoding]:
        """What else is needed of the rows of `test`, by the names under which `test.extra` has it."""
        return {}

    def __call__(self, train: Features, test: Features) -> NDArray[np.float64]:
        """The uncertainty float64 [n] of the rows of `test`, finite, larger for less certain.

        `train` is what the encoder knows: the gallery of those measures that have one, and what a linear probe learns
        from. ValueError if something is lacking, or if features are not finite.
        """
        reason = self.lacks(train, test)
        if reason:
            raise ValueError(reason)
        check_values(test)
        return self.measure(Gallery.of(train), test)


def directions(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows [n, d] brought to length 1; a row of zeros stays."""
    x = values.astype(np.float64)
    size = np.abs(x).max(1, keepdims=True)
    x = x / np.where(size > 0, size, 1)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return (x / np.where(length > 0, length, 1)).astype(np.float32)


def probabilities(features: Features) -> bool:
    """Whether every row holds the probabilities of two or more classes: the points of a Simplex."""
    x = features.values
    return x.shape[1] > 1 and bool((x >= 0).all() and (np.abs(x.astype(np.float64).sum(1) - 1) < SIMPLEX).all())


def entropy(q: NDArray[np.floating]) -> NDArray[np.float64]:
    """The entropy [n] of probabilities [n, k], as a share of log k: 0 for one class, 1 for all alike."""
    from scipy.special import entr

    q = q.astype(np.float64)
    found: NDArray[np.float64] = entr(q / q.sum(1, keepdims=True)).sum(1) / np.log(q.shape[1])
    return found
