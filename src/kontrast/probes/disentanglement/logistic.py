"""Logistic regression from features to the levels of a factor, for the scores that ask how easily it is read."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.probes.probe import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDS, FEW = 1000, 600


class Predicted(NamedTuple):
    """Probabilities [n, c] of the levels [c] that the rows which were fitted have; `converged` or stopped before."""

    probability: NDArray[np.float64]
    levels: NDArray[np.int64]
    converged: bool


def logistic(
    train: NDArray[np.float64], level: NDArray[np.int64], test: NDArray[np.float64], penalty: float
) -> Predicted:
    """Multinomial logistic regression on standardized features, from `train` [n, m] and levels [n] to `test` [n', m].

    The loss is the sum over rows of the cross-entropy, plus penalty / 2 times the squared norm of the weights.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, deviation = moments(train)
    # Newton steps solve for all weights at once: soon done where weights are few, and defined by a penalty alone.
    few = penalty > 0 and (train.shape[1] + 1) * len(np.unique(level)) <= FEW
    solver = "newton-cholesky" if few else "lbfgs"
    model = LogisticRegression(C=1 / penalty if penalty > 0 else np.inf, max_iter=ROUNDS, solver=solver)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((train - mean) / deviation, level)
    probability: NDArray[np.float64] = model.predict_proba((test - mean) / deviation)
    return Predicted(probability, model.classes_, bool(np.max(model.n_iter_) < ROUNDS))


def unconverged(factors: list[str]) -> str:
    """What to say of fits that stopped early; "" if there are none."""
    if not factors:
        return ""
    return f"logistic regression to {', '.join(factors)} stopped before it converged, so write a larger penalty"
