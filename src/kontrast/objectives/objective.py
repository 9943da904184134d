"""The interface of an objective, and agreement: how an objective is asked about the views of an experiment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from kontrast.parts import Part
from kontrast.spaces import Space
from kontrast.views import Views


class Loss(NamedTuple):
    """A scalar to minimize, the named terms it is made of, and what else is worth watching (scalars, detached)."""

    total: Tensor
    parts: Mapping[str, Tensor] = MappingProxyType({})
    measures: Mapping[str, Tensor] = MappingProxyType({})


class Objective(Part, ABC):
    """What counts as agreement between asked and answered embeddings, and what stops collapse."""

    symmetric: ClassVar[bool] = False
    """Whether objective(x, y, key) == objective(y, x, key), so that one order of each pair of views is enough."""

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        """The mean loss of asked embeddings x [n, d] and answers y [n, d]; rows of equal `key` [n] belong together."""

    def check(self, space: Space) -> None:
        """A ValueError with one sentence if embeddings in this space mean nothing to the objective."""


def agree(objective: Objective, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
    """The mean of objective(asked[i], answers[j], key) over all asking views i and answering views j, i != j.

    `asked` and `answers` [n, d] are in the order of `views.asking` and `views.answering`. A symmetric objective is
    asked once about each unordered pair.
    """
    pairs = [(i, j) for i in range(len(asked)) for j in range(len(answers)) if views.asking[i] != views.answering[j]]
    if objective.symmetric:
        seen = {(views.asking[i], views.answering[j]) for i, j in pairs}
        pairs = [
            (i, j)
            for i, j in pairs
            if views.asking[i] < views.answering[j] or (views.answering[j], views.asking[i]) not in seen
        ]
    if not pairs:
        raise ValueError("no view is asked about another one: an objective needs two views of each thing")
    losses = [objective(asked[i], answers[j], views.key) for i, j in pairs]
    total = torch.stack([loss.total for loss in losses]).mean()
    return Loss(total, _mean([loss.parts for loss in losses]), _mean([loss.measures for loss in losses]))


def _mean(terms: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in terms]).mean() for name in terms[0]}
