"""Statistics of an order, against slow ones that are plainly right."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from kontrast.probes.uncertainty import ranks
from kontrast.probes.uncertainty.ranks import Order

FEW = st.integers(2, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any),
    )
)


def arrays(rows):
    return (np.array(column, dtype=float) for column in rows)


def curve(error):
    """The mean over coverages of the mean error of the rows that come first."""
    return np.mean(np.cumsum(error) / np.arange(1, len(error) + 1))


def naive_aurc(u, error):
    orders = [
        list(o) for o in itertools.permutations(range(len(u))) if all(u[a] <= u[b] for a, b in itertools.pairwise(o))
    ]
    return np.mean([curve(error[order]) for order in orders])


@given(FEW)
def test_the_area_is_the_mean_over_the_orders_of_ties(rows):
    u, error, _ = arrays(rows)
    found = ranks.aurc(Order.of(u), error, np.ones(len(u)))
    assert found == pytest.approx(naive_aurc(u, error), abs=1e-10)


@given(FEW)
def test_weights_are_rows_that_come_several_times(rows):
    u, error, often = arrays(rows)
    many = np.repeat(np.arange(len(u)), often.astype(int))
    order, ones = Order.of(u[many]), np.ones(len(many))
    whole = Order.of(u)
    assert ranks.aurc(whole, error, often) == pytest.approx(ranks.aurc(order, error[many], ones), abs=1e-10)
    for coverage in (0.1, 0.5, 1.0):
        expected = ranks.selective(order, error[many], ones, coverage)
        assert ranks.selective(whole, error, often, coverage) == pytest.approx(expected, abs=1e-10)
    assert ranks.auroc(whole, error, often) == pytest.approx(
        ranks.auroc(order, error[many], ones), abs=1e-10, nan_ok=True
    )
    other, others = Order.of(error), Order.of(error[many])
    assert ranks.spearman(whole, other, often) == pytest.approx(ranks.spearman(order, others, ones), abs=1e-10)


@given(FEW)
def test_orders_agree_with_scipy_and_scikit_learn(rows):
    u, error, _ = arrays(rows)
    order, ones = Order.of(u), np.ones(len(u))
    if 0 < error.mean() < 1:
        assert ranks.auroc(order, error, ones) == pytest.approx(roc_auc_score(error, u), abs=1e-10)
        if np.ptp(u) > 0:
            assert ranks.spearman(order, Order.of(error), ones) == pytest.approx(
                spearmanr(u, error).statistic, abs=1e-10
            )


@given(FEW)
def test_only_the_order_counts(rows):
    u, error, often = arrays(rows)
    one, other, turned = Order.of(u), Order.of(np.exp(3 * u) - 7), Order.of(-u)
    assert ranks.aurc(one, error, often) == ranks.aurc(other, error, often)
    assert ranks.spearman(one, Order.of(error), often) == ranks.spearman(other, Order.of(error), often)
    assert ranks.auroc(one, error, often) == pytest.approx(
        1 - ranks.auroc(turned, error, often), abs=1e-10, nan_ok=True
    )


def test_known_orders_have_known_areas():
    error = np.array([0, 0, 0, 1.0])
    ones = np.ones(4)
    assert ranks.best(error, ones) == pytest.approx(1 / 16)
    assert ranks.aurc(Order.of(-error), error, ones) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert ranks.aurc(Order.of(np.zeros(4)), error, ones) == pytest.approx(1 / 4)
    assert ranks.selective(Order.of(error), error, ones, 0.75) == 0
    assert ranks.selective(Order.of(np.zeros(4)), error, ones, 0.5) == 0.25


def test_what_does_not_vary_has_no_rank_correlation_and_no_auroc():
    flat, rising, ones = Order.of(np.zeros(5)), Order.of(np.arange(5.0)), np.ones(5)
    assert ranks.spearman(flat, rising, ones) == 0
    assert ranks.auroc(flat, np.array([0, 1, 0, 1, 1.0]), ones) == 0.5
    assert np.isnan(ranks.auroc(rising, np.ones(5), ones))


def test_intervals_hold_the_true_value_about_as_often_as_they_say():
    rng, held = np.random.default_rng(0), 0
    for trial in range(200):
        positive = rng.integers(0, 2, 150).astype(float)
        u = rng.normal(size=150) + positive
        weights = ranks.resamples(150, 100, trial)
        _, (low, high) = ranks.estimate(lambda w: ranks.auroc(Order.of(u), positive, w), weights)  # noqa: B023
        held += low <= 0.76025 <= high  # Phi(1 / sqrt 2)
    assert 0.88 <= held / 200 <= 0.99


def test_resamples_are_rows_drawn_with_replacement():
    weights = ranks.resamples(50, 30, 1)
    assert weights.shape == (30, 50)
    assert (weights.sum(1) == 50).all()
    assert np.array_equal(weights, ranks.resamples(50, 30, 1))
    assert not np.array_equal(weights, ranks.resamples(50, 30, 2))
