"""The batch statistics of a network that was never trained."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from kontrast.draws import derive
from kontrast.model import Student
from kontrast.views import Things


def normalizing(student: Student) -> list[_BatchNorm]:
    """The layers of batch normalization."""
    return [layer for layer in student.modules() if isinstance(layer, _BatchNorm)]


@torch.no_grad()
def estimate(student: Student, chunks: Iterator[Things]) -> None:
    """Set the statistics of batch normalization to those of these rows, leaving every weight as it is."""
    layers = normalizing(student)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    student.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, "dropout", "untrained"))
        for things in chunks:
            if len(things.index) > 1:
                student(things.observations)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
