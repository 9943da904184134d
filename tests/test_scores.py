import math

import numpy as np
import pytest
from scipy import stats

from kontrast.scores import Score, over_seeds, shared_protocol


def rows(values, **options):
    return [
        [Score("KNN", "accuracy", value, seed=seed, step=5, protocol="vote", **options)]
        for seed, value in enumerate(values)
    ]


def test_seeds_have_a_mean_a_deviation_and_the_interval_of_students_t():
    values = [0.5, 0.6, 0.8, 0.55]
    (row,) = over_seeds(rows(values, untrained=0.25, split="ab"))
    assert row.value == pytest.approx(np.mean(values))
    assert row.deviation == pytest.approx(np.std(values, ddof=1))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high))
    assert (row.seeds, row.seed, row.step, row.untrained, row.split) == (4, None, 5, 0.25, "ab")
    assert "seeds 0, 1, 2, 3" in row.protocol
    assert "Student's t" in row.protocol
    assert row.protocol.endswith("vote")


@pytest.mark.parametrize(
    "said",
    [
        "95 % intervals from 200 resamples of the test rows",
        "interval by a jackknife over 10 blocks of rows",
        "interval over episodes",
        "intervals over 200 resamples",
    ],
)
def test_the_protocol_over_seeds_says_nothing_of_the_interval_of_one(said):
    tables = [[Score("MCC", "mcc", 0.1 * seed, seed=seed, protocol=f"on 9 rows; {said}; null")] for seed in range(3)]
    (row,) = over_seeds(tables)
    assert said not in row.protocol
    assert row.protocol.endswith("interval of Student's t over 3 seeds; on 9 rows; null")
    (row,) = over_seeds(tables[:2])
    assert row.protocol.endswith("too few for an interval; on 9 rows; null")


def test_two_seeds_have_no_interval():
    (row,) = over_seeds(rows([0.5, 0.7], low=0.1, high=0.9))
    assert (row.low, row.high) == (None, None)
    assert row.deviation == pytest.approx(0.2 / math.sqrt(2))
    assert "too few for an interval" in row.protocol


def test_one_seed_is_left_as_it_is_and_what_one_lacks_is_left_out():
    one = rows([0.5], low=0.4, high=0.6)
    assert over_seeds(one) == one[0]
    first, second = rows([0.5, 0.7])
    assert len(over_seeds([first, [*second, Score("MCC", "mcc", 1.0)]])) == 1


def test_protocols_that_differ_say_what_they_share():
    one = "on 1,000 rows; converged after 155 steps at 9e-05; penalty 1"
    two = "on 1,000 rows; converged after 1,082 steps at 8e-05; penalty 1"
    assert (
        shared_protocol([one, two]) == "on 1,000 rows; converged after 155 to 1,082 steps at 8e-05 to 9e-05; penalty 1"
    )
    some = shared_protocol([one, two.replace("converged", "NOT CONVERGED")])
    assert some.startswith("on 1,000 rows; penalty 1; not of all runs: converged after 155 steps")
    assert "/ NOT CONVERGED after 1,082 steps" in some
    assert shared_protocol([one, "", one]) == one and shared_protocol([]) == ""
    assert shared_protocol(["a v1", "b v2"]) == "2 protocols, the first: a v1"
    tables = [[Score("KNN", "accuracy", 0.1, seed=seed, protocol=f"after {seed} steps; null")] for seed in range(3)]
    assert over_seeds(tables)[0].protocol.endswith("over 3 seeds; after 0 to 2 steps; null")
