"""Measures of uncertainty that an encoder itself gives: its probabilities, concentrations, lengths and neighbors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import chz
import numpy as np
import torch

from kontrast import parts
from kontrast.probes.probe import Encoding
from kontrast.probes.uncertainty.measure import CHUNK, Gallery, Measure, directions, entropy, probabilities
from kontrast.similarities import Cosine, Similarity
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE = 1e-4
"""Lengths within this share of each other are one length."""
NO_CLASSES = "rows are no probabilities of latent classes; train with space=Simplex, and ask the embedding"


@chz.chz
class Entropy(Measure):
    """Entropy of the latent class: H[q(c | x)] / log D for embeddings q on a Simplex of D classes, in [0, 1].

    0 where the encoder is sure of one class, 1 where all are alike to it.
    """

    def lacks(self, train: Features, test: Features) -> str:
        return "" if probabilities(test) else NO_CLASSES

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        return entropy(test.values)


@chz.chz
class Concentration(Measure):
    """Minus the concentration that the encoder says: -kappa for embeddings that stand for vMF(mu, kappa).

    With space=VonMisesFisher kappa is the length of the embedding; on a Product it is what its spaces say together. A
    concentration is only known jointly with that of the pairs, 1 / temperature of the objective: where that is held
    fixed, kappa is in its units, and where it is learned, only ranks mean something. On a Simplex the concentration is
    log D minus the entropy, so `Entropy` says it. ValueError for rows without a concentration, or an infinite one.
    """

    def lacks(self, train: Features, test: Features) -> str:
        if test.concentration is None:
            return "rows come without a concentration; train with space=VonMisesFisher, and ask the embedding"
        if not np.isfinite(test.concentration).all():
            return f"{(~np.isfinite(test.concentration)).sum()} rows have a concentration that is NaN or infinite"
        return "on a Simplex the concentration is another word for the entropy" if probabilities(test) else ""

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        assert test.concentration is not None
        return -test.concentration.astype(np.float64)


@chz.chz
class Norm(Measure):
    """Minus the length of the embedding, -|x|: without any training for it, ambiguous rows often are the shorter ones.

    It means nothing where the space gives every row one length, as a Sphere does.
    """

    def lacks(self, train: Features, test: Features) -> str:
        lengths = np.linalg.norm(test.values.astype(np.float64), axis=1)
        if np.ptp(lengths) <= ALIKE * lengths.max():
            return "all rows have one length; ask the feature, or train with space=Euclidean"
        same = test.concentration is not None and np.allclose(lengths, test.concentration, rtol=1e-3)
        return "the length of a row is its concentration" if same else ""

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        lengths: NDArray[np.float64] = np.linalg.norm(test.values.astype(np.float64), axis=1)
        return -lengths


@chz.chz
class RetrievalEntropy(Measure):
    """Entropy of the partner: H[p(j | i)] / log M over a fixed gallery of M training rows, in [0, 1].

    p(j | i) ~ exp(similarity(x_i, g_j) / temperature): which of the gallery the row would be matched with in the task
    the encoder was trained on. The gallery is drawn once from the training rows, without replacement; where there are
    fewer, all of them are it. With the similarity and the temperature of the objective it is the entropy of the
    model's own answer: LatentClass with temperature 1 for the probabilistic loss.
    """

    similarity: Similarity = parts.field(Similarity, Cosine, doc="how a row is compared with those of the gallery")
    temperature: float = chz.field(default=0.1, doc="divisor of the similarity, > 0")
    gallery: int = chz.field(default=1000, doc="training rows M that a row is compared with, 2 or more")
    seed: int = chz.field(default=0, doc="seed of the choice of the gallery")

    @chz.validate
    def _ranges(self) -> None:
        if not 0 < self.temperature < np.inf:
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write temperature=0.1")
        if self.gallery < 2 or self.seed < 0:
            raise ValueError(
                f"a gallery has two rows or more, not {self.gallery}, and a seed from 0; write gallery=1000"
            )

    def lacks(self, train: Features, test: Features) -> str:
        return "" if len(train) > 1 else "one training row is no gallery; encode more"

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        shown = torch.from_numpy(train.values[_some(len(train), self.gallery, self.seed)].astype(np.float64))
        count, step = len(shown), max(1, CHUNK // len(shown))
        found = []
        for start in range(0, len(test), step):
            asked = torch.from_numpy(test.values[start : start + step].astype(np.float64))
            log_p = torch.log_softmax(self.similarity(asked, shown) / self.temperature, 1)
            found.append(-(log_p.exp() * log_p).sum(1) / np.log(count))
        entropies: NDArray[np.float64] = torch.cat(found).clamp(0, 1).numpy()
        return entropies


@chz.chz
class KNNDistance(Measure):
    """Distance to the k-th nearest row of a gallery, 1 - cosine, in [0, 2] (Sun et al. 2022, arXiv 2204.06507).

    The gallery is drawn once from the training rows, without replacement. Where it has fewer than k rows, the farthest
    counts. Rows of zeros have cosine 0 to every row.
    """

    k: int = chz.field(default=10, doc="which of the nearest rows is asked for its distance")
    gallery: int = chz.field(default=10_000, doc="training rows that a row is compared with")
    seed: int = chz.field(default=0, doc="seed of the choice of the gallery")

    @chz.validate
    def _positive(self) -> None:
        if self.k < 1 or self.gallery < 1 or self.seed < 0:
            raise ValueError("k and gallery count from 1 and a seed from 0; write k=10 gallery=10000 seed=0")

    def lacks(self, train: Features, test: Features) -> str:
        return ""

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        x, shown = directions(test.values), train.directions[_some(len(train), self.gallery, self.seed)]
        k, step = min(self.k, len(shown)), max(1, CHUNK // len(shown))
        cosines = (x[start : start + step] @ shown.T for start in range(0, len(x), step))
        nearest = np.concatenate([np.partition(chunk, -k, axis=1)[:, -k] for chunk in cosines])
        return 1 - nearest.astype(np.float64)


@chz.chz
class BALD(Measure):
    """What the weights leave open: (H[mean_s q_s] - mean_s H[q_s]) / log D over S passes with dropout, in [0, 1].

    It is the mutual information of latent class and weights (Houlsby et al. 2011, arXiv 1112.5745; Gal and Ghahramani
    2016, arXiv 1506.02142): the epistemic part of the entropy of the mean, 0 where all passes agree. Off a Simplex it
    is 1 - R with R the length of the mean of the unit vectors of the passes, which again is 0 where they agree.
    """

    samples: int = chz.field(default=16, doc="passes S with dropout, 2 or more")

    @chz.validate
    def _several(self) -> None:
        check_samples(self.samples)

    def extra(self) -> Mapping[str, Encoding]:
        return passes(self.samples)

    def lacks(self, train: Features, test: Features) -> str:
        return lacks_passes(self.samples, test)

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        found = test.extra[next(iter(self.extra()))]
        assert found.spread is not None
        apart = found.spread.astype(np.float64)
        return apart / np.log(found.values.shape[1]) if probabilities(found) else apart


@chz.chz
class ExpectedEntropy(Measure):
    """What the row itself leaves open: mean_s H[q_s] / log D over S passes with dropout, in [0, 1].

    It is the aleatoric part: the entropy of the mean is this plus `BALD`. For embeddings on a Simplex of D classes.
    """

    samples: int = chz.field(default=16, doc="passes S with dropout, 2 or more")

    @chz.validate
    def _several(self) -> None:
        check_samples(self.samples)

    def extra(self) -> Mapping[str, Encoding]:
        return passes(self.samples)

    def lacks(self, train: Features, test: Features) -> str:
        missing = lacks_passes(self.samples, test)
        return missing or ("" if probabilities(test) else NO_CLASSES)

    def measure(self, train: Gallery, test: Features) -> NDArray[np.float64]:
        found = test.extra[next(iter(self.extra()))]
        assert found.spread is not None
        each: NDArray[np.float64] = entropy(found.values) - found.spread / np.log(found.values.shape[1])
        return each.clip(0, 1)


def _some(count: int, most: int, seed: int) -> NDArray[np.int64]:
    """The numbers of at most so many of `count` rows, in random order."""
    return np.random.default_rng(seed).permutation(count)[:most]


def passes(samples: int) -> dict[str, Encoding]:
    """The encoding of several passes with dropout, under the one name that all measures have for it."""
    return {f"{samples} passes": Encoding(samples=samples)}


def lacks_passes(samples: int, test: Features) -> str:
    """What is missing of these passes, in one sentence; "" if nothing."""
    found = test.extra.get(f"{samples} passes")
    if found is None or found.spread is None:
        return "rows were not passed with dropout; train with encoder.dropout=0.3 and ask for the extra encoding"
    return "" if np.isfinite(found.spread).all() else "some rows disagree by NaN or infinity between their passes"


def check_samples(samples: int) -> None:
    """A ValueError unless there are several passes to compare."""
    if samples < 2:
        raise ValueError(f"one pass agrees with itself, so samples={samples} says nothing; write samples=16")
