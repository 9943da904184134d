"""The linear probe: how well a linear classifier names the class from frozen features."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import chz
import numpy as np

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

SINGLE = 1e-3
"""The gradient norm down to which single precision can be trusted."""


class Classifier(NamedTuple):
    """A softmax classifier p(c | x) ~ exp(<weight_c, x> + bias_c), and how its fit ended.

    `weight` [K, d], `bias` [K], `classes` int64 [K] the label of each row; `steps` of L-BFGS were taken, and `gradient`
    is the Euclidean norm of the gradient of the objective where they ended.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    classes: NDArray[np.int64]
    steps: int
    gradient: float


@chz.chz
class Linear(Probe):
    """Multinomial logistic regression on frozen features: the linear evaluation protocol.

    It minimizes, by L-BFGS over weight W [K, d] and bias b [K],

        J(W, b) = mean_i -log softmax(W x_i + b)[y_i]  +  penalty |W|_F^2

    on the rows of `train` that have a label (-1: none), and scores those of `test`. The bias is free of the penalty.
    In the terms of scikit-learn's LogisticRegression, C = 1 / (2 n penalty) for n rows and K > 2 classes. For K = 2
    scikit-learn learns one weight w in place of W = (-w/2, w/2), which makes C = 1 / (n penalty) the same objective.

    Scores are "accuracy", the share of test rows whose class comes first, and "accuracy/top5", the share of those
    whose class is among the first five, where more than five classes were learned. Test rows of a class that was not
    learned count as wrong. Chance is the share of the most frequent class (of the five most frequent ones) in `test`.
    Constant features score the share, in `test`, of the class most frequent in `train`. A ValueError if features are
    not finite, if no row has a label, or if `train` has only one class. Source of the protocol: Chen et al. 2020,
    arXiv 2002.05709.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    penalty: float = chz.field(default=1e-3, doc="weight of the squared norm of the weights; 0 for none")
    standardize: bool = chz.field(default=True, doc="subtract the training mean of each feature and divide by its std")
    steps: int = chz.field(default=1000, doc="L-BFGS steps after which the fit stops even if it has not converged")

    tolerance: float = chz.field(default=1e-3, doc="norm of the gradient at which the fit has converged")

    @chz.validate
    def _ranges(self) -> None:
        if not 0 <= self.penalty < np.inf:
            raise ValueError(f"the penalty of Linear cannot be {self.penalty}; write penalty=0.001, or 0 for none")
        if not self.tolerance > 0:
            raise ValueError(f"the tolerance of Linear must be positive, not {self.tolerance}; write tolerance=0.001")
        if self.steps < 1:
            raise ValueError(f"the steps of Linear cannot be {self.steps}; write steps=1000")

    def check(self, features: Features) -> None:
        check_labels(features)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        (x, y), (x_test, y_test) = labeled(train), labeled(test)
        if self.standardize:
            mean, deviation = moments(x)
            for rows in (x, x_test):
                rows -= mean
                rows /= deviation
        fit = classify(x, y, self.penalty, self.steps, self.tolerance)
        order = np.argsort(-(x_test @ fit.weight.T + fit.bias), axis=1, kind="stable")
        right = fit.classes[order] == y_test[:, None]
        values, chance = {"accuracy": float(right[:, 0].mean())}, {"accuracy": most_frequent(y_test)}
        if len(fit.classes) > 5:
            values["accuracy/top5"] = float(right[:, :5].any(1).mean())
            chance["accuracy/top5"] = most_frequent(y_test, 5)
        return Scores(values, self._protocol(fit, len(x), right, len(train) - len(x) + len(test) - len(x_test)), chance)

    def _protocol(self, fit: Classifier, fitted: int, right: NDArray[np.bool_], unlabeled: int) -> str:
        ended = "converged" if fit.gradient <= self.tolerance else "NOT CONVERGED"
        unseen = int((~right.any(1)).sum())
        parts = [
            f"logistic regression of {len(fit.classes)} classes fitted on {fitted:,} rows and scored on {len(right):,}",
            f"{unlabeled:,} unlabeled rows left out" if unlabeled else "",
            f"{unseen:,} test rows of classes not seen in training count as wrong" if unseen else "",
            f"features {'standardized by the training rows' if self.standardize else 'as they are'}",
            f"penalty {self.penalty:g} |W|^2",
            f"{ended} after {fit.steps} L-BFGS steps at a gradient norm of {fit.gradient:.1g}",
        ]
        return "; ".join(filter(None, parts))


def classify(
    x: NDArray[np.float64], y: NDArray[np.int64], penalty: float, steps: int, tolerance: float = 1e-5
) -> Classifier:
    """The minimum of J(W, b) = mean_i -log softmax(W x_i + b)[y_i] + penalty |W|_F^2 for x [n, d] and labels y [n].

    It is looked for in the features (x - mean) / s with one common scale s, where the same J, of weights s W and
    penalty / s^2, is better conditioned. The gradient is that of s W, so it does not depend on the unit of features.
    Converged means a gradient of norm `tolerance` at most; the arithmetic is in single precision where that suffices.
    A ValueError if y has a single class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    classes, target = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("the training rows have only one class, and a linear probe learns to tell two or more apart")
    mean = x.mean(0)
    centered = x - mean
    scale = float(np.sqrt(np.mean(np.square(centered)))) or 1.0
    centered /= scale
    penalty /= scale**2
    strength = len(x) * penalty * (1 if len(classes) == 2 else 2)
    model = LogisticRegression(C=1 / strength if strength else np.inf, max_iter=steps, warm_start=True)
    rows = centered.astype(np.float32) if tolerance >= SINGLE else centered
    taken, gradient = 0, np.inf
    # L-BFGS stops by the largest entry of the gradient, from which its norm is not known: tighter until that suffices.
    for tighter in (10, 30, 100, 1000, 10000):
        model.set_params(tol=tolerance / tighter, max_iter=max(1, steps - taken))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows, target)
        taken += int(model.n_iter_[0])
        weight, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
        if len(classes) == 2:
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        gradient = _gradient_norm(centered, target, weight, bias, penalty)
        if gradient <= tolerance or taken >= steps:
            break
    weight = weight / scale
    return Classifier(weight, bias - weight @ mean, classes, taken, gradient)


def _gradient_norm(
    x: NDArray[np.float64],
    target: NDArray[np.int64],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    penalty: float,
) -> float:
    from scipy.special import softmax

    error = softmax(x @ weight.T + bias, axis=1)
    error[np.arange(len(x)), target] -= 1
    gradient = np.concatenate([error.T @ x / len(x) + 2 * penalty * weight, error.mean(0)[:, None]], axis=1)
    return float(np.linalg.norm(gradient))
