"""The moving average of a network's weights, which a run keeps in their place."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """A moving average of a student: after each optimizer step w' <- decay w' + (1 - decay) w, from the first step's w.

    The buffers, which are batch normalization's running statistics, are the student's own (Polyak and Juditsky 1992;
    Tarvainen and Valpola 2017, arXiv 1703.01780). Nothing in training looks at it.
    """

    def __init__(self, student: nn.Module, decay: float) -> None:
        self.student = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, student: nn.Module, taken: int) -> None:
        """Move after the student, which has taken so many steps; those that were skipped do not count."""
        share = 1.0 if taken == 1 else 1 - self.decay
        weights: list[Tensor] = [*self.student.parameters()]
        theirs: list[Tensor] = [*student.parameters()]
        if weights:
            torch._foreach_lerp_(weights, theirs, share)
        for buffer, seen in zip(self.student.buffers(), student.buffers(), strict=True):
            buffer.copy_(seen)
