"""What holds for every augmentation, whatever it changes."""

import chz
import pytest
import torch

from kontrast.augmentations import Augmentation, Clip, Crop, Normalize, Recipe
from kontrast.draws import Draws, Noise
from kontrast.parts import known, summary

from vision import noise, pictures

EVERY = pytest.mark.parametrize("part", [cls() for cls in known(Augmentation).values()], ids=lambda p: type(p).__name__)
CERTAIN = (Clip, Normalize)
"""Changes without chance."""
SHAPES = pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 20, 33)])


@EVERY
@SHAPES
def test_pictures_stay_pictures(part: Augmentation, shape: tuple[int, int, int]) -> None:
    images = pictures(50, *shape) / 255
    views = part(images, noise(50))
    assert views.dtype == torch.float32
    assert views.shape == images.shape[:-2] + sides(part, images)
    check_range(part, views)


def sides(part: Augmentation, images: torch.Tensor) -> torch.Size:
    """Height and width after a change: those before it, but for a crop of a given size."""
    crop = part.crop if isinstance(part, Recipe) else part
    fixed = isinstance(crop, Crop) and crop.size
    return torch.Size((fixed, fixed)) if fixed else images.shape[-2:]


def check_range(part: Augmentation, views: torch.Tensor) -> None:
    assert views.isfinite().all()
    if isinstance(part, Normalize):
        views = (views + 1) / 2
    assert views.min() >= 0
    assert views.max() <= 1 + 1e-6


@EVERY
def test_black_and_white_stay_in_range(part: Augmentation) -> None:
    for value in (0.0, 1.0):
        check_range(part, part(torch.full((50, 3, 16, 16), value), noise(50)))


@EVERY
def test_the_same_noise_gives_the_same_views(part: Augmentation) -> None:
    images = pictures(50) / 255
    before = images.clone()
    views = part(images, noise(50))
    assert torch.equal(views, part(images, noise(50)))
    assert torch.equal(images, before)
    assert torch.equal(views, part(images, noise(50, epoch=1))) == isinstance(part, CERTAIN)


@EVERY
def test_a_view_is_a_function_of_its_own_key(part: Augmentation) -> None:
    images = pictures(50) / 255
    rows = torch.tensor([41, 7, 8])
    alone = part(images[rows], Noise(noise(50).key[rows]))
    torch.testing.assert_close(alone, part(images, noise(50))[rows], atol=1e-6, rtol=0)


@EVERY
def test_splitting_or_permuting_the_batch_changes_nothing(part: Augmentation) -> None:
    images, key = pictures(24) / 255, noise(24).key
    whole = part(images, Noise(key))
    pieces = [part(each, Noise(keys)) for each, keys in zip(images.split(7), key.split(7), strict=True)]
    torch.testing.assert_close(torch.cat(pieces), whole, atol=1e-6, rtol=0)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(part(images[order], Noise(key[order])), whole[order], atol=1e-6, rtol=0)


@EVERY
def test_views_differ(part: Augmentation) -> None:
    images, index = pictures(50) / 255, torch.arange(50)
    one, two = (part(images, Draws(0, 0, 50).noise(index, 0, "view", view)) for view in (0, 1))
    assert torch.equal(one, two) == isinstance(part, CERTAIN)


@EVERY
def test_no_global_random_state(part: Augmentation) -> None:
    state = torch.get_rng_state()
    part(pictures(4) / 255, noise(4))
    assert torch.equal(state, torch.get_rng_state())


@EVERY
def test_it_is_a_value_that_explains_itself(part: Augmentation) -> None:
    assert part == type(part)()
    assert hash(part) == hash(type(part)())
    assert summary(type(part)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(part).values())
