"""The scores that fit models: DCI, DCI-ES, SAP and explicitness."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

from kontrast.probes import DCI, DCIES, SAP, Explicitness
from kontrast.probes.disentanglement.dci import completeness, disentanglement
from kontrast.probes.disentanglement.dci_es import explicitness
from kontrast.probes.disentanglement.explicitness import _area
from kontrast.probes.disentanglement.logistic import logistic
from kontrast.views import Factor

KEY = "boosting,trees=100"


def published(matrix):
    """Disentanglement of importances [codes, factors] as disentanglement_lib has it."""
    each = 1 - entropy(matrix.T + 1e-11, base=matrix.shape[1])
    return np.sum(each * matrix.sum(1) / matrix.sum())


@given(st.integers(0, 200), st.integers(2, 7), st.integers(2, 7))
def test_disentanglement_and_completeness_are_the_references(seed, m, k):
    rng = np.random.default_rng(seed)
    matrix = rng.exponential(size=(m, k)) * (rng.random((m, k)) < 0.6) + np.eye(m, k) * 1e-3
    assert disentanglement(matrix) == pytest.approx(published(matrix), abs=1e-10)
    assert completeness(matrix) == pytest.approx(published(matrix.T), abs=1e-10)
    order = rng.permutation(m)
    assert disentanglement(7 * matrix[order]) == pytest.approx(disentanglement(matrix), abs=1e-6)


def test_importances_of_zero_say_nothing():
    assert disentanglement(np.zeros((4, 3))) == 0
    assert completeness(np.zeros((4, 3))) == 0
    matrix = np.array([[1.0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert disentanglement(matrix) == pytest.approx(1, abs=1e-8)
    assert completeness(np.ones((1, 3))) == 1


def test_dci_by_boosting_is_the_reference(mixed):
    train, test = mixed(300, lambda z, rng: z @ np.random.default_rng(0).normal(size=(3, 4)))
    found = DCI(permutations=0, seed=3)(train, test).values
    x, y = train.values, train.latents

    def turned(angle):
        """The share of half a turn, to the digit: boosting chooses among splits that tie but for rounding."""
        return np.arctan2(np.sin(2 * angle), np.cos(2 * angle)) / (2 * np.pi) % 1

    models = [
        GradientBoostingRegressor(random_state=3).fit(x, y[:, 0]),
        GradientBoostingClassifier(random_state=3).fit(x, y[:, 1]),
    ]
    turn = [GradientBoostingRegressor(random_state=3).fit(x, f(2 * np.pi * turned(y[:, 2]))) for f in (np.cos, np.sin)]
    columns = [*(model.feature_importances_ for model in models), np.mean([m.feature_importances_ for m in turn], 0)]
    matrix = np.stack(columns, 1)
    assert found[f"disentanglement/{KEY}"] == pytest.approx(published(matrix), abs=1e-10)
    assert found[f"completeness/{KEY}"] == pytest.approx(published(matrix.T), abs=1e-10)
    informed = [models[0].score(test.values, test.latents[:, 0]), models[1].score(test.values, test.latents[:, 1])]
    assert found[f"informativeness/{KEY}/x"] == pytest.approx(informed[0], abs=1e-10)
    assert found[f"informativeness/{KEY}/shape"] == pytest.approx(informed[1], abs=1e-10)
    told = [
        m.score(test.values, f(2 * np.pi * turned(test.latents[:, 2])))
        for m, f in zip(turn, (np.cos, np.sin), strict=True)
    ]
    assert found[f"informativeness/{KEY}/angle"] == pytest.approx(np.mean(told), abs=1e-10)


def test_perfect_and_mixed_and_noisy_codes_score_as_others_found(normal):
    """.993 for the factors themselves, .276 for a dense mixing, .01 for noise, of five normal factors in 1,000 rows."""
    perfect = DCI()(*normal(500, encode=lambda z, rng: -2 * z[:, ::-1]))
    assert perfect.values[f"disentanglement/{KEY}"] == pytest.approx(0.993, abs=0.01)
    assert perfect.null[f"disentanglement/{KEY}"] < 0.1
    few, key = DCI(permutations=0, trees=30), "boosting,trees=30"
    dense = few(*normal(500, encode=lambda z, rng: z @ np.random.default_rng(7).normal(size=(5, 5))))
    assert 0.1 < dense.values[f"disentanglement/{key}"] < 0.6
    noise = few(*normal(800, encode=lambda z, rng: rng.standard_normal(z.shape)))
    assert noise.values[f"disentanglement/{key}"] < 0.05
    assert noise.values[f"informativeness/{key}"] < 0.05


@pytest.mark.parametrize("learner", ["forest", "lasso"])
def test_other_learners_tell_axes_from_a_mixing(learner, mixed):
    probe = DCI(learner=learner, trees=30, permutations=0)

    def axes(z, rng):
        return np.stack([z[:, 0], np.eye(4)[z[:, 1].astype(int)] @ [0.0, 3, 1, 2], np.cos(2 * z[:, 2])], 1)

    own = probe(*mixed(600, axes)).values
    turned = probe(
        *mixed(600, lambda z, rng: axes(z, rng) @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0])
    )
    name = next(key for key in own if key.startswith("disentanglement"))
    assert own[name] > 0.7 > 0.6 > turned.values[name]


def test_wide_features_are_fitted_in_fewer_rows(normal):
    pair = normal(1000, 2, lambda z, rng: np.concatenate([z, rng.standard_normal((len(z), 38))], 1))
    assert "fitted on 1,000 rows" in DCI(permutations=0, trees=2, cells=100_000)(*pair).protocol
    assert "fitted on 500 rows" in DCI(permutations=0, trees=2, cells=10_000)(*pair).protocol


def test_explicitness_of_a_curve_is_its_area():
    sizes = [2, 4, 8, 16]
    assert explicitness(sizes, np.array([0.3, 0.3, 0.3, 0.3])) == pytest.approx(1)
    assert explicitness(sizes, np.array([1.0, 2 / 3, 1 / 3, 0.0])) == pytest.approx(0)
    assert explicitness(sizes, np.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(1 - 2 * 2.5 / 3)
    x, y = np.log(sizes), np.array([0.9, 0.5, 0.4, 0.35])
    area = sum(0.5 * (y[i] + y[i + 1] - 2 * y.min()) * (x[i + 1] - x[i]) for i in range(3))
    assert explicitness(sizes, y) == pytest.approx(1 - 2 * area / (x[-1] - x[0]))


def test_what_is_bent_is_less_explicit_and_size_is_the_ratio(normal):
    def bent(z, rng):
        return np.concatenate([np.sin(4 * z), np.cos(4 * z), 0.3 * z], 1)

    name = "explicitness/fourier"
    plain, hard = DCIES()(*normal(2000, 2)), DCIES()(*normal(2000, 2, bent))
    assert plain.values[name] > hard.values[name] + 0.1
    assert (plain.values["size"], hard.values["size"]) == (1, pytest.approx(1 / 3))
    (curves,) = [panel for panel in hard.panels if panel.title == "Error by capacity"]
    assert curves.lines[0].x[0] == 4
    assert curves.lines[0].x[-1] == 512
    assert curves.lines[0].y[-1] < 0.1 < curves.lines[0].y[0]


@pytest.mark.parametrize("family", ["forest", "mlp"])
def test_other_families_are_named(family, mixed):
    found = DCIES(family=family, doublings=2, permutations=0)(*mixed(150))
    assert -2 < found.values[f"explicitness/{family}"] <= 1


def test_sap_is_the_reference(mixed, normal):
    train, test = normal(500, 3, lambda z, rng: z @ np.random.default_rng(0).normal(size=(3, 4)))
    table = np.array([[np.corrcoef(h, z)[0, 1] ** 2 for z in test.latents.T] for h in test.values.T])
    ranked = np.sort(table, 0)
    expected = np.mean(ranked[-1] - ranked[-2])
    inside = SAP(held_out=False, permutations=0)(train, test).values
    assert inside["sap/C=0.01,in_sample"] == pytest.approx(expected, abs=1e-10)
    assert SAP(permutations=0)(train, test).values["sap/C=0.01"] == pytest.approx(expected, abs=0.05)
    train, test = mixed(500)
    mean, deviation = train.values.mean(0), train.values.std(0)
    right = []
    for j in range(3):
        model = LinearSVC(C=0.01, class_weight="balanced", dual=False)
        model.fit(((train.values - mean) / deviation)[:, [j]], train.latents[:, 1])
        right.append(model.score(((test.values - mean) / deviation)[:, [j]], test.latents[:, 1]))
    ranked = np.sort(right)
    assert SAP(permutations=0)(train, test).values["sap/C=0.01/shape"] == pytest.approx(
        ranked[-1] - ranked[-2], abs=1e-12
    )


def test_sap_of_one_feature_is_its_lead_over_the_guess(normal):
    found = SAP(permutations=0)(*normal(400, 1)).values["sap/C=0.01"]
    assert found == pytest.approx(1, abs=0.01)


def test_areas_are_those_of_scikit_learn_and_move_as_rows_are_left_out():
    rng = np.random.default_rng(0)
    score, positive = np.round(rng.normal(size=80), 1), rng.random(80) < 0.3
    area, moved = _area(score, positive)
    assert area == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert moved.mean() == pytest.approx(0, abs=1e-12)
    without = np.array([roc_auc_score(np.delete(positive, i), np.delete(score, i)) for i in range(80)])
    np.testing.assert_allclose(area - without, moved / 79, atol=2e-3)
    assert _area(score, np.zeros(80, bool)) is None


def test_explicitness_is_the_reference(mixed):
    train, test = mixed(500, lambda z, rng: np.stack([z[:, 0] + z[:, 1], z[:, 1] ** 2], 1))
    mean, deviation = train.values.mean(0), train.values.std(0)
    model = LogisticRegression(tol=1e-8, max_iter=1000).fit((train.values - mean) / deviation, train.latents[:, 1])
    probability = model.predict_proba((test.values - mean) / deviation)
    expected = roc_auc_score(np.eye(4)[test.latents[:, 1].astype(int)], probability)
    found = Explicitness(permutations=0)(train, test)
    name = "explicitness/bins=20,penalty=1"
    assert found.values[f"{name}/shape"] == pytest.approx(expected, abs=1e-4)
    low, high = found.interval[name]
    assert low < found.values[name] < high
    noise = Explicitness()(*mixed(1000, lambda z, rng: rng.standard_normal(z.shape)))
    assert noise.values[name] == pytest.approx(0.5, abs=0.03)
    assert noise.null[name] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("probe", [SAP(permutations=0), Explicitness(permutations=0), DCIES(permutations=0)])
def test_scale_sign_and_order_of_features_do_not_matter(probe, mixed):
    mixing = np.random.default_rng(3).normal(size=(3, 4))
    one = probe(*mixed(300, lambda z, rng: z @ mixing)).values
    if isinstance(probe, DCIES):
        two = probe(*mixed(300, lambda z, rng: 16 * (z @ mixing))).values
    else:
        two = probe(*mixed(300, lambda z, rng: (z @ mixing)[:, [2, 0, 3, 1]] * [16.0, -0.5, 2.0, -4.0])).values
    assert two == pytest.approx(one, abs=1e-8)


def test_levels_of_one_split_alone_take_no_part(made):
    rng = np.random.default_rng(0)
    factors = [Factor("shape", "discrete", size=5), Factor("x")]
    pair = []
    for values in ([0, 1, 2], [1, 2, 4]):
        z = np.stack([rng.choice(values, 300), rng.normal(size=300)], 1)
        pair.append(made(z + 0.1 * rng.normal(size=z.shape), z, factors))
    found = Explicitness(permutations=0)(*pair)
    told = logistic(pair[0].values, pair[0].latents[:, 0].astype(int), pair[1].values, 1.0).probability
    areas = [roc_auc_score(pair[1].latents[:, 0] == level, told[:, level]) for level in (1, 2)]
    assert found.values["explicitness/bins=20,penalty=1/shape"] == pytest.approx(np.mean(areas), abs=1e-10)
    assert all(math.isfinite(value) for value in found.values.values())
