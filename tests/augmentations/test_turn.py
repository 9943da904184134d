import pytest
import scipy.stats
import torch
from torch import Tensor

from kontrast.augmentations import Rotation
from kontrast.augmentations.turn import rotated

from vision import levels, natural, noise, pictures, pillow, torchvision

SAMPLES = [
    pytest.param(pictures(9, 3, 24, 31), id="noise"),
    pytest.param(pictures(9, 1, 31, 31), id="gray noise"),
    pytest.param(natural(3), id="natural"),
    pytest.param(natural(1), id="gray natural"),
]
ANGLES = [-170.0, -91.3, -45.0, -3.7, 0.0, 12.34, 30.0, 77.7, 150.0]


def theirs(image: Tensor, angle: float, interpolation: str, fill: int) -> Tensor:
    """torchvision's rotation of the Pillow picture."""
    functional, mode = torchvision("transforms.v2.functional"), torchvision("transforms").InterpolationMode
    turned = functional.rotate(pillow(image), angle, interpolation=mode(interpolation), fill=[fill] * len(image))
    return levels(turned)


@pytest.mark.parametrize("images", SAMPLES)
def test_bilinear_rotation_is_torchvisions_on_pillow(images: Tensor) -> None:
    ours = rotated(images / 255, torch.tensor(ANGLES), "bilinear", 60 / 255) * 255
    for image, our, angle in zip(images, ours, ANGLES, strict=True):
        assert (our - theirs(image, angle, "bilinear", 60)).abs().max() <= 2


@pytest.mark.parametrize("images", SAMPLES)
def test_nearest_rotation_is_torchvisions_on_pillow(images: Tensor) -> None:
    ours = rotated(images / 255, torch.tensor(ANGLES), "nearest", 60 / 255) * 255
    for image, our, angle in zip(images, ours, ANGLES, strict=True):
        assert (our - theirs(image, angle, "nearest", 60)).abs().max() < 1e-3


def test_quarter_turns_are_exact() -> None:
    images = pictures(4, 3, 16, 16) / 255
    turned = rotated(images, torch.tensor([0.0, 90.0, 180.0, 270.0]))
    for quarters, (image, our) in enumerate(zip(images, turned, strict=True)):
        torch.testing.assert_close(our, image.rot90(quarters, (1, 2)), atol=2e-5, rtol=0)


def test_angles_are_uniform_and_a_share_is_turned() -> None:
    part = Rotation(degrees=(-20.0, 70.0), p=0.4)
    assert scipy.stats.kstest(part.angles(noise(5000)).numpy(), scipy.stats.uniform(-20, 90).cdf).pvalue > 1e-3
    images = pictures(5000, 1, 6, 6) / 255
    changed = (part(images, noise(5000)) != images).flatten(1).any(1)
    assert scipy.stats.binomtest(int(changed.sum()), 5000, 0.4).pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"degrees": (10.0, -10.0)}, "degrees=-30,30"),
        ({"degrees": (float("-inf"), 0.0)}, "degrees=-30,30"),
        ({"interpolation": "bicubic"}, "interpolation=bilinear"),
        ({"fill": 3.0}, r"fill=0\.5"),
    ],
)
def test_rotation_says_what_to_write_instead(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rotation(**options)  # type: ignore[arg-type]
