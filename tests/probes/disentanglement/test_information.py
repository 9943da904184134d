"""Mutual information and the scores made of it: MIG and its kind, modularity, InfoMEC."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mutual_info_score

from kontrast.panels import Bars, Heat
from kontrast.probes import MIG, InfoMEC, Modularity
from kontrast.probes.disentanglement.info_mec import concentration
from kontrast.probes.disentanglement.modularity import modularity
from kontrast.probes.disentanglement.mutual import bins_of, by_neighbors, information
from kontrast.views import Factor


def published_bins(column, bins):
    return np.digitize(column, np.histogram(column, bins)[1][:-1])


def naive_mutual(codes, levels, bins):
    columns = [published_bins(code, bins) for code in codes.T]
    return np.array([[mutual_info_score(level, code) for level in levels.T] for code in columns])


def drawn(seed, n=300, m=4, k=3):
    rng = np.random.default_rng(seed)
    levels = np.stack([rng.integers(0, size, n) for size in rng.integers(2, 9, k)], 1)
    codes = levels @ rng.normal(size=(k, m)) + 0.3 * rng.normal(size=(n, m))
    return codes, levels


def discrete(codes, levels, made):
    factors = [Factor(f"f{k}", "discrete", size=int(level.max()) + 1) for k, level in enumerate(levels.T)]
    return made(codes.copy(), levels.astype(float), factors), made(codes, levels.astype(float), factors)


def first(scores):
    return next(iter(scores.values.values()))


@pytest.mark.parametrize("seed", range(10))
def test_bins_information_and_entropies_are_the_references(seed):
    codes, levels = drawn(seed)
    for code, column in zip(codes.T, bins_of(codes, 20).T, strict=True):
        np.testing.assert_array_equal(column + 1, published_bins(code, 20))
    found = information(bins_of(codes, 20), levels)
    np.testing.assert_allclose(found.mutual, naive_mutual(codes, levels, 20), atol=1e-12)
    np.testing.assert_allclose(found.factors, [mutual_info_score(level, level) for level in levels.T], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_information_by_neighbors_is_that_of_scikit_learn(seed):
    codes, levels = drawn(seed)
    expected = np.stack(
        [mutual_info_classif(codes, level, n_neighbors=10, random_state=0) for level in levels.T], axis=1
    )
    np.testing.assert_allclose(by_neighbors(codes, levels, 10, 0), expected, atol=1e-6)


def naive_ross(x, level, neighbors):
    kept = [i for i in range(len(x)) if (level == level[i]).sum() > 1]
    x, level, terms = x[kept], level[kept], []
    for i in range(len(x)):
        mates = np.sort(np.abs(x[level == level[i]] - x[i]))
        k = min(neighbors, len(mates) - 1)
        terms.append((k, len(mates), (np.abs(x - x[i]) < mates[k]).sum()))
    k, own, near = digamma(np.array(terms)).mean(0)
    return max(0.0, digamma(len(x)) + k - own - near)


@pytest.mark.parametrize("seed", range(20))
def test_information_by_neighbors_of_few_rows_is_the_definition(seed):
    """scikit-learn searches few rows by brute force, whose rounding counts a row too many here and there."""
    codes, levels = drawn(seed, n=15)
    codes = codes / codes.std(0)
    expected = [[naive_ross(code, level, 4) for level in levels.T] for code in codes.T]
    np.testing.assert_allclose(by_neighbors(codes, levels, 4, 0), expected, atol=1e-9)


def test_information_by_neighbors_of_normal_columns_is_known():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 2, 20_000)
    x = np.where(level == 1, 40.0, 0.0) + rng.standard_normal(20_000)
    found = by_neighbors(np.stack([x, rng.standard_normal(20_000)], 1), level[:, None], 10, 0)
    np.testing.assert_allclose(found[:, 0], [math.log(2), 0], atol=0.01)


def test_tied_values_and_levels_of_one_row_do_no_harm():
    codes = np.array([[0.0], [0.0], [1.0], [1.0], [0.0], [5.0]])
    levels = np.array([[0], [0], [1], [1], [0], [2]])
    (found,) = by_neighbors(codes, levels, 10, 0)[0]
    assert 0.3 < found < 1
    assert by_neighbors(codes, np.arange(6)[:, None], 10, 0)[0, 0] == 0


@pytest.mark.parametrize("seed", range(10))
def test_mig_and_its_kind_are_their_definitions(seed, made):
    codes, levels = drawn(seed)
    scores = MIG(permutations=0)(*discrete(codes, levels, made)).values
    table = naive_mutual(codes, levels, 20)
    entropy = np.array([mutual_info_score(level, level) for level in levels.T])
    binned = np.stack([published_bins(code, 20) for code in codes.T], 1)
    of_codes = np.array([mutual_info_score(code, code) for code in binned.T])
    ranked = np.sort(table, 0)
    assert scores["mig/bins=20"] == pytest.approx(np.mean((ranked[-1] - ranked[-2]) / entropy), abs=1e-12)
    jem, given_to = [], np.zeros_like(table)
    for k in range(levels.shape[1]):
        j = table[:, k].argmax()
        joint = of_codes[j] + entropy[k] - table[j, k]
        jem.append(1 - (joint - ranked[-1, k] + ranked[-2, k]) / (entropy[k] + math.log(20)))
    sup = []
    for j, row in enumerate(table):
        a, b = np.sort(row)[::-1][:2]
        given_to[j, row.argmax()] = a - b
        sup.append((a - b) / of_codes[j])
    assert scores["jemmig/bins=20"] == pytest.approx(np.mean(jem), abs=1e-12)
    assert scores["dcimig/bins=20"] == pytest.approx(given_to.max(0).sum() / entropy.sum(), abs=1e-12)
    assert scores["mig_sup/bins=20"] == pytest.approx(np.mean(sup), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_modularity_is_the_reference(seed, made):
    codes, levels = drawn(seed)
    codes = np.concatenate([codes, np.ones((len(codes), 2))], 1)
    square = naive_mutual(codes, levels, 20) ** 2
    expected = []
    for row in square:
        expected.append(1 - (row.sum() - row.max()) / (row.max() * 2) if row.max() > 1e-20 else 0.0)
    found = Modularity(permutations=0)(*discrete(codes, levels, made))
    assert first(found) == pytest.approx(np.mean(expected), abs=1e-12)
    assert "2 of 6 features are constant" in found.warnings[""]
    assert modularity(np.zeros((3, 2))).tolist() == [0, 0, 0]


@given(st.integers(0, 50), st.permutations(range(4)), st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3))
def test_order_sign_scale_and_shift_of_features_do_not_matter(seed, order, scale):
    codes, levels = drawn(seed)
    codes = np.round(codes * 64) / 64  # so that no rounding moves a value over an edge
    plain = information(bins_of(codes, 20), levels).mutual
    scale = math.copysign(2.0 ** round(math.log2(abs(scale))), scale)
    other = information(bins_of(codes[:, order] * abs(scale) + 4 * scale, 20), levels).mutual
    np.testing.assert_allclose(other, plain[list(order)], atol=1e-10)
    np.testing.assert_allclose(modularity(other).mean(), modularity(plain).mean(), atol=1e-10)
    one = by_neighbors(codes + np.random.default_rng(0).uniform(size=codes.shape), levels, 5, 0)
    two = by_neighbors(scale * (codes + np.random.default_rng(0).uniform(size=codes.shape)), levels, 5, 0)
    np.testing.assert_allclose(two, one, atol=2e-3)


def test_perfect_is_not_one_and_the_protocol_says_what_it_is(normal):
    """Five normal factors and 200 rows, a fifth of the 1,000 of which others found .741 (MIG) and .977 (InfoM)."""
    pair = normal(200, encode=lambda z, rng: -2 * z[:, ::-1])
    found = MIG(permutations=3)(*pair)
    assert found.values["mig/bins=20"] == pytest.approx(0.741, abs=0.03)
    assert f"the true factors themselves score mig {found.values['mig/bins=20']:.3f}" in found.protocol
    assert found.null["mig/bins=20"] < 0.1
    bars, heat = found.panels
    assert isinstance(bars, Bars)
    assert bars.references["true factors themselves"] == pytest.approx(found.values["mig/bins=20"], abs=0.02)
    assert isinstance(heat, Heat)
    assert np.array(heat.values).argmax(1).tolist() == [4, 3, 2, 1, 0]
    mec = InfoMEC()(*pair).values
    assert mec["modularity/neighbors=10"] == pytest.approx(0.977, abs=0.02)
    assert mec["compactness/neighbors=10"] == pytest.approx(0.977, abs=0.03)


def test_noise_has_the_modularity_that_others_found_and_no_explicitness(normal):
    found = InfoMEC()(*normal(encode=lambda z, rng: rng.standard_normal(z.shape)))
    assert 0.45 < found.values["modularity/neighbors=10"] < 0.8
    assert found.values["explicitness/neighbors=10"] < 0.01
    assert 0.35 < found.null["modularity/neighbors=10"] < 0.8


def test_angles_are_known_modulo_their_symmetry(mixed):
    def turn(z, rng):
        return np.stack([z[:, 0], z[:, 1], z[:, 2] % np.pi], 1)

    found = MIG(permutations=0)(*mixed(encode=turn)).values
    assert found["mig/bins=20/angle"] > 0.85
    assert MIG(permutations=0)(*mixed()).values["mig/bins=20/angle"] < 0.8


def test_infomec_is_its_definition_in_sample(normal):
    train, test = normal(600, 3, lambda z, rng: np.tanh(z @ rng.standard_normal((3, 4))))
    at = [np.histogram(z, 4)[1][:-1] for z in test.latents.T]
    train.latents[:] = test.latents  # the bins are those of the training rows
    levels = np.stack([np.digitize(z, edges) for z, edges in zip(test.latents.T, at, strict=True)], 1)
    x = (test.values - test.values.mean(0)) / test.values.std(0)
    found = InfoMEC(bins=4, held_out=False, penalty=0.0)(train, test).values
    told = []
    for level in levels.T:
        model = LogisticRegression(C=np.inf, max_iter=5000, tol=1e-8).fit(x, level)
        shares = np.unique(level, return_counts=True)[1] / len(level)
        null = -(shares * np.log(shares)).sum()
        told.append((null - log_loss(level, model.predict_proba(x))) / null)
    assert found["explicitness/neighbors=10"] == pytest.approx(np.mean(told), abs=1e-3)
    table = np.stack([mutual_info_classif(x, level, n_neighbors=10, random_state=0) for level in levels.T])
    table /= np.array([[mutual_info_score(level, level)] for level in levels.T])
    modular = (np.mean(table.max(0) / table.sum(0)) - 1 / 3) / (1 - 1 / 3)
    compact = (np.mean(table.max(1) / table.sum(1)) - 1 / 4) / (1 - 1 / 4)
    assert found["modularity/neighbors=10"] == pytest.approx(modular, abs=1e-3)
    assert found["compactness/neighbors=10"] == pytest.approx(compact, abs=1e-3)


def test_held_out_explicitness_of_noise_is_not_positive_where_in_sample_it_is(normal):
    pair = normal(300, 2, lambda z, rng: rng.standard_normal((len(z), 20)))
    inside = InfoMEC(held_out=False, permutations=0)(*pair).values["explicitness/neighbors=10"]
    outside = InfoMEC(permutations=0)(*pair).values["explicitness/neighbors=10"]
    assert outside < 0 < 0.05 < inside


def test_only_active_features_count(normal):
    plain = InfoMEC(permutations=0, estimator="bins")(*normal()).values
    wide = InfoMEC(permutations=0, estimator="bins")(
        *normal(encode=lambda z, rng: np.concatenate([z, 0.01 * rng.standard_normal((len(z), 3))], 1))
    )
    for name in ("modularity", "compactness"):
        assert wide.values[f"{name}/bins=20"] == pytest.approx(plain[f"{name}/bins=20"], abs=1e-10)
    assert "5 features active" in wide.protocol


def test_concentration_of_nothing():
    assert concentration(np.zeros((0, 5))) == 0
    assert concentration(np.zeros((5, 0))) == 0
    assert concentration(np.zeros((2, 3))) == pytest.approx(0, abs=1e-12)
    assert concentration(np.array([[1.0], [0.0]])) == 0.5


@pytest.mark.parametrize("probe", [MIG(permutations=0), Modularity(permutations=0)])
def test_intervals_are_as_wide_as_the_scores_vary(probe, made):
    rng = np.random.default_rng(0)
    found, widths = [], []
    for _ in range(40):
        levels = rng.integers(0, 4, (2000, 3))
        codes = levels + np.array([0.8, 1.2, 2.0]) * rng.standard_normal((2000, 3)) + 0.3 * levels[:, [1, 2, 0]]
        scores = probe(*discrete(codes, levels, made))
        name = next(iter(scores.values))
        low, high = scores.interval[name]
        assert low <= scores.values[name] <= high
        found.append(scores.values[name])
        widths.append(high - low)
    assert 0.6 < np.mean(widths) / (2 * 1.96 * np.std(found)) < 1.5
