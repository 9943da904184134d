import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold

from kontrast.probes import NonlinearRecovery, Recovery
from kontrast.probes.kernels import ALPHAS, GAMMAS, chosen_rows, kernel_ridge
from kontrast.views import Factor, Features

TURN = 2 * math.pi


def split(values: np.ndarray, latents: np.ndarray, factors: tuple[Factor, ...] = ()) -> tuple[Features, Features]:
    factors = factors or tuple(Factor(f"z{i}") for i in range(latents.shape[1]))
    half = len(values) // 2
    return Features(values[:half], latents=latents[:half], factors=factors), Features(
        values[half:], latents=latents[half:], factors=factors
    )


def bent(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features from which factors are read by a product and a square, but by no affine map."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    return x, np.stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 2] ** 2], 1) + 0.05 * rng.normal(size=(n, 2))


def test_the_grid_is_the_published_one() -> None:
    assert ALPHAS == (1.0, 0.1, 0.01, 0.001)
    np.testing.assert_allclose(GAMMAS, np.logspace(-2, 2, 4))


def test_kernel_ridge_agrees_with_scikit_learn() -> None:
    x, z = bent()
    z = np.column_stack([z, x @ [1, 2, 3, 4], np.random.default_rng(1).normal(size=600)])
    x, x_new, y = x[:300], x[300:], z[:300]
    found = kernel_ridge(x, y, x_new)
    mean, deviation = x.mean(0), x.std(0)
    chosen = set()
    for j in range(4):
        folds = KFold(3, shuffle=True, random_state=0)
        search = GridSearchCV(KernelRidge(kernel="rbf"), {"alpha": ALPHAS, "gamma": GAMMAS}, cv=folds)
        search.fit((x - mean) / deviation, (y[:, j] - y[:, j].mean()) / y[:, j].std())
        expected = search.predict((x_new - mean) / deviation) * y[:, j].std() + y[:, j].mean()
        np.testing.assert_allclose(found[:, j], expected, atol=1e-9)
        chosen.add(tuple(search.best_params_.values()))
    assert len(chosen) > 2


def test_the_score_is_that_of_the_predictions() -> None:
    x, z = bent()
    predicted = kernel_ridge(x[:300], z[:300], x[300:])
    scores = NonlinearRecovery()(*split(x, z))
    expected = r2_score(z[300:], predicted, multioutput="raw_values")
    assert [scores.values["r2/z0"], scores.values["r2/z1"]] == pytest.approx(expected.tolist(), abs=1e-9)
    assert scores.values["r2/mean"] == pytest.approx(expected.mean(), abs=1e-9)
    assert scores.values["r2/mean"] > 0.9
    assert Recovery()(*split(x, z)).values["r2/mean"] < 0.1
    assert list(scores.interval) == list(scores.values)
    for name, (low, high) in scores.interval.items():
        assert low < scores.values[name] < high


def test_boosting_agrees_with_scikit_learn() -> None:
    x, z = bent()
    scores = NonlinearRecovery(learner="boosting", rounds=20)(*split(x, z))
    model = HistGradientBoostingRegressor(max_iter=20, early_stopping=False, random_state=0).fit(x[:300], z[:300, 0])
    assert scores.values["r2/z0"] == pytest.approx(model.score(x[300:], z[300:, 0]), abs=1e-12)
    assert "20 rounds of gradient boosting on 4 features; fitted on 300 rows" in scores.protocol


@pytest.mark.parametrize("learner", ["kernel_ridge", "boosting"])
def test_angles_and_classes_are_scored_as_what_they_are(learner: str) -> None:
    rng = np.random.default_rng(0)
    angle, shape = rng.uniform(0, TURN, 2000), rng.integers(0, 3, 2000)
    x = np.stack([np.cos(2 * angle), np.sin(2 * angle), np.abs(shape - 1) + 0.1 * rng.normal(size=2000)], 1)
    factors = (Factor("angle", "periodic", 0.0, TURN, symmetry=(2,)), Factor("shape", "discrete", size=3))
    scores = NonlinearRecovery(learner=learner)(*split(x, np.stack([angle, shape], 1), factors))
    assert list(scores.values) == ["r2/angle", "r2/mean", "accuracy/shape", "accuracy/mean"]
    assert scores.values["r2/angle"] > 0.99
    assert scores.values["accuracy/shape"] == pytest.approx(2 / 3, abs=0.06)
    assert scores.chance["accuracy/shape"] == pytest.approx(1 / 3, abs=0.04)
    assert scores.chance["r2/angle"] == 0
    assert abs(scores.null["r2/angle"]) < 0.3
    assert scores.null["accuracy/shape"] == pytest.approx(1 / 3, abs=0.07)


def test_a_class_alone_in_training_is_always_named() -> None:
    x, _ = bent(200)
    shape = np.concatenate([np.zeros(100), np.arange(100) % 2])[:, None]
    for learner in ("kernel_ridge", "boosting"):
        scores = NonlinearRecovery(learner=learner)(*split(x, shape, (Factor("shape", "discrete", size=2),)))
        assert scores.values == {"accuracy/shape": 0.5, "accuracy/mean": 0.5}


def test_noise_scores_about_zero() -> None:
    rng = np.random.default_rng(0)
    scores = NonlinearRecovery()(*split(rng.normal(size=(1000, 5)), rng.uniform(size=(1000, 3))))
    assert -0.1 < scores.values["r2/mean"] < 0.05
    assert -0.1 < scores.null["r2/mean"] < 0.05


def test_many_dimensions_leave_neighbors() -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, (1200, 3))
    x = np.tanh(z @ rng.normal(size=(3, 128)))
    assert NonlinearRecovery()(*split(x, z)).values["r2/mean"] > 0.98


def test_kernel_ridge_learns_from_some_rows() -> None:
    x, z = bent(2000)
    scores = NonlinearRecovery(rows=100)(*split(x, z))
    rows = chosen_rows(1000, 100, 0)
    assert len(set(rows.tolist())) == 100
    train, test = split(x, z)
    few = NonlinearRecovery()(Features(train.values[rows], latents=train.latents[rows], factors=train.factors), test)
    assert scores.values == pytest.approx(few.values, abs=1e-12)
    assert "fitted on 100 rows and scored on 1,000" in scores.protocol


def test_what_it_cannot_do_is_said() -> None:
    for options in ({"learner": "forest"}, {"rows": 5}, {"alphas": ()}, {"gammas": (0.0,)}, {"permutations": -1}):
        with pytest.raises(ValueError, match="; write "):
            NonlinearRecovery(**options)
    x, z = bent(10)
    with pytest.raises(ValueError, match="train on 6 or more"):
        NonlinearRecovery()(*split(x, z))


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100))
def test_invariant_to_units_and_order(seed: int, shift: float) -> None:
    x, z = bent(200)
    rng = np.random.default_rng(seed)
    units, flips = np.exp(rng.uniform(-2, 2, 4)), rng.choice([-1, 1], 4)
    moved = ((x + shift) * units * flips)[:, rng.permutation(4)]
    plain, other = (NonlinearRecovery(permutations=0, resamples=0)(*split(v, z)).values for v in (x, moved))
    assert plain == pytest.approx(other, abs=1e-8)
