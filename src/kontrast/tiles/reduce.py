"""log-sum-exp of a similarity over all candidates, block by block."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kontrast.tiles.cores import Core
from kontrast.tiles.exclusion import mutual
from kontrast.tiles.fused import Fused, fusible
from kontrast.tiles.links import Link
from kontrast.tiles.scores import FLOOR, Gradients, Plan, Problem, Scores, wide

SPREAD = {torch.float32: 30.0, torch.float64: 500.0}
"""How far the logs of the sums of rows may be from what is taken from the scores, and from each other, for their
exponentials to be exact."""
PRECISE = 200.0
"""Scores that are further from 0 than this are better of float64."""


def log_sum_exp(
    u: Tensor,
    v: Tensor,
    core: Core,
    link: Link | None = None,
    scale: float | Tensor = 1.0,
    exclude: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """log sum over the candidates j of row i, of exp(scale link(core(u_i, v_j)) + bias_j): [n], exact.

    The [n, m] matrix of scores is never stored: blocks of it are made, used and made again in the backward pass, so
    that extra memory grows with n + m. Where v is u (the same tensor), half of the blocks are enough.

    u [n, e] and v [m, e] are rows of one float type; link None is the identity; scale > 0 is one over the
    temperature, a number or a tensor of no dimension; bias [m] is added to the scores of the columns; exclude int64
    [n, k] holds the columns that are no candidates of a row (-1: none). Gradients flow to u, v, bias and scale. A row
    without candidates gives -inf, with gradient 0.

    Sums are of float64, and so is everything where float32 would lose digits at the scale of the data.
    """
    if u.ndim != 2 or v.ndim != 2 or u.shape[1] != v.shape[1] or u.dtype != v.dtype or u.dtype not in FLOOR:
        raise ValueError(
            f"log_sum_exp compares rows of equal length, all float32 or all float64, not {tuple(u.shape)} {u.dtype} "
            f"with {tuple(v.shape)} {v.dtype}"
        )
    if isinstance(scale, Tensor) and scale.ndim:
        raise ValueError(f"the scale of log_sum_exp is one number, not a tensor of shape {tuple(scale.shape)}")
    if not (len(u) and len(v)):
        return u.new_full((len(u),), -math.inf)
    if not isinstance(scale, Tensor):
        scale = torch.tensor(scale, dtype=u.dtype, device=u.device)
    value: Tensor = _Sum.apply(core, link, exclude, u, v, scale, bias)  # type: ignore[no-untyped-call]
    return value


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        core: Core,
        link: Link | None,
        exclude: Tensor | None,
        u: Tensor,
        v: Tensor,
        scale: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        with torch.autocast(u.device.type, enabled=False):
            ctx.plan, level = _solve(Problem(u, v, core, link, scale, bias, exclude))
        ctx.save_for_backward(u, v, scale, bias, exclude, level)
        ctx.core, ctx.link, ctx.same = core, link, u is v
        return level.to(u.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, v, scale, bias, exclude, level = ctx.saved_tensors
        problem = Problem(u, u if ctx.same else v, ctx.core, ctx.link, scale, bias, exclude)
        wanted = ctx.needs_input_grad[3:]
        with torch.autocast(grad.device.type, enabled=False):
            found = _summing(problem, ctx.plan).pull(grad, level, wanted[0], wanted[1], wanted[2])
        return None, None, None, *_chosen(found, problem, wanted)


def _chosen(found: Gradients, problem: Problem, wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """The gradients that are wanted, each of the type of its value."""
    values = (problem.u, problem.v, problem.scale, problem.bias)
    return [
        gradient.to(value.dtype) if some and gradient is not None and value is not None else None
        for gradient, value, some in zip(found, values, wanted, strict=True)
    ]


def _summing(problem: Problem, plan: Plan) -> Scores | Fused:
    return Fused(problem, plan) if plan.fused else Scores(problem, plan)


def _solve(problem: Problem) -> tuple[Plan, Tensor]:
    """The plan that costs least of those that are exact, and the log-sum-exp of each row."""
    first, level = _plan(problem), problem.u.new_empty(0)
    if first.easy:
        return first, _summing(problem, first).summed(0.0)
    for kind in dict.fromkeys((first.kind, wide(problem.u))):
        plan = first._replace(kind=kind)
        few = Scores(problem, plan).peaked(1)
        plan = plan._replace(shift=float(torch.where(few.isfinite(), few, torch.nan).nanmean().nan_to_num()))
        if abs(plan.shift) <= PRECISE or kind == wide(problem.u):
            level = _summing(problem, plan).summed(plan.shift)
            least, most = torch.stack(level.aminmax()).tolist()
            if least > plan.shift - SPREAD[kind] and most - least < SPREAD[kind]:
                return plan._replace(shift=most), level
            plan = Plan(kind, plan.products, rowwise=True)
            level = Scores(problem, plan).peaked()
            if bool((level.isinf() | (level.abs() <= PRECISE)).all()):
                break
    return plan, level


def _plan(problem: Problem) -> Plan:
    u, v, core, link, scale, bias, exclude = problem
    symmetric = mutual(exclude, len(u), u.device) if u is v and bias is None else torch.zeros_like(scale)
    size = bias.detach().abs().amax() if bias is not None else torch.zeros_like(scale)
    facts = [core.bound(u.detach(), v.detach()), scale.detach(), size, symmetric]
    bound, factor, size, half = torch.stack([fact.to(wide(u)) for fact in facts]).tolist()
    kind, products = core.way(bound * abs(factor), link, u.dtype, wide(u))
    easy = problem.affine and bound * abs(factor) + size < SPREAD[kind]
    return Plan(kind, products, symmetric=bool(half), easy=easy, fused=not products and fusible(problem))
