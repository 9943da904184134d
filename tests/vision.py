"""Pictures and noise for tests, and torchvision as a reference where it is installed; kontrast does without it."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

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
