"""What changes of pictures take from a frozen readout, on features that are made to lose it."""

import math

import numpy as np
import pytest

from kontrast.augmentations import Flip, Recipe, Rotation
from kontrast.probes import AugmentationEffects
from kontrast.views import Factor, Features

FACTORS = (Factor("x"), Factor("y"), Factor("angle", "periodic", 0.0, 2 * math.pi))


def rows(seed, change=lambda z: z, n=600):
    z = np.random.default_rng(seed).uniform(size=(n, 3)) * [1, 1, 2 * math.pi]
    moved = change(z.copy())
    angle = moved[:, 2]
    codes = np.stack([moved[:, 0], moved[:, 1], np.cos(angle), np.sin(angle)], 1)
    return Features(codes @ np.random.default_rng(5).normal(size=(4, 4)), latents=z, factors=FACTORS)


def mirrored(z):
    z[:, 0] = 1 - z[:, 0]
    z[:, 2] = -z[:, 2]
    return z


def asked(probe, **changes):
    test = rows(1)
    extra = {name: rows(1, change) for name, change in changes.items()}
    return probe(rows(0), Features(test.values, latents=test.latents, factors=FACTORS, extra=extra))


def test_the_map_says_which_factor_each_change_takes():
    probe = AugmentationEffects(recipe=Recipe(crop=None, jitter=None, grayscale=None, blur=None, rotation=Rotation()))
    scores = asked(probe, flip=mirrored, rotation=lambda z: z)
    delta = {name.removeprefix("delta_r2/"): value for name, value in scores.values.items() if "delta" in name}
    # 1 - E(2x - 1)^2 / Var x = 1 - (1/3) / (1/12); of cos and sin, the sine turns around: (0 + (-4)) / 2.
    assert delta["flip/x"] == pytest.approx(-4, abs=0.05)
    assert delta["flip/angle"] == pytest.approx(-2, abs=0.2)
    assert delta["flip/y"] == pytest.approx(0, abs=1e-9)
    assert all(value == 0 for name, value in delta.items() if name.startswith("rotation"))
    assert scores.values["r2/x"] == pytest.approx(1)
    assert scores.values["r2/mean"] == pytest.approx(1)
    (panel,) = scores.panels
    assert (panel.rows, panel.columns, panel.center) == (("flip", "rotation"), ("x", "y", "angle"), 0.0)
    assert panel.values[0][0] == delta["flip/x"]
    assert panel.low[0][0] < panel.values[0][0] < panel.high[0][0]


def test_intervals_are_paired():
    rng = np.random.default_rng(3)
    noise = 0.05 * rng.normal(size=(600, 3))

    def shaken(z):
        return z + noise

    scores = asked(AugmentationEffects(recipe=Recipe(crop=None, jitter=None, grayscale=None, blur=None)), flip=shaken)
    low, high = scores.interval["delta_r2/flip/x"]
    assert low < scores.values["delta_r2/flip/x"] < high < 0
    # Var(noise) / Var(x) = .03 with a relative error of sqrt(2 / 600) and that of the variance of x.
    assert scores.values["delta_r2/flip/x"] == pytest.approx(-0.03, abs=0.005)
    assert high - low < 0.01
    bare = AugmentationEffects(resamples=0, recipe=Recipe(crop=None, jitter=None, grayscale=None, blur=None))
    assert asked(bare, flip=shaken).panels[0].low == ()


def test_it_asks_for_each_change_alone():
    extra = AugmentationEffects(seed=4).extra()
    assert list(extra) == ["crop", "flip", "jitter", "grayscale", "blur"]
    for name, encoding in extra.items():
        assert list(encoding.change.steps()) == [name]
        assert (encoding.split, encoding.seed) == ("test", 4)
    assert extra["flip"].change.flip == Flip()


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="no changed pictures"):
        asked(AugmentationEffects())
    with pytest.raises(ValueError, match="recipe changes nothing"):
        AugmentationEffects(recipe=Recipe(crop=None, flip=None, jitter=None, grayscale=None, blur=None))
    with pytest.raises(ValueError, match="write resamples=200"):
        AugmentationEffects(resamples=-1)
    with pytest.raises(ValueError, match="4 dimensions and an intercept"):
        AugmentationEffects()(rows(0, n=5), rows(1))
