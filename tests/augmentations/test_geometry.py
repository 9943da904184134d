import math
from types import ModuleType
from typing import Literal

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from kontrast.augmentations import Crop, Flip
from kontrast.augmentations.geometry import resized_crop, taps
from kontrast.draws import Noise

from vision import noise, pictures, torchvision

LAWS = ["bilinear", "bicubic"]


def pillows(functional: ModuleType, image: Tensor, box: list[int], size: int, law: str) -> Tensor:
    """One picture, uint8 [c, h, w], cropped and resized by torchvision as a Pillow picture, across and then down.

    Bicubic curves are cut to bytes after each of the two. Pillow's own order was always this one; recent versions take
    rows first where they alone shrink, which cuts elsewhere and makes single pixels of noise differ by some 20 levels.
    """
    how = functional.InterpolationMode(law)
    picture = functional.crop(Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()), *box)
    for sides in ([box[2], size], [size, size]):
        picture = functional.resize(picture, sides, interpolation=how)
    return torch.from_numpy(np.array(picture)).view(size, size, -1).permute(2, 0, 1)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("channels", "side", "size"),
    [(3, 40, 32), (1, 28, 28), (3, 32, 32), (1, 40, 12), (3, 96, 96), (3, 256, 224), (3, 224, 32), (1, 40, 57)],
)
def test_resized_crop_is_torchvisions_on_pillow_pictures(
    functional: ModuleType, channels: int, side: int, size: int, law: str
) -> None:
    count = 24 if side < 100 else 6
    images = pictures(count, channels, side, side - 4)
    boxes = Crop(scale=(0.02, 1.0)).boxes(noise(count), side, side - 4)
    ours = resized_crop(images, boxes, size, size, law) * 255
    assert ours.min() >= 0 and ours.max() <= 255 + 1e-3
    for image, box, our in zip(images, boxes.tolist(), ours, strict=True):
        assert (our - pillows(functional, image, box, size, law)).abs().max() <= 2


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("size", [(32, 32), (7, 11), (90, 64)])
def test_resized_crop_is_torchvisions(functional: ModuleType, size: tuple[int, int], law: str) -> None:
    images = pictures(40, 3, 40, 36) / 255
    images = images * 0.2 + 0.4  # so that no bicubic curve leaves [0, 1], where ours is cut
    boxes = Crop(scale=(0.02, 1.0)).boxes(noise(40), 40, 36)
    ours = resized_crop(images, boxes, *size, law)
    for image, box, our in zip(images, boxes.tolist(), ours, strict=True):
        how = functional.InterpolationMode(law)
        theirs = functional.resized_crop(image, *box, size=list(size), interpolation=how, antialias=True)
        torch.testing.assert_close(our, theirs, atol=3e-6, rtol=0)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("side", "size"), [(64, 40), (224, 96), (40, 57)])
def test_a_crop_never_leaves_the_unit_interval(side: int, size: int, law: Literal["bilinear", "bicubic"]) -> None:
    white = torch.ones(200, 1, side, side)
    cropped = Crop(size=size, interpolation=law)(white, noise(200))
    assert cropped.max() <= 1
    torch.testing.assert_close(cropped, torch.ones(200, 1, size, size), atol=1e-6, rtol=0)


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


def dense(start: int, length: int, size: int, out: int, law: str) -> Tensor:
    """The weights [out, size] of the pixels of a line."""
    line, weight = taps(torch.tensor([start]), torch.tensor([length]), size, out, law)
    return torch.zeros(out, size).scatter_add_(1, line[0], weight[0])


@given(st.integers(1, 20), st.integers(0, 19), st.integers(1, 20), st.integers(1, 40), st.sampled_from(LAWS))
@settings(deadline=None)
def test_a_resized_line_is_a_weighted_mean_of_the_box(size: int, start: int, length: int, out: int, law: str) -> None:
    start = min(start, size - 1)
    length = min(length, size - start)
    weights = dense(start, length, size, out, law)
    assert law == "bicubic" or (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(out))
    assert (weights[:, :start] == 0).all()
    assert (weights[:, start + length :] == 0).all()
    mirrored = weights.flip(0)[:, torch.arange(size).add(-2 * start - length + 1).neg() % size]
    torch.testing.assert_close(weights, mirrored, atol=3e-6, rtol=1e-5)


def test_bytes_are_levels_of_255() -> None:
    images = pictures(9)
    assert torch.equal(Crop()(images, noise(9)), Crop()(images / 255, noise(9)))


@pytest.mark.parametrize("law", LAWS)
def test_a_crop_mirrors_as_a_flip_after_it(law: Literal["bilinear", "bicubic"]) -> None:
    images, crop = pictures(60, 3, 30, 41) / 255, Crop(size=24, interpolation=law)
    mirror = Flip().mirror(noise(60))
    assert 0 < mirror.sum() < 60
    expected = Flip()(crop(images, noise(60)), noise(60))
    torch.testing.assert_close(crop.mirrored(images, noise(60), mirror), expected, atol=1e-6, rtol=0)


def naive_box(crop: Crop, row: Noise, height: int, width: int) -> list[int]:
    """torchvision's RandomResizedCrop.get_params, one picture at a time, fed with the same uniform numbers."""
    uniform = row.uniform("crop", 2 * crop.tries + 2)[0].double().tolist()
    for attempt in range(crop.tries):
        area = height * width * (crop.scale[0] + (crop.scale[1] - crop.scale[0]) * uniform[attempt])
        low, high = math.log(crop.ratio[0]), math.log(crop.ratio[1])
        ratio = math.exp(low + (high - low) * uniform[crop.tries + attempt])
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
        (Crop(scale=(0.9, 1.0), ratio=(0.5, 2.0), tries=100), 60, 40),
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


@pytest.fixture(scope="module")
def their_boxes() -> Tensor:
    """Boxes that torchvision draws for pictures of 200 x 160 pixels."""
    transforms = torchvision("transforms.v2")
    crop, picture = transforms.RandomResizedCrop(8, scale=(0.08, 1.0)), torch.zeros(1, 200, 160)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        drawn = [crop.make_params([picture]) for _ in range(4000)]
    return torch.tensor([[box[name] for name in ("top", "left", "height", "width")] for box in drawn])


@pytest.mark.parametrize("what", ["area", "ratio", "top", "left"])
def test_boxes_have_the_distribution_of_torchvisions(their_boxes: Tensor, what: str) -> None:
    def measure(boxes: Tensor) -> Tensor:
        top, left, height, width = boxes.double().unbind(1)
        # Whole pixels are many ties, which a little noise breaks on both sides alike.
        noise = torch.rand(len(boxes), generator=torch.Generator().manual_seed(1)) - 0.5
        return {
            "area": height * width,
            "ratio": (width / height).log(),
            "top": (top + noise) / (200 - height + 1),
            "left": (left + noise) / (160 - width + 1),
        }[what]

    ours = Crop(scale=(0.08, 1.0)).boxes(noise(8000, seed=3), 200, 160)
    assert scipy.stats.ks_2samp(measure(ours), measure(their_boxes)).pvalue > 1e-3


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
        ({"interpolation": "nearest"}, "interpolation=bilinear"),
        ({"tries": 0}, "tries=10"),
    ],
)
def test_crop_says_what_to_write_instead(options: dict[str, tuple[float, float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Crop(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_flip_says_what_to_write_instead(p: float) -> None:
    with pytest.raises(ValueError, match=r"write p=0\.5"):
        Flip(p=p)
