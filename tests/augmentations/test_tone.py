from types import ModuleType

import pytest
import scipy.stats
import torch
from torch import Tensor

from kontrast.augmentations import Augmentation, Brightness, Clip, Equalize, Invert, Posterize, Solarize, Standardize

from vision import levels, natural, noise, pictures, pillow

SAMPLES = [
    pytest.param(pictures(6, 3, 24, 31), id="noise"),
    pytest.param(pictures(6, 1, 24, 31), id="gray noise"),
    pytest.param(natural(3), id="natural"),
    pytest.param(natural(1), id="gray natural"),
]
every_sample = pytest.mark.parametrize("images", SAMPLES)


def apart(ours: Tensor, theirs: list[object]) -> float:
    """The greatest difference of numbers in [0, 1] from Pillow pictures, in levels of 256."""
    return max(float((our * 255 - levels(their)).abs().max()) for our, their in zip(ours, theirs, strict=True))


@every_sample
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
def test_solarize_is_torchvisions_on_pillow(functional: ModuleType, images: Tensor, threshold: float) -> None:
    ours = Solarize(threshold=threshold, p=1.0)(images / 255, noise(len(images)))
    assert apart(ours, [functional.solarize(pillow(image), threshold * 255) for image in images]) < 1e-3


@every_sample
@pytest.mark.parametrize("bits", [1, 3, 4, 7, 8])
def test_posterize_is_torchvisions_on_pillow(functional: ModuleType, images: Tensor, bits: int) -> None:
    ours = Posterize(bits=bits, p=1.0)(images / 255, noise(len(images)))
    assert apart(ours, [functional.posterize(pillow(image), bits) for image in images]) < 1e-3


@every_sample
def test_equalize_is_torchvisions_on_pillow(functional: ModuleType, images: Tensor) -> None:
    ours = Equalize(p=1.0)(images / 255, noise(len(images)))
    assert apart(ours, [functional.equalize(pillow(image)) for image in images]) < 1e-3


@pytest.mark.parametrize("side", [1, 5, 15, 16, 17, 300])
def test_equalize_is_pillows_at_any_number_of_pixels(functional: ModuleType, side: int) -> None:
    images = torch.cat([pictures(3, 3, side, side) // 3, pictures(3, 3, side, side) // 90])
    ours = Equalize(p=1.0)(images / 255, noise(6))
    assert apart(ours, [functional.equalize(pillow(image)) for image in images]) < 1e-3


@every_sample
def test_invert_is_torchvisions_on_pillow(functional: ModuleType, images: Tensor) -> None:
    ours = Invert(p=1.0)(images / 255, noise(len(images)))
    assert apart(ours, [functional.invert(pillow(image)) for image in images]) < 1e-3


@every_sample
def test_scaled_brightness_is_torchvisions_on_pillow(functional: ModuleType, images: Tensor) -> None:
    ours = Brightness(change="scaled")(images / 255, noise(len(images)))
    factors = (0.3 + 1.4 * noise(len(images)).uniform("brightness")[:, 0]).tolist()
    theirs = [
        functional.adjust_brightness(pillow(image), factor) for image, factor in zip(images, factors, strict=True)
    ]
    assert apart(ours, theirs) <= 1.01


def test_added_brightness_is_uniform_and_one_number_for_a_picture() -> None:
    images = torch.full((5000, 3, 4, 4), 0.4)
    shift = Brightness(clip=False)(images, noise(5000)) - images
    assert (shift.flatten(1).amax(1) - shift.flatten(1).amin(1)).max() < 1e-6
    found = shift[:, 0, 0, 0].numpy()
    assert scipy.stats.kstest(found, scipy.stats.uniform(-0.7, 1.4).cdf).pvalue > 1e-3
    clipped = Brightness()(images, noise(5000))
    torch.testing.assert_close(clipped, (images + shift).clamp(0, 1), atol=0, rtol=0)


def test_scaled_brightness_has_a_uniform_factor_of_zero_or_more() -> None:
    images = torch.full((5000, 1, 2, 2), 0.1)
    factor = Brightness(change="scaled", strength=1.5)(images, noise(5000))[:, 0, 0, 0] / 0.1
    assert scipy.stats.kstest(factor.numpy(), scipy.stats.uniform(0, 2.5).cdf).pvalue > 1e-3


def naive_standardize(image: Tensor) -> Tensor:
    """tf.image.per_image_standardization, in double precision."""
    wide = image.double()
    return (wide - wide.mean()) / max(float(wide.std(correction=0)), image.numel() ** -0.5)


@every_sample
def test_standardize_is_tensorflows(images: Tensor) -> None:
    whole = Standardize(p=1.0, clip=False)(images / 255, noise(len(images)))
    for image, our in zip(images, whole, strict=True):
        torch.testing.assert_close(our.double(), naive_standardize(image / 255), atol=2e-4, rtol=0)
    assert torch.equal(Standardize(p=1.0)(images / 255, noise(len(images))), whole.clamp(0, 1))


def test_a_flat_picture_standardized_is_black() -> None:
    assert Standardize(p=1.0)(torch.full((2, 3, 8, 8), 0.3), noise(2)).max() < 1e-4


def test_clip_clamps() -> None:
    assert torch.equal(Clip()(torch.tensor([[[[-1.0, 0.5, 2.0]]]]), noise(1)), torch.tensor([[[[0.0, 0.5, 1.0]]]]))


@pytest.mark.parametrize(
    "part", [Brightness(p=0.3), Standardize(p=0.3), Invert(p=0.3), Solarize(p=0.3), Posterize(p=0.3), Equalize(p=0.3)]
)
def test_a_share_of_the_pictures_is_changed_and_the_rest_is_as_it_was(part: Augmentation) -> None:
    images = pictures(4000, 1, 20, 20) / 255
    changed = (part(images, noise(4000)) != images).flatten(1).any(1)
    assert scipy.stats.binomtest(int(changed.sum()), 4000, 0.3).pvalue > 1e-3


@pytest.mark.parametrize(
    ("part", "options", "said"),
    [
        (Brightness, {"strength": -1.0}, r"strength=0\.7"),
        (Brightness, {"change": "both"}, "change=added"),
        (Solarize, {"threshold": 128.0}, r"threshold=0\.5"),
        (Posterize, {"bits": 0}, "bits=4"),
        (Posterize, {"bits": 9}, "bits=4"),
        (Invert, {"p": 2.0}, r"p=0\.5"),
    ],
)
def test_each_says_what_to_write_instead(part: type, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        part(**options)
