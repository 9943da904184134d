"""How much each feature matters to a model that predicts a factor, and how well it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from kontrast.probes.disentanglement.suite import Rows
from kontrast.probes.probe import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

Learner = Literal["boosting", "forest", "lasso"]


class Fitted(NamedTuple):
    """Importances [m], how well the model predicts `test`, and how each of its rows moves that [n]."""

    importance: NDArray[np.float64]
    score: float
    moved: NDArray[np.float64]


def fitted(train: Rows, test: Rows, factor: int, learner: Learner, trees: int, penalty: float, seed: int) -> Fitted:
    """A model of one factor, fitted to `train`: of classes for a discrete factor, of numbers for any other.

    `trees` is how many trees there are, `penalty` that of the lasso. The score is the accuracy for a discrete factor,
    R^2 for others (the mean over cosine and sine of a periodic one). The lasso regresses on standardized features, on
    the indicators of a discrete factor's values, and names the value of the largest.
    """
    kind = train.truth.factors[factor].kind
    if learner == "lasso":
        return _lasso(train, test, factor, penalty)
    if kind == "discrete":
        model = _trees(learner, trees, seed, True).fit(train.codes, train.truth.levels[:, factor])
        right = model.predict(test.codes) == test.truth.levels[:, factor]
        return _right(np.abs(model.feature_importances_), right)
    wanted, held = train.truth.targets(factor), test.truth.targets(factor)
    models = [_trees(learner, trees, seed, False).fit(train.codes, column) for column in wanted.T]
    predicted = np.stack([model.predict(test.codes) for model in models], 1)
    return _explained(np.mean([np.abs(model.feature_importances_) for model in models], 0), held, predicted)


def _trees(learner: Learner, trees: int, seed: int, classes: bool) -> Any:
    from sklearn import ensemble

    if learner == "boosting":
        boosting = ensemble.GradientBoostingClassifier if classes else ensemble.GradientBoostingRegressor
        return boosting(n_estimators=trees, random_state=seed)
    # Of one feature at a time, trees would have to split by those that say nothing, and call them important.
    forest = ensemble.RandomForestClassifier if classes else ensemble.RandomForestRegressor
    return forest(n_estimators=trees, max_features=1.0, random_state=seed)


def _lasso(train: Rows, test: Rows, factor: int, penalty: float) -> Fitted:
    from sklearn.linear_model import Lasso

    discrete = train.truth.factors[factor].kind == "discrete"
    level, held = train.truth.levels[:, factor], test.truth.levels[:, factor]
    values = np.unique(level)
    wanted = (level[:, None] == values).astype(np.float64) if discrete else train.truth.targets(factor)
    mean, deviation = moments(train.codes)
    center, scale = moments(wanted)
    x, y = (train.codes - mean) / deviation, (wanted - center) / scale
    model = Lasso(alpha=penalty, max_iter=10_000).fit(x, y)
    importance = np.abs(np.atleast_2d(model.coef_)).mean(0)
    predicted = model.predict((test.codes - mean) / deviation).reshape(len(held), -1)
    predicted = predicted * np.where(np.isinf(scale), 0, scale) + center
    if discrete:
        return _right(importance, values[predicted.argmax(1)] == held)
    return _explained(importance, test.truth.targets(factor), predicted)


def _right(importance: NDArray[np.float64], right: NDArray[np.bool_]) -> Fitted:
    return Fitted(importance, float(right.mean()), right.astype(np.float64))


def _explained(importance: NDArray[np.float64], wanted: NDArray[np.float64], predicted: NDArray[np.float64]) -> Fitted:
    deviation = moments(wanted)[1]
    lost = ((predicted - wanted) / deviation) ** 2
    spread = ((wanted - wanted.mean(0)) / deviation) ** 2
    moved = lost.mean(0) * (spread - 1) - lost
    return Fitted(importance, float(1 - lost.mean()), moved.mean(1))
