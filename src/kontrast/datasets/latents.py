"""Some of the latents of a dataset: the others vary, and nobody is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.datasets.dataset import Dataset, Fault, Generative, Stored
from kontrast.datasets.sprites import Sprites
from kontrast.datasets.stores import Holding
from kontrast.datasets.threedident import ThreeDIdent
from kontrast.draws import generator as seeded
from kontrast.parts import field
from kontrast.spaces import Box, Euclidean, Product, Ranges, Space
from kontrast.views import Factor, Split, Things


@chz.chz
class Latents(Stored):
    """The rows of a stored dataset, of whose latents only some are known: positions alone, rotations, colors.

    Latents are the columns `names`, in that order; pairings, probes and supervision see no others. A pair is then near
    in these latents, and in the others it differs as any two rows do: they are nuisance. Rows, observations and labels
    stay as they are. For data that are drawn and rendered there is DrawnLatents. ValueError for names that are no
    latents of `of`, or named twice.
    """

    of: Stored = field(Stored, ThreeDIdent, doc="the dataset with all latents")
    names: tuple[str, ...] = chz.field(default=("pos_x", "pos_y", "pos_z"), doc="the latents that are known")

    @chz.validate
    def _some(self) -> None:
        check_names(self.of, self.names)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.of.shape

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of.classes

    @property
    def factors(self) -> tuple[Factor, ...]:
        return chosen(self.of.factors, self.names)

    @property
    def latent_space(self) -> Space:
        return part(self.of.latent_space, columns(self.of, self.names), len(self.of.factors))

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def hold(self, split: Split) -> Holding:
        held = self.of.hold(split)
        assert held.latents is not None
        return replace(held, latents=held.latents[:, columns(self.of, self.names)])

    def faults(self, split: Split) -> list[Fault]:
        return self.of.faults(split)

    def listed(self) -> dict[str, list[Any]]:
        return self.of.listed()


@chz.chz
class DrawnLatents(Generative):
    """A dataset that draws its latents, of which only some are known; the others are drawn anew for every picture.

    Latents are the columns `names`, in that order. The others, the nuisance, follow their marginal law, whatever the
    known ones are: a hash of the known latents of a row and of `seed` draws them. So the same latents give the same
    picture, and two pictures of different latents, however near, have nothing else in common. ValueError for names
    that are no latents of `of`, or named twice.
    """

    of: Generative = field(Generative, Sprites, doc="the dataset with all latents")
    names: tuple[str, ...] = chz.field(default=("x", "y"), doc="the latents that are known")
    seed: int = chz.field(default=0, doc="seed of the others, whatever the seed of the run is")

    @chz.validate
    def _some(self) -> None:
        check_names(self.of, self.names)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.of.shape

    @property
    def factors(self) -> tuple[Factor, ...]:
        return chosen(self.of.factors, self.names)

    @property
    def latent_space(self) -> Space:
        return part(self.of.latent_space, columns(self.of, self.names), len(self.of.factors))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.of.sample(n, generator)[:, columns(self.of, self.names)]

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        return self.of.render(self.complete(latents), device)

    def complete(self, latents: Tensor) -> Tensor:
        """All latents [n, k] of known ones [n, len(names)], on the CPU."""
        known = latents.detach().float().cpu().contiguous()
        if known.ndim != 2 or known.shape[1] != len(self.names):
            raise ValueError(f"latents are a matrix [n, {len(self.names)}], not of shape {tuple(latents.shape)}")
        # Adding zero makes the two zeros, which are equal, have equal bytes.
        words = [row.tobytes().hex() for row in (known + 0.0).numpy()]
        rows = [self.of.sample(1, seeded(self.seed, "nuisance", word)) for word in words]
        whole = torch.cat([self.of.sample(0, seeded(self.seed)), *rows])
        whole[:, columns(self.of, self.names)] = known
        return whole


def check_names(of: Dataset, names: Sequence[str]) -> None:
    """A ValueError unless these are different latents of a dataset."""
    there = [factor.name for factor in of.factors]
    if not there:
        raise ValueError(f"{type(of).__name__} does not know its latents; write data.of=ThreeDIdent")
    for name in names:
        parts.choose(name, there, f"latent of {type(of).__name__}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"name each latent once, and one at least, not {tuple(names)}; write names={there[0]}")


def columns(of: Dataset, names: Sequence[str]) -> list[int]:
    """The numbers of these latents."""
    there = [factor.name for factor in of.factors]
    return [there.index(name) for name in names]


def chosen(factors: Sequence[Factor], names: Sequence[str]) -> tuple[Factor, ...]:
    """The factors of these names. An angle whose symmetry goes by a factor that is unknown has that of all its values.

    That is the least common multiple: what it cannot tell apart, no other value can either.
    """
    found = {factor.name: factor for factor in factors}
    return tuple(
        factor
        if not factor.symmetry_by or factor.symmetry_by in names
        else factor._replace(symmetry=(math.lcm(*factor.symmetry),), symmetry_by="")
        for factor in (found[name] for name in names)
    )


def part(space: Space, at: Sequence[int], dim: int) -> Space:
    """The space of some coordinates of a space of `dim`; a ValueError where they are none."""
    if list(at) == list(range(dim)):
        return space
    match space:
        case Box() | Euclidean():
            return space
        case Ranges():
            low, high, periodic, discrete = (
                tuple(getattr(space, name)[k] for k in at) for name in ("low", "high", "periodic", "discrete")
            )
            return Ranges(low=low, high=high, periodic=periodic, discrete=discrete)
        case Product() if max(at) < space.split:
            return part(space.first, at, space.split)
        case Product() if min(at) >= space.split:
            return part(space.second, [k - space.split for k in at], dim - space.split)
    raise ValueError(
        f"some coordinates of {type(space).__name__} are no space; name all latents of a block, or latents that vary "
        "on their own"
    )
