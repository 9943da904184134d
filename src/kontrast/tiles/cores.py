"""Cores: the number that two rows of embeddings make, before any link and scale."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kontrast.tiles.blocks import LEAST, Blocks, Differences, Products, Squares
from kontrast.tiles.links import Link

COORDINATES = 8
"""Coordinates of which the dense form holds all differences at once."""
ERROR = {torch.float32: 4e-5, torch.float64: 4e-12}
"""By products, scaled squared distances get an error of epsilon times their bound, which is to stay below this."""


class Way(NamedTuple):
    """The type in which blocks are made, and whether matrix products make them."""

    kind: torch.dtype
    products: bool


class Core(ABC):
    """A number for every pair of rows, the same when they change places."""

    @abstractmethod
    def pair(self, u: Tensor, v: Tensor) -> Tensor:
        """Row i of u [n, e] with row i of v [n, e]: [n]."""

    @abstractmethod
    def dense(self, u: Tensor, v: Tensor) -> Tensor:
        """Every row of u [n, e] with every row of v [m, e]: [n, m], which is stored."""

    def bound(self, u: Tensor, v: Tensor) -> Tensor:
        """What the size of the core of any two rows does not exceed."""
        return torch.full((), math.inf, device=u.device)

    def way(self, largest: float, link: Link | None, kind: torch.dtype, widest: torch.dtype) -> Way:
        """How to make blocks of rows of a type, where the scale times the bound is `largest`."""
        return Way(kind, products=True)

    @abstractmethod
    def blocks(self, u: Tensor, v: Tensor, factor: Tensor, link: Link | None, side: int, products: bool) -> Blocks:
        """`factor` times the core in blocks, of which `link` makes the scores."""


@dataclass(frozen=True)
class Dot(Core):
    """The scalar product <u_i, v_j>."""

    def pair(self, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(-1)

    def dense(self, u: Tensor, v: Tensor) -> Tensor:
        return u @ v.T

    def bound(self, u: Tensor, v: Tensor) -> Tensor:
        return _longest(u) * _longest(v)

    def blocks(self, u: Tensor, v: Tensor, factor: Tensor, link: Link | None, side: int, products: bool) -> Blocks:
        return Products(u, v, factor, side)


@dataclass(frozen=True)
class Power(Core):
    """The sum of powers sum_k |u_ik - v_jk|^p, p > 0. For p < 1 equal coordinates have gradient 0.

    For p = 2 the blocks are matrix products: of float64 where float32 would not be exact, and none where neither is.
    """

    p: float

    def __post_init__(self) -> None:
        if not self.p > 0:
            raise ValueError(f"the exponent of Power must be positive, not {self.p}; write p=1")

    def pair(self, u: Tensor, v: Tensor) -> Tensor:
        return self._power(u - v).sum(-1)

    def dense(self, u: Tensor, v: Tensor) -> Tensor:
        if self.p == 2:
            return _squares(u, v)

        def some(u: Tensor, v: Tensor) -> Tensor:
            return self._power(u[:, None] - v[None]).sum(-1)

        total = u.new_zeros(len(u), len(v))
        for one, other in zip(torch.split(u, COORDINATES, 1), torch.split(v, COORDINATES, 1), strict=True):
            total = total + checkpoint(some, one, other, use_reentrant=False, preserve_rng_state=False)
        return total

    def bound(self, u: Tensor, v: Tensor) -> Tensor:
        if self.p != 2:
            return super().bound(u, v)
        center = v.mean(0)
        return (_longest(u - center) + _longest(v - center)).square()

    def way(self, largest: float, link: Link | None, kind: torch.dtype, widest: torch.dtype) -> Way:
        if self.p == 2 and (link is None or link.smooth):
            for wide in (kind, widest):
                if largest * torch.finfo(wide).eps < ERROR[kind]:
                    return Way(wide, products=True)
        return Way(kind, products=False)

    def blocks(self, u: Tensor, v: Tensor, factor: Tensor, link: Link | None, side: int, products: bool) -> Blocks:
        if products:
            return Squares(u, v, factor, side, clip=link is not None)
        return Differences(u, v, factor, side, self.p)

    def _power(self, difference: Tensor) -> Tensor:
        size = difference.abs()
        return (size if self.p >= 1 else size.clamp_min(LEAST)).pow(self.p)


def _longest(x: Tensor) -> Tensor:
    """The length of the longest row."""
    return torch.linalg.vector_norm(x, dim=1).amax() if len(x) else x.new_zeros(())


def _squares(u: Tensor, v: Tensor) -> Tensor:
    """|u_i - v_j|^2 [n, m], of the type of u, by one product in float64 where there is that, about the mean of v."""
    kind = torch.float32 if u.device.type == "mps" else torch.float64
    center = v.to(kind).mean(0).detach()
    one, other = u.to(kind) - center, v.to(kind) - center
    squares = one.square().sum(1)[:, None] + other.square().sum(1)
    return (squares - 2 * (one @ other.T)).clamp_min(0).to(u.dtype)
