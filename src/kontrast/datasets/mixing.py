"""Vectors that are an invertible nonlinear mixing of latents: the world in which identifiability is tested."""

from __future__ import annotations

import functools
import math

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.datasets.dataset import Generative
from kontrast.draws import generator
from kontrast.spaces import Box, Euclidean, Ranges, Space, Sphere
from kontrast.views import Factor

POOL = 25_000
"""So many matrices are drawn, for the best-conditioned to be taken."""
ENTRIES = 2_500_000
"""But no more entries than this in all, so that drawing stays quick in many dimensions."""


@functools.lru_cache(maxsize=8)
def _weights(dim: int, layers: int, seed: int) -> Tensor:
    """Well-conditioned matrices float64 [layers, dim, dim] with columns of unit length."""
    pool = max(layers, min(POOL, ENTRIES // dim**2))
    draws = 2 * torch.rand(pool, dim, dim, generator=generator(seed, "mixing"), dtype=torch.float64) - 1
    draws = torch.nn.functional.normalize(draws, dim=1)
    return draws[torch.linalg.cond(draws).argsort(stable=True)[:layers]]


@chz.chz
class Mixing(Generative):
    """Latents mixed by an invertible multilayer perceptron that is drawn once and never trained.

    x = W_L s(W_(L-1) ... s(W_1 z)) with s(a) = max(a, slope a) and no bias. The entries of the d x d matrices are
    drawn uniformly from (-1, 1) and their columns scaled to unit length; of a pool of 25,000 such matrices (2,500,000
    / d^2 from d = 11 on) the L with the lowest condition numbers are taken, the lowest for W_1. They are a function of
    `seed`, d and L alone. No layers are the identity, x = z.

    Latents [n, d] are uniform on `space`; on R^d, which has no uniform law, they are standard normal. Observations are
    float32 [n, d], computed in double precision so that neither the batch nor the device shows in them.

    ValueError for no dimension (on a sphere: one), fewer than no layers, or a slope outside (0, 1].

    Source: Zimmermann, Sharma, Schneider, Bethge, Brendel, "Contrastive Learning Inverts the Data Generating Process"
    (2021), arXiv:2102.08850.
    """

    space: Space = parts.field(Space, Sphere, doc="where the latents live")
    dim: int = chz.field(default=10, doc="number of latents and of observed dimensions d")
    layers: int = chz.field(default=3, doc="number of linear layers L; 0 for the identity")
    slope: float = chz.field(default=0.2, doc="slope of the leaky ReLU below zero, in (0, 1]; 1 makes g linear")
    seed: int = chz.field(default=0, doc="which mixing is drawn; not the seed of the run")

    @chz.validate
    def _enough_dimensions(self) -> None:
        least = 2 if isinstance(self.space, Sphere) else 1
        if self.dim < least:
            raise ValueError(f"latents on {self.space} need at least dim={least}, not dim={self.dim}; write dim=10")
        if isinstance(self.space, Ranges) and len(self.space.low) != self.dim:
            raise ValueError(f"the space has {len(self.space.low)} ranges; write dim={len(self.space.low)}")

    @chz.validate
    def _some_layers(self) -> None:
        if self.layers < 0:
            raise ValueError(f"layers counts matrices and cannot be {self.layers}; write layers=3, or 0 for none")

    @chz.validate
    def _invertible(self) -> None:
        if not 0 < self.slope <= 1:
            raise ValueError(f"only a slope in (0, 1] can be inverted, not {self.slope}; write slope=0.2")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def latent_space(self) -> Space:
        return self.space

    @property
    def factors(self) -> tuple[Factor, ...]:
        match self.space:
            case Box(low=low, high=high):
                ranges = [(low, high)] * self.dim
            case Sphere(radius=radius):
                ranges = [(-radius, radius)] * self.dim
            case Ranges():
                return _factors_of(self.space)
            case _:
                ranges = [(-math.inf, math.inf)] * self.dim
        return tuple(Factor(f"z{k}", low=low, high=high) for k, (low, high) in enumerate(ranges))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        if isinstance(self.space, Euclidean):
            return torch.randn(n, self.dim, generator=generator)
        return self.space.uniform(n, self.dim, generator)

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        if latents.ndim != 2 or latents.shape[1] != self.dim:
            raise ValueError(f"latents are a matrix [n, {self.dim}], not of shape {tuple(latents.shape)}")
        x = latents.double()
        for layer, weight in enumerate(_weights(self.dim, self.layers, self.seed)):
            x = (x if layer == 0 else torch.maximum(x, self.slope * x)) @ weight.to(x.device).T
        return x.float().to(device)

    def invert(self, observations: Tensor) -> Tensor:
        """The latents float64 [n, dim] of observations [n, dim]: z = g^-1(x), the best that an encoder can do."""
        z = observations.double()
        for layer, weight in reversed(list(enumerate(_weights(self.dim, self.layers, self.seed)))):
            z = torch.linalg.solve(weight.to(z.device), z.T).T
            z = z if layer == 0 else torch.minimum(z, z / self.slope)
        return z


def _factors_of(space: Ranges) -> tuple[Factor, ...]:
    """The latents of a box with a range of its own for each."""
    factors = []
    for k, (low, high) in enumerate(zip(space.low, space.high, strict=True)):
        if space.discrete[k]:
            factors.append(Factor(f"z{k}", "discrete", low, high, size=round(high - low) + 1))
        else:
            factors.append(Factor(f"z{k}", "periodic" if space.periodic[k] else "continuous", low, high))
    return tuple(factors)
