"""The space whose points are von Mises-Fisher laws."""

from __future__ import annotations

import math
from collections.abc import Callable

import chz
import torch
from torch import Tensor
from torch.nn import functional

from kontrast.directional import unit
from kontrast.spaces.space import Space

SLOPE = 0.25


@chz.chz
class VonMisesFisher(Space):
    """Von Mises-Fisher laws of a direction: a point is kappa mu, a mean direction mu times its concentration kappa.

    This is the posterior p(z | x) = vMF(mu(x), kappa(x)) of MCInfoNCE (Kirchhof, Kasneci, Oh 2023, arXiv 2302.02865)
    on the unit sphere of R^d, held as its natural parameter kappa mu in R^d: mu = z / |z| and kappa = |z|, which is
    also how certain the point is. A network gives d + 1 numbers for it: the first d point along mu, and the last, t,
    says kappa = low + (start - low) softplus(t / 4 + log(e - 1)). So kappa is `start` at t = 0 and, with the defaults,
    between 16 and 32 for t from -2 to 2, where an untrained network's outputs are.
    """

    low: float = chz.field(default=1.0, doc="least concentration, > 0")
    start: float = chz.field(default=22.6, doc="concentration where the network says 0, > low")

    @chz.validate
    def _ordered(self) -> None:
        if not 0 < self.low < self.start < math.inf:
            raise ValueError(
                f"concentrations need 0 < low < start, not low={self.low} start={self.start}; "
                "write space.low=1 space.start=22.6"
            )

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        raise ValueError("concentrations have no uniform law; write data.space=Sphere for the latents")

    def project(self, z: Tensor) -> Tensor:
        rise = functional.softplus(SLOPE * z[..., -1:] + math.log(math.e - 1))
        return (self.low + (self.start - self.low) * rise) * unit(z[..., :-1])

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        raise ValueError("nothing draws noise around a von Mises-Fisher law; write data.space=Sphere for the latents")

    def check(self, dim: int) -> None:
        if dim < 2:
            raise ValueError(f"a direction has at least 2 coordinates, not {dim}; write a dimension of 2 or more")

    def inputs(self, dim: int) -> int:
        return dim + 1

    def concentration(self, z: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(z, dim=-1)
        return length
