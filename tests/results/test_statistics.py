"""Statistics over seeds against hand-computed values, and what they say where there is little to say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.results import Difference, Outcome, Results, compare, direction, holm, main_effects, subtract, summarize
from kontrast.results.statistics import bootstrap_interval, corrected
from kontrast.scores import Score

PROBABILITIES = st.lists(st.floats(0, 1), max_size=12)


def results(values, axes=None, metric="accuracy", baseline=("a",), **more):
    """Results of {levels: {seed: value}} in one column."""
    outcomes = [
        Outcome(levels, seed, f"{levels}/{seed}", scores=(Score("Linear", metric, value, seed=seed),))
        for levels, of in values.items()
        for seed, value in of.items()
    ]
    axes = axes or {"axis": tuple(dict.fromkeys(levels[0] for levels in values))}
    return Results("study", "", axes, tuple(outcomes), f"Linear: {metric}", baseline, **more)


def test_the_summary_is_that_of_a_textbook():
    found = summarize({2: 3.0, 0: 1.0, 1: 2.0})
    assert (found.mean, found.deviation, found.count) == (2.0, 1.0, 3)
    # t of .975 and 2 degrees of freedom is 4.302652730.
    assert found.high == pytest.approx(2 + 4.302652730 / math.sqrt(3)) and found.low == pytest.approx(4 - found.high)
    assert list(found.values) == [0, 1, 2]


def test_few_values_have_no_interval_and_bad_ones_are_named():
    one, two = summarize({0: 0.5}), summarize({0: 0.5, 1: 0.7})
    assert (one.mean, one.deviation, one.low) == (0.5, None, None)
    assert two.deviation == pytest.approx(0.2 / math.sqrt(2)) and two.high is None
    assert summarize({}).mean is None
    lost = summarize({0: math.nan, 1: 1.0, 2: math.inf})
    assert lost.lost == (0, 2) and lost.mean == 1.0 and lost.count == 1
    same = summarize(dict.fromkeys(range(3), 0.1))
    assert same.deviation == 0 and same.low == same.mean == same.high


def test_differences_are_paired_over_the_seeds_that_both_have():
    found = subtract({0: 1.0, 1: 2.5, 2: 4.0, 7: 9.0, 8: math.nan}, {0: 0.0, 1: 1.0, 2: 2.0, 8: 1.0, 9: 3.0})
    assert found.values == {0: 1.0, 1: 1.5, 2: 2.0} and found.mean == 1.5
    # t = 1.5 / (.5 / sqrt 3) = 3 sqrt 3; with 2 degrees of freedom p = 1 - t / sqrt(t^2 + 2).
    t = 3 * math.sqrt(3)
    assert found.p == pytest.approx(1 - t / math.sqrt(t * t + 2))
    assert (found.low, found.high) == (1.0, 2.0)  # of three values the percentile interval is their range
    assert subtract({0: 1.0, 1: 2.0}, {0: 0.0, 1: 0.0}) == Difference({0: 1.0, 1: 2.0}, 1.5)
    assert subtract({0: 1.0}, {1: 1.0}) == Difference({})


def test_differences_that_do_not_vary_are_left_to_the_sign_test():
    values = {seed: 0.1 * seed for seed in range(4)}
    apart = subtract({seed: value + 0.3 for seed, value in values.items()}, values)
    assert apart.p == 1 / 8 and apart.low == apart.high == pytest.approx(0.3)
    same = subtract(values, values)
    assert (same.p, same.mean, same.low, same.high) == (1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("sizes", [3, 5, 9])
def test_the_bootstrap_repeats_and_is_that_of_all_resamples(sizes):
    values = list(np.random.default_rng(1).normal(size=sizes))
    low, high = bootstrap_interval(values)
    assert (low, high) == bootstrap_interval(values)
    assert min(values) <= low <= np.mean(values) <= high <= max(values)
    if sizes == 5:  # against all 5^5 resamples
        every = np.stack(np.meshgrid(*[values] * 5), -1).reshape(-1, 5).mean(1)
        spread = np.std(values)
        assert low == pytest.approx(np.quantile(every, 0.025), abs=0.05 * spread)
        assert high == pytest.approx(np.quantile(every, 0.975), abs=0.05 * spread)


def test_holm_is_that_of_a_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == [] and holm([0.2]) == [0.2]


@given(PROBABILITIES)
def test_holm_keeps_the_order_and_never_lowers(p):
    found = holm(p)
    assert all(before <= after <= 1 for before, after in zip(p, found, strict=True))
    order = sorted(range(len(p)), key=lambda at: p[at])
    assert [found[at] for at in order] == sorted(found)
    assert found == pytest.approx([_naive(p, at) for at in range(len(p))])


def _naive(p, at):
    """By closing the tests: the largest Bonferroni p value of all sets with this one in it."""
    rest = sorted((x for other, x in enumerate(p) if other != at), reverse=True)
    return max(min(1.0, (k + 1) * min([p[at], *rest[:k]])) for k in range(len(p)))


@given(PROBABILITIES.flatmap(lambda p: st.tuples(st.just(p), st.permutations(range(len(p))))))
def test_holm_does_not_depend_on_the_order(drawn):
    p, order = drawn
    assert holm([p[at] for at in order]) == [holm(p)[at] for at in order]


def test_the_family_is_all_comparisons_with_a_test():
    tested = [Difference({}, 1.0, p=0.02), Difference({}), Difference({}, -1.0, p=0.03)]
    assert [one.holm for one in corrected(tested)] == [0.04, None, 0.04]


def test_the_verdict_knows_which_way_is_good():
    up, unsure = Difference({}, 0.1, holm=0.05), Difference({}, 0.1, holm=0.051)
    assert [up.verdict(way) for way in (1, -1, 0)] == ["better", "worse", "higher"]
    assert unsure.verdict() == "not told apart" and Difference({}, 0.1).verdict() == "too few seeds"
    assert [direction(name) for name in ("Linear: nll", "mse/scale", "Recovery: r2/x", "RankMe: rankme/feature")] == [
        -1,
        -1,
        1,
        0,
    ]


def test_a_baseline_without_seeds_and_a_single_setting_compare_nothing():
    found = compare(results({("a",): {0: math.nan}, ("b",): {0: 1.0, 1: 2.0, 2: 3.0}}))
    assert found[0].summary.count == 0 and found[1].difference == Difference({})
    assert compare(results({("a",): {0: 1.0}}))[0].difference is None
    assert compare(results({("a",): {0: 1.0}, ("b",): {0: 1.0}}, baseline=()))[1].difference is None
    other = compare(results({("a",): {0: 1.0}, ("b",): {0: 3.0}}), baseline=("b",))
    assert other[1].difference is None and other[0].difference.mean == -2.0


def test_main_effects_are_means_over_the_choices_that_all_levels_share():
    axes = {"x": ("a", "b"), "y": ("1", "2")}
    values = {
        ("a", "1"): {0: 1.0, 1: 2.0, 2: 3.0},
        ("b", "1"): {0: 2.0, 1: 3.5, 2: 5.0},
        ("a", "2"): {0: 3.0, 1: 100.0},
        ("b", "2"): {0: 5.0},
    }
    found = main_effects(results(values, axes, baseline=("a", "1")), "x")
    assert found[0].summary.values == {0: 2.0, 1: 2.0, 2: 3.0}  # the 100 has no partner
    assert found[1].difference.values == {0: 1.5, 1: 1.5, 2: 2.0} and found[1].levels == ("b",)
    alone = {("a", "1"): {0: 1.0}, ("b", "2"): {0: 2.0}}
    assert all(one.summary.count == 0 for one in main_effects(results(alone, axes, baseline=("a", "1")), "x"))
    with pytest.raises(ValueError, match=r"no axis .* 'z'"):
        main_effects(results(values, axes), "z")


@pytest.mark.parametrize(
    "name", ["Mine: error_rate", "word_error_rate/mean", "perplexity", "Mine k=5: angular_error/z0"]
)
def test_less_is_better_of_errors_of_one_s_own(name):
    assert direction(name) == -1 and direction(f"{name.partition('/')[0]}less") == 1
