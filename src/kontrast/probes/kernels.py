"""Kernel ridge regression whose width and penalty are chosen by cross-validation, for many targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kontrast.probes.probe import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHAS = (1.0, 0.1, 0.01, 0.001)
GAMMAS = tuple(float(gamma) for gamma in np.logspace(-2, 2, 4))
FOLDS = 3
WIDE = 10
"""Dimensions from which on gammas are taken relative to the dimension, with which squared distances grow."""
TILE = 2**22
FAR = 40.0
"""Beyond exp(-FAR) a kernel is 0: smaller numbers are lost beside 1, and slow to compute with."""


def kernel_ridge(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    x_new: NDArray[np.float64],
    alphas: Sequence[float] = ALPHAS,
    gammas: Sequence[float] = GAMMAS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Predictions [m, t] at x_new [m, d] of kernel ridge regressions from x [n, d] to each column of y [n, t].

    Features and targets are standardized by these rows. With k(a, b) = exp(-gamma |a - b|^2) the prediction is
    k(x_new, x) (k(x, x) + alpha I)^-1 y. Of alphas and gammas each target takes the pair of the largest mean R^2 over
    three folds of the rows, drawn by `seed`, as scikit-learn's GridSearchCV does for one target; a factorization serves
    all targets. For d > 10 every gamma is multiplied by 10 / d. A ValueError if there are fewer than six rows.
    """
    from scipy.spatial.distance import cdist
    from sklearn.model_selection import KFold

    n, d = x.shape
    if n < 2 * FOLDS:
        raise ValueError(f"{n} rows are too few to choose a kernel by cross-validation; train on {2 * FOLDS} or more")
    (mean, deviation), (center, unit) = moments(x), moments(y)
    x, x_new, y = (x - mean) / deviation, (x_new - mean) / deviation, (y - center) / unit
    widths = [gamma * WIDE / max(d, WIDE) for gamma in gammas]
    distances = cdist(x, x, "sqeuclidean")
    folds = list(KFold(FOLDS, shuffle=True, random_state=seed).split(x))
    kernels = (gaussian(distances, width) for width in widths)
    scores = [[fold_scores(kernel, y, alpha, folds) for alpha in alphas] for kernel in kernels]
    best = np.argmax(np.stack(scores, 1).reshape(-1, y.shape[1]), 0)
    predicted = np.empty((len(x_new), y.shape[1]))
    for choice in np.unique(best):
        alpha, width = alphas[choice // len(widths)], widths[choice % len(widths)]
        chosen = np.flatnonzero(best == choice)
        weight = solve(gaussian(distances, width), y[:, chosen], alpha)
        for rows in np.array_split(np.arange(len(x_new)), -(-len(x_new) * n // TILE)):
            predicted[np.ix_(rows, chosen)] = gaussian(cdist(x_new[rows], x, "sqeuclidean"), width) @ weight
    return predicted * np.where(np.isinf(unit), 0, unit) + center


def gaussian(distances: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """exp(-width s) of squared distances s, and 0 where that is below exp(-FAR)."""
    scaled = width * distances
    near: NDArray[np.float64] = np.where(scaled < FAR, np.exp(-np.minimum(scaled, FAR)), 0)
    return near


def fold_scores(
    kernel: NDArray[np.float64],
    y: NDArray[np.float64],
    alpha: float,
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> NDArray[np.float64]:
    """The mean over folds of the R^2 [t] on rows left out; a target that is constant there counts 0."""
    found = []
    for fitted, left in folds:
        weight = solve(kernel[np.ix_(fitted, fitted)], y[fitted], alpha)
        error = np.square(y[left] - kernel[np.ix_(left, fitted)] @ weight).sum(0)
        total = np.square(y[left] - y[left].mean(0)).sum(0)
        found.append(np.where(total > 0, 1 - error / np.where(total > 0, total, 1), 0))
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def solve(kernel: NDArray[np.float64], y: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """(K + alpha I)^-1 y [n, t]; K is overwritten."""
    from scipy.linalg import cho_factor, cho_solve

    kernel[np.diag_indices(len(kernel))] += alpha
    factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    found: NDArray[np.float64] = cho_solve(factor, y, check_finite=False)
    return found


def chosen_rows(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of n row numbers, drawn without replacement, in their order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
