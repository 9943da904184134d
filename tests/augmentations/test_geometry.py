import math
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kontrast.augmentations import Crop, Flip
from kontrast.augmentations.geometry import TRIES, interpolation, resized_crop
from kontrast.draws import Noise

from vision import noise, pictures


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28), (3, 12), (1, 57)])
def test_resized_crop_is_pillows(channels: int, size: int) -> None:
    images = pictures(40, channels, 40, 36)
    boxes = Crop(scale=(0.02, 1.0)).boxes(noise(40), 40, 36)
    ours = resized_crop(images / 255, boxes, size, size) * 255
    for image, box, our in zip(images, boxes.tolist(), ours, strict=True):
        top, left, height, width = box
        picture = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())
        picture = picture.crop((left, top, left + width, top + height)).resize((size, size), Image.Resampling.BILINEAR)
        theirs = torch.from_numpy(np.array(picture)).view(size, size, channels).permute(2, 0, 1)
        assert (our - theirs).abs().max() <= 1.01


@pytest.mark.parametrize("size", [(32, 32), (7, 11), (90, 64)])
def test_resized_crop_is_torchvisions(functional: ModuleType, size: tuple[int, int]) -> None:
    images = pictures(40, 3, 40, 36) / 255
    boxes = Crop(scale=(0.02, 1.0)).boxes(noise(40), 40, 36)
    ours = resized_crop(images, boxes, *size)
    for image, box, our in zip(images, boxes.tolist(), ours, strict=True):
        theirs = functional.resized_crop(image, *box, size=list(size), antialias=True)
        torch.testing.assert_close(our, theirs, atol=3e-6, rtol=0)


def test_a_crop_of_the_whole_picture_at_its_size_is_the_picture() -> None:
    images = pictures(5, 3, 20, 30) / 255
    whole = torch.tensor([[0, 0, 20, 30]]).expand(5, 4)
    assert torch.equal(resized_crop(images, whole, 20, 30), images)


def test_a_crop_never_looks_beyond_its_border() -> None:
    images = torch.ones(30, 1, 24, 24)
    boxes = Crop(scale=(0.05, 0.5)).boxes(noise(30), 24, 24)
    for image, (top, left, height, width) in zip(images, boxes.tolist(), strict=True):
        image[:, top : top + height, left : left + width] = 0.25
    torch.testing.assert_close(resized_crop(images, boxes, 17, 31), torch.full((30, 1, 17, 31), 0.25))


@given(st.integers(1, 20), st.integers(0, 19), st.integers(1, 20), st.integers(1, 40))
@settings(deadline=None)
def test_interpolation_is_a_weighted_mean_of_the_box(size: int, start: int, length: int, out: int) -> None:
    start = min(start, size - 1)
    length = min(length, size - start)
    weights = interpolation(torch.tensor([start]), torch.tensor([length]), size, out)[0]
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(out))
    assert (weights[:, :start] == 0).all()
    assert (weights[:, start + length :] == 0).all()
    torch.testing.assert_close(
        weights, weights.flip(0)[:, torch.arange(size).add(-2 * start - length + 1).neg() % size]
    )


def naive_box(crop: Crop, row: Noise, height: int, width: int) -> list[int]:
    """torchvision's RandomResizedCrop.get_params, one picture at a time, fed with the same uniform numbers."""
    uniform = row.uniform("crop", 2 * TRIES + 2)[0].double().tolist()
    for attempt in range(TRIES):
        area = height * width * (crop.scale[0] + (crop.scale[1] - crop.scale[0]) * uniform[attempt])
        low, high = math.log(crop.ratio[0]), math.log(crop.ratio[1])
        ratio = math.exp(low + (high - low) * uniform[TRIES + attempt])
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return [int(uniform[-2] * (height - tall + 1)), int(uniform[-1] * (width - wide + 1)), tall, wide]
    if width / height < crop.ratio[0]:
        tall, wide = round(width / crop.ratio[0]), width
    elif width / height > crop.ratio[1]:
        tall, wide = height, round(height * crop.ratio[1])
    else:
        tall, wide = height, width
    return [(height - tall) // 2, (width - wide) // 2, tall, wide]


@pytest.mark.parametrize(
    ("crop", "height", "width"),
    [
        (Crop(), 32, 32),
        (Crop(scale=(0.08, 1.0)), 28, 28),
        (Crop(scale=(0.9, 1.0), ratio=(0.5, 2.0)), 60, 40),
        (Crop(scale=(0.9, 1.0), ratio=(3.0, 4.0)), 30, 30),
        (Crop(scale=(0.9, 1.0), ratio=(0.2, 0.3)), 30, 31),
    ],
)
def test_boxes_follow_torchvisions_law(crop: Crop, height: int, width: int) -> None:
    keys = noise(500).key
    boxes = crop.boxes(Noise(keys), height, width).tolist()
    naive = [naive_box(crop, Noise(key[None]), height, width) for key in keys]
    # A product within a rounding error of one half may round either way.
    assert sum(ours != theirs for ours, theirs in zip(boxes, naive, strict=True)) <= 1


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_boxes_are_inside_the_picture(height: int, width: int, seed: int) -> None:
    boxes = Crop(scale=(0.01, 1.0)).boxes(noise(64, seed), height, width)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (boxes[:, 0] + boxes[:, 2] <= height).all()
    assert (boxes[:, 1] + boxes[:, 3] <= width).all()


def test_area_and_place_are_uniform() -> None:
    boxes = Crop(scale=(0.1, 0.5), ratio=(1.0, 1.0)).boxes(noise(20_000), 1000, 1000).double()
    area = boxes[:, 2] * boxes[:, 3] / 1e6
    quantiles = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(area.quantile(quantiles), 0.1 + 0.4 * quantiles, atol=0.01, rtol=0)
    place = boxes[:, 0] / (1000 - boxes[:, 2])
    torch.testing.assert_close(place.quantile(quantiles), quantiles, atol=0.015, rtol=0)


def test_size_changes_the_side() -> None:
    images = pictures(3, 3, 40, 20) / 255
    assert Crop(size=12)(images, noise(3)).shape == (3, 3, 12, 12)
    assert Crop()(images, noise(3)).shape == images.shape


def test_flip_mirrors_a_share_of_the_pictures(functional: ModuleType) -> None:
    images = pictures(4000, 1, 2, 3) / 255
    views = Flip(p=0.3)(images, noise(4000))
    mirrored = (views == functional.horizontal_flip(images)).flatten(1).all(1)
    same = (views == images).flatten(1).all(1)
    assert (mirrored | same).all()
    assert abs(mirrored.float().mean() - 0.3) < 4 * (0.21 / 4000) ** 0.5


def test_flip_always_and_never() -> None:
    images = pictures(50) / 255
    assert torch.equal(Flip(p=1)(images, noise(50)), images.flip(-1))
    assert torch.equal(Flip(p=0)(images, noise(50)), images)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": (0.0, 1.0)}, "scale=0.2,1"),
        ({"scale": (0.5, 0.2)}, "scale=0.2,1"),
        ({"scale": (0.5, 1.5)}, "scale=0.2,1"),
        ({"ratio": (2.0, 1.0)}, "ratio=0.75,1.333"),
        ({"size": 0}, "size=32"),
    ],
)
def test_crop_says_what_to_write_instead(options: dict[str, tuple[float, float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Crop(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_flip_says_what_to_write_instead(p: float) -> None:
    with pytest.raises(ValueError, match=r"write p=0\.5"):
        Flip(p=p)
