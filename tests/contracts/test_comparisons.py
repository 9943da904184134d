"""What holds for every comparison of runs, whatever it asks."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from kontrast.parts import known
from kontrast.probes import Comparison, Scores
from kontrast.views import Features

EVERY = pytest.mark.parametrize(
    "comparison", [cls() for cls in known(Comparison).values()], ids=lambda c: type(c).__name__
)
Runs = Sequence[Features]


def runs(count: int = 3, n: int = 90, d: int = 4) -> tuple[Runs, Runs]:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2 * n, d))
    codes = [(z @ rng.normal(size=(d, d)) + 0.3 * rng.normal(size=z.shape)).astype(np.float32) for _ in range(count)]
    index = np.arange(n)
    return [Features(h[:n], index=index) for h in codes], [Features(h[n:], index=index) for h in codes]


def finite(scores: Scores) -> None:
    assert scores.values
    for value in (*scores.values.values(), *scores.null.values()):
        assert type(value) is float
        assert math.isfinite(value)
    for name, (low, high) in scores.interval.items():
        assert low <= scores.values[name] <= high
    assert scores.protocol
    assert "\n" not in scores.protocol
    assert scores.panels


@EVERY
@pytest.mark.parametrize("count", [2, 3, 4])
def test_scores_are_finite_floats_with_a_protocol_of_one_line(comparison: Comparison, count: int) -> None:
    finite(comparison(*runs(count)))


@EVERY
def test_says_which_layer_it_asks(comparison: Comparison) -> None:
    assert comparison.layer == "embedding"
    assert type(comparison)(layer="feature").layer == "feature"


@EVERY
def test_repeats_bit_for_bit_and_leaves_its_inputs_alone(comparison: Comparison) -> None:
    train, test = runs()
    for features in (*train, *test):
        features.values.flags.writeable = False
    assert comparison(train, test) == comparison(train, test)
    for split, fresh in zip((*train, *test), (*runs()[0], *runs()[1]), strict=True):
        np.testing.assert_array_equal(split.values, fresh.values)


@EVERY
@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_half_and_double_precision_are_welcome(comparison: Comparison, kind: type) -> None:
    finite(comparison(*([replace(f, values=f.values.astype(kind)) for f in split] for split in runs())))


@EVERY
def test_constant_repeated_and_single_coordinates_do_no_harm(comparison: Comparison) -> None:
    def widened(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, values[:, :1], np.ones_like(values[:, :1])], 1)

    for change in (widened, lambda values: values[:, :1], lambda values: np.full_like(values, 0.1)):
        finite(comparison(*([replace(f, values=change(f.values)) for f in split] for split in runs())))


@EVERY
def test_a_warning_says_that_agreement_is_not_truth(comparison: Comparison) -> None:
    assert comparison(*runs()).warnings[""]


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_codes_that_are_no_numbers(comparison: Comparison, bad: float) -> None:
    train, test = runs()
    test[1].values[3, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        comparison(train, test)


@EVERY
def test_refuses_one_run_and_other_rows(comparison: Comparison) -> None:
    train, test = runs()
    with pytest.raises(ValueError, match="two or more runs, not 1"):
        comparison(train[:1], test[:1])
    with pytest.raises(ValueError, match="same rows"):
        comparison(train, [test[0], replace(test[1], index=np.arange(1, 91)), test[2]])
    with pytest.raises(ValueError, match="held out"):
        comparison(train, train)


def test_the_comparisons_are_there() -> None:
    assert {"Consistency", "UDR"} <= set(known(Comparison))
