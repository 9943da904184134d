"""The interface of a similarity, and its form: how the scores of all pairs come about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from kontrast.parts import Part
from kontrast.spaces import Space
from kontrast.tiles import Core, Link


class Form(ABC):
    """How the scores s_ij of two sets of points come about, in whatever coordinates make that simple."""

    @abstractmethod
    def dense(self) -> Tensor:
        """All scores [n, m], stored."""

    @abstractmethod
    def paired(self) -> Tensor:
        """Scores [n] of row i with row i."""

    @abstractmethod
    def tensors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """What the scores are computed from: tensors with a row for each first point, and all others."""

    @abstractmethod
    def like(self, first: Sequence[Tensor], others: Sequence[Tensor]) -> Form:
        """The same form of other tensors, in the order of `tensors`; `first` may have any number of rows."""


@dataclass(frozen=True)
class Linked(Form):
    """Scores s_ij = link(core(u_i, v_j)) + row_i + column_j.

    u [n, e] are coordinates of the first points, v [m, e] those of the second; `u is v` where both are the same points.
    `core` is a product or a power of a distance, `link` an elementwise function (None: the identity), `row` [n] and
    `column` [m] what is added to all scores of a first and of a second point.
    """

    u: Tensor
    v: Tensor
    core: Core
    link: Link | None = None
    row: Tensor | None = None
    column: Tensor | None = None

    def dense(self) -> Tensor:
        return self._linked(self.core.dense(self.u, self.v), None if self.row is None else self.row[:, None])

    def paired(self) -> Tensor:
        return self._linked(self.core.pair(self.u, self.v), self.row)

    def tensors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        first, others = (self.u, self.row), (self.v, self.column)
        return tuple(t for t in first if t is not None), tuple(t for t in others if t is not None)

    def like(self, first: Sequence[Tensor], others: Sequence[Tensor]) -> Linked:
        (u, *row), (v, *column) = first, others
        return replace(self, u=u, v=v, row=row[0] if row else None, column=column[0] if column else None)

    def _linked(self, core: Tensor, row: Tensor | None) -> Tensor:
        score = core if self.link is None else self.link.value(core)
        score = score if row is None else score + row
        return score if self.column is None else score + self.column


class Similarity(Part, ABC):
    """A real number for every pair of points, larger for nearer ones."""

    rowwise: ClassVar[bool] = True
    """Whether the score of two points is a matter of those two alone, whatever other rows there are."""

    @abstractmethod
    def form(self, x: Tensor, y: Tensor) -> Form:
        """How the rows of x [n, d] score against those of y [m, d]; `form(x, x)` has `u is v`."""

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        """For each row of x [n, d] a point y [n, d] of the space with density ~ exp(similarity(x, y) / temperature).

        ValueError for similarities that draw nothing.
        """
        self.check_draw(space)
        raise NotImplementedError

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores [n, m] of the rows of x [n, d] against those of y [m, d]."""
        return self.form(x, y).dense()

    def paired(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores [n] of row i of x [n, d] against row i of y [n, d]."""
        return self.form(x, y).paired()

    def build(self, dim: int) -> Metric:
        """The similarity of embeddings of `dim` numbers at work, with whatever it learns or keeps."""
        return Metric(self)

    def check(self, space: Space) -> None:
        """A ValueError, with what to write instead, if scores of points of this space mean nothing."""

    def check_draw(self, space: Space) -> None:
        """A ValueError, with what to write instead, if nothing can be drawn on this space."""
        raise ValueError(f"{type(self).__name__} draws no pairs; write pairing.similarity=Lp, or Cosine on a sphere")

    def check_batch(self, rows: int, dim: int) -> None:
        """A ValueError, with what to write instead, if so many rows of so many numbers cannot be scored."""


class Metric(nn.Module):
    """A similarity at work. It may own parameters (a learned metric) and buffers (a running average)."""

    def __init__(self, similarity: Similarity) -> None:
        super().__init__()
        self.similarity = similarity

    def observe(self, rows: Tensor) -> None:
        """Take note of all the embeddings [n, d] of one step of training, before they are compared."""

    def forward(self, x: Tensor, y: Tensor) -> Form:
        return self.similarity.form(x, y)


def check_temperature(temperature: float, where: str = "temperature") -> None:
    """A ValueError unless the temperature is a positive number."""
    if not 0 < temperature < float("inf"):
        raise ValueError(f"a temperature must be positive, not {temperature}; write {where}=0.1")
