"""The linear probe: how well a linear classifier names the class from frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.choice import edges, held_out
from kontrast.probes.classes import judge, predicted
from kontrast.probes.classifier import Classifier as Classifier
from kontrast.probes.classifier import classify as classify
from kontrast.probes.probe import (
    Layer,
    Probe,
    Scores,
    check_labels,
    check_splits,
    check_values,
    labeled,
    moments,
    most_frequent,
)
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNEVEN = 1e6
"""How many times the deviation of one feature may be that of another before it is said."""


@chz.chz
class Linear(Probe):
    """Multinomial logistic regression on frozen features: the linear evaluation protocol.

    It minimizes, by L-BFGS over weight W [K, d] and bias b [K],

        J(W, b) = mean_i -log softmax(W x_i + b)[y_i]  +  penalty |W|_F^2

    on the rows of `train` that have a label (-1: none), and scores those of `test`. The bias is free of the penalty.
    In the terms of scikit-learn's LogisticRegression, C = 1 / (2 n penalty) for n rows and K > 2 classes. For K = 2
    scikit-learn learns one weight w in place of W = (-w/2, w/2), which makes C = 1 / (n penalty) the same objective.
    The protocol of probabilistic SimCLR, 1e-3 |W|^2 on features as they are, is penalty=0.001 standardize=False.

    With several `penalties` the one is taken whose classifier, fitted without a `holdout` of the training rows, names
    most of these right (among equals, with the least mean -log p); then all training rows are fitted with it. A
    warning says if it was the least or the largest. Features that are not standardized, of units so far apart that a
    gradient in one common scale says nothing of the smallest, are warned about, too.

    Scores are "accuracy", the share of test rows whose class comes first, "accuracy/top5", the share of those whose
    class is among the first five, where more than five classes were learned, "nll", the mean of -log p of the true
    class, "ece", the expected calibration error over 15 bins of the largest p (Guo et al. 2017, arXiv 1706.04599), and
    "accuracy/validation", that of the held-out rows where there were several penalties. Test rows of a class that was
    not learned count as wrong, and have no part in "nll". Chance is what the shares of the classes in `test` score that
    are given as p to every row. Panels: the accuracy of each class, which classes are taken for which, calibration.

    Constant features score the share, in `test`, of the class most frequent in `train`. A ValueError if features are
    not finite, if no row has a label, or if `train` has only one class. Source of the protocol: Chen et al. 2020,
    arXiv 2002.05709.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head), embedding, raw, or a block as block1")
    penalty: float = chz.field(default=1e-3, doc="weight of the squared norm of the weights; 0 for none")
    penalties: tuple[float, ...] = chz.field(default=(), doc="penalties to choose from; none: the one above")
    holdout: float = chz.field(default=0.1, doc="share of the training rows that the penalty is chosen on, in (0, 1)")
    standardize: bool = chz.field(default=True, doc="subtract the training mean of each feature and divide by its std")
    steps: int = chz.field(default=1000, doc="L-BFGS steps after which the fit stops even if it has not converged")

    tolerance: float = chz.field(default=1e-4, doc="norm of the gradient at which the fit has converged")
    seed: int = chz.field(default=0, doc="seed of which rows are held out")

    @chz.validate
    def _ranges(self) -> None:
        bad = [penalty for penalty in (self.penalty, *self.penalties) if not 0 <= penalty < np.inf]
        if bad:
            raise ValueError(f"a penalty of Linear cannot be {bad[0]}; write penalty=0.001, or 0 for none")
        if len(set(self.penalties)) < len(self.penalties):
            raise ValueError(f"the penalties {self.penalties} repeat; write penalties=0.0001,0.001,0.01")
        if not 0 < self.holdout < 1 or self.seed < 0:
            raise ValueError("a share in (0, 1) of the rows is held out by a seed from 0 on; write holdout=0.1 seed=0")
        if not 0 < self.tolerance < np.inf:
            raise ValueError(
                f"the tolerance of Linear is a positive number, not {self.tolerance}; write tolerance=0.0001"
            )
        if self.steps < 1:
            raise ValueError(f"the steps of Linear cannot be {self.steps}; write steps=1000")

    def check(self, features: Features) -> None:
        check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        (x, y), (x_test, y_test) = labeled(train), labeled(test)
        offered = self.penalties or (self.penalty,)
        penalty, tried, held = offered[0], [], np.zeros(len(y), bool)
        if len(offered) > 1:
            held = held_out(y, self.holdout, self.seed)
            tried = [self._trial(x, y, held, penalty) for penalty in offered]
            penalty = offered[max(range(len(offered)), key=lambda k: (tried[k][0], -tried[k][1]))]
        fit = self._fit(x, y, penalty)
        scores = judge(fit.logits(x_test), fit.classes, y_test, test.classes, "")
        left = len(train) - len(y) + len(test) - len(y_test)
        words = self._protocol(fit, len(y), y_test, left, penalty)
        warned = dict(scores.warnings)
        if tried:
            scores.values["accuracy/validation"] = max(trial[0] for trial in tried)
            scores.chance["accuracy/validation"] = most_frequent(y[held])
            shown = ", ".join(f"{p:g} ({trial[0]:.4f})" for p, trial in zip(offered, tried, strict=True))
            words.append(f"chosen by the accuracy on {held.sum():,} of the training rows, held out: {shown}")
            said = edges({"penalty": (penalty, offered)}, natural=(0,))
            warned |= {"accuracy": said} if said else {}
        late = f"the fit has not converged after {fit.steps:,} steps; allow more, or a larger tolerance"
        told = [late if fit.gradient > self.tolerance else "", "" if self.standardize else _uneven(x)]
        warned |= {"": "; ".join(filter(None, told))} if any(told) else {}
        return scores._replace(protocol="; ".join(words), warnings=warned)

    def _fit(self, x: NDArray[np.float64], y: NDArray[np.int64], penalty: float) -> Classifier:
        """The classifier of the features as they are, fitted to them standardized if so wanted."""
        if not self.standardize:
            return classify(x, y, penalty, self.steps, self.tolerance)
        mean, deviation = moments(x)
        fit = classify((x - mean) / deviation, y, penalty, self.steps, self.tolerance)
        weight = fit.weight / deviation
        return fit._replace(weight=weight, bias=fit.bias - weight @ mean)

    def _trial(
        self, x: NDArray[np.float64], y: NDArray[np.int64], held: NDArray[np.bool_], penalty: float
    ) -> tuple[float, float]:
        """The accuracy, and the mean of -log p, on the rows held out of a classifier that learned from the others."""
        fit = self._fit(x[~held], y[~held], penalty)
        found = predicted(fit.logits(x[held]), fit.classes, y[held])
        return float((found.place == 0).mean()), float(found.surprise.mean())

    def _protocol(
        self, fit: Classifier, fitted: int, labels: NDArray[np.int64], unlabeled: int, penalty: float
    ) -> list[str]:
        unseen = int((~np.isin(labels, fit.classes)).sum())
        parts = [
            f"logistic regression of {len(fit.classes)} classes fitted on {fitted:,} rows "
            f"and scored on {len(labels):,}",
            f"{unlabeled:,} unlabeled rows left out" if unlabeled else "",
            f"{unseen:,} test rows of classes not seen in training count as wrong" if unseen else "",
            f"features {'standardized by the training rows' if self.standardize else 'as they are'}",
            f"{'converged' if fit.gradient <= self.tolerance else 'NOT CONVERGED'} after {fit.steps} L-BFGS steps at a "
            f"gradient norm of {fit.gradient:.1g}",
            f"penalty {penalty:g} |W|^2",
        ]
        return [*filter(None, parts)]


def _uneven(x: NDArray[np.float64]) -> str:
    """What to say of features that vary in units far apart; nothing of those that are constant."""
    deviation = x.std(0)[x.max(0) > x.min(0)]
    apart = float(deviation.max() / deviation.min()) if deviation.size and deviation.min() > 0 else 1.0
    if apart <= UNEVEN:
        return ""
    return (
        f"the deviations of features are up to {apart:.0e} times apart, and the fit may end far from its optimum in "
        "the smallest; write standardize=True"
    )
