import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from kontrast.probes.bootstrap import resampled
from kontrast.probes.calibration import BINS, calibration_error, error_interval, gaps, reliability
from kontrast.probes.classes import SHOWN, by_class, judge, predicted


def naive(confidence: np.ndarray, right: np.ndarray) -> float:
    """The definition, bin by bin."""
    total = 0.0
    for b in range(1, BINS + 1):
        inside = (confidence > (b - 1) / BINS) & (confidence <= b / BINS)
        if inside.any():
            total += inside.sum() / len(right) * abs(right[inside].mean() - confidence[inside].mean())
    return total


def error(confidence: np.ndarray, right: np.ndarray) -> float:
    return float(calibration_error(gaps(confidence, right).mean(0)))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 200))
def test_agrees_with_the_definition(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, right = rng.uniform(1e-9, 1, n), rng.random(n) < 0.5
    assert error(confidence, right) == pytest.approx(naive(confidence, right), abs=1e-12)


def test_golden_values() -> None:
    # Two bins: (.6, 2/3] with 3 of 5 right at .65, and (14/15, 1] with all 5 right at .95.
    confidence = np.array([0.65] * 5 + [0.95] * 5)
    right = np.array([True] * 3 + [False] * 2 + [True] * 5)
    assert error(confidence, right) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    # .2 = 3/15 is the end of its bin, and .25 is in the next.
    assert error(np.array([0.2, 0.25]), np.array([True, False])) == pytest.approx(0.5 * 0.8 + 0.5 * 0.25)
    assert error(np.ones(4), np.array([True, True, True, True])) == 0
    assert error(np.ones(4), np.array([False] * 4)) == 1
    assert error(np.full(4, 1 / 15), np.array([False] * 4)) == pytest.approx(1 / 15)


def test_a_classifier_that_is_right_as_often_as_it_says_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 200_000)
    right = rng.random(200_000) < confidence
    assert error(confidence, right) < 0.01
    assert error(confidence**0.25, right) > 0.2


@pytest.mark.parametrize(("shift", "true"), [(0.0, 0.0), (0.1, 0.1)])
@pytest.mark.parametrize("n", [500, 5000])
def test_the_interval_holds_the_true_error_and_its_own(shift: float, true: float, n: int) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(60):
        confidence = rng.uniform(0.5, 1, n)
        right = rng.random(n) < confidence - shift
        columns = gaps(confidence, right)
        means = columns.mean(0)
        low, high = error_interval(means, resampled(columns, 100, seed))
        assert 0 <= low <= calibration_error(means) <= high
        held += low <= true <= high
    assert held >= 51


def test_the_curve_has_a_point_for_each_bin_with_rows() -> None:
    confidence = np.array([0.65] * 5 + [0.95] * 5)
    right = np.array([True] * 3 + [False] * 2 + [True] * 5)
    columns = gaps(confidence, right)
    (line,) = reliability(confidence, right, np.stack([columns.mean(0)] * 3), 0.05).lines
    assert line.x == pytest.approx((0.65, 0.95))
    assert line.y == line.low == line.high == pytest.approx((0.6, 1.0))


def test_scores_of_logits_by_hand() -> None:
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(500, 7)), np.array([1, 2, 4, 5, 6, 8, 11])
    labels = rng.choice(classes, 500)
    own = np.searchsorted(classes, labels)
    place = (logits > logits[np.arange(500), own][:, None]).sum(1)
    scores = judge(logits, classes, labels, (), "as it was")
    assert scores.values["accuracy"] == pytest.approx((place == 0).mean())
    assert scores.values["accuracy/top5"] == pytest.approx((place < 5).mean())
    assert scores.values["nll"] == pytest.approx(-log_softmax(logits, 1)[np.arange(500), own].mean())
    assert scores.values["ece"] == pytest.approx(naive(softmax(logits, 1).max(1), place == 0))
    assert scores.protocol == "as it was"
    assert not scores.warnings


def test_of_equal_logits_the_lowest_class_comes_first() -> None:
    found = predicted(np.zeros((3, 3)), np.array([0, 5, 7]), np.array([0, 5, 7]))
    assert found.place.tolist() == [0, 1, 2]
    assert found.first.tolist() == [0, 0, 0]
    assert found.confidence == pytest.approx([1 / 3] * 3)


def test_without_a_row_of_a_learned_class_there_is_no_likelihood() -> None:
    scores = judge(np.zeros((4, 2)), np.array([0, 1]), np.array([2, 2, 3, 3]), (), "")
    assert scores.values == scores.values | {"accuracy": 0.0, "ece": 0.5}
    assert "nll" not in scores.values
    assert list(scores.chance) == list(scores.values)


def test_of_many_classes_those_with_the_lowest_accuracy_are_shown() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), 20)
    first = np.where(rng.random(2000) < labels / 100, labels, (labels + 50) % 100)
    bars, heat = by_class(first, labels, ())
    assert len(bars.names) == len(heat.rows) == SHOWN
    assert heat.columns[-1] == "others"
    np.testing.assert_allclose(np.array(heat.values).sum(1), 1)
    shares = np.array([(first[labels == c] == c).mean() for c in range(100)])
    assert max(bars.values) <= np.sort(shares)[SHOWN - 1] + 1e-12
    assert bars.values == pytest.approx([shares[int(name)] for name in bars.names])
    assert "40 of 100 classes" in bars.note
