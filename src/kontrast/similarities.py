"""Similarities: what counts as near. One value does two jobs.

It scores pairs of embeddings inside an objective, larger for nearer ones, and it draws positive pairs of latents
with density proportional to exp(similarity / temperature). So the assumption under which contrastive learning
recovers the latents is one visible line: `pairing.similarity == objective.similarity`, on equal spaces
(Zimmermann et al. 2021, arXiv 2102.08850).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import chz
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from kontrast.parts import Part
from kontrast.spaces import Box, Ranges, Space, Sphere

PROPOSALS = 64
COORDINATES = 8


class Similarity(Part, ABC):
    """A real number for every pair of points, larger for nearer ones."""

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores [n, m] of the rows of x [n, d] against those of y [m, d]."""

    @abstractmethod
    def paired(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores [n] of row i of x [n, d] against row i of y [n, d]."""

    @abstractmethod
    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        """For each row of x [n, d] a point y [n, d] of the space with density ~ exp(similarity(x, y) / temperature)."""

    def check(self, space: Space) -> None:
        """A ValueError, with what to write instead, if scores of points of this space mean nothing."""

    def check_draw(self, space: Space) -> None:
        """A ValueError, with what to write instead, if nothing can be drawn on this space."""


@chz.chz
class Cosine(Similarity):
    """cos(x, y) = <x, y> / (|x| |y|), in [-1, 1]. On the sphere it draws from the von Mises-Fisher law.

    The density exp(cos(x, y) / temperature) is that of vMF(x, kappa) with concentration kappa = 1 / temperature.
    """

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return _unit(x) @ _unit(y).T

    def paired(self, x: Tensor, y: Tensor) -> Tensor:
        return (_unit(x) * _unit(y)).sum(-1)

    def check(self, space: Space) -> None:
        if isinstance(space, Box | Ranges):
            raise ValueError(
                "Cosine compares directions, which mean nothing in a Box; "
                "write space=Sphere, or objective.similarity=Lp to stay in the box"
            )

    def check_draw(self, space: Space) -> None:
        if not isinstance(space, Sphere):
            raise ValueError(
                f"Cosine draws from a sphere, not from {type(space).__name__}; "
                "write pairing.similarity=Lp, or data.space=Sphere where the data set has that choice"
            )

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        assert isinstance(space, Sphere)
        return space.radius * von_mises_fisher(_unit(x), 1 / temperature, generator)


@chz.chz
class Euclidean(Similarity):
    """Minus the squared distance, -|x - y|^2, in (-inf, 0]. In R^d and the box it draws Gaussian noise.

    The density exp(-|x - y|^2 / temperature) is that of N(x, sigma^2) with sigma^2 = temperature / 2; on a sphere of
    radius r it is the von Mises-Fisher law with kappa = 2 r^2 / temperature, exactly.

    All pairs are scored as 2 <x, y> - |x|^2 - |y|^2 in float64, about the mean of y: the error is some 1e-15 of the
    largest squared norm, so that at a scale of 1e3 a squared distance of 1e-3 keeps three digits or more. On Apple's
    GPUs, which have no float64, it is 1e-6 of it.
    """

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return -_squared_distances(x, y)

    def paired(self, x: Tensor, y: Tensor) -> Tensor:
        return -(x - y).square().sum(-1)

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        if isinstance(space, Sphere):
            return space.radius * von_mises_fisher(_unit(x), 2 * space.radius**2 / temperature, generator)
        return space.keep(x, _generalized_normal(x, 2.0, temperature, generator))


@chz.chz
class Lp(Similarity):
    """Minus the p-th power of the p-norm, -sum_k |x_k - y_k|^p, in (-inf, 0]. It draws generalized normal noise.

    The density exp(-|x - y|_p^p / temperature) is Laplace of scale `temperature` for p = 1 and normal of variance
    temperature / 2 for p = 2. On the sphere p = 2 draws the von Mises-Fisher law exactly, as Euclidean does; for any
    other p the noise is added in R^d and projected back, which is near the density but not the same.
    """

    p: float = chz.field(default=1.0, doc="exponent p > 0")

    @chz.validate
    def _positive(self) -> None:
        if not self.p > 0:
            raise ValueError(f"the exponent of Lp must be positive, not {self.p}; write p=1")

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        if self.p == 2:
            return -_squared_distances(x, y)
        if self.p >= 1:
            return -torch.cdist(x, y, p=self.p).pow(self.p)
        return -_power_sums(x, y, self.p)

    def paired(self, x: Tensor, y: Tensor) -> Tensor:
        return -_power(x - y, self.p).sum(-1)

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        if self.p == 2 and isinstance(space, Sphere):
            return Euclidean().sample(x, temperature, space, generator)
        return space.keep(x, _generalized_normal(x, self.p, temperature, generator))


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1)


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 [n, m], of the type of x, by one product in float64 (float32 where there is no float64)."""
    kind = torch.float32 if x.device.type == "mps" else torch.float64
    center = y.to(kind).mean(0, keepdim=True).detach()
    wide, other = x.to(kind) - center, y.to(kind) - center
    squares = wide.square().sum(-1)[:, None] + other.square().sum(-1)[None, :]
    return (squares - 2 * (wide @ other.T)).clamp_min(0).to(x.dtype)


def _power_sums(x: Tensor, y: Tensor, p: float) -> Tensor:
    """sum_k |x_ik - y_jk|^p [n, m], a few coordinates at a time, which the backward pass computes again."""

    def some(x: Tensor, y: Tensor) -> Tensor:
        return _power(x[:, None] - y[None], p).sum(-1)

    total = x.new_zeros(len(x), len(y))
    for one, other in zip(torch.split(x, COORDINATES, 1), torch.split(y, COORDINATES, 1), strict=True):
        total = total + checkpoint(some, one, other, use_reentrant=False, preserve_rng_state=False)
    return total


def _power(difference: Tensor, p: float) -> Tensor:
    size = difference.abs()
    # Below p = 1 the slope at 0 is infinite: the floor keeps equal points at gradient 0 instead of NaN.
    return (size if p >= 1 else size.clamp_min(1e-12)).pow(p)


def _gamma(shape: Tensor, generator: torch.Generator) -> Tensor:
    # torch.distributions.Gamma draws from this very function, but from the global state alone.
    return torch._standard_gamma(shape, generator=generator)


def _generalized_normal(like: Tensor, p: float, temperature: float, generator: torch.Generator) -> Callable[[], Tensor]:
    """Draws [n, d] of density ~ exp(-|u|^p / temperature): +-(temperature G)^(1/p) with G ~ Gamma(1/p, 1)."""
    if not temperature > 0:
        raise ValueError(f"a temperature must be positive, not {temperature}; write temperature=0.1")
    shape = torch.full(like.shape, 1 / p)

    def draw() -> Tensor:
        if p == 2:
            return math.sqrt(temperature / 2) * torch.randn(like.shape, generator=generator)
        size = (temperature * _gamma(shape, generator)).pow(1 / p)
        return torch.where(torch.rand(like.shape, generator=generator) < 0.5, -size, size)

    return draw


def von_mises_fisher(mean: Tensor, concentration: float, generator: torch.Generator) -> Tensor:
    """Draws [n, d] from vMF(mean, kappa), of density ~ exp(kappa <mean, y>) on the unit sphere, for unit means [n, d].

    Rejection from a Beta envelope (Wood 1994; Ulrich 1984), all proposals at once: of 64 for each row, each accepted
    with probability above .65, the first accepted one is taken. A ValueError if kappa < 0 or d < 2.
    """
    n, dim = mean.shape
    if concentration < 0 or dim < 2:
        raise ValueError(f"von Mises-Fisher needs kappa >= 0 and d >= 2, not kappa={concentration} and d={dim}")
    d = dim - 1.0
    b = d / (math.sqrt(4 * concentration**2 + d**2) + 2 * concentration)
    x0 = (1 - b) / (1 + b)
    bound = concentration * x0 + d * math.log1p(-(x0**2))
    half = torch.full((2, n, PROPOSALS), d / 2, dtype=torch.float64)
    gamma = _gamma(half, generator)
    beta = gamma[0] / (gamma[0] + gamma[1])
    along = (1 - (1 + b) * beta) / (1 - (1 - b) * beta)
    level = torch.rand(n, PROPOSALS, generator=generator, dtype=torch.float64).log()
    accepted = concentration * along + d * torch.log1p(-x0 * along) - bound >= level
    first = accepted.to(torch.uint8).argmax(1, keepdim=True)
    along = along.gather(1, first)
    tangent = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    center = _unit(mean.double())
    tangent = _unit(tangent - (tangent * center).sum(-1, keepdim=True) * center)
    return (along * center + (1 - along.square()).clamp_min(0).sqrt() * tangent).to(mean.dtype)
