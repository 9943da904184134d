import numpy as np
import pytest

from kontrast.probes.probe import check_labels, check_values, labeled, listed, moments, most_frequent
from kontrast.views import Features


def test_moments_standardize_and_give_constant_columns_no_scale() -> None:
    x = np.random.default_rng(0).normal(3, 2, (50, 3))
    x[:, 1] = 0.1
    mean, deviation = moments(x)
    np.testing.assert_allclose(mean, x.mean(0))
    assert deviation[1] == np.inf
    scaled = (x - mean) / deviation
    np.testing.assert_array_equal(scaled[:, 1], 0)
    np.testing.assert_allclose(scaled[:, [0, 2]].std(0), 1)


def test_moments_of_numbers_too_small_to_square_are_those_of_a_constant() -> None:
    assert moments(np.array([[1e-300], [2e-300]]))[1][0] == np.inf


def test_most_frequent_is_the_accuracy_of_always_naming_the_same_classes() -> None:
    labels = np.array([0, 0, 0, 2, 2, 7])
    assert most_frequent(labels) == 1 / 2
    assert most_frequent(labels, 2) == 5 / 6
    assert most_frequent(labels, 5) == 1


def test_labeled_rows_are_copies_in_double_precision() -> None:
    features = Features(np.eye(3, dtype=np.float32), labels=np.array([1, -1, 0]))
    x, y = labeled(features)
    np.testing.assert_array_equal(x, [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(y, [1, 0])
    assert x.dtype == np.float64
    assert not np.shares_memory(x, features.values)


def test_checks_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"shape \(0, 3\) are empty"):
        check_values(Features(np.zeros((0, 3))))
    with pytest.raises(ValueError, match="1 of 2 rows"):
        check_values(Features(np.array([[1.0], [np.nan]])))
    with pytest.raises(ValueError, match="no row has a label"):
        check_labels(Features(np.ones((2, 1)), labels=np.array([-1, -1])))
    with pytest.raises(ValueError, match="-3 is not a label"):
        check_labels(Features(np.ones((2, 1)), labels=np.array([0, -3])))


@pytest.mark.parametrize(
    ("words", "phrase"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_listed(words: list[str], phrase: str) -> None:
    assert listed(words) == phrase
