"""Marginals: the law from which true latents are drawn, p(z)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.parts import Part
from kontrast.similarities import Euclidean, Similarity
from kontrast.spaces import Box, Product, Ranges, Space, Sphere
from kontrast.spaces import Euclidean as RealSpace


class Marginal(Part, ABC):
    """A law on a space."""

    @abstractmethod
    def sample(self, n: int, dim: int, space: Space, generator: torch.Generator) -> Tensor:
        """n points float32 [n, dim] of the space."""

    @abstractmethod
    def check(self, space: Space, dim: int) -> None:
        """A ValueError, with what to write instead, if there is no such law on points of `dim` coordinates there."""


@chz.chz
class Uniform(Marginal):
    """Every point of the space is as likely as any other. R^d has no such law."""

    def sample(self, n: int, dim: int, space: Space, generator: torch.Generator) -> Tensor:
        return space.uniform(n, dim, generator)

    def check(self, space: Space, dim: int) -> None:
        space.check(dim)
        space.uniform(1, dim, torch.Generator())


@chz.chz
class Around(Marginal):
    """Points near one center: p(z) ~ exp(similarity(center, z) / temperature) on the space.

    With Euclidean it is the normal law of variance temperature / 2 (standard normal by default), with Lp of p = 1 the
    Laplace law of scale `temperature`, with any other p the generalized normal law of scale temperature^(1/p), in R^d;
    a box truncates them. On a sphere Euclidean, Cosine and Lp of p = 2 are von Mises-Fisher, the first with kappa = 2
    r^2 / temperature and Cosine with kappa = 1 / temperature; any other p draws in R^d and projects. With `projected`
    every similarity that draws in R^d does. In a Product the similarity is Additive.

    The center is the origin in R^d, the middle of a box or range, and r e_1 on a sphere; a number instead stands for
    that number in every coordinate, and on a sphere for the point in that direction. Classes among ranges stay uniform.

    ValueError where the temperature is not positive, or the space has no such law or center. The marginals of
    Zimmermann et al. 2021 (arXiv 2102.08850) are these: around 0 in R^d and in the box, and projected on the sphere.
    """

    similarity: Similarity = parts.field(Similarity, Euclidean, doc="what counts as near the center")
    temperature: float = chz.field(default=2.0, doc="width of the law, > 0")
    center: float | None = chz.field(default=None, doc="every coordinate of the center; None: the space's own middle")
    projected: bool = chz.field(default=False, doc="on a sphere, draw around the center in R^d and project")

    @chz.validate
    def _wide(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write marginal.temperature=2")
        if self.center is not None and not math.isfinite(self.center):
            raise ValueError(f"a center is a finite number, not {self.center}; write marginal.center=0")

    def sample(self, n: int, dim: int, space: Space, generator: torch.Generator) -> Tensor:
        center = _middle(space, n, dim, self.center, generator)
        if self.projected and isinstance(space, Sphere):
            return space.project(self.similarity.sample(center, self.temperature, RealSpace(), generator))
        return self.similarity.sample(center, self.temperature, space, generator)

    def check(self, space: Space, dim: int) -> None:
        space.check(dim)
        try:
            self.similarity.check_draw(RealSpace() if self.projected and isinstance(space, Sphere) else space)
        except ValueError as error:
            raise ValueError(str(error).replace("pairing.similarity", "marginal.similarity")) from None
        self.sample(1, dim, space, torch.Generator())


def _middle(space: Space, n: int, dim: int, value: float | None, generator: torch.Generator) -> Tensor:
    """The center [n, dim] of a space, or the point of it with this value in every coordinate."""
    match space:
        case Product():
            first = _middle(space.first, n, space.split, value, generator)
            return torch.cat((first, _middle(space.second, n, dim - space.split, value, generator)), 1)
        case RealSpace():
            return torch.full((n, dim), value or 0.0)
        case Sphere():
            if value == 0:
                raise ValueError("0 is no direction on a sphere; write marginal.center=1, or None for the first axis")
            center = torch.eye(1, dim) if value is None else torch.full((1, dim), value)
            return space.project(center).expand(n, dim)
        case Box():
            low, high = torch.full((dim,), space.low), torch.full((dim,), space.high)
            return _between(low, high, value).expand(n, dim)
        case Ranges():
            middle = _between(torch.tensor(space.low), torch.tensor(space.high), value)
            return torch.where(torch.tensor(space.discrete), space.uniform(n, dim, generator), middle)
    raise ValueError(f"{type(space).__name__} has no center to draw around; write marginal=Uniform")


def _between(low: Tensor, high: Tensor, value: float | None) -> Tensor:
    if value is None:
        return (low + high) / 2
    if not bool(((low <= value) & (value <= high)).all()):
        raise ValueError(f"the center {value} lies outside the space; write marginal.center=None for its middle")
    return torch.full_like(low, value)
