"""Similarities of directions: the cosine and the dot product."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast.directional import unit, von_mises_fisher
from kontrast.similarities.similarity import Form, Linked, Similarity, check_temperature
from kontrast.spaces import Box, Product, Ranges, Space, Sphere
from kontrast.tiles import Dot as Scalar


class _Directional(Similarity):
    """A similarity whose law on a sphere is von Mises-Fisher."""

    def check(self, space: Space) -> None:
        if isinstance(space, Product) and any(isinstance(part, Box | Ranges) for part in (space.first, space.second)):
            raise ValueError(
                f"{type(self).__name__} compares directions, which mean nothing across a box and another space; "
                "write objective.similarity=Additive"
            )
        if isinstance(space, Box | Ranges):
            raise ValueError(
                f"{type(self).__name__} compares directions, which mean nothing in a {type(space).__name__}; "
                "write space=Sphere, or objective.similarity=Lp to stay in the box"
            )

    def check_draw(self, space: Space) -> None:
        if not isinstance(space, Sphere):
            raise ValueError(
                f"{type(self).__name__} draws from a sphere, not from {type(space).__name__}; "
                "write pairing.similarity=Lp, or data.space=Sphere where the data set has that choice"
            )


@chz.chz(typecheck=True)
class Cosine(_Directional):
    """cos(x, y) = <x, y> / (|x| |y|), in [-1, 1]. On the sphere it draws from the von Mises-Fisher law.

    The density exp(cos(x, y) / temperature) is that of vMF(x, kappa) with concentration kappa = 1 / temperature.
    """

    def form(self, x: Tensor, y: Tensor) -> Form:
        u = unit(x)
        return Linked(u, u if y is x else unit(y), Scalar())

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        check_temperature(temperature)
        assert isinstance(space, Sphere)
        return space.radius * von_mises_fisher(unit(x), 1 / temperature, generator)


@chz.chz(typecheck=True)
class Dot(_Directional):
    """The dot product <x, y>, unbounded unless the space bounds it. On a sphere of radius r it draws from the vMF law.

    The density exp(<x, y> / temperature) is there that of vMF with concentration kappa = r^2 / temperature.
    """

    def form(self, x: Tensor, y: Tensor) -> Form:
        return Linked(x, y, Scalar())

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        check_temperature(temperature)
        assert isinstance(space, Sphere)
        return space.radius * von_mises_fisher(unit(x), space.radius**2 / temperature, generator)
