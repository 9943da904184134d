"""Pictures of another data set at another size."""

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.datasets import Digits, ImageFolder, Resized, Subset

import formats


@pytest.mark.parametrize("size", [8, 28, 5])
def test_pictures_are_those_that_pillow_makes(size):
    digits, resized = Digits().read("test"), Resized(size=size).read("test")
    for picture, own in zip(digits.observations[:20], resized.observations[:20], strict=True):
        pillow = np.asarray(Image.fromarray(picture[0].numpy()).resize((size, size), Image.Resampling.BILINEAR))
        assert np.abs(own[0].numpy().astype(int) - pillow).max() <= 1
    assert torch.equal(resized.labels, digits.labels)
    assert torch.equal(resized.index, digits.index)
    if size == 8:
        assert torch.equal(resized.observations, digits.observations)


def test_gray_becomes_color_and_color_gray(tmp_path):
    colored = Resized(size=9, channels=3).read("test").observations
    assert colored.shape == (450, 3, 9, 9)
    assert torch.equal(colored, Resized(size=9).read("test").observations.expand(-1, 3, -1, -1))
    (tmp_path / "a").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "a" / f"{number}.png")
    folder = ImageFolder(root=str(tmp_path), size=6, test=0.5)
    gray = Resized(of=folder, size=6, channels=1)
    assert gray.shape == (1, 6, 6)
    color = folder.read("train").observations
    for picture, own in zip(color, gray.read("train").observations, strict=True):
        pillow = np.asarray(Image.fromarray(picture.permute(1, 2, 0).numpy()).convert("L"))
        assert np.abs(own[0].numpy().astype(int) - pillow).max() <= 1


def test_classes_stay_and_faults_are_those_of_the_pictures(tmp_path):
    assert Resized().classes == Digits().classes
    assert Resized().factors == ()
    assert Resized(of=Subset(fraction=0.1)).open("train").count == 134
    root = formats.cifar10(tmp_path, 9)
    from kontrast.datasets import CIFAR10

    next(root.rglob("data_batch_1*")).write_bytes(b"no pictures")
    broken = CIFAR10(root=str(root))
    assert Resized(of=broken).faults("train") == broken.faults("train") != []


def test_sizes_that_cannot_be_are_refused():
    for options in ({"size": 0}, {"channels": 2}):
        with pytest.raises(ValueError, match="write size=28 channels=1"):
            Resized(**options)
