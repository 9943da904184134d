"""Functions of all pairs, some rows at a time: what each strip needs is computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

STRIP = 2**20
"""Scores that are held at once."""
Strip = Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
"""From row numbers [b], the tensors with a row for each of these [b, ...], and all others, to results [b]."""


def by_strips(strip: Strip, first: Sequence[Tensor], others: Sequence[Tensor], width: int) -> tuple[Tensor, ...]:
    """The results [n] of all n rows, from a `strip` that holds `width` numbers for each row.

    `first` are tensors [n, ...] and `others` tensors of any shape; gradients flow to all of them. Memory beyond theirs
    is that of one strip, in the backward pass too, where nothing that lasts is allocated between two strips.
    """
    spans = torch.split(torch.arange(len(first[0]), device=first[0].device), max(1, STRIP // width))
    found: tuple[Tensor, ...] = _ByStrips.apply(strip, spans, len(first), *first, *others)  # type: ignore[no-untyped-call]
    return found


class _ByStrips(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, strip: Strip, spans: Sequence[Tensor], count: int, *given: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*given)
        ctx.strip, ctx.spans, ctx.count = strip, spans, count
        first, others = given[:count], given[count:]
        # What lasts is allocated once: between strips it would break up the memory that they share one after another.
        found: list[Tensor] = []
        for rows in spans:
            parts = strip(rows, [tensor[rows] for tensor in first], others)
            found = found or [part.new_empty(len(first[0])) for part in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[rows] = part
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        first, others = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        found = [torch.zeros_like(tensor) for tensor in ctx.saved_tensors]
        rest = [tensor.detach().requires_grad_() for tensor in others]
        for rows in ctx.spans:
            mine = [tensor[rows].detach().requires_grad_() for tensor in first]
            with torch.enable_grad():
                results = ctx.strip(rows, mine, rest)
            pulled = torch.autograd.grad(results, [*mine, *rest], [grad[rows] for grad in grads], allow_unused=True)
            for number, part in enumerate(pulled):
                if part is not None and number < ctx.count:
                    found[number][rows] = part
                elif part is not None:
                    found[number] += part
        return (None, None, None, *found)
