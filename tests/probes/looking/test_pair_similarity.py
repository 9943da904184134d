"""The similarity of positive and negative pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_views import pair
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from kontrast.panels import Curves
from kontrast.probes import PairSimilarity
from kontrast.probes.looking.density import densities, edges, overlap
from kontrast.probes.looking.pair_similarity import (
    binned_information,
    cosine,
    ned,
    nsed,
    partners,
    pearson,
    placements,
)
from kontrast.views import Features

ROW, COLUMN = np.meshgrid(np.arange(6), np.arange(4), indexing="ij")
A = np.sin(1 + 4 * ROW + COLUMN) + 0.3 * np.cos(ROW * COLUMN)
B = A + 0.5 * np.cos(0.7 + 2.3 * ROW + 1.1 * COLUMN)
ROWS = arrays(np.float64, (5, 4), elements=st.floats(-10, 10).map(lambda x: round(x, 3)))


@pytest.mark.parametrize(
    ("measure", "golden"),
    [
        (nsed, [0.083202, 0.136631, 0.089628, 0.090368, 0.068529, 0.058365]),
        (pearson, [0.960352, 0.995752, 0.912502, 0.913936, 0.973820, 0.991646]),
        (ned, [0.173681, 0.066868, 0.219825, 0.202419, 0.128539, 0.084399]),
    ],
)
def test_golden_values(measure, golden):
    np.testing.assert_allclose(measure(A, B), golden, rtol=0, atol=5e-7)


def test_they_are_what_their_equations_say():
    for a, b, s, p, n, c in zip(A, B, nsed(A, B), pearson(A, B), ned(A, B), cosine(A, B), strict=True):
        x, y = a - a.mean(), b - b.mean()
        assert s == pytest.approx(((x - y) ** 2).sum() / ((x**2).sum() + (y**2).sum()), rel=1e-12)
        assert p == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-12)
        assert n == pytest.approx(math.sqrt(((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2).mean()), rel=1e-12)
        assert c == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-12)


@given(ROWS, ROWS)
def test_they_are_symmetric_and_in_range(a, b):
    for measure, low, high in ((nsed, 0, 2), (pearson, -1, 1), (ned, 0, 2), (cosine, -1, 1)):
        np.testing.assert_allclose(measure(a, b), measure(b, a), rtol=0, atol=1e-10)
        assert (measure(a, b) >= low).all() and (measure(a, b) <= high + 1e-12).all()


@given(ROWS, ROWS, st.floats(0.1, 50), st.floats(-50, 50))
def test_what_does_not_change_them(a, b, scale, shift):
    np.testing.assert_allclose(nsed(scale * a + shift, scale * b + shift), nsed(a, b), atol=1e-10)
    spread = np.minimum(a.std(1), b.std(1)) > 1e-3
    np.testing.assert_allclose(pearson(scale * a + shift, b)[spread], pearson(a, b)[spread], atol=1e-10)
    np.testing.assert_allclose(ned(scale * a, b), ned(a, b), atol=1e-10)
    order = np.array([2, 0, 3, 1])
    for measure in (nsed, pearson, ned, cosine):
        np.testing.assert_allclose(measure(a[:, order], b[:, order]), measure(a, b), atol=1e-10)


@given(ROWS, ROWS)
def test_identities_between_them(a, b):
    np.testing.assert_allclose(ned(a, b), np.sqrt(2 * (1 - cosine(a, b)) / 4), atol=1e-7) if (
        a.any(1) & b.any(1)
    ).all() else None
    x, y = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norms = np.linalg.norm(x, axis=1, keepdims=True), np.linalg.norm(y, axis=1, keepdims=True)
    if min(each.min() for each in norms) > 1e-3:
        np.testing.assert_allclose(nsed(x / norms[0], y / norms[1]), 1 - pearson(a, b), atol=1e-10)


def test_rows_that_are_constant_or_zero_have_the_values_that_are_written():
    one, zero, row = np.ones((1, 4)), np.zeros((1, 4)), np.array([[1.0, 2.0, 3.0, -1.0]])
    assert pearson(one, row) == [0] and nsed(one, one) == [0] and nsed(one, row) == [1]
    assert cosine(zero, row) == [0] and ned(zero, zero) == [0] and ned(zero, row) == [0.5]
    assert nsed(0.1 * one, 0.7 * one) == [0]
    tenth = np.full((1, 1000), 0.1, dtype=np.float32)
    assert pearson(tenth, tenth) == [0] and nsed(tenth, tenth) == [0]
    assert cosine(1e200 * row, 1e200 * row) == pytest.approx(1) and nsed(1e200 * row, -1e200 * row) == pytest.approx(2)


def test_binned_information_is_that_of_scikit_learn():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 64))
    b = 0.5 * b + a
    found = binned_information(a, b)
    for x, y, value in zip(a, b, found, strict=True):
        bins = [np.digitize(v, np.linspace(v.min(), v.max(), 33)[1:-1]) for v in (x, y)]
        assert value == pytest.approx(normalized_mutual_info_score(*bins), abs=1e-12)
    assert binned_information(np.ones((1, 8)), np.ones((1, 8))) == [1]


@pytest.mark.parametrize("n", [2, 3, 50])
def test_partners_are_others_each_once(n):
    found = partners(n, 3)
    assert sorted(found) == list(range(n))
    assert (found != np.arange(n)).all()


@given(arrays(np.float64, 9, elements=st.integers(0, 5)), arrays(np.float64, 7, elements=st.integers(0, 5)))
def test_placements_have_the_auroc_as_their_mean(positive, negative):
    below, above = placements(positive, negative)
    expected = roc_auc_score([1] * 9 + [0] * 7, [*positive, *negative])
    assert below.mean() == pytest.approx(expected, abs=1e-12)
    assert above.mean() == pytest.approx(expected, abs=1e-12)


def test_densities_integrate_to_one():
    rng = np.random.default_rng(0)
    samples = {"one": rng.normal(size=500), "two": rng.normal(size=300) + 1}
    panel = densities("t", "x", samples)
    for line in panel.lines:
        x, y = np.array(line.x), np.array(line.y)
        assert (y * (x[1] - x[0])).sum() == pytest.approx(1, abs=1e-12)
    at = edges({"one": np.full(5, 3.0)})
    assert at[0] < 3 < at[-1]
    assert overlap(samples["one"], samples["one"]) == pytest.approx(1)
    assert overlap(np.zeros(9), np.ones(9)) == 0


def test_views_that_are_alike_come_apart_from_others():
    scores = PairSimilarity()(*pair(noise=0.1))
    for name in ("cosine", "correlation", "nsed", "ned"):
        assert scores.values[f"auroc/{name}"] > 0.99
        assert scores.values[f"overlap/{name}"] < 0.1
    assert scores.values["positive/cosine"] > 0.95 and abs(scores.values["negative/cosine"]) < 0.1
    assert scores.values["positive/nsed"] < 0.1 and abs(scores.values["negative/nsed"] - 1) < 0.1
    assert all(isinstance(panel, Curves) and panel.filled and len(panel.lines) == 2 for panel in scores.panels)
    blind = PairSimilarity()(*pair(noise=1000.0))
    for name in ("cosine", "correlation", "nsed", "ned"):
        low, high = blind.interval[f"auroc/{name}"]
        assert low < 0.5 < high
        assert high - low < 0.2


def test_the_auroc_is_that_of_positives_against_negatives():
    train, test = pair(n=60)
    found = PairSimilarity(seed=4)(train, test)
    a, b = (test.extra[f"view {v}"].values for v in (0, 1))
    other = b[partners(60, 4)]
    truth = [1] * 60 + [0] * 60
    assert found.values["auroc/cosine"] == pytest.approx(roc_auc_score(truth, [*cosine(a, b), *cosine(a, other)]))
    assert found.values["auroc/nsed"] == pytest.approx(roc_auc_score(truth, [*-nsed(a, b), *-nsed(a, other)]))
    assert found.values["negative/nsed"] == pytest.approx(nsed(a, other).mean())


def test_intervals_cover_what_other_rows_give():
    truth = PairSimilarity()(*pair(n=20_000, seed=99, noise=1.0)).values
    hits = dict.fromkeys(("positive/cosine", "negative/cosine", "auroc/cosine"), 0)
    for seed in range(60):
        found = PairSimilarity(seed=seed)(*pair(n=200, seed=seed, noise=1.0))
        for name in hits:
            low, high = found.interval[name]
            hits[name] += low <= truth[name] <= high
    assert min(hits.values()) >= 51


def test_one_point_cannot_be_told_apart():
    train, test = pair(n=30)
    still = Features(np.full((30, 8), 0.1, dtype=np.float32))
    found = PairSimilarity()(train, replace(test, extra={"view 0": still, "view 1": still}))
    assert {found.values[f"auroc/{name}"] for name in ("cosine", "correlation", "nsed", "ned")} == {0.5}
    assert found.values["overlap/cosine"] == 1


def test_binned_coordinates_are_asked_for():
    found = PairSimilarity(binned=True)(*pair(n=40, d=32))
    assert found.values["auroc/information"] > 0.7
    assert "auroc/information" not in PairSimilarity()(*pair(n=40)).values


def test_what_is_missing_is_said():
    train, test = pair(n=20)
    with pytest.raises(ValueError, match="two views of each row"):
        PairSimilarity()(train, replace(test, extra={}))
    with pytest.raises(ValueError, match="not of one"):
        PairSimilarity()(train, replace(test, extra={**test.extra, "view 1": Features(np.ones((20, 3)))}))
    with pytest.raises(ValueError, match="NaN or infinite"):
        PairSimilarity()(train, replace(test, extra={**test.extra, "view 1": Features(np.full((20, 8), np.nan))}))
    with pytest.raises(ValueError, match="two rows"):
        PairSimilarity()(Features(np.ones((1, 2))), Features(np.ones((1, 2))))


def test_the_views_are_those_of_the_pairing():
    asked = PairSimilarity(seed=5).extra()
    assert {name: (each.view, each.split, each.seed) for name, each in asked.items()} == {
        "view 0": (0, "test", 5),
        "view 1": (1, "test", 5),
    }
