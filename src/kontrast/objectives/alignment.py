"""Alignment: each question near its own answer, and nothing else."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.directional import unit
from kontrast.objectives.contrast import Scoring
from kontrast.objectives.objective import Criterion, Lazy, Loss, Objective, distinct, pairs, widened
from kontrast.similarities import Cosine, Similarity
from kontrast.spaces import Space
from kontrast.views import Views


class Scored(Objective):
    """An objective of scores themselves, not of which score is the largest."""

    similarity: Similarity

    @abstractmethod
    def compare(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, form: Scoring) -> Loss:
        """The loss of views [n, d] whose scores come about by `form`."""

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        return self.agree((x,), (y,), Views((), key, asking=(0,), answering=(1,)))

    def agree(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        return self.compare(asked, answers, views, self.similarity.form)

    def build(self, dim: int) -> Criterion:
        return _Scoring(self, dim)

    def check(self, space: Space) -> None:
        self.similarity.check(space)


class _Scoring(Criterion):
    """A scored objective with the metric of its similarity."""

    def __init__(self, objective: Scored, dim: int) -> None:
        super().__init__(objective)
        self.metric = objective.similarity.build(dim)

    def forward(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        assert isinstance(self.objective, Scored)
        if self.training:
            self.metric.observe(distinct(asked, answers))
        return self.objective.compare(asked, answers, views, self.metric)


@chz.chz(typecheck=True)
class Alignment(Scored):
    """Minus the mean similarity of each question to its own answer: L = -mean_i s(x_i, y_i).

    With the cosine L is in [-1, 1]. Nothing in it stops all embeddings from becoming one, so another part has to: a
    predictor with answers that pass no gradient (teacher=StopGradient: SimSiam, Chen and He 2020, arXiv 2011.10566), or
    with those of a moving average (teacher=Momentum: BYOL, Grill et al. 2020, arXiv 2006.07733). Over several views L
    is the mean over ordered pairs. Keys do not matter.

    Measure: `spread`, sqrt(d) times the mean over coordinates of the standard deviation of y / |y|. It is 1 where the
    answers lie evenly about the origin, and 0 where all are one; SimSiam's own figures are without the sqrt(d).

    ValueError: rows of x, y and key that do not match, or a similarity that would learn to make all scores alike.
    """

    collapses: ClassVar[bool] = True

    similarity: Similarity = parts.field(Similarity, Cosine, doc="what counts as near")

    def check_batch(self, rows: int, dim: int) -> None:
        self.similarity.check_batch(2 * rows, dim)
        if any(True for _ in self.similarity.build(dim).parameters()):
            raise ValueError(
                f"{type(self.similarity).__name__} learns, and under Alignment it would learn to call everything "
                "alike; write objective=InfoNCE, or objective.similarity=Euclidean"
            )

    def compare(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, form: Scoring) -> Loss:
        asked, answers = widened(self, asked, answers, views.key)
        chosen = pairs(asked, answers, views)
        total = -torch.stack([form(asked[i], answers[j]).paired().mean() for i, j in chosen]).mean()
        told = [answers[j] for j in sorted({j for _, j in chosen})]
        return Loss(total, measures=Lazy({"spread": lambda: torch.stack([spread(y) for y in told]).mean()}))


@torch.no_grad()
def spread(z: Tensor) -> Tensor:
    """How far directions z / |z| [n, d] are from being one: sqrt(d) times their mean standard deviation, in [0, 1]."""
    return math.sqrt(z.shape[1]) * unit(z).std(0, correction=0).mean()
