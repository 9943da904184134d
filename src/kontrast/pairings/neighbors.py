"""Neighbors: two observations whose latents are one step apart, or within a box."""

from __future__ import annotations

from typing import Literal, get_args
from weakref import WeakKeyDictionary

import chz
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import Dataset, Generative, Source, Table
from kontrast.draws import Draws
from kontrast.pairings.boxes import Boxes
from kontrast.pairings.pairing import Pairing
from kontrast.pairings.steps import Rows, Steps, columns
from kontrast.parts import choose
from kontrast.views import Things, Views

By = Literal["steps", "box"]
Ends = Literal["once", "twice"]
Numbers = NDArray[np.float64]
SIXTH = 1 / 6

_indices: WeakKeyDictionary[object, dict[Neighbors, Rows | Boxes]] = WeakKeyDictionary()
"""What was made of the latents of a table, for as long as its rows are held."""


@chz.chz
class Neighbors(Pairing):
    """The second view shows latents beside those of the first, in all factors at once but the classes.

    By "steps", each moving factor goes up or down one step of its grid or stays, each as likely, until they are not all
    as before: z' is uniform on the 80 other places around a sprite with scale, orientation, x and y. Angles go around;
    other factors stop at the ends of their ranges. `ends="twice"` takes the labels of an angle as dSprites counts them,
    where the last of 40 is the first again, so that a step from one to the other changes nothing.

    By "box", z' is one of the rows with |z'_k - z_k| < t_k for all k, each as likely; if there is none, t grows by the
    factor `growth` until there is. `tolerance` is t in units of the factors; by default a sixth of each range.
    Latents that cannot move, classes and those that are `fixed`, are equal.

    Of stored data the second view is a row of the same split, and no row is an anchor that has no neighbor there; of
    data that are rendered it is rendered, by "box" anywhere in the box. Each view asks which candidate is the other;
    with `symmetric=False` the first alone does.

    Both are the pairs of Google Research's "learning latents": "steps" with `ends=twice` those of dSprites, "box" with
    `periodic=False` those of 3DIdent, with half sides of 1 for positions from -3 to 3 and .5 for the seven angles from
    -pi/2 to pi/2: `tolerance=1,1,1,.5,.5,.5,.5,.5,.5,.5`. Among 250,000 uniform rows, a row has 3.07 others in such a
    box if none of it is outside the ranges, as it is if all latents go around.
    """

    by: By = chz.field(default="steps", doc="steps on the grid of the factors, or a box around latents off a grid")
    fixed: tuple[str, ...] = chz.field(default=(), doc="names of factors that never move, besides the classes")
    periodic: bool = chz.field(default=True, doc="whether angles and hues go around, or stop at their ends")
    ends: Ends = chz.field(default="once", doc="whether the ends of an angle are one label, or two that look the same")
    tolerance: tuple[float, ...] = chz.field(
        default=(), doc="half sides of the box in units of the factors that move: one each, or one for all"
    )
    growth: float = chz.field(default=1.1, doc="by how much a box without other rows grows, > 1")
    symmetric: bool = chz.field(default=True, doc="whether each view asks about the other, or only the first")

    @chz.validate
    def _ranges(self) -> None:
        choose(self.by, get_args(By), "way to find neighbors")
        choose(self.ends, get_args(Ends), "way to count ends")
        if not all(0 < t < float("inf") for t in self.tolerance):
            raise ValueError(f"half sides of a box are positive, not {self.tolerance}; write pairing.tolerance=0.5")
        if not 1 < self.growth < float("inf"):
            raise ValueError(f"a box grows by a factor above 1, not {self.growth}; write pairing.growth=1.1")
        if self.ends == "twice" and not self.periodic:
            raise ValueError("ends that look the same are those of angles that go around; write pairing.periodic=True")

    def check(self, dataset: Dataset) -> None:
        factors = dataset.factors
        name = type(dataset).__name__
        if not factors:
            raise ValueError(f"{name} does not know its latents; write pairing=Augmented, or data=Sprites")
        for word in self.fixed:
            choose(word, [factor.name for factor in factors], f"factor of {name}")
        moving = columns(factors, self.fixed)
        if self.by == "box":
            if not moving:
                raise ValueError(f"no factor of {name} is left to move; write pairing.fixed=")
            if len(self.tolerance) not in (0, 1, len(moving)):
                raise ValueError(
                    f"{len(moving)} factors of {name} move, so tolerance has one number, or {len(moving)}, "
                    f"not {len(self.tolerance)}"
                )
            return
        lacking = [factors[k].name for k in moving if not factors[k].grid]
        if lacking and not isinstance(dataset, Generative):
            raise ValueError(f"{', '.join(lacking)} of {name} have no grid to step on; write pairing.by=box")
        if not any((factors[k].grid or 0) > 1 for k in moving):
            raise ValueError(f"no factor of {name} has a grid to step on; write pairing.by=box")

    def anchors(self, table: Table) -> Tensor | None:
        social = self._index(table).social()
        return None if social.all() else torch.from_numpy(social.nonzero()[0])

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        partner = self.partner(things, source, draws)
        asking, answering = ((0, 1), (0, 1)) if self.symmetric else ((0,), (1,))
        return Views((things.observations, partner), things.index, asking, answering)

    def partner(self, things: Things, source: Source, draws: Draws) -> Tensor:
        """The observations of the neighbors, one of each thing."""
        if isinstance(source, Table):
            return source.rows(self.rows(things, source, draws)).observations
        dataset = source.dataset
        assert isinstance(dataset, Generative)
        return dataset.render(self.latents(things, dataset, draws), things.observations.device)

    def latents(self, things: Things, dataset: Dataset, draws: Draws) -> Tensor:
        """Latents float32 [n, k] on the CPU beside those of things that are rendered."""
        z = _latents(things)
        unit = self._unit(things, draws, len(dataset.factors) + 2)
        if self.by == "steps":
            return torch.from_numpy(self._steps(dataset).drawn(z, unit)[0]).float()
        low, high, half, period = self._box(dataset)
        inside = period == 0
        least = np.where(inside, np.maximum(low, z - half), z - half)
        most = np.where(inside, np.minimum(high, z + half), z + half)
        found = np.where(half > 0, least + (most - least) * unit[:, : z.shape[1]], z)
        around = period > 0
        found[:, around] = low[around] + (found[:, around] - low[around]) % period[around]
        return torch.from_numpy(found).float()

    def rows(self, things: Things, table: Table, draws: Draws) -> Tensor:
        """The numbers int64 [n] of the rows of a table beside things of it."""
        index = self._index(table)
        unit = self._unit(things, draws, len(table.dataset.factors) + 2)
        if isinstance(index, Rows):
            return torch.from_numpy(index.steps.drawn(_latents(things), unit, index)[1])
        return torch.from_numpy(index.drawn(table.numbers(things.index).numpy(), unit[:, 0]))

    def _unit(self, things: Things, draws: Draws, count: int) -> Numbers:
        """Uniform numbers [n, count] of each thing's own: what other processes draw does not matter."""
        noise = draws.noise(things.index, things.epoch, "neighbor").uniform("moves", count)
        return noise.cpu().double().numpy()

    def _steps(self, dataset: Dataset) -> Steps:
        factors = dataset.factors
        moving = tuple(k for k in columns(factors, self.fixed) if factors[k].grid)
        around = tuple(self.periodic and factors[k].kind == "periodic" for k in moving)
        return Steps(factors, moving, around, self.ends == "twice")

    def _box(self, dataset: Dataset) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Of each factor its ends, the half side of its box, 0 where it stays, and its period, 0 where it has none."""
        factors, moving = dataset.factors, columns(dataset.factors, self.fixed)
        low, high = np.array([(factor.low, factor.high) for factor in factors], np.float64).T
        half, period = np.zeros(len(factors)), np.zeros(len(factors))
        wanted = self.tolerance * len(moving) if len(self.tolerance) == 1 else self.tolerance
        for k, t in zip(moving, wanted or [SIXTH * (high[k] - low[k]) for k in moving], strict=True):
            half[k] = t
            if self.periodic and factors[k].kind == "periodic":
                period[k] = high[k] - low[k]
        return low, high, half, period

    def _index(self, table: Table) -> Rows | Boxes:
        found = _indices.setdefault(table.shelf, {})
        if self not in found:
            if table.latents is None:
                raise ValueError(f"{type(table.dataset).__name__} does not know its latents; write pairing=Augmented")
            z = table.latents.cpu().double().numpy()
            if self.by == "steps":
                found[self] = Rows(z, self._steps(table.dataset))
            else:
                low, _, half, period = self._box(table.dataset)
                found[self] = Boxes(z, low, half, period, self.growth)
        return found[self]


def _latents(things: Things) -> Numbers:
    assert things.latents is not None
    found: Numbers = things.latents.cpu().double().numpy()
    return found
