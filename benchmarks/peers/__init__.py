"""Packages that benchmarks are measured beside, and how they are imported."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_declared: list[torch.library.Library] = []
"""Operators stay declared as long as this holds them."""


def transforms() -> ModuleType:
    """torchvision.transforms; where its operators do not fit this torch, to declare them is enough.

    ModuleNotFoundError where torchvision is not installed.
    """
    try:
        return importlib.import_module("torchvision.transforms")
    except RuntimeError:
        for module in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        return importlib.import_module("torchvision.transforms")
