"""Pictures and noise for tests, and torchvision as a reference where it is installed; kontrast does without it."""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast.draws import Draws, Noise

_declared: list[torch.library.Library] = []


def noise(n: int, seed: int = 0, epoch: int = 0) -> Noise:
    return Draws(seed, 0, n).noise(torch.arange(n), epoch)


def pictures(n: int, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """uint8 [n, channels, height, width] without any structure, which is the hardest to interpolate."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)


def torchvision(name: str) -> ModuleType:
    """The module torchvision.`name`; skips the test where torchvision is not installed.

    Its wheels hold operators for torch with CUDA. Without CUDA they do not load, and the import fails over two
    operators that then are undeclared; to declare them is enough for all of it that is written in Python.
    """
    try:
        pytest.importorskip("torchvision", exc_type=ModuleNotFoundError)
    except RuntimeError:
        for module in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
    return importlib.import_module(f"torchvision.{name}")


@functools.cache
def _photographs() -> list[np.ndarray]:
    """uint8 [height, width, 3] each; never written to."""
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def natural(channels: int = 3, height: int = 48, width: int = 40) -> Tensor:
    """uint8 [9, channels, height, width]: parts of two photographs, a smooth gradient, a flat picture, its noise."""
    found = []
    for photograph in _photographs():
        picture = torch.from_numpy(photograph.copy()).permute(2, 0, 1)
        found += [picture[:, top : top + height, left : left + width] for top, left in ((0, 0), (100, 300), (250, 500))]
    ramp = torch.linspace(0, 255, height)[:, None] * torch.linspace(0.2, 1, width)
    flat = torch.full((height, width), 90.0)
    speckled = flat + torch.arange(height * width).view(height, width) % 7
    found += [each.round().to(torch.uint8).expand(3, -1, -1) for each in (ramp, flat, speckled)]
    return torch.stack(found)[:, :channels]


def pillow(image: Tensor) -> object:
    """The Pillow picture of uint8 [c, h, w], c = 1 or 3."""
    from PIL import Image

    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())


def levels(picture: object) -> Tensor:
    """The float32 [c, h, w] from 0 to 255 of a Pillow picture."""
    import numpy as np

    array = torch.from_numpy(np.array(picture)).float()
    return array[None] if array.ndim == 2 else array.permute(2, 0, 1)
