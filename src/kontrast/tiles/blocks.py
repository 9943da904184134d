"""Blocks: the entries of a core for some rows and columns, and the way back of a gradient to the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

LEAST = 1e-12
"""Below p = 1 the slope of |x|^p at 0 is infinite: a smaller difference counts as this one, with slope 0."""


class Blocks(ABC):
    """`factor` times a core of the rows of u [n, e] and of v [m, e], in squares of `side` rows and columns.

    Where v is u, what is pulled to rows and to columns gathers in one place, which then holds the whole gradient.
    """

    @abstractmethod
    def fill(self, out: Tensor, i: int, j: int) -> None:
        """Write block i, j into `out`, which is contiguous."""

    @abstractmethod
    def pull(self, weight: Tensor, i: int, j: int, to_u: bool, to_v: bool) -> None:
        """Gather the gradient of the sum of weight times block i, j: to the rows, to the columns."""

    @abstractmethod
    def gradients(self) -> tuple[Tensor, Tensor]:
        """What has been pulled, to u and to v."""


class Products(Blocks):
    """The scalar products <u_i, v_j>. What stands for columns is transposed, which makes matrix products faster."""

    def __init__(self, u: Tensor, v: Tensor, factor: Tensor, side: int) -> None:
        self.same, self.factor = u is v, factor
        self.left, self.v = torch.split(u * factor, side), torch.split(v, side)
        self.right = [part.T.contiguous() for part in self.v]
        self.turned = self.right if self.same else [part.T.contiguous() for part in torch.split(u, side)]
        self.to_u = torch.zeros_like(u)
        self.rows = torch.split(self.to_u, side)
        self.columns = [torch.zeros_like(part) for part in self.right]

    def fill(self, out: Tensor, i: int, j: int) -> None:
        torch.mm(self.left[i], self.right[j], out=out)

    def pull(self, weight: Tensor, i: int, j: int, to_u: bool, to_v: bool) -> None:
        if to_u:
            self.rows[i].addmm_(weight, self.v[j])
        if to_v:
            self.columns[j].addmm_(self.turned[i], weight)

    def gradients(self) -> tuple[Tensor, Tensor]:
        to_v = torch.cat([part.T for part in self.columns]).mul_(self.factor)
        to_u = self.to_u.mul_(self.factor)
        if self.same:
            to_u += to_v
        return to_u, to_u if self.same else to_v


class Squares(Blocks):
    """The squared distances |u_i - v_j|^2 = <(-2 u_i, |u_i|^2, 1), (v_j, 1, |v_j|^2)>, about the mean of v.

    Rounding does not make them negative if `clip`. The way back is by products with (v, 1, |v|^2) too, since the
    gradient of sum_j w_ij |u_i - v_j|^2 is 2 (u_i sum_j w_ij - sum_j w_ij v_j).
    """

    def __init__(self, u: Tensor, v: Tensor, factor: Tensor, side: int, clip: bool) -> None:
        self.factor, self.clip = factor, clip
        center = v.mean(0)
        self.u = _with_square(u - center)
        self.v = self.u if u is v else _with_square(v - center)
        self.products = Products(self.u, self.v, torch.ones_like(factor), side)
        e = u.shape[1]
        left = torch.cat([-2 * self.u[:, :e], self.u[:, e + 1 :], self.u[:, e : e + 1]], 1) * factor
        self.products.left = torch.split(left, side)

    def fill(self, out: Tensor, i: int, j: int) -> None:
        self.products.fill(out, i, j)
        if self.clip:
            out.clamp_min_(0)

    def pull(self, weight: Tensor, i: int, j: int, to_u: bool, to_v: bool) -> None:
        self.products.pull(weight, i, j, to_u, to_v)

    def gradients(self) -> tuple[Tensor, Tensor]:
        to_u, to_v = (
            (x[:, :-2] * pulled[:, -2:-1] - pulled[:, :-2]).mul_(2 * self.factor)
            for x, pulled in zip((self.u, self.v), self.products.gradients(), strict=True)
        )
        return to_u, to_v


class Differences(Blocks):
    """The sums of powers sum_k |u_ik - v_jk|^p, a coordinate at a time, in buffers that stay in the cache."""

    def __init__(self, u: Tensor, v: Tensor, factor: Tensor, side: int, p: float) -> None:
        self.factor, self.p = factor, p
        self.u = [part.T.contiguous()[..., None].unbind() for part in torch.split(u, side)]
        self.v = [part.T.contiguous().unbind() for part in torch.split(v, side)]
        self.to_u = torch.zeros_like(u.T, memory_format=torch.contiguous_format)
        self.to_v = self.to_u if u is v else torch.zeros_like(v.T, memory_format=torch.contiguous_format)
        self.rows, self.columns = ([part.unbind() for part in torch.split(x, side, 1)] for x in (self.to_u, self.to_v))
        self.buffers = u.new_empty(3, min(side, len(u)) * min(side, len(v)))

    def fill(self, out: Tensor, i: int, j: int) -> None:
        out.zero_()
        for difference, _, result in self._differences(i, j):
            size = difference.abs_() if self.p >= 1 else difference.abs_().clamp_min_(LEAST)
            out += _raised(size, self.p, result)
        out *= self.factor

    def pull(self, weight: Tensor, i: int, j: int, to_u: bool, to_v: bool) -> None:
        for k, (difference, size, result) in enumerate(self._differences(i, j)):
            slope = _slope(difference, self.p, size, result).mul_(weight)
            if to_u:
                self.rows[i][k].add_(slope.sum(1))
            if to_v:
                self.columns[j][k].sub_(slope.sum(0))

    def gradients(self) -> tuple[Tensor, Tensor]:
        return self.to_u.T * (self.p * self.factor), self.to_v.T * (self.p * self.factor)

    def _differences(self, i: int, j: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each coordinate the differences of block i, j, and two buffers of their size."""
        shape = len(self.u[i][0]), len(self.v[j][0])
        difference, size, result = self.buffers[:, : shape[0] * shape[1]].view(3, *shape)
        for one, other in zip(self.u[i], self.v[j], strict=True):
            yield torch.sub(one, other, out=difference), size, result


def _with_square(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1]), x.square().sum(1, keepdim=True)], 1)


def _raised(size: Tensor, p: float, result: Tensor) -> Tensor:
    """size^p for size >= 0, in either: by a root and products where p is a multiple of one half."""
    if p % 1 == 0.5:
        size.sqrt_()
        p = 2 * p
    if p % 1:
        return torch.pow(size, p, out=result)
    digits = f"{int(p):b}"[1:]
    for place, digit in enumerate(digits):
        some = result if place else size
        torch.mul(some, some, out=result)
        if digit == "1":
            result.mul_(size)
    return result if digits else size


def _slope(x: Tensor, p: float, size: Tensor, result: Tensor) -> Tensor:
    """|x|^(p - 1) sign(x), in any of the three."""
    if p == 1:
        return x.sign_()
    if p == 2:
        return x
    torch.abs(x, out=size)
    if p > 1:
        return _raised(size, p - 1, result).copysign_(x)
    return torch.pow(size.clamp_min(LEAST), p - 1, out=result).copysign_(x).masked_fill_(size <= LEAST, 0)
