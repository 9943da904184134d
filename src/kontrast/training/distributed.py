"""Exactness over processes: every rank sees the embeddings of all ranks and computes the loss of the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from kontrast.views import Views

Seen = tuple[tuple[Tensor, ...], tuple[Tensor, ...], Views]
"""What a criterion is asked about: the asked embeddings, the answers, and which views and keys they are of."""


def ranks() -> int:
    """How many processes train together: 1 where there is no process group."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Which of these processes this is, from 0."""
    return distributed.get_rank() if ranks() > 1 else 0


def gathered(asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, *, scaled: bool = True) -> Seen:
    """Embeddings and keys [n, ...] of every rank, one below the other in the order of ranks: [ranks n, ...].

    Every rank then computes the same loss L of the whole batch. The gradient that comes back to a rank's own rows is
    its slice of the gradient of L, times the number of ranks: so the mean over ranks of the gradient of any parameter,
    which is what DistributedDataParallel takes, is the gradient of one process on the whole batch. That holds for
    parameters before the gather (the network), where the ranks' slices add up, and for those behind it (a learned
    temperature), whose gradient every rank has in full. With `scaled=False` the factor is left out, as it is in much
    published code: the network's gradient is then too small by the number of ranks.

    A tensor that stands in several places is gathered once and stays one tensor, so that an objective can tell that
    views were asked and answered by the same embedding. The observations are left out: no criterion looks at them. On
    one process the tensors come back as they are.

    ValueError, on every rank, where the ranks do not all have the same number of rows.
    """
    views = views._replace(views=())
    if ranks() == 1:
        return tuple(asked), tuple(answers), views
    _check_equal(len(views.key), views.key.device)
    distinct = {id(z): z for z in (*asked, *answers)}
    whole = {name: gather(z, scaled=scaled) for name, z in distinct.items()}
    key = gather(views.key)
    return tuple(whole[id(x)] for x in asked), tuple(whole[id(y)] for y in answers), views._replace(key=key)


def gather(rows: Tensor, *, scaled: bool = True) -> Tensor:
    """Rows [n, ...] of every rank [ranks n, ...], with the gradient that `gathered` describes."""
    whole: Tensor = _Gather.apply(rows, ranks() if scaled else 1)  # type: ignore[no-untyped-call]
    return whole


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, factor: int) -> Tensor:
        ctx.factor, ctx.own = factor, slice(rank() * len(rows), (rank() + 1) * len(rows))
        return torch.cat(_all(rows))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad[ctx.own] * ctx.factor, None


def _all(rows: Tensor) -> list[Tensor]:
    found = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(ranks())]
    distributed.all_gather(found, rows.contiguous())
    return found


def _check_equal(rows: int, device: torch.device) -> None:
    counts = torch.cat(_all(torch.tensor([rows], device=device))).tolist()
    if len(set(counts)) > 1:
        raise ValueError(
            f"every process must embed as many rows as the others, not {counts}; "
            f"write a batch that {ranks()} processes divide evenly"
        )
