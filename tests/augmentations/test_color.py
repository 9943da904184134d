import colorsys
from itertools import permutations
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from kontrast.augmentations import Grayscale, Jitter
from kontrast.augmentations.color import BRIGHTNESS, CONTRAST, HUE, SATURATION, gray, jitter

from vision import noise, pictures, torchvision

NAMES = {BRIGHTNESS: "brightness", CONTRAST: "contrast", SATURATION: "saturation", HUE: "hue"}
NEUTRAL = torch.tensor([1.0, 1.0, 1.0, 0.0])


def only(change: int, factor: float, images: Tensor) -> Tensor:
    """Images under one change, for all of them the same."""
    factors = NEUTRAL.clone()
    factors[change] = factor
    n = len(images)
    return jitter(images, factors.expand(n, 4), torch.arange(4).expand(n, 4))


def torchvisions(functional: ModuleType, change: int, factor: float, image: object) -> object:
    return getattr(functional, f"adjust_{NAMES[change]}")(image, factor)


@pytest.mark.parametrize("change", [BRIGHTNESS, CONTRAST, SATURATION])
@pytest.mark.parametrize("factor", [0.0, 0.3, 0.9, 1.0, 1.4, 3.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_linear_changes_are_torchvisions(functional: ModuleType, change: int, factor: float, channels: int) -> None:
    images = pictures(8, channels) / 255
    theirs = torchvisions(functional, change, factor, images)
    torch.testing.assert_close(only(change, factor, images), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("change", [BRIGHTNESS, CONTRAST, SATURATION])
@pytest.mark.parametrize("factor", [0.2, 0.9, 1.4])
def test_linear_changes_are_pillows(functional: ModuleType, change: int, factor: float) -> None:
    images = pictures(4)
    for image, our in zip(images, only(change, factor, images / 255), strict=True):
        theirs = torchvisions(functional, change, factor, Image.fromarray(image.permute(1, 2, 0).numpy()))
        difference = our * 255 - torch.from_numpy(np.array(theirs)).permute(2, 0, 1)
        assert difference.abs().max() <= 2


@pytest.mark.parametrize("turn", [-0.4, -0.1, 0.03, 0.1])
def test_hue_is_pillows_on_the_whole(functional: ModuleType, turn: float) -> None:
    """Pillow keeps hue, saturation and value as bytes, so that a single pixel is up to some 14 levels off.

    The mean is not, nor is half of the pixels; to 2 levels and better, hue is compared with torchvision's tensors.
    """
    images = pictures(4, 3, 64, 64)
    for image, our in zip(images, only(HUE, turn, images / 255), strict=True):
        theirs = torchvisions(functional, HUE, turn, Image.fromarray(image.permute(1, 2, 0).numpy()))
        difference = our * 255 - torch.from_numpy(np.array(theirs)).permute(2, 0, 1)
        assert difference.mean().abs() < 0.6
        quantiles = difference.abs().flatten().quantile(torch.tensor([0.5, 0.9, 1.0]))
        assert (quantiles <= torch.tensor([1.0, 5.0, 16.0])).all()


@pytest.mark.parametrize("turn", [-0.5, -0.21, -0.1, 0.03, 0.1, 0.5])
def test_hue_is_torchvisions(functional: ModuleType, turn: float) -> None:
    images = pictures(8) / 255
    torch.testing.assert_close(only(HUE, turn, images), torchvisions(functional, HUE, turn, images), atol=5e-6, rtol=0)


color = st.tuples(*[st.integers(0, 255).map(lambda level: level / 255)] * 3)


@given(color, st.floats(-0.5, 0.5))
@settings(deadline=None)
def test_hue_is_the_turned_hue_of_hsv(pixel: tuple[float, float, float], turn: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    expected = torch.tensor(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), dtype=torch.float32)
    ours = only(HUE, turn, torch.tensor(pixel, dtype=torch.float32).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=0)


@given(color, st.floats(-0.5, 0.5))
@settings(deadline=None)
def test_turning_hue_back_restores_the_color(pixel: tuple[float, float, float], turn: float) -> None:
    image = torch.tensor(pixel, dtype=torch.float32).view(1, 3, 1, 1)
    torch.testing.assert_close(only(HUE, -turn, only(HUE, turn, image)), image, atol=3e-6, rtol=0)


def test_every_order_of_changes_is_the_changes_in_that_order(functional: ModuleType) -> None:
    orders = torch.tensor(list(permutations(range(4))))
    images = pictures(len(orders)) / 255
    factors, _ = Jitter(p=1).changes(noise(len(orders)))
    ours = jitter(images, factors, orders)
    for image, factor, order, our in zip(images, factors.tolist(), orders.tolist(), ours, strict=True):
        for change in order:
            image = torchvisions(functional, change, factor[change], image)
        torch.testing.assert_close(our, image, atol=1e-5, rtol=0)
    assert (
        len(
            {
                tuple(view.flatten().tolist())
                for view in jitter(images[:1].expand(24, 3, 32, 32), factors[:1].expand(24, 4), orders)
            }
        )
        == 24
    )


def test_pictures_without_color_know_neither_saturation_nor_hue() -> None:
    plain = pictures(24, 1) / 255
    orders = torch.tensor(list(permutations(range(4))))
    factors, _ = Jitter(p=1).changes(noise(24))
    indifferent = factors.clone()
    indifferent[:, SATURATION:] = torch.tensor([1.0, 0.0])
    assert torch.equal(jitter(plain, factors, orders), jitter(plain, indifferent, orders))
    # Three equal channels are the same picture.
    tripled = jitter(plain.expand(24, 3, 32, 32), factors, orders)
    torch.testing.assert_close(tripled, jitter(plain, factors, orders).expand_as(tripled), atol=2e-4, rtol=0)


def test_changes_have_their_laws() -> None:
    part = Jitter(brightness=0.4, contrast=2.0, saturation=0.0, hue=0.2, p=0.7)
    factors, order = part.changes(noise(20_000))
    alone = (factors == NEUTRAL).all(1)
    assert abs(alone.float().mean() - 0.3) < 0.015
    low, high = factors[~alone].amin(0), factors[~alone].amax(0)
    torch.testing.assert_close(low, torch.tensor([0.6, 0.0, 1.0, -0.2]), atol=1e-3, rtol=0)
    torch.testing.assert_close(high, torch.tensor([1.4, 3.0, 1.0, 0.2]), atol=1e-3, rtol=0)
    torch.testing.assert_close(factors[~alone].mean(0), (low + high) / 2, atol=0.03, rtol=0)
    _, counts = order.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert (counts - 20_000 / 24).abs().max() < 5 * (20_000 / 24) ** 0.5


@pytest.mark.parametrize("what", list(NAMES))
def test_factors_have_the_distribution_of_torchvisions(what: int) -> None:
    transforms = torchvision("transforms")
    theirs = transforms.ColorJitter(0.4, 0.8, 1.5, 0.1)
    ranges = theirs.brightness, theirs.contrast, theirs.saturation, theirs.hue
    with torch.random.fork_rng():
        torch.manual_seed(5)
        drawn = [theirs.get_params(*ranges)[1 + what] for _ in range(3000)]
    ours, order = Jitter(brightness=0.4, contrast=0.8, saturation=1.5, hue=0.1, p=1).changes(noise(9000, seed=2))
    assert scipy.stats.ks_2samp(ours[:, what], np.array(drawn)).pvalue > 1e-3
    _, counts = order.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_a_fixed_order_is_the_one_in_which_changes_are_named(functional: ModuleType) -> None:
    part = Jitter(p=1, order="fixed")
    images = pictures(6) / 255
    factors, order = part.changes(noise(6))
    assert torch.equal(order, torch.arange(4).expand(6, 4))
    assert torch.equal(factors, Jitter(p=1).changes(noise(6))[0])
    for image, factor, our in zip(images, factors.tolist(), part(images, noise(6)), strict=True):
        for change in range(4):
            image = torchvisions(functional, change, factor[change], image)
        torch.testing.assert_close(our, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_added_brightness_is_a_shift(functional: ModuleType, channels: int) -> None:
    part = Jitter(brightness=0.6, lightening="added", p=0.8)
    images = pictures(30, channels) / 255
    factors, order = part.changes(noise(30))
    assert factors[:, BRIGHTNESS].min() < -0.3 and factors[:, BRIGHTNESS].max() > 0.3
    assert factors[:, BRIGHTNESS].abs().max() <= 0.6
    ours = part(images, noise(30))
    for image, factor, changes, our in zip(images, factors.tolist(), order.tolist(), ours, strict=True):
        for change in changes:
            if change == BRIGHTNESS:
                image = (image + factor[change]).clamp(0, 1)
            elif channels == 3 or change == CONTRAST:
                image = torchvisions(functional, change, factor[change], image)
        torch.testing.assert_close(our, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_color_is_lost_after_a_jitter_as_by_itself(channels: int) -> None:
    images = pictures(40, channels) / 255
    expected = Grayscale(p=0.4)(Jitter()(images, noise(40)), noise(40))
    ours = Jitter().grayed(images, noise(40), Grayscale(p=0.4).share(noise(40)))
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=0)


def test_a_picture_left_alone_stays_as_it_is() -> None:
    images = pictures(6) / 255
    torch.testing.assert_close(Jitter(p=0)(images, noise(6)), images, atol=1e-6, rtol=0)
    plain = pictures(6, 1) / 255
    assert torch.equal(Jitter(p=0)(plain, noise(6)), plain)
    assert torch.equal(Jitter(p=0, lightening="added")(plain, noise(6)), plain)


def test_grayscale_is_torchvisions(functional: ModuleType) -> None:
    images = pictures(6) / 255
    theirs = functional.rgb_to_grayscale(images, num_output_channels=3)
    torch.testing.assert_close(Grayscale(p=1)(images, noise(6)), theirs, atol=1e-6, rtol=0)


def test_grayscale_is_pillows() -> None:
    images = pictures(4)
    for image, our in zip(images, gray(images / 255), strict=True):
        theirs = np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L"))
        assert (our[0] * 255 - torch.from_numpy(theirs)).abs().max() <= 1


def test_grayscale_takes_the_color_of_a_share_of_the_pictures() -> None:
    images = pictures(4000, 3, 2, 2) / 255
    views = Grayscale(p=0.2)(images, noise(4000))
    lost = (views == gray(images)).flatten(1).all(1)
    kept = (views == images).flatten(1).all(1)
    assert (lost ^ kept).all()
    assert abs(lost.float().mean() - 0.2) < 4 * (0.16 / 4000) ** 0.5
    plain = pictures(5, 1) / 255
    assert torch.equal(Grayscale(p=1)(plain, noise(5)), plain)


@pytest.mark.parametrize("part", [Jitter(), Grayscale()])
def test_two_channels_have_no_color(part: Jitter | Grayscale) -> None:
    with pytest.raises(ValueError, match="jitter=None"):
        part(torch.zeros(2, 2, 8, 8), noise(2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"brightness": -0.1}, r"brightness=0\.4"),
        ({"contrast": float("nan")}, r"contrast=0\.4"),
        ({"hue": 0.6}, r"hue=0\.1"),
        ({"p": 2}, r"p=0\.5"),
        ({"lightening": "shifted"}, "lightening=scaled"),
        ({"order": "named"}, "order=random"),
    ],
)
def test_jitter_says_what_to_write_instead(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Jitter(**options)
