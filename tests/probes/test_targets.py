import math

import numpy as np
import pytest
import torch

from kontrast.datasets import Sprites
from kontrast.datasets.sprites import GRID
from kontrast.probes.targets import check_latents, continuous, encode, symmetry_orders, targets
from kontrast.views import Factor, Features

SHAPE = Factor("shape", "discrete", size=3)
ANGLE = Factor("angle", "periodic", 0.0, 2 * math.pi, symmetry=(4, 2, 1), symmetry_by="shape")


def test_columns_of_each_kind() -> None:
    latents = np.array([[0.3, 0, 0.1], [0.4, 1, 0.2], [0.5, 2, 0.3]])
    columns, slices = encode(latents, (Factor("x"), SHAPE, ANGLE))
    assert slices == {"x": slice(0, 1), "shape": slice(1, 4), "angle": slice(4, 6)}
    np.testing.assert_array_equal(columns[:, 0], latents[:, 0])
    np.testing.assert_array_equal(columns[:, 1:4], np.eye(3))
    np.testing.assert_allclose(columns[:, 4], np.cos([0.4, 0.4, 0.3]), atol=1e-12)
    np.testing.assert_allclose(columns[:, 5], np.sin([0.4, 0.4, 0.3]), atol=1e-12)


@pytest.mark.parametrize("symmetry", [1, 2, 3, 4])
def test_angles_that_look_the_same_are_the_same_target(symmetry: int) -> None:
    factor = Factor("hue", "periodic", -1.0, 3.0, symmetry=(symmetry,))
    z = np.random.default_rng(0).uniform(-1, 3, (50, 1))
    one, other = (encode(latents, (factor,))[0] for latents in (z, z + 4.0 / symmetry))
    np.testing.assert_allclose(one, other, atol=1e-12)
    if symmetry > 1:
        assert np.abs(one - encode(z + 4.0 / (symmetry + 1), (factor,))[0]).max() > 0.5


def test_order_zero_is_a_circle() -> None:
    z = np.random.default_rng(0).uniform(0, 1, (50, 1))
    columns, _ = encode(z, (Factor("angle", "periodic", symmetry=(0,)),))
    np.testing.assert_array_equal(columns, [[1.0, 0.0]] * 50)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_give_tensors_of_the_same_numbers(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    latents = np.stack([rng.uniform(size=20), rng.integers(0, 3, 20), rng.uniform(0, 6, 20)], 1)
    factors = (Factor("x"), SHAPE, ANGLE)
    columns, slices = encode(torch.tensor(latents, dtype=dtype), factors)
    expected, same = encode(latents, factors)
    assert columns.dtype == dtype
    assert slices == same
    np.testing.assert_allclose(columns.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ((), "0 factors"),
        ((Factor("x"), Factor("y")), "2 factors"),
        ((Factor("mean"),), "mean"),
        ((Factor("x", "discrete"),), "give its size"),
        ((Factor("x", "periodic", 1.0, 1.0),), "high above low"),
        ((Factor("x", "periodic", symmetry=(1, 2)),), "symmetry_by"),
        ((Factor("x", "periodic", symmetry=()),), "symmetry"),
        ((Factor("x", "periodic", symmetry=(-1,)),), "cannot be"),
        ((Factor("x", "periodic", symmetry=(1, 2), symmetry_by="shape"),), "discrete factor 'shape' of 2 values"),
    ],
)
def test_factors_that_contradict_each_other_are_refused(factors: tuple[Factor, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        encode(np.zeros((2, 1)), factors)
    assert ". " not in str(error.value)


def test_equal_names_and_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="names that differ"):
        encode(np.zeros((2, 2)), (Factor("x"), Factor("x")))
    with pytest.raises(ValueError, match="of 3 values"):
        encode(np.zeros((2, 2)), (ANGLE, Factor("shape", "discrete", size=2)))


@pytest.mark.parametrize(
    ("latents", "factor", "words"),
    [
        (None, Factor("x"), "not known"),
        (np.zeros(3), Factor("x"), "matrix"),
        (np.array([[np.nan], [0.0]]), Factor("x"), "1 rows have latents"),
        (np.array([[3.0]]), SHAPE, "values other than 0"),
        (np.array([[0.5]]), SHAPE, "values other than 0"),
    ],
)
def test_latents_that_do_not_fit_are_refused(latents: np.ndarray | None, factor: Factor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_latents(latents, (factor,))


def test_targets_are_the_columns_that_vary() -> None:
    latents = np.array([[0.3, 0, 0.0], [0.3, 1, 2 * math.pi], [0.3, 0, 0.0]])
    truth = targets(Features(np.zeros((3, 1)), latents=latents, factors=(Factor("x"), SHAPE, ANGLE)))
    assert truth.of == {"shape": [1, 2]}
    assert truth.flat == ["x", "angle"]
    assert truth.columns.shape == (3, 6)
    with pytest.raises(ValueError, match="every factor is constant"):
        targets(Features(np.zeros((3, 1)), latents=latents[:, :1], factors=(Factor("x"),)))


def test_continuous_and_symmetry_by_row() -> None:
    latents = np.array([[0.3, 0, 0.1], [0.4, 1, 0.2], [0.5, 2, 0.3]])
    features = Features(np.zeros((3, 1)), latents=latents, factors=(Factor("x"), SHAPE, ANGLE))
    columns, names = continuous(features)
    assert names == ["x"]
    np.testing.assert_array_equal(columns, latents[:, :1])
    np.testing.assert_array_equal(symmetry_orders(features, 2), [4, 2, 1])


@pytest.mark.parametrize(
    ("factor", "step"),
    [
        (Factor("scale", low=0.5, high=1.0, grid=6), 0.1),
        (Factor("x", grid=32), 1 / 31),
        (Factor("angle", "periodic", 0.0, 1.0, grid=39), 1 / 39),
        (Factor("x"), None),
    ],
)
def test_the_step_of_a_grid(factor: Factor, step: float | None) -> None:
    assert factor.step == (step if step is None else pytest.approx(step))


def test_sprites_declare_the_grid_of_the_published_set() -> None:
    for factor in Sprites().factors[1:]:
        column = GRID[{"scale": "scale", "orientation": "orientation", "x": "posX", "y": "posY"}[factor.name]]
        values = np.unique(np.round(column.numpy() % (2 * math.pi), 9))
        assert len(values) == factor.grid
        np.testing.assert_allclose(np.diff(values), factor.step)
