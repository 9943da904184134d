"""Teachers: whose embedding is the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import chz
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
class Labels(Teacher):
    """The answers are given with the data: the answering view is the label or the latents, as they are."""

    def build(self, student: nn.Module) -> Answering:
        return _GivenAnswers()


class _GivenAnswers(Answering):
    def forward(self, views: Views, embed: Embed) -> tuple[Tensor, ...]:
        return tuple(views.views[view] for view in views.answering)
