import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from kontrast.datasets import Sprites
from kontrast.probes import ReadOut
from kontrast.probes.read_out import Tally, hits, ridge
from kontrast.probes.targets import encode, targets
from kontrast.views import Factor, Features

SPRITES = Sprites()


def sprites(n: int = 4096, seed: int = 0) -> Features:
    """Features that are the latents themselves, as target columns."""
    z = SPRITES.sample(n, torch.Generator().manual_seed(seed)).double().numpy()
    return Features(encode(z, SPRITES.factors)[0], latents=z, factors=SPRITES.factors)


def tally(features: Features, predicted: np.ndarray) -> dict[str, float]:
    return Tally(features, targets(features), predicted).scores()


def test_exact_latents_are_read_in_less_than_500_steps() -> None:
    scores = ReadOut(steps=499)(sprites(seed=0), sprites(seed=1))
    names = [factor.name for factor in SPRITES.factors]
    for name in names:
        assert scores.values[f"r2/{name}"] > 0.999
        assert scores.values[f"accuracy/{name}"] > 0.99
    assert scores.warnings == {}
    assert list(scores.values) == [
        *(f"r2/{name}" for name in (*names, "mean")),
        *(f"accuracy/{name}" for name in (*names, "mean")),
        *(f"mse/{name}" for name in names),
        "least_squares_r2/mean",
        "least_squares_accuracy/mean",
    ]
    assert set(scores.interval) == set(scores.values)


@pytest.mark.parametrize(
    ("name", "half"), [("scale", 0.05), ("x", 1 / 62), ("y", 1 / 62), ("orientation", math.pi / 39)]
)
def test_a_hit_is_less_than_half_a_step_away(name: str, half: float) -> None:
    features = sprites(400)
    at = [factor.name for factor in SPRITES.factors].index(name)
    for share, expected in ((0.998, 1.0), (1.002, 0.0)):
        moved = features.latents.copy()
        moved[:, at] += half * share
        predicted = encode(moved, SPRITES.factors)[0]
        found = hits(features, name, predicted)
        assert found is not None
        assert found.mean() == expected


def test_the_goldens_of_half_a_step_on_scale() -> None:
    features = sprites(100)
    columns = encode(features.latents, SPRITES.factors)[0]
    scale = encode(features.latents, SPRITES.factors)[1]["scale"].start
    for away, expected in ((0.0499, 1.0), (0.0501, 0.0)):
        predicted = columns.copy()
        predicted[:, scale] += away
        assert tally(features, predicted)["accuracy/scale"] == expected


def test_angles_hit_across_the_end_and_up_to_their_symmetry() -> None:
    factor = Factor("angle", "periodic", 0.0, 2 * math.pi, symmetry=(4,), grid=40)
    truth = np.array([[0.01], [1.0], [3.0]])
    features = Features(np.zeros((3, 1)), latents=truth, factors=(factor,))
    for moved, expected in ((2 * math.pi - 0.02, True), (math.pi / 2, True), (math.pi / 4, False)):
        found = hits(features, "angle", encode(truth + moved, (factor,))[0])
        assert found is not None
        assert found.all() == expected == found.any()
    blind = Features(np.zeros((3, 1)), latents=truth, factors=(factor._replace(symmetry=(0,)),))
    found = hits(blind, "angle", np.zeros((3, 2)))
    assert found is not None
    assert found.all()


def test_shapes_hit_if_all_columns_are_within_a_tenth() -> None:
    shape = Factor("shape", "discrete", size=3)
    features = Features(np.zeros((2, 1)), latents=np.array([[0.0], [2.0]]), factors=(shape,))
    near, far = np.array([[0.91, 0.09, -0.09], [0, 0.09, 1.09]]), np.array([[0.91, 0.11, 0], [0.0, 0, 0.89]])
    found = hits(features, "shape", near), hits(features, "shape", far)
    assert [part.tolist() for part in found if part is not None] == [[True, True], [False, False]]


def test_truth_scores_one_and_the_mean_zero() -> None:
    features = sprites(500)
    columns = encode(features.latents, SPRITES.factors)[0]
    truth, mean = tally(features, columns), tally(features, np.broadcast_to(columns.mean(0), columns.shape))
    for factor in SPRITES.factors:
        assert truth[f"r2/{factor.name}"] == 1
        assert truth[f"accuracy/{factor.name}"] == 1
        assert truth[f"mse/{factor.name}"] == 0
        assert mean[f"r2/{factor.name}"] == pytest.approx(0, abs=1e-12)


def test_r2_is_that_of_scikit_learn() -> None:
    features = sprites(500)
    columns, slices = encode(features.latents, SPRITES.factors)
    predicted = columns + 0.2 * np.random.default_rng(0).normal(size=columns.shape)
    found = tally(features, predicted)
    for name, own in slices.items():
        expected = r2_score(columns[:, own], predicted[:, own], multioutput="variance_weighted")
        assert found[f"r2/{name}"] == pytest.approx(expected, abs=1e-12)
    total = {name: np.square(columns[:, own] - columns[:, own].mean(0)).sum() for name, own in slices.items()}
    assert total["scale"] / 500 == pytest.approx(0.25 / 12, rel=0.1)


def test_the_exact_minimum_is_that_of_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 5)), rng.normal(size=(100, 3))
    weight, bias = ridge(x, y, 0.01)
    wide = np.column_stack([x, np.ones(100)])
    model = Ridge(alpha=0.01 * 3 * 100, fit_intercept=False).fit(wide, y)
    np.testing.assert_allclose(np.vstack([weight, bias]).T, model.coef_, atol=1e-10)


def test_lars_comes_to_the_exact_minimum() -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, (4000, 4))
    x = z @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 0.5 * rng.normal(size=(4000, 4)) + 3
    factors = tuple(Factor(f"z{i}", low=-1.0) for i in range(4))
    pair = [Features(x[rows], latents=z[rows], factors=factors) for rows in (slice(2000), slice(2000, 4000))]
    scores = ReadOut()(*pair)
    assert scores.values["r2/mean"] == pytest.approx(scores.values["least_squares_r2/mean"], abs=2e-3)
    assert 0.2 < scores.values["r2/mean"] < 0.8
    assert not any(name.startswith("accuracy") for name in scores.values)
    low, high = scores.interval["r2/mean"]
    assert low < scores.values["r2/mean"] < high
    assert abs(scores.null["r2/mean"]) < 0.05
    assert abs(scores.chance["r2/mean"]) < 0.01


def test_says_when_lars_has_not_arrived() -> None:
    scores = ReadOut(rate=0.1)(sprites(seed=0), sprites(seed=1))
    assert "short of least squares; raise steps or rate" in scores.warnings["r2/mean"]


def test_a_fit_that_has_not_arrived_is_said_though_only_hits_show_it() -> None:
    rng = np.random.default_rng(0)
    factors = tuple(Factor(name, low=0.0, high=1.0, grid=32) for name in ("x", "y"))
    units = np.linalg.qr(rng.normal(size=(6, 6)))[0][:2] + 0.5 * rng.normal(size=(2, 6))

    def rows() -> Features:
        z = rng.integers(0, 32, (2000, 2)) / 31
        return Features(z @ units, latents=z, factors=factors)

    train, test = rows(), rows()
    scores = ReadOut(penalty=1e-7, steps=165)(train, test)
    assert scores.values["least_squares_accuracy/mean"] == 1
    assert scores.values["accuracy/mean"] < 0.98
    assert scores.values["least_squares_r2/mean"] - scores.values["r2/mean"] < 0.01
    assert set(scores.warnings) == {name for name in scores.values if not name.startswith("least_squares")}
    assert all(text.startswith("accuracy/") for text in scores.warnings.values())
    for part in (scores.chance, scores.null, scores.interval):
        assert list(part) == list(scores.values)


def test_repeats_and_follows_its_seed() -> None:
    pair = sprites(600, 0), sprites(600, 1)
    assert ReadOut(steps=50)(*pair) == ReadOut(steps=50)(*pair)
    assert ReadOut(steps=50)(*pair).values != ReadOut(steps=50, seed=1)(*pair).values


def test_what_it_cannot_do_is_said() -> None:
    for options in ({"steps": 0}, {"batch": 0}, {"rate": 0.0}, {"penalty": -1.0}, {"permutations": -1}):
        with pytest.raises(ValueError, match="; write "):
            ReadOut(**options)
