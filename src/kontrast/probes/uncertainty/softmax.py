"""Measures of uncertainty without a temperature of their own: what a linear classifier of the features says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.probe import Encoding
from kontrast.probes.uncertainty.measure import Gallery, Measure, entropy
from kontrast.probes.uncertainty.measures import check_samples
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIR = 2


class _Softmax(Measure):
    """A measure of p(c | x) = softmax(W x + b), the linear probe fitted to the labeled training rows."""

    def lacks(self, train: Features, test: Features) -> str:
        classes = Gallery.of(train).classes_seen
        return (
            "" if classes > 1 else f"a linear probe tells two classes or more apart, and training rows have {classes}"
        )


@chz.chz
class SoftmaxEntropy(_Softmax):
    """Entropy of the linear probe's answer: H[p(c | x)] / log K over K classes, in [0, 1].

    p = softmax(W x + b) is fitted to the labels of the training rows as `Linear` fits it, with its standard values. It
    is the baseline that every other measure has to beat, as it needs no encoder that says how certain it is.
    """

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        return entropy(answers(train, test.values))


@chz.chz
class LeastConfidence(_Softmax):
    """One minus the largest probability of the linear probe, 1 - max_c p(c | x) over K classes, in [0, 1 - 1 / K].

    Hendrycks and Gimpel 2016, arXiv 1610.02136.
    """

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        largest: NDArray[np.float64] = answers(train, test.values).max(1)
        return 1 - largest


@chz.chz
class DropoutEntropy(_Softmax):
    """Entropy of the linear probe's mean answer over passes with dropout: H[mean_s p_s(c | x)] / log K, in [0, 1].

    p_s is the linear probe's softmax of what pass s makes of the row (Gal and Ghahramani 2016, arXiv 1506.02142). An
    encoding says the mean of its passes alone, so each p_s is of the mean of two: 2 S passes in all.
    """

    samples: int = chz.field(default=8, doc="answers S that are averaged, 2 or more")

    @chz.validate
    def _several(self) -> None:
        check_samples(self.samples)

    def extra(self) -> Mapping[str, Encoding]:
        return {f"pass {s}": Encoding(samples=PAIR, seed=s) for s in range(self.samples)}

    def lacks(self, train: Features, test: Features) -> str:
        if not set(self.extra()) <= set(test.extra):
            return "rows were not passed with dropout; train with encoder.dropout=0.3 and ask for the extra encodings"
        return super().lacks(train, test)

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        return entropy(np.mean([answers(train, test.extra[name].values) for name in self.extra()], axis=0))


def answers(train: Gallery, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The probabilities [n, K] that the linear probe gives to features [n, d]."""
    from scipy.special import softmax

    found: NDArray[np.float64] = softmax(train.logits(values), axis=1)
    return found
