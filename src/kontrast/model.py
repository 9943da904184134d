"""The network of an experiment: encoder -> head -> space, perhaps a predictor, and the teacher that answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kontrast.objectives import Criterion
from kontrast.optimizers import Group
from kontrast.schedules import Schedule
from kontrast.spaces import Space
from kontrast.teachers import Answering, Teacher
from kontrast.views import Views


class Output(NamedTuple):
    """What a model makes of views: asked and answered embeddings [n, d], and the features [n, f] of the first view."""

    asked: tuple[Tensor, ...]
    answers: tuple[Tensor, ...]
    features: Tensor


class Student(nn.Module):
    """encoder -> head -> space. Pictures may be uint8 in 0..255 or float in [0, 1]."""

    def __init__(self, encoder: nn.Module, head: nn.Module, space: Space, dim: int) -> None:
        super().__init__()
        self.encoder, self.head, self.space = encoder, head, space
        self.into = space.build(dim)
        self.frozen: tuple[str, ...] = ()

    def freeze(self, modules: Sequence[nn.Module]) -> None:
        """Keep parts of the encoder as they are: they take no gradient, and stay in evaluation whatever the rest does.

        They are remembered by their names, so that a layer that takes the place of one of them is frozen, too.
        """
        chosen = {id(module) for module in modules}
        names = tuple(name for name, module in self.encoder.named_modules() if id(module) in chosen)
        self.frozen = (*self.frozen, *names)
        for name in names:
            self.encoder.get_submodule(name).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Student:
        super().train(mode)
        for name in self.frozen:
            self.encoder.get_submodule(name).eval()
        return self

    def features(self, x: Tensor) -> Tensor:
        """The feature [n, f]: the encoder's output, before the head."""
        x = x.float() / 255 if x.dtype == torch.uint8 else x
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return self.encoder(x)  # type: ignore[no-any-return]

    def embed(self, features: Tensor) -> Tensor:
        """The embedding [n, d] of features: head, then space. Always in float32, so that similarities are."""
        point: Tensor = self.into(self.head(features).float())
        return point

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(self.features(x))


class Model(nn.Module):
    """A student, the predictor that turns its embedding into a question, the teacher that answers, and the criterion.

    With `joint`, views of equal shape pass through the student in one batch, so that batch normalization sees all
    of them (SimCLR); otherwise each view passes alone (Barlow Twins, BYOL, SimSiam).
    """

    def __init__(
        self,
        student: Student,
        teacher: Teacher,
        criterion: Criterion,
        predictor: nn.Module | None = None,
        joint: bool = True,
    ) -> None:
        super().__init__()
        self.student = student
        self.predictor = predictor
        self.joint = joint
        self.teacher: Answering = teacher.build(student)
        self.criterion = criterion

    def forward(self, views: Views) -> Output:
        features: dict[int, Tensor] = {}
        embeddings: dict[int, Tensor] = {}

        def embed(view: int) -> Tensor:
            if view not in embeddings:
                self._embed(views, [view], features, embeddings)
            return embeddings[view]

        for group in self._groups(views):
            self._embed(views, group, features, embeddings)
        asked = tuple(embed(view) for view in views.asking)
        if self.predictor is not None:
            asked = tuple(self.student.into(self.predictor(z).float()) for z in asked)
        return Output(asked, self.teacher(views, embed), features[views.asking[0]])

    def groups(self, predictor: Schedule | None, learned: float, blocks: Sequence[Group] = ()) -> list[Group]:
        """The parameters by learning rate: the networks, the predictor, and what space and criterion learn.

        `blocks` are parameters of the encoder that have rates of their own.
        """
        predicting = [] if self.predictor is None else [*self.predictor.parameters()]
        small = [*self.student.into.parameters(), *self.criterion.parameters()]
        apart = {id(parameter) for parameter in (*predicting, *small)}
        apart |= {id(parameter) for group in blocks for parameter in group.parameters}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in apart]
        groups = [*blocks, Group(rest), Group(predicting, schedule=predictor), Group(small, factor=learned)]
        alive = [group._replace(parameters=[p for p in group.parameters if p.requires_grad]) for group in groups]
        return [group for group in alive if group.parameters]

    def _groups(self, views: Views) -> list[list[int]]:
        if not self.joint:
            return [[view] for view in views.asking]
        groups: dict[torch.Size, list[int]] = {}
        for view in views.asking:
            groups.setdefault(views.views[view].shape, []).append(view)
        return list(groups.values())

    def _embed(
        self, views: Views, group: list[int], features: dict[int, Tensor], embeddings: dict[int, Tensor]
    ) -> None:
        together = self.student.features(torch.cat([views.views[view] for view in group]))
        embedded = self.student.embed(together)
        for view, f, z in zip(group, together.chunk(len(group)), embedded.chunk(len(group)), strict=True):
            features[view], embeddings[view] = f, z
