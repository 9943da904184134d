import math
from types import ModuleType

import pytest
import scipy.stats
import torch

from kontrast.augmentations import Cutout, Normalize, SaltPepper
from kontrast.draws import Draws

from vision import levels, natural, noise, pictures, pillow


def test_salt_and_pepper_hit_a_fortieth_each() -> None:
    views = SaltPepper()(torch.full((200, 3, 40, 40), 0.5), noise(200))
    assert (views.amin(1) == views.amax(1)).all(), "all channels are hit at once"
    pixels = views[:, 0]
    count = pixels.numel()
    assert abs((pixels == 0).sum() / count - 0.025) < 0.002
    assert abs((pixels == 1).sum() / count - 0.025) < 0.002
    assert ((pixels == 0) | (pixels == 1) | (pixels == 0.5)).all()
    observed = [int((pixels == level).sum()) for level in (0.0, 1.0)]
    expected = [0.025 * 0.975 * count, 0.025 * count]
    rest = count - sum(observed)
    assert scipy.stats.chisquare([*observed, rest], [*expected, count - sum(expected)]).pvalue > 1e-3
    # Where pixels are hit is uniform over the picture.
    hits = (pixels != 0.5).sum(0).flatten().numpy()
    assert scipy.stats.chisquare(hits).pvalue > 1e-3


def test_every_picture_view_and_epoch_has_its_own_pixels() -> None:
    gray = torch.full((4, 1, 32, 32), 0.5)
    index = torch.arange(4)
    draws = Draws(0, 0, 4)
    masks = [
        SaltPepper(amount=0.3)(gray, draws.noise(index, epoch, "view", view)) != 0.5
        for epoch in (0, 1)
        for view in (0, 1)
    ]
    flat = torch.cat(masks).flatten(1).float()
    together = flat @ flat.T / flat.shape[1]
    apart = ~torch.eye(len(flat), dtype=torch.bool)
    share = 0.15 * 0.85 + 0.15
    assert (together[apart] - share**2).abs().max() < 0.04, "two masks meet as often as independent ones do"


def test_fixed_pixels_are_the_same_for_all() -> None:
    gray = torch.full((6, 3, 28, 28), 0.5)
    views = SaltPepper(fixed=True)(gray, noise(6))
    assert torch.equal(views, views[:1].expand_as(views))
    assert torch.equal(views, SaltPepper(fixed=True)(gray, noise(6, seed=5, epoch=3)))
    assert (views != 0.5).any()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 33)])
def test_cutout_is_torchvisions_erase(functional: ModuleType, shape: tuple[int, int, int]) -> None:
    images = pictures(60, *shape)
    part = Cutout(fill=0.4)
    ours = part(images / 255, noise(60))
    tops, lefts, side = part.squares(noise(60), *shape[1:])
    assert side == round(math.sqrt(shape[1] * shape[2] / 4))
    for image, top, left, our in zip(images / 255, tops.tolist(), lefts.tolist(), ours, strict=True):
        low, start = max(top, 0), max(left, 0)
        tall, wide = top + side - low, left + side - start
        theirs = functional.erase(image, low, start, tall, wide, torch.tensor([[[0.4]]]))
        torch.testing.assert_close(our, theirs, atol=0, rtol=0)


def test_the_center_of_a_cutout_is_uniform() -> None:
    top, left, side = Cutout(share=0.1).squares(noise(20_000), 10, 12)
    for found, size in ((top, 10), (left, 12)):
        counts = torch.bincount(found + side // 2, minlength=size)
        assert len(counts) == size
        assert scipy.stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_a_cutout_of_nothing_and_of_everything() -> None:
    images = pictures(3) / 255
    assert torch.equal(Cutout(share=0.0)(images, noise(3)), images)
    assert torch.equal(Cutout(p=0.0)(images, noise(3)), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalize_is_torchvisions_on_pillow(functional: ModuleType, channels: int) -> None:
    images = natural(channels)
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.3, 0.25)[:channels]
    ours = Normalize(mean=mean, std=std)(images / 255, noise(len(images)))
    for image, our in zip(images, ours, strict=True):
        whole = levels(pillow(image)) / 255
        torch.testing.assert_close(our, functional.normalize(whole, list(mean), list(std)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("of", ["cifar10", "stl10", "imagenet"])
def test_named_statistics(of: str) -> None:
    views = Normalize(of=of)(torch.full((2, 3, 4, 4), 0.45), noise(2))  # type: ignore[arg-type]
    assert views.abs().max() < 0.35
    with pytest.raises(ValueError, match="of=given"):
        Normalize(of=of)(torch.zeros(2, 1, 4, 4), noise(2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "options", "said"),
    [
        (SaltPepper, {"amount": 1.5}, r"amount=0\.5"),
        (Cutout, {"share": -0.1}, r"share=0\.5"),
        (Cutout, {"fill": 128.0}, r"fill=0\.5"),
        (Normalize, {"mean": (0.5, 0.5, 0.5)}, r"mean=0\.5 std=0\.25"),
        (Normalize, {"std": (0.0,)}, r"std=0\.25"),
        (Normalize, {"of": "mnist"}, "cifar10, stl10, imagenet"),
    ],
)
def test_each_says_what_to_write_instead(part: type, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        part(**options)
