"""The scores of a problem, a block at a time, and what is made of them: sums over rows, and gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from kontrast.tiles.cores import Core
from kontrast.tiles.exclusion import Exclusion
from kontrast.tiles.links import Link, Negative

SIDE = {"cpu": 320, "cuda": 4096}
"""Rows and columns of a block: on a CPU a few blocks fit in the cache of a core."""
FLOOR = {torch.float32: -64.0, torch.float64: -600.0}
"""The least exponent. What is less counts as this: nothing beside the sum of its row, while denormal numbers would
make everything a hundred times slower."""


class Problem(NamedTuple):
    """Rows, core, link (None: the identity), scale, bias of the columns, and the columns left out for each row."""

    u: Tensor
    v: Tensor
    core: Core
    link: Link | None
    scale: Tensor
    bias: Tensor | None
    exclude: Tensor | None

    @property
    def affine(self) -> bool:
        """Whether the scores are a multiple of the core."""
        return self.link is None or isinstance(self.link, Negative)


class Plan(NamedTuple):
    """How to sum: in which type, by matrix products or not, over all blocks or half, with what taken from the scores.

    That is `shift`, or if `rowwise` a number for each row; where no score is far from 0 it is `easy`: nothing. If
    `fused`, a compiled function does it.
    """

    kind: torch.dtype
    products: bool
    symmetric: bool = False
    easy: bool = False
    shift: float = 0.0
    rowwise: bool = False
    fused: bool = False


class Gradients(NamedTuple):
    """Gradients; v has none of its own where it is u."""

    u: Tensor
    v: Tensor | None
    scale: Tensor | None
    bias: Tensor | None


def wide(x: Tensor) -> torch.dtype:
    """The widest float type of the device."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def row_weights(plan: Plan, grad: Tensor, level: Tensor) -> Tensor:
    """What exp(score - shift) is multiplied by in the gradients of log-sum-exps `level`: 0 where one is infinite."""
    some = level.isfinite()
    weight = torch.where(some, grad, 0.0)
    if not plan.rowwise:
        weight = weight * torch.where(some, plan.shift - level, 0.0).exp()
    return weight.to(plan.kind)


class Scores:
    """The scores of a problem by a plan."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        u, v, core, link, scale, bias, exclude = problem
        self.plan = plan
        self.side = side = SIDE.get(u.device.type, SIDE["cpu"])
        self.u = u.detach().to(plan.kind)
        self.v = self.u if u is v else v.detach().to(plan.kind)
        self.scale = scale.detach().to(plan.kind)
        self.bias = None if bias is None else torch.split(bias.detach().to(plan.kind), side)
        self.link = None if problem.affine else link
        factor = (self.scale if link is None else -self.scale) if problem.affine else torch.ones_like(self.scale)
        self.blocks = core.blocks(self.u, self.v, factor, self.link, side, plan.products)
        self.exclusion = Exclusion(exclude, len(v), side)
        self.sizes = tuple([len(part) for part in torch.split(x, side)] for x in (self.u, self.v))
        self.views: dict[tuple[int, tuple[int, int]], Tensor] = {}
        self.buffers = self.u.new_empty(4, self.sizes[0][0] * self.sizes[1][0])

    def summed(self, shift: float) -> Tensor:
        """The log-sum-exp of each row, in the widest type, where no score is far above the shift."""
        total = torch.zeros(len(self.u), dtype=wide(self.u), device=self.u.device)
        parts = torch.split(total, self.side)
        for i, j in self._places():
            scores = self._fill(i, j)[0]
            self._exponential(scores, shift, scores)
            self.exclusion.apply(scores, i, j, 0.0)
            parts[i].add_(scores.sum(1))
            if self.plan.symmetric and j > i:
                parts[j].add_(scores.sum(0))
        return total.log() + shift

    def peaked(self, count: int | None = None) -> Tensor:
        """The same by running maxima, whatever the scores: of all rows, or of the first blocks of them."""
        levels = []
        for i, size in enumerate(self.sizes[0][:count]):
            total = torch.zeros(size, dtype=wide(self.u), device=self.u.device)
            peak = torch.full_like(total, -math.inf)
            for j in range(len(self.sizes[1])):
                scores = self._fill(i, j)[0]
                self.exclusion.apply(scores, i, j, -math.inf)
                top = torch.maximum(peak, scores.amax(1))
                shift = top.clamp_min(torch.finfo(scores.dtype).min)
                self._exponential(scores, shift.to(scores.dtype)[:, None], scores)
                self.exclusion.apply(scores, i, j, 0.0)
                total, peak = total * (peak - shift).exp() + scores.sum(1), top
            levels.append(total.log() + peak)
        return torch.cat(levels)

    def pull(self, grad: Tensor, level: Tensor, to_u: bool, to_v: bool, to_scale: bool) -> Gradients:
        """The gradients, from the gradient of the log-sum-exp of each row."""
        symmetric, rowwise = self.plan.symmetric, self.plan.rowwise
        weights = torch.split(row_weights(self.plan, grad, level)[:, None], self.side)
        levels = torch.split(torch.where(level.isfinite(), level, 0.0).to(self.u.dtype)[:, None], self.side)
        slope = torch.zeros((), dtype=wide(grad), device=grad.device)
        biases = torch.split(torch.zeros(len(self.v), dtype=slope.dtype, device=grad.device), self.side)
        for i, j in self._places():
            scores, core, linked = self._fill(i, j)
            share = self._buffer(2, i, j) if to_scale or self.link is not None else scores
            self._exponential(scores, levels[i] if rowwise else self.plan.shift, share)
            self.exclusion.apply(share, i, j, 0.0)
            share *= torch.add(weights[i], weights[j].T, out=self._buffer(3, i, j)) if symmetric else weights[i]
            if to_scale:
                slope += scores.mul_(share).sum() * (0.5 if symmetric and i == j else 1.0)
            if self.bias is not None:
                biases[j].add_(share.sum(0))
            if self.link is not None:
                share.mul_(self.link.slope(core, linked)).mul_(self.scale)
            self.blocks.pull(share, i, j, to_u, j > i if symmetric else to_v)
        for gradient, bias in zip(biases, self.bias or (), strict=False):
            slope -= (gradient * bias).sum()
        rows, columns = self.blocks.gradients()
        return Gradients(rows, None if self.u is self.v else columns, slope / self.scale, torch.cat(biases))

    def _places(self) -> Iterator[tuple[int, int]]:
        """Which blocks are visited: if symmetric, the diagonal and those right of it, which stand for the others."""
        for i in range(len(self.sizes[0])):
            for j in range(i if self.plan.symmetric else 0, len(self.sizes[1])):
                yield i, j

    def _buffer(self, which: int, i: int, j: int) -> Tensor:
        shape = self.sizes[0][i], self.sizes[1][j]
        if (which, shape) not in self.views:
            self.views[which, shape] = self.buffers[which, : shape[0] * shape[1]].view(shape)
        return self.views[which, shape]

    def _fill(self, i: int, j: int) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of a block, its core, and what the link makes of that."""
        core = linked = scores = self._buffer(0, i, j)
        self.blocks.fill(core, i, j)
        if self.link is not None:
            linked = self.link.value(core)
            scores = torch.mul(linked, self.scale, out=self._buffer(1, i, j))
        if self.bias is not None:
            scores += self.bias[j]
        return scores, core, linked

    def _exponential(self, scores: Tensor, shift: float | Tensor, out: Tensor) -> None:
        if not self.plan.easy:
            scores = torch.sub(scores, shift, out=out).clamp_min_(FLOOR[scores.dtype])
        torch.exp(scores, out=out)
