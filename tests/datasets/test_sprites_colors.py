"""Sprites in color and on noise, and drawn from the published grid."""

import colorsys

import numpy as np
import pytest
import torch
from scipy import stats

from kontrast.datasets import Sprites
from kontrast.datasets.sprites import PALETTE

CPU = torch.device("cpu")
COLORS, BACKGROUNDS = ("white", "hue", "palette", "random"), ("black", "noise", "gray-noise")


def drawn(sprites, n, seed=0):
    return sprites.sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("color", COLORS)
def test_colors_and_backgrounds_go_together(color, background):
    sprites, plain = Sprites(size=24, color=color, background=background), Sprites(size=24)
    latents = drawn(sprites, 300)
    pictures = sprites.render(latents, CPU)
    inside = plain.render(latents[:, :5], CPU) > 0
    channels = 1 if color == "white" and background != "noise" else 3
    assert pictures.shape == (300, channels, 24, 24) == (300, *sprites.shape)
    assert pictures.dtype == torch.uint8
    for picture, lit in zip(pictures, inside[:, 0], strict=True):
        assert len(picture[:, lit].unique(dim=1).T) == 1  # a sprite has one color
    behind = pictures[~inside.expand_as(pictures)].numpy()
    if background == "black":
        assert not behind.any()
    elif background == "noise" or channels == 1:
        assert stats.chisquare(np.bincount(behind, minlength=256)).pvalue > 1e-3
    if background == "gray-noise" and channels == 3:
        outside = pictures.transpose(0, 1)[:, ~inside[:, 0]]
        assert torch.equal(outside[0], outside[1]) and torch.equal(outside[0], outside[2])


def test_noise_is_the_same_for_equal_latents_alone():
    sprites = Sprites(size=16, background="noise", color="random")
    latents = drawn(sprites, 400)
    pictures = sprites.render(latents, CPU)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sprites.render(latents[order].double(), CPU), pictures[order])
    moved = latents.clone()
    moved[:, 4] = torch.nextafter(moved[:, 4], torch.tensor(2.0))
    others = sprites.render(moved, CPU)
    assert (others == pictures).float().mean() < 0.05
    zero = torch.tensor([[0, 1, 0.0, 0, 0], [0, 1, -0.0, 0, 0]])
    assert torch.equal(*sprites.render(zero, CPU))


def test_noise_has_no_pattern():
    sprites = Sprites(size=32, background="noise")
    pictures = sprites.render(drawn(sprites, 60), CPU).double()
    noise = pictures[:, :, :4].flatten(1)  # where no sprite reaches
    assert np.corrcoef(noise.numpy())[np.triu_indices(60, 1)] == pytest.approx(0, abs=0.25)
    rows = noise.reshape(60, 3, 4, 32)
    for one, other in (
        (rows[:, 0], rows[:, 1]),
        (rows[:, 1], rows[:, 2]),
        (rows[..., 1:], rows[..., :-1]),
        (rows[..., 3:], rows[..., :-3]),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.04


def test_hues_go_around_the_circle():
    sprites = Sprites(size=16, color="hue")
    assert [factor.name for factor in sprites.factors][5:] == ["hue"]
    assert sprites.factors[5].kind == "periodic"
    hues = torch.arange(-12, 30) / 24
    latents = torch.tensor([[0, 1, 0, 0.5, 0.5, 0.0]]).repeat(len(hues), 1)
    latents[:, 5] = hues
    shown = sprites.render(latents, CPU)[:, :, 8, 8]
    for hue, color in zip(hues.tolist(), shown.tolist(), strict=True):
        assert color == pytest.approx([255 * part for part in colorsys.hsv_to_rgb(hue % 1, 1, 1)], abs=1)


def test_colors_of_the_palette_have_numbers():
    sprites = Sprites(size=16, color="palette")
    latents = torch.tensor([[0, 1, 0, 0.5, 0.5, 0.0]]).repeat(len(PALETTE), 1)
    latents[:, 5] = torch.arange(len(PALETTE))
    assert sprites.render(latents, CPU)[:, :, 8, 8].tolist() == [list(color) for color in PALETTE.values()]
    assert sprites.factors[5].size == len(PALETTE)
    latents[0, 5] = len(PALETTE)
    with pytest.raises(ValueError, match="the color of a sprite is a whole number from 0 to 6"):
        sprites.render(latents, CPU)


def test_random_colors_are_bright_in_each_channel():
    sprites = Sprites(size=8, color="random")
    pictures = sprites.render(drawn(sprites, 4000), CPU)
    color = pictures.flatten(2).amax(2).double().numpy()
    for channel in color.T:
        assert stats.kstest(channel, stats.uniform(127.5, 127.5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(color.T)[np.triu_indices(3, 1)]).max() < 0.06


@pytest.mark.parametrize("sprites", [Sprites(law="grid"), Sprites(law="grid", color="hue", shapes=("heart", "square"))])
def test_latents_are_drawn_from_the_rows_of_the_table(sprites):
    n = 40_000
    latents = drawn(sprites, n)
    for factor, column in zip(sprites.factors, latents.T.double(), strict=True):
        if factor.kind == "discrete":
            label, size = column, factor.size
        else:
            label, size = (column - factor.low) / factor.step, factor.grid
        assert (label - label.round()).abs().max() < 1e-4
        count = torch.bincount(label.round().long(), minlength=size).numpy()
        assert len(count) == size
        share = np.ones(size)
        if factor.name == "orientation":
            share[0] = 2  # classes 0 and 39 of the published table are the same angle
        assert stats.chisquare(count, n * share / share.sum()).pvalue > 1e-3, factor


def test_the_table_of_colored_sprites_has_color_first():
    sprites = Sprites(color="palette", shapes=("ellipse",))
    assert sprites.rows == 7 * 245_760
    grid = sprites.grid(torch.tensor([0, 245_760, 3 * 245_760 + 1024 + 5]))
    assert grid.classes.tolist() == [[0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [3, 1, 0, 1, 0, 5]]
    assert grid.latents[:, 5].tolist() == [0, 1, 3]
    assert Sprites(color="random").rows == Sprites().rows == 737_280


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"law": "grids"}, "did you mean 'grid'"),
        ({"color": "hues"}, "did you mean 'hue'"),
        ({"background": "blak"}, "did you mean 'black'"),
    ],
)
def test_options_that_mean_nothing(options, words):
    with pytest.raises(ValueError, match=words):
        Sprites(**options)
