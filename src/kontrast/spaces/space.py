"""The interface of a space, and noise that a box cuts off."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kontrast.parts import Part

MAX_ROUNDS = 10_000


class Space(Part, ABC):
    """A set of points in R^d."""

    @abstractmethod
    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        """n points float32 [n, dim] drawn uniformly; a ValueError where no uniform law exists."""

    @abstractmethod
    def project(self, z: Tensor) -> Tensor:
        """Any real vectors [n, inputs(dim)] as points [n, dim] of the space, differentiably."""

    @abstractmethod
    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """center [n, dim] + noise, inside the space. `noise()` draws a fresh [n, dim] whenever it is called.

        A ValueError where noise around a point has no meaning.
        """

    def check(self, dim: int) -> None:
        """A ValueError, with what to write instead, if points of `dim` coordinates do not fit the space."""

    def inputs(self, dim: int) -> int:
        """How many numbers a network must give for one point of `dim` coordinates."""
        return dim

    def build(self, dim: int) -> nn.Module:
        """A module from a network's output [n, inputs(dim)] to points [n, dim]; it holds what the space learns.

        Before any learning it does what `project` does.
        """
        self.check(dim)
        return Projected(self)

    def concentration(self, z: Tensor) -> Tensor | None:
        """How certain each of the points z [n, dim] is, [n], larger for more; None if the space does not say."""
        return None


class Projected(nn.Module):
    """A space that learns nothing, as a module."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def forward(self, z: Tensor) -> Tensor:
        return self.space.project(z)

    def extra_repr(self) -> str:
        return repr(self.space)


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
