"""What holds for every augmentation, whatever it changes."""

import chz
import pytest
import torch

from kontrast.augmentations import Augmentation
from kontrast.draws import Noise
from kontrast.parts import known, summary

from vision import noise, pictures

EVERY = pytest.mark.parametrize("part", [cls() for cls in known(Augmentation).values()], ids=lambda p: type(p).__name__)
SHAPES = pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 20, 33)])


@EVERY
@SHAPES
def test_pictures_stay_pictures(part: Augmentation, shape: tuple[int, int, int]) -> None:
    images = pictures(50, *shape) / 255
    views = part(images, noise(50))
    assert views.dtype == torch.float32
    assert views.shape == images.shape
    assert views.isfinite().all()
    assert views.min() >= 0
    assert views.max() <= 1 + 1e-6


@EVERY
def test_black_and_white_stay_in_range(part: Augmentation) -> None:
    for value in (0.0, 1.0):
        views = part(torch.full((50, 3, 16, 16), value), noise(50))
        assert views.isfinite().all()
        assert views.min() >= 0
        assert views.max() <= 1 + 1e-6


@EVERY
def test_the_same_noise_gives_the_same_views(part: Augmentation) -> None:
    images = pictures(50) / 255
    before = images.clone()
    views = part(images, noise(50))
    assert torch.equal(views, part(images, noise(50)))
    assert torch.equal(images, before)
    assert not torch.equal(views, part(images, noise(50, epoch=1)))


@EVERY
def test_a_view_is_a_function_of_its_own_key(part: Augmentation) -> None:
    images = pictures(50) / 255
    rows = torch.tensor([41, 7, 8])
    alone = part(images[rows], Noise(noise(50).key[rows]))
    torch.testing.assert_close(alone, part(images, noise(50))[rows], atol=1e-6, rtol=0)


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
