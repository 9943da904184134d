"""The box with a range of its own for every coordinate."""

from __future__ import annotations

from collections.abc import Callable

import chz
import torch
from torch import Tensor

from kontrast.spaces.space import Space, truncated


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

    def check(self, dim: int) -> None:
        if dim != len(self.low):
            raise ValueError(
                f"points of {dim} coordinates do not fit a space of {len(self.low)} ranges; write dim={len(self.low)}"
            )

    def _columns(self, dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        self.check(dim)
        low, high = (torch.tensor(bound, dtype=torch.float32) for bound in (self.low, self.high))
        return low, high - low, torch.tensor(self.periodic), torch.tensor(self.discrete)
