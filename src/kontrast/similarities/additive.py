"""Sums of similarities over blocks of coordinates: what a product of spaces calls for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.similarities.directions import Cosine
from kontrast.similarities.distances import Lp
from kontrast.similarities.similarity import Form, Metric, Similarity
from kontrast.spaces import Product, Space


@chz.chz(typecheck=True)
class Additive(Similarity):
    """s_1(x_1, y_1) + weight s_2(x_2, y_2), over the first `split` coordinates and the rest.

    It draws on a Product of spaces that splits at the same place: the first block with density ~ exp(s_1 /
    temperature), the second ~ exp(weight s_2 / temperature). The default is that of positions in a box with directions
    on a sphere. Sums nest for more than two blocks.
    """

    first: Similarity = parts.field(Similarity, Lp, doc="similarity of the first coordinates")
    second: Similarity = parts.field(Similarity, Cosine, doc="similarity of the rest")
    split: int = chz.field(default=3, doc="number of coordinates in the first block")
    weight: float = chz.field(default=1.0, doc="of the second similarity beside the first, > 0")

    @chz.validate
    def _ranges(self) -> None:
        if self.split < 1:
            raise ValueError(f"split is a number of coordinates, not {self.split}; write split=3")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"the weight must be positive, not {self.weight}; write weight=1")

    @property
    def rowwise(self) -> bool:  # type: ignore[override]
        return self.first.rowwise and self.second.rowwise

    def form(self, x: Tensor, y: Tensor) -> Form:
        return _Sum(*self._halves(x, y, self.first.form, self.second.form), self.weight)

    def build(self, dim: int) -> Metric:
        return _Blocks(self, dim)

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        assert isinstance(space, Product)
        one = self.first.sample(x[:, : self.split], temperature, space.first, generator)
        two = self.second.sample(x[:, self.split :], temperature / self.weight, space.second, generator)
        return torch.cat([one, two], 1)

    def check(self, space: Space) -> None:
        halves = (space.first, space.second) if isinstance(space, Product) else (space, space)
        if isinstance(space, Product):
            self._check_split(space)
        self.first.check(halves[0])
        self.second.check(halves[1])

    def check_draw(self, space: Space) -> None:
        if not isinstance(space, Product):
            raise ValueError(
                f"Additive draws in a Product of spaces, not in {type(space).__name__}; "
                "write data.space=Product, or pairing.similarity=Lp"
            )
        self._check_split(space)
        self.first.check_draw(space.first)
        self.second.check_draw(space.second)

    def _check_split(self, space: Product) -> None:
        if space.split != self.split:
            raise ValueError(
                f"the space is split after {space.split} coordinates and the similarity after "
                f"{self.split}; write ...similarity.split={space.split}"
            )

    def _halves(self, x: Tensor, y: Tensor, first: Scoring, second: Scoring) -> tuple[Form, Form]:
        if x.shape[1] <= self.split:
            raise ValueError(f"{x.shape[1]} coordinates cannot be split after {self.split}; write split=1")
        halves = [(z[:, : self.split], z[:, self.split :]) for z in ((x,) if y is x else (x, y))]
        (one, two), (other_one, other_two) = halves[0], halves[-1]
        return first(one, other_one), second(two, other_two)


Scoring = Callable[[Tensor, Tensor], Form]


@dataclass(frozen=True)
class _Sum(Form):
    """The sum of two forms of the same points."""

    first: Form
    second: Form
    weight: float

    def dense(self) -> Tensor:
        return self.first.dense() + self.weight * self.second.dense()

    def paired(self) -> Tensor:
        return self.first.paired() + self.weight * self.second.paired()

    def tensors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        (rows, others), (more_rows, more_others) = self.first.tensors(), self.second.tensors()
        return rows + more_rows, others + more_others

    def like(self, first: Sequence[Tensor], others: Sequence[Tensor]) -> _Sum:
        rows, rest = (len(each) for each in self.first.tensors())
        one = self.first.like(first[:rows], others[:rest])
        return _Sum(one, self.second.like(first[rows:], others[rest:]), self.weight)


class _Blocks(Metric):
    """Additive with the metrics of its two blocks."""

    def __init__(self, similarity: Additive, dim: int) -> None:
        super().__init__(similarity)
        self.first = similarity.first.build(similarity.split)
        self.second = similarity.second.build(dim - similarity.split)

    def observe(self, rows: Tensor) -> None:
        assert isinstance(self.similarity, Additive)
        self.first.observe(rows[:, : self.similarity.split])
        self.second.observe(rows[:, self.similarity.split :])

    def forward(self, x: Tensor, y: Tensor) -> Form:
        assert isinstance(self.similarity, Additive)
        return _Sum(*self.similarity._halves(x, y, self.first, self.second), self.similarity.weight)
