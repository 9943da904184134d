from types import ModuleType

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image

from kontrast.augmentations import Blur
from kontrast.augmentations.blur import blurred

from vision import noise, pictures


@pytest.mark.parametrize("radius", [1, 3, 8])
def test_blur_is_scipys(radius: int) -> None:
    images = pictures(5, 2, 20, 17) / 255
    sigma = torch.tensor([0.1, 0.5, 1.0, 2.0, 5.0])
    for image, width, our in zip(images, sigma.tolist(), blurred(images, sigma, radius), strict=True):
        theirs = scipy.ndimage.gaussian_filter(
            image.numpy(), (0, width, width), mode="mirror", radius=(0, radius, radius)
        )
        np.testing.assert_allclose(our, theirs, atol=1e-6)


@pytest.mark.parametrize("radius", [1, 4])
def test_blur_is_torchvisions(functional: ModuleType, radius: int) -> None:
    images = pictures(4, 3, 16, 24) / 255
    sigma = torch.tensor([0.1, 0.7, 1.3, 2.0])
    for image, width, our in zip(images, sigma.tolist(), blurred(images, sigma, radius), strict=True):
        theirs = functional.gaussian_blur(image, [2 * radius + 1] * 2, [width] * 2)
        torch.testing.assert_close(our, theirs, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 96), (3, 224)])
def test_blur_is_torchvisions_on_pillow_pictures(functional: ModuleType, channels: int, side: int) -> None:
    images, sigma = pictures(3, channels, side, side), torch.tensor([0.1, 0.9, 2.0])
    radius = max(1, int(0.1 * side) // 2)
    for image, width, our in zip(images, sigma.tolist(), blurred(images / 255, sigma, radius), strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())
        theirs = functional.gaussian_blur(picture, [2 * radius + 1] * 2, [width] * 2)
        theirs = torch.from_numpy(np.array(theirs)).view(side, side, channels).permute(2, 0, 1)
        assert (our * 255 - theirs).abs().max() <= 1


def test_only_some_pictures_are_blurred_and_none_in_place() -> None:
    images = pictures(40, 3, 30, 20) / 255
    before, part = images.clone(), Blur(sigma=(0.2, 2.0))  # below, a blur changes less than float32 shows
    kernel, is_blurred = part._kernels(noise(40), 1)
    ours = part(images, noise(40))
    assert torch.equal(images, before)
    assert 0 < is_blurred.sum() < 40
    assert torch.equal(ours[~is_blurred], images[~is_blurred])
    assert (ours[is_blurred] != images[is_blurred]).flatten(1).any(1).all()
    torch.testing.assert_close(kernel.sum(1), torch.ones(40))


@pytest.mark.parametrize("side", [8, 32, 96, 224])
def test_a_blur_never_leaves_the_unit_interval(side: int) -> None:
    white = torch.ones(200, 1, side, side)
    assert torch.equal(Blur(p=1)(white, noise(200)), white)
    light = 1 - pictures(50, 1, side, side) / 255 * 1e-6
    assert Blur(p=1)(light, noise(50)).max() <= 1


def test_no_width_is_no_blur() -> None:
    images = pictures(4) / 255
    assert torch.equal(blurred(images, torch.zeros(4), 2), images)
    assert torch.equal(Blur(p=0)(images, noise(4)), images)


@pytest.mark.parametrize(("side", "radius"), [(8, 1), (28, 1), (32, 1), (64, 3), (96, 4), (224, 11)])
def test_the_kernel_grows_with_the_picture(side: int, radius: int) -> None:
    image = torch.zeros(1, 1, side, side)
    image[..., side // 2, side // 2] = 1
    reached = Blur(p=1, sigma=(50.0, 50.0))(image, noise(1))[0, 0].amax(0) > 0
    assert reached.sum() == 2 * radius + 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 9)])
def test_tiny_pictures_keep_their_mean_where_it_is_constant(shape: tuple[int, int]) -> None:
    image = torch.full((1, 3, *shape), 0.3)
    torch.testing.assert_close(Blur(p=1, kernel=1.0)(image, noise(1)), image)


def test_blur_takes_a_share_of_the_pictures() -> None:
    images = pictures(4000, 1, 4, 4) / 255
    kept = (Blur(p=0.5, sigma=(1.0, 2.0))(images, noise(4000)) == images).flatten(1).all(1)
    assert abs(kept.float().mean() - 0.5) < 4 * (0.25 / 4000) ** 0.5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sigma": (0.0, 2.0)}, r"sigma=0\.1,2"),
        ({"sigma": (2.0, 1.0)}, r"sigma=0\.1,2"),
        ({"kernel": 0.0}, r"kernel=0\.1"),
    ],
)
def test_blur_says_what_to_write_instead(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Blur(**options)  # type: ignore[arg-type]
