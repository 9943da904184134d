"""Teachers: whose embedding is the answer."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import chz
import torch
from torch import Tensor, nn

from kontrast.parts import Part
from kontrast.views import Views

Embed = Callable[[int], Tensor]
"""The student's embedding [n, d] of view i, computed once however often it is asked for."""


class Answering(nn.Module, ABC):
    """A teacher at work. It may own networks (a moving average of the student); its parameters take no gradient."""

    @abstractmethod
    def forward(self, views: Views, embed: Embed) -> tuple[Tensor, ...]:
        """The answer about each view of `views.answering`, in that order."""

    def follow(self, step: int, steps: int) -> None:
        """Move after the student, once the optimizer has taken `step` of `steps`."""


class Teacher(Part, ABC):
    """A rule by which answers are made."""

    @abstractmethod
    def build(self, student: nn.Module) -> Answering:
        """The teacher of this student."""


@chz.chz
class Shared(Teacher):
    """The student itself answers, and learns from both sides (SimCLR, Barlow Twins, VICReg)."""

    def build(self, student: nn.Module) -> Answering:
        return _SharedAnswers()


class _SharedAnswers(Answering):
    def forward(self, views: Views, embed: Embed) -> tuple[Tensor, ...]:
        return tuple(embed(view) for view in views.answering)


@chz.chz
class StopGradient(Teacher):
    """The student itself answers, but learns nothing from answering (SimSiam, Chen and He 2020, arXiv 2011.10566).

    An answer is the student's own embedding, which passes no gradient. With a predictor on the side of the questions,
    that is enough to keep all embeddings from becoming one.
    """

    def build(self, student: nn.Module) -> Answering:
        return _DetachedAnswers()


class _DetachedAnswers(Answering):
    @torch.no_grad()
    def forward(self, views: Views, embed: Embed) -> tuple[Tensor, ...]:
        return tuple(embed(view).detach() for view in views.answering)


@chz.chz
class Momentum(Teacher):
    """A moving average of the student answers (BYOL, Grill et al. 2020, arXiv 2006.07733; mean teacher, 1703.01780).

    It starts as a copy of the student. After the optimizer's step s = 0, 1, ... of S, its parameters move to
    m teacher + (1 - m) student, where m goes from `rate` to `final` by half a cosine,

        m_s = final - (final - rate) (1 + cos(pi s / S)) / 2,

    and its buffers, which are batch normalization's running statistics, become the student's. In training it
    normalizes by the batch it is given, each view alone. Answers pass no gradient. ValueError unless both rates are in
    [0, 1].
    """

    rate: float = chz.field(default=0.99, doc="share m of the old teacher at the start of the run, in [0, 1]")
    final: float = chz.field(default=1.0, doc="share m at its end, in [0, 1]")

    @chz.validate
    def _shares(self) -> None:
        for name in ("rate", "final"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is the share of the old teacher, in [0, 1], not {share}; write {name}=0.99")

    def at(self, step: int, steps: int) -> float:
        """The share m_s at step s = 0, ..., steps - 1."""
        return self.final - (self.final - self.rate) * (1 + math.cos(math.pi * step / steps)) / 2

    def build(self, student: nn.Module) -> Answering:
        return _AveragedAnswers(self, student)


class _AveragedAnswers(Answering):
    def __init__(self, teacher: Momentum, student: nn.Module) -> None:
        super().__init__()
        self.rates = teacher
        self.average = copy.deepcopy(student).requires_grad_(False)
        # In a tuple it is no submodule, so that the student is not stored twice.
        self._student = (student,)

    @torch.no_grad()
    def forward(self, views: Views, embed: Embed) -> tuple[Tensor, ...]:
        return tuple(self.average(views.views[view]) for view in views.answering)

    @torch.no_grad()
    def follow(self, step: int, steps: int) -> None:
        (student,) = self._student
        share = 1 - self.rates.at(step - 1, steps)
        for weight, theirs in zip(self.average.parameters(), student.parameters(), strict=True):
            weight.lerp_(theirs, share)
        for buffer, seen in zip(self.average.buffers(), student.buffers(), strict=True):
            buffer.copy_(seen)


@chz.chz
class Labels(Teacher):
    """The answers are given with the data: the answering view is the label or the latents, as they are."""

    def build(self, student: nn.Module) -> Answering:
        return _GivenAnswers()


class _GivenAnswers(Answering):
    def forward(self, views: Views, embed: Embed) -> tuple[Tensor, ...]:
        return tuple(views.views[view] for view in views.answering)
