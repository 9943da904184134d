import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score

from kontrast.probes import BlockScores
from kontrast.views import Factor, Features

FACTORS = tuple(Factor(name, low=-1.0) for name in ("c0", "c1", "s0", "s1"))
CONTENT = ("c0", "c1")


def rows(n: int = 800, seed: int = 0, told: float = 0.0, style: float = 0.0, noise: float = 0.05) -> Features:
    """Content, style that depends on it by `told`, and features of the content and so much of the style."""
    rng = np.random.default_rng(seed)
    c = rng.normal(size=(n, 2))
    s = told * c[:, ::-1] + math.sqrt(1 - told**2) * rng.normal(size=(n, 2))
    bent = np.stack([c[:, 0] + 0.3 * np.sin(3 * c[:, 1]), c[:, 1] + 0.3 * c[:, 0] ** 2], 1)
    h = np.concatenate([bent, style * s], 1) if style else bent
    return Features(h + noise * rng.normal(size=h.shape), latents=np.concatenate([c, s], 1), factors=FACTORS)


def test_content_alone() -> None:
    scores = BlockScores(content=CONTENT)(rows(seed=0), rows(seed=1))
    assert list(scores.values) == [
        *(f"{way}_r2/{block}" for way in ("linear", "nonlinear") for block in ("content", "style")),
        "baseline_r2/style",
    ]
    assert scores.values["nonlinear_r2/content"] > 0.97 > scores.values["linear_r2/content"] + 0.05
    for name in ("linear_r2/style", "nonlinear_r2/style", "baseline_r2/style"):
        assert abs(scores.values[name]) < 0.05
    assert set(scores.interval) == set(scores.null) == set(scores.chance) == set(scores.values)


def test_style_that_follows_content_scores_its_baseline() -> None:
    scores = BlockScores(content=CONTENT)(rows(seed=0, told=0.7), rows(seed=1, told=0.7))
    assert scores.values["baseline_r2/style"] == pytest.approx(0.49, abs=0.05)
    assert scores.values["nonlinear_r2/style"] == pytest.approx(scores.values["baseline_r2/style"], abs=0.05)
    assert scores.chance["nonlinear_r2/style"] == scores.chance["linear_r2/style"] == scores.values["baseline_r2/style"]
    assert scores.chance["nonlinear_r2/content"] == 0
    held = BlockScores(content=CONTENT)(rows(seed=0, told=0.7, style=1), rows(seed=1, told=0.7, style=1))
    assert held.values["linear_r2/style"] > 0.95 > held.chance["linear_r2/style"] + 0.3


def test_linear_is_least_squares() -> None:
    train, test = rows(seed=0, told=0.5), rows(seed=1, told=0.5)
    model = LinearRegression().fit(train.values, train.latents)
    each = r2_score(test.latents, model.predict(test.values), multioutput="raw_values")
    values = BlockScores(content=CONTENT)(train, test).values
    assert values["linear_r2/content"] == pytest.approx(each[:2].mean(), abs=1e-10)
    assert values["linear_r2/style"] == pytest.approx(each[2:].mean(), abs=1e-10)


def test_several_styles_and_none() -> None:
    pair = rows(300, 0), rows(300, 1)
    styled = BlockScores(content=("c0",), styles=(("s0",), ("c1", "s1")))(*pair).values
    assert {name.partition("/")[2] for name in styled} == {"content", "s0", "c1+s1"}
    alone = BlockScores()(*pair).values
    assert {name.partition("/")[2] for name in alone} == {"c0", "c1", "s0", "s1"}
    assert len(alone) == 12
    told = BlockScores()(rows(400, 0, told=0.9), rows(400, 1, told=0.9)).values
    assert told["baseline_r2/s0"] == pytest.approx(0.81, abs=0.05)


def test_classes_by_accuracy() -> None:
    rng = np.random.default_rng(0)
    shape, hue = rng.integers(0, 3, 1200), rng.normal(size=1200)
    angle = rng.uniform(0, 1, 1200)
    h = np.column_stack([np.eye(3)[shape][:, :2] + 0.3 * rng.normal(size=(1200, 2)), np.cos(2 * math.pi * angle)])
    factors = (Factor("shape", "discrete", size=3), Factor("hue"), Factor("angle", "periodic"))
    latents = np.stack([shape, hue, angle], 1)
    train, test = (Features(h[part], latents=latents[part], factors=factors) for part in (slice(600), slice(600, 1200)))
    scores = BlockScores(content=("shape", "angle"))(train, test)
    mean, deviation = train.values.mean(0), train.values.std(0)
    model = LogisticRegression().fit((train.values - mean) / deviation, shape[:600])
    expected = model.score((test.values - mean) / deviation, shape[600:])
    assert scores.values["linear_accuracy/content"] == pytest.approx(expected, abs=0.003)
    assert scores.values["nonlinear_accuracy/content"] == pytest.approx(expected, abs=0.05)
    assert scores.values["linear_r2/content"] == pytest.approx(0.5, abs=0.03)
    assert scores.chance["linear_accuracy/content"] == pytest.approx(1 / 3, abs=0.05)
    assert scores.null["linear_accuracy/content"] < 0.6
    assert "linear_accuracy/style" not in scores.values


def test_what_it_cannot_do_is_said() -> None:
    with pytest.raises(ValueError, match="write content=x,y"):
        BlockScores(styles=(("s0",),))
    with pytest.raises(ValueError, match="did you mean"):
        BlockScores(content=("c9",)).check(rows(20))
    with pytest.raises(ValueError, match="each factor belongs to one block"):
        BlockScores(content=("c0",), styles=(("c0",),)).check(rows(20))
    with pytest.raises(ValueError, match="train on at least 6 rows"):
        BlockScores()(rows(5, 0), rows(5, 1))


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100))
def test_linear_scores_are_invariant_to_affine_maps_of_features(seed: int, shift: float) -> None:
    train, test = rows(200, 0, 0.5, 1), rows(200, 1, 0.5, 1)
    mixing = np.random.default_rng(seed).normal(size=(4, 4)) + 4 * np.eye(4)
    probe = BlockScores(content=CONTENT, permutations=0, resamples=0, rows=50)
    plain = probe(train, test).values
    moved = [Features(part.values @ mixing + shift, latents=part.latents, factors=FACTORS) for part in (train, test)]
    other = probe(*moved).values
    for name in ("linear_r2/content", "linear_r2/style", "baseline_r2/style"):
        assert plain[name] == pytest.approx(other[name], abs=1e-10)
