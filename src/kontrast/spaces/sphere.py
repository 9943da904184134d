"""The sphere."""

from __future__ import annotations

import math
from collections.abc import Callable

import chz
import torch
from torch import Tensor, nn

from kontrast.directional import unit
from kontrast.spaces.space import Projected, Space


@chz.chz
class Sphere(Space):
    """The sphere of radius r about the origin, S^(d-1) = {z in R^d : |z| = r}.

    A network's output enters it along the ray through the origin, z -> r z / |z|; the zero vector, which has no
    direction, stays zero and passes no gradient. With `learned`, the logarithm of the radius is a parameter that starts
    at log(radius), so that one step of an optimizer changes the radius by a factor.
    """

    radius: float = chz.field(default=1.0, doc="radius r > 0")
    learned: bool = chz.field(default=False, doc="learn the radius, from `radius` on")

    @chz.validate
    def _positive(self) -> None:
        if not 0 < self.radius < math.inf:
            raise ValueError(f"a sphere's radius must be positive, not {self.radius}; write radius=1")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        self.check(dim)
        return self.project(torch.randn(n, dim, generator=generator))

    def project(self, z: Tensor) -> Tensor:
        return self.radius * unit(z)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return self.project(center + noise())

    def check(self, dim: int) -> None:
        if dim < 2:
            raise ValueError(
                f"a sphere has points of at least 2 coordinates, not {dim}; write a dimension of 2 or more"
            )

    def build(self, dim: int) -> nn.Module:
        self.check(dim)
        return LearnedSphere(self.radius) if self.learned else Projected(self)


class LearnedSphere(nn.Module):
    """The sphere whose radius is learned, as its logarithm."""

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.log_radius = nn.Parameter(torch.tensor(math.log(radius)))

    def forward(self, z: Tensor) -> Tensor:
        return self.log_radius.exp() * unit(z)
