"""Sums of powers by functions that torch.compile fuses: no block of scores is stored at all."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from kontrast.tiles.blocks import LEAST
from kontrast.tiles.cores import Power
from kontrast.tiles.links import Link
from kontrast.tiles.scores import FLOOR, Gradients, Plan, Problem, row_weights, wide

ROWS, COLUMNS = 512, 4096
"""Rows and columns of a call: a sum over so many columns is exact enough in the type of the rows."""
COORDINATES = 32
"""Rows of more coordinates are not fused."""
_asked: ContextVar[bool] = ContextVar("compiled", default=False)


@contextmanager
def compiled() -> Iterator[None]:
    """Within it, sums of powers over few coordinates are computed by functions that torch.compile makes.

    The first call of a kind takes some ten seconds. Matrix products go on as they were, and so does a backward pass
    whose forward pass was outside. A ValueError where there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise ValueError(f"torch.compile needs the C++ compiler {compiler}, which is not here; install it or set CXX")
    token = _asked.set(True)
    try:
        yield
    finally:
        _asked.reset(token)


def fusible(problem: Problem) -> bool:
    """Whether compiled functions are asked for, and there are some for this problem."""
    few, core = problem.u.shape[1] <= COORDINATES, problem.core
    return _asked.get() and few and isinstance(core, Power)


class _Side(NamedTuple):
    """Rows [n, e], the bias, weight and number of each, and which of the other side it leaves out, int32 [n, k].

    As the columns of a block, rows and what is left out are transposed.
    """

    rows: Tensor
    bias: Tensor
    weight: Tensor
    number: Tensor
    left_out: Tensor

    def parts(self, length: int) -> list[_Side]:
        """Parts of nearly equal length: for a last one of length 1 all would be compiled anew."""
        count = -(-len(self.rows) // length)
        return [_Side(*part) for part in zip(*(x.tensor_split(count) for x in self), strict=True)]

    def transposed(self) -> _Side:
        return self._replace(rows=self.rows.T.contiguous(), left_out=self.left_out.T.contiguous())


class _Form(NamedTuple):
    """What a function is compiled for."""

    body: Callable[[_Form, Tensor, Tensor, _Side, _Side], Tensor]
    p: float
    link: Link | None
    e: int
    kind: torch.dtype
    device: torch.device
    left_out: tuple[int, int]


class Fused:
    """As Scores, for a core Power."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        self.scale = problem.scale.detach().to(plan.kind)

    def summed(self, shift: float) -> Tensor:
        """As Scores.summed."""
        return self._sweep(_sums, *self._sides(None), shift)[0].log() + shift

    def pull(self, grad: Tensor, level: Tensor, to_u: bool, to_v: bool, to_scale: bool) -> Gradients:
        """As Scores.pull."""
        one, other = self._sides(row_weights(self.plan, grad, level))
        rows = self._sweep(_slopes, one, other, self.plan.shift)
        slope = rows[-2].sum()
        if self.plan.symmetric:
            return Gradients(rows[:-2].T, None, slope / 2, None)
        if not to_v and self.problem.bias is None:
            return Gradients(rows[:-2].T, None, slope, None)
        columns = self._sweep(_slopes, other, one, self.plan.shift)
        if self.problem.u is self.problem.v:
            rows = rows + columns
        return Gradients(rows[:-2].T, columns[:-2].T, slope, columns[-1])

    def _sides(self, weight: Tensor | None) -> tuple[_Side, _Side]:
        exclude = self.problem.exclude
        u, v = (x.detach().to(self.plan.kind) for x in (self.problem.u, self.problem.v))
        zeros = u.new_zeros(len(u)), v.new_zeros(len(v))
        i, j = (torch.arange(len(x), dtype=torch.int32, device=x.device) for x in (u, v))
        left_out = i.new_empty(len(u), 0) if exclude is None else exclude.int()
        one = _Side(u, zeros[0], zeros[0] if weight is None else weight, i, left_out)
        bias = zeros[1] if self.problem.bias is None else self.problem.bias.detach().to(self.plan.kind)
        return one, _Side(v, bias, one.weight if self.plan.symmetric else zeros[1], j, j.new_empty(len(v), 0))

    def _sweep(self, body: Callable[..., Tensor], one: _Side, other: _Side, shift: float) -> Tensor:
        """What the body makes of each row of one side with all of the other, summed over these: [k, n]."""
        assert isinstance(self.problem.core, Power)
        p, left_out = self.problem.core.p, (one.left_out.shape[1], other.left_out.shape[1])
        form = _Form(body, p, self.problem.link, one.rows.shape[1], self.plan.kind, one.rows.device, left_out)
        function, away, found = _compiled(form), self.scale.new_tensor(shift), []
        columns = [part.transposed() for part in other.parts(COLUMNS)]
        for rows in one.parts(ROWS):
            total = torch.zeros((), dtype=wide(rows.rows), device=rows.rows.device)
            for part in columns:
                total = total + function(self.scale, away, *rows, *part)
            found.append(total)
        return torch.cat(found, 1)


@functools.cache
def _compiled(form: _Form) -> Callable[..., Tensor]:
    from torch.fx.experimental.proxy_tensor import make_fx

    # torch.compile would take the exponents in a function of Python for variables: a graph has them as constants.
    def body(scale: Tensor, shift: Tensor, *sides: Tensor) -> Tensor:
        return form.body(form, scale, shift, _Side(*sides[:5]), _Side(*sides[5:]))

    def floats(*shape: int) -> Tensor:
        return torch.ones(shape, dtype=form.kind, device=form.device)

    def side(n: int, k: int) -> _Side:
        number = torch.arange(n, dtype=torch.int32, device=form.device)
        return _Side(floats(n, form.e), floats(n), floats(n), number, number[:, None].repeat(1, k))

    sides = *side(5, form.left_out[0]), *side(7, form.left_out[1]).transposed()
    compiled: Callable[..., Tensor] = torch.compile(make_fx(body)(floats(), floats(), *sides), dynamic=True)
    return compiled


def _sums(form: _Form, scale: Tensor, shift: Tensor, one: _Side, other: _Side) -> Tensor:
    """For each row the sum of exp(score - shift) over the columns: [1, n]."""
    return _weighted(form, scale, shift, one, other)[0].sum(1)[None]


def _slopes(form: _Form, scale: Tensor, shift: Tensor, one: _Side, other: _Side) -> Tensor:
    """The weighted sums of the slopes of the score by each coordinate, of what the link makes, and of 1: [e + 2, n]."""
    weight, core, linked = _weighted(form, scale, shift, one, other)
    weight = weight * (one.weight[:, None] + other.weight)
    steep = weight * scale if form.link is None else weight * scale * form.link.slope(core, linked)
    parts = [steep * _slope(one.rows[:, k, None] - other.rows[k], form.p) for k in range(form.e)]
    return torch.stack([part.sum(1) for part in (*parts, weight * linked, weight)])


def _weighted(form: _Form, scale: Tensor, shift: Tensor, one: _Side, other: _Side) -> tuple[Tensor, Tensor, Tensor]:
    """exp(score - shift), the core, and what the link makes of it: [n, m], each fused into what uses it."""
    terms = [_term(one.rows[:, k, None] - other.rows[k], form.p) for k in range(form.e)]
    core = functools.reduce(torch.add, terms)
    linked = core if form.link is None else form.link.value(core)
    scores = linked * scale + one.bias[:, None] + other.bias
    weight = (scores - shift).clamp_min(FLOOR[scores.dtype]).exp()
    for left_out in one.left_out.unbind(1):
        weight = torch.where(left_out[:, None] == other.number, 0.0, weight)
    for left_out in other.left_out.unbind(0):
        weight = torch.where(left_out == one.number[:, None], 0.0, weight)
    return weight, core, linked


def _term(x: Tensor, p: float) -> Tensor:
    """|x|^p, and below p = 1 at least a least one."""
    return _raised(x.abs() if p >= 1 else x.abs().clamp_min(LEAST), p)


def _raised(size: Tensor, p: float) -> Tensor:
    """size^p for size >= 0: by a root and products where p is a multiple of one half."""
    if p % 1 == 0.5:
        size, p = size.sqrt(), 2 * p
    if p % 1:
        return size.pow(p)
    if p == 1:
        return size
    root = _raised(size, p // 2)
    return root * root * size if p % 2 else root * root


def _slope(x: Tensor, p: float) -> Tensor:
    """The derivative of |x|^p, with 0 at 0."""
    if p == 1:
        return x.sign()
    size = x.abs()
    if p > 1:
        return p * torch.copysign(_raised(size, p - 1), x)
    return torch.where(size > LEAST, p * torch.copysign(size.clamp_min(LEAST).pow(p - 1), x), 0.0)
