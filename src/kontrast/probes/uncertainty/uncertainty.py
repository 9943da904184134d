"""The probe of uncertainty: whether an encoder knows what it does not know."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast import parts
from kontrast.augmentations import Blur, Crop, Recipe, SaltPepper
from kontrast.datasets import Dataset, Resized
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_labels, check_splits, check_values, listed
from kontrast.probes.uncertainty import judges
from kontrast.probes.uncertainty.credible import truth
from kontrast.probes.uncertainty.findings import Findings
from kontrast.probes.uncertainty.measure import Gallery, Measure
from kontrast.probes.uncertainty.measures import (
    BALD,
    Concentration,
    Entropy,
    ExpectedEntropy,
    KNNDistance,
    Norm,
    RetrievalEntropy,
)
from kontrast.probes.uncertainty.softmax import DropoutEntropy, LeastConfidence, SoftmaxEntropy
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = (
    "entropy",
    "expected",
    "bald",
    "concentration",
    "norm",
    "retrieval",
    "knn",
    "softmax",
    "confidence",
    "dropout",
    "other",
)
KINDS = ("crop", "blur", "noise")
FOREIGN = "foreign"


@chz.chz
class Uncertainty(Probe):
    """Whether an encoder knows what it does not know: every measure of uncertainty, judged by all that can judge it.

    Each slot holds a `Measure`, or None, which switches it off. Those that the features do not allow (an entropy off
    the Simplex, a concentration that no space says) are left out, which the protocol says. With S the name of a slot,
    and u its uncertainty, larger for less certain:

    - "aurc/S", "eaurc/S": area under the curve of error against coverage, and what it is above the best order's, for
      errors of the linear probe; "rejection/S": its accuracy on the half of the test rows that is most certain, minus
      that on all. "aurc_nn/S" and "rejection_nn/S": the same for the nearest training row by cosine.
    - "rauroc/S": AUROC of u for a nearest other test row of another label (Kirchhof et al. 2023, arXiv 2307.03810).
    - "crop_spearman/S", and so for blur and noise: Spearman's correlation of u with the severity over all test rows and
      severities, 0 among them; "crop_monotone/S": in which share of the steps from one severity to the next the mean of
      u rises, 1 for all; "crop_bigger/S": the share of rows less certain than unchanged, over severities.
    - "ood_auroc/S": AUROC of u for rows of `foreign` among the test rows.
    - Where the posterior is known (data=Posteriors): "concentration_spearman/S" of -u and the true kappa,
      "cosine_spearman" of the cosines of all pairs of the first 500 directions, found and true; and, for embeddings
      with a concentration, "coverage/50%", "/80%", "/95%": the share of true latents within the credible region of
      vMF(mu, kappa), after the rotation of mu that fits the training latents best. A kappa is known only jointly with
      the concentration of the pairs, which is 1 / objective.temperature: these scores take it to be held at its true
      value. Ranks do not depend on it, coverage does.

    Chance is that of an uncertainty that says nothing (the error rate for areas, the mass of the region for coverage);
    intervals are over resampled test rows. An uncertainty that is the same for all rows scores chance, with a warning.
    Rows with label -1 are not judged by errors, and where no more than one class was learned, the linear probe judges
    nothing; an AUROC of rows that are all right or all wrong is left out. ValueError where features are not finite, or
    where there are no labels, no known posterior and no other encoding to judge by.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    entropy: Measure | None = parts.field(Measure, Entropy, doc="entropy of the latent class, on a Simplex")
    expected: Measure | None = parts.field(
        Measure, None, unspecified=ExpectedEntropy, doc="the part of it that each pass with dropout has"
    )
    bald: Measure | None = parts.field(Measure, None, unspecified=BALD, doc="disagreement of passes with dropout")
    concentration: Measure | None = parts.field(Measure, Concentration, doc="what the space says, as kappa")
    norm: Measure | None = parts.field(Measure, Norm, doc="length of the embedding")
    retrieval: Measure | None = parts.field(Measure, RetrievalEntropy, doc="entropy of the partner in a gallery")
    knn: Measure | None = parts.field(Measure, KNNDistance, doc="distance to the k-th nearest training row")
    softmax: Measure | None = parts.field(Measure, SoftmaxEntropy, doc="entropy of the linear probe's answer")
    confidence: Measure | None = parts.field(Measure, LeastConfidence, doc="1 - the linear probe's largest probability")
    dropout: Measure | None = parts.field(
        Measure, None, unspecified=DropoutEntropy, doc="the linear probe's mean answer over passes with dropout"
    )
    other: Measure | None = parts.field(Measure, None, unspecified=Norm, doc="any other measure")
    crop: tuple[float, ...] = chz.field(default=(0.25, 0.5, 0.75), doc="shares of the picture's area that crops lose")
    blur: tuple[float, ...] = chz.field(default=(0.5, 1.0, 2.0), doc="standard deviations of blurs, in pixels")
    noise: tuple[float, ...] = chz.field(default=(0.05, 0.1, 0.2), doc="shares of the pixels that turn black or white")
    foreign: Dataset | None = parts.field(
        Dataset, None, unspecified=Resized, doc="another data set of the same shape, whose rows ought to be uncertain"
    )
    resamples: int = chz.field(default=200, doc="resampled test rows that intervals come from")
    seed: int = chz.field(default=0, doc="seed of resampled rows and of the draws of changes")

    @chz.validate
    def _ranges(self) -> None:
        for kind, top in (("crop", 1.0), ("blur", np.inf), ("noise", 1.0)):
            levels = (0.0, *getattr(self, kind))
            if not all(low < high for low, high in itertools.pairwise(levels)) or not levels[-1] < top:
                rule = "rise from above 0" + (f" to below {top:g}" if top == 1 else "")
                raise ValueError(f"severities of {kind} {rule}, not {levels[1:]}; write {kind}=0.1,0.3,0.5")
        if self.resamples < 1 or self.seed < 0:
            raise ValueError("resamples counts from 1 and a seed from 0; write resamples=200 seed=0")

    def extra(self) -> Mapping[str, Encoding]:
        wanted = {
            _named(kind, at): Encoding(change=self._change(kind, at), seed=self.seed) for kind, at in self._severities()
        }
        if self.foreign is not None:
            wanted[FOREIGN] = Encoding(data=self.foreign)
        found = {}
        for name, encoding in {"": Encoding(), **wanted}.items():
            more = {key: each for _, measure in self._measures() for key, each in measure.extra().items()}
            own = {_joined(name, key): replace(encoding, samples=e.samples, seed=e.seed) for key, e in more.items()}
            found.update({name: encoding, **own} if name else own)
        return found

    def check(self, features: Features) -> None:
        if truth(features) is None:
            check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        gallery, found = Gallery.of(train), Findings()
        doubts, left = self._doubts(gallery, test, "")
        said = f"{len(doubts)} uncertainties of {len(test):,} rows, by {len(train):,} training rows"
        found.said += [said, f"not to be had of these features: {listed(left)}" if left else ""]
        options = self.resamples, self.seed
        if truth(test) is not None:
            judges.known(found, doubts, gallery, test, *options)
        if gallery.classes_seen and test.labels is not None and (test.labels >= 0).any():
            judges.errors(found, doubts, gallery, test, *options)
            judges.recall(found, doubts, test, *options)
        for kind in KINDS:
            levels = {at: _named(kind, at) for other, at in self._severities() if other == kind}
            changed = {at: self._doubts(gallery, test, name)[0] for at, name in levels.items() if name in test.extra}
            if changed:
                judges.changes(found, kind, doubts, changed, *options)
        if FOREIGN in test.extra:
            judges.foreign(found, doubts, self._doubts(gallery, test, FOREIGN)[0], *options)
            found.said.append(f"{len(test.extra[FOREIGN]):,} foreign rows of {type(self.foreign).__name__}")
        found.said.append(f"intervals over {self.resamples} resamples")
        return found.scores()

    def _doubts(self, train: Gallery, test: Features, name: str) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
        """The uncertainties of one encoding of the test rows, by slot, and the slots that it does not allow."""
        shown = test.extra[name] if name else test
        extra = {key.rpartition(":")[2]: each for key, each in test.extra.items() if key.rpartition(":")[0] == name}
        shown = replace(shown, extra=extra)
        reasons = {slot: measure.lacks(train, shown) for slot, measure in self._measures()}
        allowed = {slot: measure for slot, measure in self._measures() if not reasons[slot]}
        doubts = {slot: measure(train, shown) for slot, measure in allowed.items()}
        return doubts, [slot for slot, reason in reasons.items() if reason]

    def _measures(self) -> list[tuple[str, Measure]]:
        found = ((slot, getattr(self, slot)) for slot in SLOTS)
        return [(slot, measure) for slot, measure in found if measure is not None]

    def _severities(self) -> Iterator[tuple[str, float]]:
        for kind in KINDS:
            yield from ((kind, at) for at in getattr(self, kind))

    def _change(self, kind: str, at: float) -> Recipe:
        """The recipe with one change alone, of fixed strength."""
        crop = Crop(scale=(1 - at, 1 - at), ratio=(1.0, 1.0)) if kind == "crop" else None
        blur = Blur(p=1.0, sigma=(at, at), kernel=1.0) if kind == "blur" else None
        noise = SaltPepper(amount=at) if kind == "noise" else None
        return Recipe(crop=crop, flip=None, jitter=None, grayscale=None, blur=blur, salt_pepper=noise)


def _named(kind: str, at: float) -> str:
    return f"{kind} {at:g}"


def _joined(name: str, key: str) -> str:
    """The name of what a measure needs besides, of an encoding of the test rows."""
    return f"{name}:{key}"
