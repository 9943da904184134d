"""Similarities of distance: Euclidean, and Lp for any p."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast.directional import unit, von_mises_fisher
from kontrast.similarities.similarity import Form, Linked, Similarity, check_temperature
from kontrast.spaces import Product, Simplex, Space, Sphere, VonMisesFisher
from kontrast.tiles import Inverse, Link, Negative, Power, Root

Shape = Literal["power", "norm", "inverse"]
"""What becomes of D = sum_k |x_k - y_k|^p: -D, -D^(1/p), or 1 / (1 + D)."""
SHAPES = "-D of D = sum |x_k - y_k|^p (power), -D^(1/p) (norm), or 1 / (1 + D), which lies in (0, 1] (inverse)"


def link(shape: Shape, p: float) -> Link:
    """The elementwise function of a shape."""
    return {"power": Negative(), "norm": Root(p), "inverse": Inverse()}[shape]


def check_noise(similarity: Similarity, shape: Shape, space: Space) -> None:
    """A ValueError unless noise of this law can be drawn in the space."""
    name = type(similarity).__name__
    if shape != "power":
        raise ValueError(f"{name} draws pairs by its power alone; write pairing.similarity.shape=power")
    if isinstance(space, Product):
        raise ValueError(f"{name} draws in one space, not in a product; write pairing.similarity=Additive")
    if isinstance(space, Simplex | VonMisesFisher):
        raise ValueError(f"{name} draws no noise in {type(space).__name__}; write data.space=Box or data.space=Sphere")


@chz.chz(typecheck=True)
class Euclidean(Similarity):
    """Minus the squared distance, -|x - y|^2, in (-inf, 0]. In R^d and the box it draws Gaussian noise.

    The density exp(-|x - y|^2 / temperature) is that of N(x, sigma^2) with sigma^2 = temperature / 2; on a sphere of
    radius r it is the von Mises-Fisher law with kappa = 2 r^2 / temperature, exactly. `shape=inverse` is the bounded
    1 / (1 + |x - y|^2), and `shape=norm` minus the distance itself; these two draw nothing.
    """

    shape: Shape = chz.field(default="power", doc=SHAPES)

    def form(self, x: Tensor, y: Tensor) -> Form:
        return Linked(x, y, Power(2.0), link(self.shape, 2.0))

    def check_draw(self, space: Space) -> None:
        check_noise(self, self.shape, space)

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        check_temperature(temperature)
        if isinstance(space, Sphere):
            return space.radius * von_mises_fisher(unit(x), 2 * space.radius**2 / temperature, generator)
        return space.keep(x, _generalized_normal(x, 2.0, temperature, generator))


@chz.chz(typecheck=True)
class Lp(Similarity):
    """Minus the p-th power of the p-norm, -sum_k |x_k - y_k|^p, in (-inf, 0]. It draws generalized normal noise.

    The density exp(-|x - y|_p^p / temperature) is Laplace of scale `temperature` for p = 1 and normal of variance
    temperature / 2 for p = 2; in general its scale is temperature^(1/p). On the sphere p = 2 draws the von
    Mises-Fisher law exactly, as Euclidean does; for any other p the noise is added in R^d and projected back, which is
    near the density but not the same. `shape=norm` is minus the p-norm itself, and `shape=inverse` the bounded
    1 / (1 + |x - y|_p^p); these two draw nothing. ValueError unless p > 0.
    """

    p: float = chz.field(default=1.0, doc="exponent p > 0")
    shape: Shape = chz.field(default="power", doc=SHAPES)

    @chz.validate
    def _positive(self) -> None:
        if not 0 < self.p < math.inf:
            raise ValueError(f"the exponent of Lp must be positive, not {self.p}; write p=1")

    def form(self, x: Tensor, y: Tensor) -> Form:
        return Linked(x, y, Power(float(self.p)), link(self.shape, self.p))

    def check_draw(self, space: Space) -> None:
        check_noise(self, self.shape, space)

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        check_temperature(temperature)
        if self.p == 2 and isinstance(space, Sphere):
            return Euclidean().sample(x, temperature, space, generator)
        return space.keep(x, _generalized_normal(x, self.p, temperature, generator))


def _generalized_normal(like: Tensor, p: float, temperature: float, generator: torch.Generator) -> Callable[[], Tensor]:
    """Draws [n, d] of density ~ exp(-|u|^p / temperature): +-(temperature G)^(1/p) with G ~ Gamma(1/p, 1)."""
    shape = torch.full(like.shape, 1 / p)

    def draw() -> Tensor:
        if p == 2:
            return math.sqrt(temperature / 2) * torch.randn(like.shape, generator=generator)
        # torch.distributions.Gamma draws from this very function, but from the global state alone.
        size = (temperature * torch._standard_gamma(shape, generator=generator)).pow(1 / p)
        return torch.where(torch.rand(like.shape, generator=generator) < 0.5, -size, size)

    return draw
