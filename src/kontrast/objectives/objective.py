"""The interface of an objective: what counts as agreement, asked of two views or of all the views of an experiment."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from kontrast.parts import Part
from kontrast.spaces import Space
from kontrast.views import Views


class Loss(NamedTuple):
    """A scalar to minimize, the named terms it is made of, and what else is worth watching (scalars, detached).

    Measures may be computed only when they are looked at.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = MappingProxyType({})
    measures: Mapping[str, Tensor] = MappingProxyType({})


class Lazy(Mapping[str, Tensor]):
    """Measures that cost nothing until they are looked at."""

    def __init__(self, found: Mapping[str, Callable[[], Tensor]]) -> None:
        self.found = found

    @torch.no_grad()
    def __getitem__(self, name: str) -> Tensor:
        return self.found[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


class Objective(Part, ABC):
    """What counts as agreement between asked and answered embeddings, and what stops collapse."""

    symmetric: ClassVar[bool] = False
    """Whether objective(x, y, key) == objective(y, x, key), so that one order of each pair of views is enough."""
    collapses: ClassVar[bool] = False
    """Whether nothing in it keeps embeddings apart, so that another part has to."""

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        """The mean loss of asked embeddings x [n, d] and answers y [n, d]; rows of equal `key` [n] belong together."""

    def agree(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        """The loss of several views at once: the mean of objective(asked[i], answers[j], key) over views i != j.

        `asked` and `answers` [n, d] are in the order of `views.asking` and `views.answering`. A symmetric objective is
        asked once about each unordered pair where the answers are the asked embeddings themselves. ValueError where no
        view is asked about another one.
        """
        return over_pairs(self, asked, answers, views)

    def build(self, dim: int) -> Criterion:
        """The objective of embeddings of `dim` numbers at work, with whatever it learns or keeps."""
        return Criterion(self)

    def check(self, space: Space) -> None:
        """A ValueError with one sentence if embeddings in this space mean nothing to the objective."""

    def check_batch(self, rows: int, dim: int) -> None:
        """A ValueError with one sentence if batches of so many rows of so many numbers are too small."""


class Criterion(nn.Module):
    """An objective at work. It may own parameters (a learned temperature or metric) and buffers (a running average)."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        return self.objective.agree(asked, answers, views)


def check_rows(objective: Objective, x: Tensor, y: Tensor, key: Tensor) -> None:
    """A ValueError unless x, y [n, d] are numbers of one shape, and key [n] fits them."""
    if not (x.is_floating_point() and y.is_floating_point()) or x.numel() == 0:
        raise ValueError(
            f"{type(objective).__name__} compares rows of real numbers, not {x.numel()} of {x.dtype}; give x and y as "
            "floating-point tensors [n, d] with at least one row"
        )
    if x.ndim != 2 or x.shape != y.shape or key.shape != x.shape[:1]:
        raise ValueError(
            f"{type(objective).__name__} needs one answer and one key for each row, not {tuple(x.shape)} rows asked, "
            f"{tuple(y.shape)} answered and keys of shape {tuple(key.shape)}; give x and y [n, d] and key [n]"
        )


def pairs(asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> list[tuple[int, int]]:
    """The positions (i, j) of asked and answering views that differ. ValueError where there are none."""
    found = [(i, j) for i in range(len(asked)) for j in range(len(answers)) if views.asking[i] != views.answering[j]]
    if not found:
        raise ValueError("no view is asked about another one: an objective needs two views of each thing")
    return found


def over_pairs(objective: Objective, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
    """The mean of objective(asked[i], answers[j], key) over all pairs of different views."""
    ordered = pairs(asked, answers, views)
    if objective.symmetric and same_views(asked, answers, views):
        ordered = [(i, j) for i, j in ordered if i < j]
    return mean_of([objective(asked[i], answers[j], views.key) for i, j in ordered])


def same_views(asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> bool:
    """Whether the answers are the asked embeddings themselves, view by view."""
    return views.asking == views.answering and all(x is y for x, y in zip(asked, answers, strict=True))


def widened(
    objective: Objective, asked: Sequence[Tensor], answers: Sequence[Tensor], key: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Embeddings in float32 or better, once each however often one occurs, after `check_rows` has seen them."""
    for z in (*asked, *answers):
        check_rows(objective, z, answers[0], key)
    wide = {id(z): z.float() if z.dtype.itemsize < 4 else z for z in (*asked, *answers)}
    return [wide[id(z)] for z in asked], [wide[id(z)] for z in answers]


def distinct(asked: Sequence[Tensor], answers: Sequence[Tensor]) -> Tensor:
    """All embeddings [n, d] of a step one below the other, each view once, without gradient."""
    return torch.cat([z.detach() for z in {id(z): z for z in (*asked, *answers)}.values()])


def mean_of(losses: Sequence[Loss]) -> Loss:
    """The mean of losses that have the same terms."""
    total = torch.stack([loss.total for loss in losses]).mean()
    parts = {name: _mean([loss.parts for loss in losses], name) for name in losses[0].parts}
    watched = [loss.measures for loss in losses]
    return Loss(total, parts, Lazy({name: functools.partial(_mean, watched, name) for name in watched[0]}))


def _mean(terms: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    return torch.stack([each[name] for each in terms]).mean()
