"""What holds for every probe, whatever it asks."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from kontrast.parts import known
from kontrast.probes import Probe, Scores
from kontrast.views import Factor, Features

FACTORS = (
    Factor("x", low=-1.0, high=1.0),
    Factor("y"),
    Factor("angle", "periodic", 0.0, 2 * math.pi, symmetry=(4, 2, 1), symmetry_by="shape"),
    Factor("shape", "discrete", size=3),
)
ARRAYS = ("values", "labels", "latents", "concentration", "index", "spread")
EVERY = pytest.mark.parametrize("probe", [cls() for cls in known(Probe).values()], ids=lambda p: type(p).__name__)


def features(n: int = 120, d: int = 6, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    shape = rng.integers(0, 3, n)
    latents = np.stack([rng.uniform(-1, 1, n), rng.uniform(0, 1, n), rng.uniform(0, 2 * math.pi, n), shape], 1)
    mixing = np.random.default_rng(9).normal(size=(4, d))
    values = np.tanh(latents @ mixing) + 0.1 * rng.normal(size=(n, d))
    labels = np.where(rng.random(n) < 0.1, -1, shape)
    concentration = rng.uniform(1, 2, n)
    classes = ("square", "ellipse", "heart")
    found = latents.astype(np.float32)
    index, spread = np.arange(n), 1 / concentration
    return Features(values.astype(np.float32), labels, found, classes, FACTORS, concentration, index, spread)


def splits(**options: int) -> tuple[Features, Features]:
    return features(seed=1, **options), features(seed=2, **options)


def given(probe: Probe, train: Features, test: Features) -> tuple[Features, Features]:
    """The same with whatever else the probe asks for: other views of the test rows, nearly the same."""
    rng = np.random.default_rng(7)
    noise = {name: 0.1 * rng.normal(size=test.values.shape) for name in probe.extra()}
    extra = {name: replace(test, values=(test.values + own).astype(test.values.dtype)) for name, own in noise.items()}
    return train, replace(test, extra=extra)


def finite(scores: Scores) -> None:
    assert scores.values
    for value in (*scores.values.values(), *scores.chance.values(), *scores.null.values()):
        assert type(value) is float
        assert math.isfinite(value)
    assert scores.protocol
    assert "\n" not in scores.protocol


def one_sentence(error: pytest.ExceptionInfo[ValueError]) -> None:
    text = str(error.value)
    assert text
    assert "\n" not in text
    assert ". " not in text


@EVERY
def test_scores_are_finite_floats_with_a_protocol_of_one_line(probe: Probe) -> None:
    finite(probe(*given(probe, *splits())))


@EVERY
def test_chance_and_null_have_the_names_of_the_values(probe: Probe) -> None:
    scores = probe(*given(probe, *splits()))
    for floor in filter(None, (scores.chance, scores.null)):
        assert list(floor) == list(scores.values)


@EVERY
def test_says_which_layer_it_asks(probe: Probe) -> None:
    assert probe.layer in ("feature", "embedding")
    assert type(probe)(layer="embedding").layer == "embedding"


@EVERY
def test_repeats_bit_for_bit(probe: Probe) -> None:
    train, test = given(probe, *splits())
    assert probe(train, test) == probe(train, test)


@EVERY
def test_leaves_its_inputs_alone(probe: Probe) -> None:
    pair = splits()
    for split in pair:
        for name in ARRAYS:
            getattr(split, name).flags.writeable = False
    probe(*given(probe, *pair))
    for split, fresh in zip(pair, splits(), strict=True):
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(split, name), getattr(fresh, name))


@EVERY
@pytest.mark.parametrize(
    "missing", [("labels",), ("latents",), ("concentration",), ("labels", "latents", "concentration")]
)
def test_either_works_without_an_array_or_says_so_in_one_sentence(probe: Probe, missing: tuple[str, ...]) -> None:
    train, test = (replace(split, **dict.fromkeys(missing)) for split in splits())
    try:
        probe.check(train)
    except ValueError:
        with pytest.raises(ValueError) as error:  # noqa: PT011
            probe.check(train)
        one_sentence(error)
        with pytest.raises(ValueError) as error:  # noqa: PT011
            probe(train, test)
        one_sentence(error)
    else:
        finite(probe(*given(probe, train, test)))


@EVERY
def test_works_in_one_dimension(probe: Probe) -> None:
    finite(probe(*given(probe, *splits(d=1))))


@EVERY
def test_constant_features_have_a_score(probe: Probe) -> None:
    train, test = (replace(split, values=np.full_like(split.values, 0.1)) for split in splits())
    finite(probe(*given(probe, train, test)))


@EVERY
def test_a_constant_and_a_repeated_feature_do_no_harm(probe: Probe) -> None:
    def widened(split: Features) -> Features:
        values = split.values
        return replace(split, values=np.concatenate([values, values[:, :1], np.ones_like(values[:, :1])], 1))

    train, test = splits()
    finite(probe(*given(probe, widened(train), widened(test))))


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_features_that_are_no_numbers(probe: Probe, bad: float) -> None:
    train, test = splits()
    test.values[3, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite") as error:
        probe(train, test)
    one_sentence(error)


@EVERY
def test_refuses_to_score_the_rows_it_learned_from(probe: Probe) -> None:
    train = features()
    with pytest.raises(ValueError, match="held out") as error:
        probe(train, train)
    one_sentence(error)


@EVERY
def test_refuses_features_of_two_encoders(probe: Probe) -> None:
    with pytest.raises(ValueError, match="6 and 5 dimensions") as error:
        probe(features(), features(d=5))
    one_sentence(error)


@EVERY
def test_refuses_splits_of_two_datasets(probe: Probe) -> None:
    with pytest.raises(ValueError, match="different factors") as error:
        probe(features(), replace(features(), factors=(FACTORS[0]._replace(name="w"), *FACTORS[1:])))
    one_sentence(error)


@EVERY
def test_half_and_double_precision_are_welcome(probe: Probe) -> None:
    for kind in (np.float16, np.float64):
        train, test = (replace(split, values=split.values.astype(kind)) for split in splits())
        finite(probe(*given(probe, train, test)))


def test_the_suite_makes_every_array_of_features() -> None:
    assert set(ARRAYS) | {"classes", "factors", "digest", "origin", "extra"} == {
        field.name for field in fields(Features)
    }
    assert {"Linear", "KNN", "Recovery", "MCC"} <= set(known(Probe))
