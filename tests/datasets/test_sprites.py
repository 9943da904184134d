import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kontrast.datasets import Sprites
from kontrast.datasets.sprites import SHAPES
from kontrast.draws import Draws

CPU = torch.device("cpu")


def lit(sprites: Sprites, rows: object) -> Tensor:
    """Pictures bool [n, size, size] of latents."""
    latents = rows if isinstance(rows, Tensor) else torch.tensor(rows, dtype=torch.float64)
    return sprites.render(latents, CPU)[:, 0] > 0


def drawn(sprites: Sprites, n: int, seed: int = 0) -> Tensor:
    return sprites.sample(n, torch.Generator().manual_seed(seed))


def middle(pictures: Tensor) -> Tensor:
    """Centers of mass [n, 2], (x, y) in pixels from the upper left corner."""
    places = torch.arange(pictures.shape[-1]) + 0.5
    area = pictures.sum((1, 2))
    return torch.stack([(pictures.sum(1) * places).sum(1) / area, (pictures.sum(2) * places).sum(1) / area], 1)


def outline(name: str) -> np.ndarray:
    """Polygon [k, 2] of a shape as it is published, x to the right and y up, in sides of the square at scale 1."""
    t = np.linspace(0, 2 * np.pi, 4000)
    if name == "square":
        return np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    if name == "ellipse":
        return np.stack([0.5 * 1.33 * np.cos(t), 0.5 / 1.33 * np.sin(t)], 1)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3 / 32, y / 29 + 0.075], 1)


def naive(name: str, scale: float, orientation: float, x: float, y: float, size: int) -> np.ndarray:
    """The picture by the corners of a polygon that is scaled, turned and moved."""
    from matplotlib.path import Path

    side, cos, sin = 0.3 * scale * size, math.cos(orientation), math.sin(orientation)
    right, up = outline(name).T * side
    corners = np.stack([cos * right - sin * up + (0.25 + x / 2) * size, -(sin * right + cos * up)], 1)
    corners[:, 1] += (0.25 + y / 2) * size
    column, row = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    return Path(corners).contains_points(np.stack([column.ravel(), row.ravel()], 1)).reshape(size, size)


@pytest.mark.parametrize("size", [64, 33])
def test_pictures_are_those_of_the_naive_polygon(size: int) -> None:
    sprites = Sprites(size=size)
    latents = drawn(sprites, 60).double()
    expected = np.stack([naive(list(SHAPES)[int(k)], *rest, size) for k, *rest in latents.tolist()])
    different = (lit(sprites, latents).numpy() != expected).sum((1, 2))
    assert different.max() <= 1
    assert (different > 0).mean() < 0.05


def test_observations_are_black_and_white_bytes() -> None:
    pictures = Sprites(size=20).render(drawn(Sprites(), 50), CPU)
    assert pictures.shape == (50, 1, 20, 20)
    assert pictures.dtype == torch.uint8
    assert pictures.unique().tolist() == [0, 255]
    assert Sprites().render(torch.zeros(0, 5), CPU).shape == (0, 1, 64, 64)


@given(st.integers(0, 2**31), st.integers(8, 90))
@settings(max_examples=20, deadline=None)
def test_a_picture_depends_on_its_own_latents_alone(seed: int, size: int) -> None:
    sprites = Sprites(size=size)
    latents = drawn(sprites, 37, seed)
    order = torch.randperm(37, generator=torch.Generator().manual_seed(seed))
    pictures = sprites.render(latents, CPU)
    assert torch.equal(sprites.render(latents[order], CPU), pictures[order])
    assert torch.equal(sprites.render(latents[5:6], CPU), pictures[5:6])
    assert torch.equal(sprites.render(latents.double(), CPU), pictures)


def test_tiles_do_not_show() -> None:
    latents = drawn(Sprites(), 1500)
    parts = [Sprites().render(part, CPU) for part in latents.split(7)]
    assert torch.equal(Sprites().render(latents, CPU), torch.cat(parts))


@pytest.mark.parametrize("size", [8, 33, 61, 64])
def test_patches_do_not_show(size: int) -> None:
    sprites, latents = Sprites(size=size), drawn(Sprites(), 1000)
    latents[::2, 1:3] = torch.tensor([1, math.pi / 4])
    all_of_it = torch.cat([latents, torch.tensor([[0, 9.0, 0, 0, 0]])])  # a large sprite makes every patch a picture
    assert torch.equal(lit(sprites, all_of_it)[:-1], lit(sprites, latents))


def test_number_of_threads_does_not_show() -> None:
    latents, before = drawn(Sprites(), 700), torch.get_num_threads()
    pictures = Sprites().render(latents, CPU)
    try:
        torch.set_num_threads(3)
        assert torch.equal(Sprites().render(latents, CPU), pictures)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("name", "order"), [("square", 4), ("ellipse", 2)])
def test_symmetric_turns_look_the_same(name: str, order: int) -> None:
    sprites = Sprites(shapes=(name,))
    latents = drawn(sprites, 200)
    turned = latents + torch.tensor([0, 0, 2 * math.pi / order, 0, 0])
    assert (lit(sprites, latents) != lit(sprites, turned)).sum((1, 2)).max() <= 2
    between = latents + torch.tensor([0, 0, math.pi / order, 0, 0])
    assert (lit(sprites, latents) != lit(sprites, between)).sum((1, 2)).float().mean() > 10


def test_hearts_have_no_symmetric_turn() -> None:
    sprites = Sprites(shapes=("heart",))
    latents = drawn(sprites, 50)
    for order in range(2, 7):
        turned = latents + torch.tensor([0, 0, 2 * math.pi / order, 0, 0])
        assert (lit(sprites, latents) != lit(sprites, turned)).sum((1, 2)).float().mean() > 20
    full = latents + torch.tensor([0, 0, 2 * math.pi, 0, 0])
    assert (lit(sprites, latents) != lit(sprites, full)).sum((1, 2)).max() <= 1


def test_factors_say_which_turns_look_the_same() -> None:
    assert [factor.name for factor in Sprites().factors] == ["shape", "scale", "orientation", "x", "y"]
    orientation = Sprites(shapes=("heart", "square")).factors[2]
    assert (orientation.kind, orientation.low, orientation.high) == ("periodic", 0.0, 2 * math.pi)
    assert (orientation.symmetry, orientation.symmetry_by) == ((1, 4), "shape")


def test_the_center_of_mass_is_the_position() -> None:
    sprites = Sprites(shapes=("square", "ellipse"))
    latents = drawn(sprites, 2000)
    error = middle(lit(sprites, latents)) - (16 + 32 * latents[:, 3:])
    assert error.abs().max() < 0.5
    assert error.mean(0).abs().max() < 0.01
    assert np.corrcoef(middle(lit(sprites, latents))[:, 1], latents[:, 4])[0, 1] > 0.9999


def test_the_center_of_a_heart_turns_about_the_position() -> None:
    sprites = Sprites(shapes=("heart",))
    latents = drawn(sprites, 2000)
    scale, turn = latents[:, 1], latents[:, 2]
    polygon = outline("heart")[:-1]
    across, up = polygon.T
    cross = across * np.roll(up, -1) - np.roll(across, -1) * up
    above = ((up + np.roll(up, -1)) * cross).sum() / (3 * cross.sum()) * 0.3 * 64 * scale
    expected = 16 + 32 * latents[:, 3:] + torch.stack([-above * turn.sin(), -above * turn.cos()], 1)
    error = middle(lit(sprites, latents)) - expected
    assert error.mean(0).abs().max() < 0.01
    assert error.abs().max() < 0.6


@pytest.mark.parametrize("name", SHAPES)
def test_the_root_of_the_area_is_proportional_to_scale(name: str) -> None:
    sprites = Sprites(shapes=(name,))
    latents = drawn(sprites, 3000)
    root = lit(sprites, latents).sum((1, 2)).float().sqrt()
    slope = (root * latents[:, 1]).sum() / latents[:, 1].square().sum()
    assert (root / (slope * latents[:, 1]) - 1).abs().max() < 0.08
    size = {"square": 1, "ellipse": math.pi / 4, "heart": 180 * math.pi / (32 * 29)}[name]
    assert slope == pytest.approx(0.3 * 64 * math.sqrt(size), rel=2e-3)


@pytest.mark.parametrize("size", [64, 97])
def test_no_sprite_is_cut_by_the_border(size: int) -> None:
    sprites = Sprites(size=size)
    corners = [(x, y) for x in (0, 1) for y in (0, 1)]
    turns = np.linspace(0, 2 * np.pi, 360)
    rows = [(shape, 1, turn, x, y) for shape in range(3) for turn in turns for x, y in corners]
    pictures = lit(sprites, rows)
    edge = size * 2 // 64  # the square's corners come within 16 - 0.3 * 64 / sqrt 2 = 2.4 pixels of 64
    inner = pictures[:, edge : size - edge, edge : size - edge]
    assert torch.equal(pictures.sum((1, 2)), inner.sum((1, 2)))


def test_latents_outside_their_ranges_are_drawn_too() -> None:
    [large] = lit(Sprites(), [(0, 2.0, 0, 0.5, 0.5)])
    assert large.sum() == 38**2
    [cut] = lit(Sprites(), [(0, 1.0, 0, -0.5, 0.5)])
    assert cut.sum() == 10 * 20
    assert lit(Sprites(), [(1, 1.0, 0, 1e20, -3.0)]).sum() == 0
    [point] = lit(Sprites(), [(1, 0.0, 0, 0.5, 0.5)])
    assert point.sum() == 1


def test_small_pictures_are_never_empty() -> None:
    assert lit(Sprites(size=8), drawn(Sprites(), 5000)).any(2).any(1).all()


def test_latents_are_uniform() -> None:
    latents = drawn(Sprites(), 60_000)
    assert (latents[:, 0].long().bincount() / 60_000 - 1 / 3).abs().max() < 0.01
    for column, low, width in ((1, 0.5, 0.5), (2, 0, 2 * math.pi), (3, 0, 1), (4, 0, 1)):
        unit = ((latents[:, column] - low) / width).sort().values
        gap = (unit - (torch.arange(60_000) + 0.5) / 60_000).abs().max()
        assert gap < 1.95 / math.sqrt(60_000)  # Kolmogorov-Smirnov at p = .001


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pictures_are_drawn_on_the_device_and_the_same_there() -> None:
    latents = drawn(Sprites(), 2000)
    pictures = Sprites().render(latents, torch.device("cuda"))
    assert pictures.device.type == "cuda"
    assert (pictures.cpu() != Sprites().render(latents, CPU)).sum() <= 2


def test_rows_come_from_the_training_step_and_the_split() -> None:
    train, test = Sprites().open("train"), Sprites().open("test")
    step = train.batch(Draws(seed=1, step=4, size=16))
    again = train.batch(Draws(seed=1, step=4, size=16))
    assert torch.equal(step.observations, again.observations)
    assert step.latents is not None
    assert torch.equal(lit(Sprites(), step.latents), step.observations[:, 0] > 0)
    [one], [other] = train.chunks(20, 20), test.chunks(20, 20)
    assert not torch.equal(one.observations, other.observations)
    assert torch.equal(torch.cat([part.observations for part in train.chunks(7, 20)]), one.observations)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 7}, "write size=64"),
        ({"shapes": ()}, "write shapes=square,ellipse,heart"),
        ({"shapes": ("heart", "heart")}, "write shapes=square,ellipse,heart"),
        ({"shapes": ("hart",)}, "did you mean 'heart'"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sprites(**options)


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        (torch.zeros(3, 4), r"\[n, 5\]"),
        (torch.full((2, 5), torch.nan), "finite"),
        (torch.tensor([[3.0, 1, 0, 0, 0]]), "from 0 to 2"),
        (torch.tensor([[0.5, 1, 0, 0, 0]]), "whole number"),
    ],
)
def test_latents_that_mean_nothing(latents: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sprites().render(latents, CPU)
