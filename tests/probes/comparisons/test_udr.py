"""UDR against the published definition, written out, and on runs whose axes are known to agree or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from kontrast.probes import UDR
from kontrast.probes.comparisons.udr import informative, relative_strength
from kontrast.views import Features


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def ask(udr, *codes):
    return udr([Features(h.copy()) for h in codes], [Features(h) for h in codes]).values


@pytest.mark.parametrize(
    ("relation", "score"),
    [
        (np.eye(3), 1.0),
        ([[1, 1, 0], [1, 1, 0], [0, 0, 1]], (0.5 + 0.5 + 1) / 3),
        (np.zeros((2, 2)), 0.0),
        ([[1.0, 0.0]], (0.5 + 1) / 2),
        (np.zeros((0, 2)), 0.0),
    ],
)
def test_the_relative_strength(relation, score):
    assert relative_strength(np.asarray(relation, float)) == pytest.approx(score)


@pytest.mark.parametrize("of", ["lasso", "spearman"])
def test_it_is_the_published_equation(of):
    codes = [drawn(200, 4, seed=s) + drawn(200, 4, seed=9) for s in range(3)]
    scaled = [(h - h.mean(0)) / h.std(0) for h in codes]
    table = np.full((3, 3), np.nan)
    for i in range(3):
        for j in range(3):
            if i != j and of == "lasso":
                relation = np.abs(Lasso(alpha=0.1).fit(scaled[i], scaled[j]).coef_).T
            else:
                relation = np.abs(spearmanr(scaled[i], scaled[j]).statistic[:4, 4:])
            halves = [np.mean(relation.max(k) ** 2 / relation.sum(k)) for k in (0, 1)]
            table[i, j] = np.mean(halves)
    found = ask(UDR(of=of), *codes)
    name = "udr/lasso=0.1" if of == "lasso" else "udr/spearman"
    for j in range(3):
        assert found[f"{name}/run {j}"] == pytest.approx(np.median(np.delete(table[:, j], j)), abs=1e-6)
    assert found[f"{name}/mean"] == pytest.approx(np.mean([found[f"{name}/run {j}"] for j in range(3)]))


def test_shared_axes_score_high_and_mixed_ones_low():
    z = drawn(2000, 4)
    shared = [z, -2 * z[:, [2, 0, 3, 1]] + 1, z[:, ::-1]]
    mixed = [z @ np.linalg.qr(drawn(4, 4, seed=s))[0] for s in range(3)]
    assert ask(UDR(), *shared)["udr/lasso=0.1/mean"] == pytest.approx(0.9, abs=0.01)
    assert ask(UDR(of="spearman"), *shared)["udr/spearman/mean"] > 0.9
    assert ask(UDR(), *mixed)["udr/lasso=0.1/mean"] < 0.5
    odd = ask(UDR(), z, shared[1], shared[2], mixed[0])
    assert odd["udr/lasso=0.1/run 3"] < min(odd[f"udr/lasso=0.1/run {k}"] for k in range(3)) - 0.3


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), unit=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_order_sign_and_unit_do_not_matter(seed, unit, shift):
    z, h = drawn(100, 3), drawn(100, 3, seed=1) + drawn(100, 3)
    rng = np.random.default_rng(seed)
    moved = (unit * h * rng.choice([-1, 1], 3) + shift)[:, rng.permutation(3)]
    for of in ("lasso", "spearman"):
        plain, other = (ask(UDR(of=of), z, code) for code in (h, moved))
        assert list(other.values()) == pytest.approx(list(plain.values()), abs=1e-6 if of == "lasso" else 1e-10)


def test_uninformative_coordinates_are_left_out():
    z = drawn(300, 3)
    dead = np.concatenate([z, 0.01 * drawn(300, 2, seed=1), np.ones((300, 1))], 1)
    assert informative(dead, 0.1).shape == (300, 3)
    assert ask(UDR(), z, dead) == pytest.approx(ask(UDR(), z, z.copy()))
    assert ask(UDR(informative=0), z, dead)["udr/lasso=0.1/mean"] < 0.8
    scores = UDR()([Features(z), Features(dead)], [Features(z + 0), Features(dead + 0)])
    assert "3 coordinates of less than 0.1" in scores.protocol
    assert "says nothing of the truth" in scores.warnings[""]


def test_constant_codes_score_nothing():
    z = drawn(50, 2)
    assert set(ask(UDR(), np.ones((50, 2)), np.ones((50, 2))).values()) == {0.0}
    assert ask(UDR(of="spearman"), z, np.ones((50, 2)))["udr/spearman/mean"] == 0


@pytest.mark.parametrize(
    ("options", "said"), [({"of": "pearson"}, "of=lasso"), ({"penalty": 0}, "penalty=0.1"), ({"informative": 2}, "0.1")]
)
def test_options_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        UDR(**options)
