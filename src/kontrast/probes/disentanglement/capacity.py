"""Loss-capacity curves: how well larger and larger models of a family read the factors off features."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.probes.disentanglement.suite import Rows
from kontrast.probes.probe import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD = 5
PENALTIES = np.logspace(-6, 2, 9)


def curves(train: Rows, test: Rows, family: str, capacities: list[int], seed: int) -> NDArray[np.float64]:
    """The error [t, k] of each capacity and factor on `test`, as a share of that of the mean.

    Of each capacity, the model is the one with the least error on every fifth row of `train`, among those of this and
    all smaller capacities, which were fitted to the other rows.
    """
    mean, deviation = moments(train.codes)
    x, held = (train.codes - mean) / deviation, (test.codes - mean) / deviation
    target, columns = _targets(train)
    wanted, _ = _targets(test)
    judge = np.arange(len(x)) % HELD == HELD - 1
    if not judge.any() or judge.all():
        raise ValueError(f"{len(x)} rows cannot be split to fit and to judge; train on at least {HELD} rows")
    parts = [(x[~judge], target[~judge]), (x[judge], target[judge]), (held, wanted)]
    fit = _fourier if family == "fourier" else _models
    errors = fit(parts, family, capacities, seed)
    found = np.stack([[split[:, own].mean(1) for own in columns] for split in errors])
    best = np.array([[int(found[0, k, : t + 1].argmin()) for k in range(len(columns))] for t in range(len(capacities))])
    return np.stack([found[1, k, best[:, k]] for k in range(len(columns))], 1)


def _targets(rows: Rows) -> tuple[NDArray[np.float64], list[slice]]:
    """What is regressed [n, t], and the columns of each factor: indicators of a discrete one's values."""
    found: list[NDArray[np.float64]] = []
    for k, factor in enumerate(rows.truth.factors):
        level = rows.truth.levels[:, k, None]
        discrete = factor.kind == "discrete"
        found.append((level == np.arange(factor.size or 0)).astype(float) if discrete else rows.truth.targets(k))
    ends = np.cumsum([0, *(block.shape[1] for block in found)])
    return np.concatenate(found, 1), [slice(low, high) for low, high in itertools.pairwise(ends)]


def _share(predicted: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - R^2 [t]; that of a column without variance is 0 or, where it is missed, 1."""
    error = ((predicted - wanted) ** 2).mean(0)
    variance = wanted.var(0)
    share: NDArray[np.float64] = error / np.where(variance > 0, variance, np.where(error > 1, error, 1))
    return share


Parts = list[tuple["NDArray[np.float64]", "NDArray[np.float64]"]]


def _fourier(parts: Parts, family: str, capacities: list[int], seed: int) -> NDArray[np.float64]:
    """1 - R^2 [2, t, columns] of judging and test rows: ridge on the first c of one set of random Fourier features.

    The features are sqrt(2) cos(<w, x> + b) with w standard normal over the root of x's dimension, b uniform (Rahimi
    and Recht 2007); the penalty is the one that does best on the judging rows.
    """
    rng = np.random.default_rng(seed)
    m = parts[0][0].shape[1]
    w = rng.standard_normal((m, capacities[-1])) / math.sqrt(m)
    b = rng.uniform(0, 2 * math.pi, capacities[-1])
    lifted = [math.sqrt(2) * np.cos(x @ w + b) for x, _ in parts]
    center, middle = lifted[0].mean(0), parts[0][1].mean(0)
    phi = [each - center for each in lifted]
    gram, cross = phi[0].T @ phi[0] / len(phi[0]), phi[0].T @ (parts[0][1] - middle) / len(phi[0])
    rows = []
    for c in capacities:
        value, vector = np.linalg.eigh(gram[:c, :c])
        turned = vector.T @ cross[:c]
        shrunk = turned / (np.maximum(value, 0)[:, None] + PENALTIES[:, None, None])
        weights = vector @ shrunk
        judged = np.stack([_share(phi[1][:, :c] @ weight + middle, parts[1][1]) for weight in weights])
        best = judged.argmin(0)
        columns = np.arange(len(best))
        own = weights[best, :, columns].T
        rows.append([judged[best, columns], _share(phi[2][:, :c] @ own + middle, parts[2][1])])
    return np.swapaxes(np.array(rows), 0, 1)


def _models(parts: Parts, family: str, capacities: list[int], seed: int) -> NDArray[np.float64]:
    """1 - R^2 [2, t, columns] of judging and test rows, of scikit-learn's models of all columns at once."""
    from sklearn.exceptions import ConvergenceWarning

    rows = []
    for c in capacities:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = _model(family, c, seed).fit(*parts[0])
        rows.append([_share(model.predict(x).reshape(t.shape), t) for x, t in parts[1:]])
    return np.swapaxes(np.array(rows), 0, 1)


def _model(family: str, capacity: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.neural_network import MLPRegressor

    if family == "forest":
        return RandomForestRegressor(n_estimators=50, max_leaf_nodes=max(2, capacity), random_state=seed)
    return MLPRegressor(hidden_layer_sizes=(capacity,), random_state=seed)
