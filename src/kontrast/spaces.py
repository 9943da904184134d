"""Spaces: where embeddings live, and where true latents live. The same noun serves both.

A space knows three things: how to draw uniformly from itself, how to bring a network's output into itself, and how
to keep noise around one of its points inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import chz
import torch
from torch import Tensor

from kontrast.parts import Part

MAX_ROUNDS = 10_000


class Space(Part, ABC):
    """A set of points in R^d."""

    @abstractmethod
    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        """n points [n, dim] drawn uniformly; a ValueError where no uniform law exists."""

    @abstractmethod
    def project(self, z: Tensor) -> Tensor:
        """Any real vectors [n, dim] as points of the space, differentiably."""

    @abstractmethod
    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """center [n, dim] + noise, inside the space. `noise()` draws a fresh [n, dim] whenever it is called."""


@chz.chz
class Euclidean(Space):
    """All of R^d, without bounds."""

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        raise ValueError("R^d has no uniform law; write space=Box or space=Sphere for the latents")

    def project(self, z: Tensor) -> Tensor:
        return z

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return center + noise()


@chz.chz
class Sphere(Space):
    """The sphere of radius r about the origin, S^(d-1) = {z in R^d : |z| = r}."""

    radius: float = chz.field(default=1.0, doc="radius r > 0")

    @chz.validate
    def _positive(self) -> None:
        if not self.radius > 0:
            raise ValueError(f"a sphere's radius must be positive, not {self.radius}; write radius=1")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        return self.project(torch.randn(n, dim, generator=generator))

    def project(self, z: Tensor) -> Tensor:
        return self.radius * torch.nn.functional.normalize(z, dim=-1)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return self.project(center + noise())


@chz.chz
class Box(Space):
    """The box [low, high]^d. A network's output enters it through a logistic function."""

    low: float = chz.field(default=0.0, doc="lower bound of every coordinate")
    high: float = chz.field(default=1.0, doc="upper bound of every coordinate")

    @chz.validate
    def _ordered(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a box needs low < high, not low={self.low} high={self.high}")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        return self.low + (self.high - self.low) * torch.rand(n, dim, generator=generator)

    def project(self, z: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(z)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return truncated(center, noise, self.low, self.high)


def truncated(center: Tensor, noise: Callable[[], Tensor], low: Tensor | float, high: Tensor | float) -> Tensor:
    """center + noise conditioned on [low, high], coordinate by coordinate: what falls outside is drawn again.

    This is the law exp(-sum_k phi(noise_k)) restricted to the box, because such laws factorize over coordinates.
    A ValueError when the noise is so wide that almost nothing falls inside.
    """
    draw = center + noise()
    for _ in range(MAX_ROUNDS):
        outside = (draw < low) | (draw > high)
        if not outside.any():
            return draw
        draw = torch.where(outside, center + noise(), draw)
    raise ValueError("the noise is so wide that almost none of it falls inside the box; lower its temperature")


@chz.chz
class Ranges(Space):
    """A box with a range of its own for every coordinate; some wrap around (angles), some are classes.

    Noise is in units of each range: it is truncated where a coordinate is continuous, taken modulo the range where
    it is `periodic`, and leaves `discrete` coordinates, the whole numbers from low to high, as they are.
    """

    low: tuple[float, ...] = chz.field(doc="lower bound of each coordinate")
    high: tuple[float, ...] = chz.field(doc="upper bound of each coordinate")
    periodic: tuple[bool, ...] = chz.field(doc="which coordinates wrap around")
    discrete: tuple[bool, ...] = chz.field(doc="which coordinates are classes")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        low, width, _, discrete = self._columns(dim)
        unit = torch.rand(n, dim, generator=generator)
        return torch.where(discrete, low + torch.floor(unit * (width + 1)), low + unit * width)

    def project(self, z: Tensor) -> Tensor:
        low, width, _, _ = self._columns(z.shape[-1])
        return low.to(z) + width.to(z) * torch.sigmoid(z)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        low, width, periodic, discrete = self._columns(center.shape[-1])
        inside = torch.where(discrete | periodic, torch.full_like(low, torch.inf), torch.ones_like(low))
        unit = (center - low) / torch.where(width > 0, width, 1.0)
        still = torch.where(discrete, 0.0, 1.0)
        moved = truncated(unit, lambda: noise() * still, -(inside - 1), inside)
        return torch.where(discrete, center, low + width * torch.where(periodic, moved % 1.0, moved))

    def _columns(self, dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if dim != len(self.low):
            raise ValueError(f"points of {dim} coordinates do not fit a space of {len(self.low)} ranges")
        low, high = torch.tensor(self.low), torch.tensor(self.high)
        return low, high - low, torch.tensor(self.periodic), torch.tensor(self.discrete)
