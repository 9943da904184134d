"""Blocks: one objective for some coordinates and another for the rest."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import chz
from torch import Tensor

from kontrast import parts
from kontrast.objectives.infonce import InfoNCE
from kontrast.objectives.objective import Criterion, Lazy, Loss, Objective, check_rows
from kontrast.objectives.supervised import Supervised
from kontrast.spaces import Box, Euclidean, Product, Ranges, Space
from kontrast.views import Views


@chz.chz(typecheck=True)
class Blocks(Objective):
    """The sum of two objectives, of the first `split` coordinates and of the rest: L = L_1 + weight L_2.

    On 3DIdent it is InfoNCE with Lp for the positions in a box and with the cosine for the directions on a sphere
    (Zimmermann et al. 2021, arXiv 2102.08850), on a Product of spaces that splits at the same place. Other than under
    one InfoNCE with the Additive similarity, each block looks for its partner on its own. Sums nest for more blocks.

    Parts and measures are those of the two, named `first.` and `second.`; parts carry the weight.

    ValueError: split or weight not positive, points of no more than `split` coordinates, supervised objectives, or a
    space whose blocks do not fit the objectives.
    """

    first: Objective = parts.field(Objective, InfoNCE, doc="objective of the first coordinates")
    second: Objective = parts.field(Objective, InfoNCE, doc="objective of the rest")
    split: int = chz.field(default=3, doc="number of coordinates in the first block")
    weight: float = chz.field(default=1.0, doc="of the second objective beside the first, > 0")

    @chz.validate
    def _ranges(self) -> None:
        if self.split < 1:
            raise ValueError(f"split is a number of coordinates, not {self.split}; write objective.split=3")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"the weight must be positive, not {self.weight}; write objective.weight=1")
        for part in (self.first, self.second):
            if isinstance(part, Supervised):
                raise ValueError(
                    f"{type(part).__name__} is about given answers, which have no blocks; write objective=InfoNCE"
                )

    def check(self, space: Space) -> None:
        if isinstance(space, Product):
            if space.split != self.split:
                raise ValueError(
                    f"the space is split after {space.split} coordinates and the objective after {self.split}; "
                    f"write objective.split={space.split}"
                )
            one, two = space.first, space.second
        elif isinstance(space, Box | Euclidean | Ranges):
            one = two = space
        else:
            raise ValueError(f"some coordinates of {type(space).__name__} are no space; write space=Product")
        for name, part, block in (("first", self.first, one), ("second", self.second, two)):
            try:
                part.check(block)
            except ValueError as error:
                raise ValueError(str(error).replace("objective.", f"objective.{name}.")) from None

    def check_batch(self, rows: int, dim: int) -> None:
        if dim <= self.split:
            raise ValueError(f"{dim} coordinates cannot be split after {self.split}; write objective.split=1")
        self.first.check_batch(rows, self.split)
        self.second.check_batch(rows, dim - self.split)

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        check_rows(self, x, y, key)
        self.check_batch(*x.shape)
        first = self.first(x[:, : self.split], y[:, : self.split], key)
        return self._sum(first, self.second(x[:, self.split :], y[:, self.split :], key))

    def agree(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        (one, other), (two, another) = self._halves(asked, answers)
        return self._sum(self.first.agree(one, other, views), self.second.agree(two, another, views))

    def build(self, dim: int) -> Criterion:
        return _Side(self, dim)

    def _halves(
        self, asked: Sequence[Tensor], answers: Sequence[Tensor]
    ) -> list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Both blocks of the questions and answers; what is one tensor in both stays one."""
        self.check_batch(*answers[0].shape)
        halves = []
        for columns in (slice(self.split), slice(self.split, None)):
            cut = {id(z): z[:, columns] for z in (*asked, *answers)}
            halves.append((tuple(cut[id(x)] for x in asked), tuple(cut[id(y)] for y in answers)))
        return halves

    def _sum(self, first: Loss, second: Loss) -> Loss:
        found: dict[str, Tensor] = {}
        watched: dict[str, Callable[[], Tensor]] = {}
        for block, loss, weight in (("first", first, 1.0), ("second", second, self.weight)):
            terms = loss.parts or {"loss": loss.total.detach()}
            found |= {f"{block}.{name}": weight * value for name, value in terms.items()}
            watched |= {f"{block}.{name}": functools.partial(loss.measures.__getitem__, name) for name in loss.measures}
        return Loss(first.total + self.weight * second.total, found, Lazy(watched))


class _Side(Criterion):
    """Blocks with the criteria of both."""

    def __init__(self, objective: Blocks, dim: int) -> None:
        super().__init__(objective)
        self.first = objective.first.build(objective.split)
        self.second = objective.second.build(dim - objective.split)

    def forward(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        assert isinstance(self.objective, Blocks)
        (one, other), (two, another) = self.objective._halves(asked, answers)
        return self.objective._sum(self.first(one, other, views), self.second(two, another, views))
