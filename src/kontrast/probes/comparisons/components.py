"""Independent components: codes turned so that their coordinates are as independent as can be."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 500
LEAST = 1e-6
"""Directions whose standard deviation is below this share of the largest are no components."""


class Components(NamedTuple):
    """Independent components of train [n, c] and test [m, c], and whether the search for them ended."""

    train: NDArray[np.float64]
    test: NDArray[np.float64]
    converged: bool


def independent(train: NDArray[np.float64], test: NDArray[np.float64], seed: int) -> Components:
    """Whiten by the rows of train [n, d], and turn by FastICA fitted on them (Hyvarinen 1999), with log cosh.

    A mixing of independent components that are not Gaussian is undone up to order, sign and scale. There are as many
    components as directions that vary; constant codes are one component that is 0.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    mean = train.mean(0)
    _, singular, axes = np.linalg.svd(train - mean, full_matrices=False)
    varies = singular > max(LEAST * singular[0], np.finfo(float).eps * len(train) * float(np.abs(train).max()))
    if not varies.any():
        return Components(np.zeros((len(train), 1)), np.zeros((len(test), 1)), True)
    whitening = axes[varies].T / singular[varies] * np.sqrt(len(train))
    white = (train - mean) @ whitening
    model = FastICA(whiten=False, max_iter=STEPS, random_state=seed)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = model.fit_transform(white)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in said)
    return Components(found, model.transform((test - mean) @ whitening), converged)
