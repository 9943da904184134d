"""Exactness over processes: every rank sees the embeddings of all ranks and computes the loss of the whole batch.

Gradients are averaged here, after the backward pass, and not by torch's DistributedDataParallel: a gradient of the
whole batch from micro-batches is made of several backward passes, what the criterion learns lies outside the network,
and parameters that get no gradient are nothing special. One mechanism serves every objective, and each rank ends with
the same bits. The price is that the exchange does not begin before the last gradient is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from kontrast.views import Views

Seen = tuple[tuple[Tensor, ...], tuple[Tensor, ...], Views]
"""What a criterion is asked about: the asked embeddings, the answers, and which views and keys they are of."""
T = TypeVar("T")

BUCKET = 25 * 2**20
"""Bytes of gradients that are exchanged at once."""


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
    _check_equal(len(views.key))
    distinct = {id(z): z for z in (*asked, *answers)}
    whole = {name: gather(z, scaled=scaled) for name, z in distinct.items()}
    key = gather(views.key)
    return tuple(whole[id(x)] for x in asked), tuple(whole[id(y)] for y in answers), views._replace(key=key)


def gather(rows: Tensor, *, scaled: bool = True) -> Tensor:
    """Rows [n, ...] of every rank [ranks n, ...], with the gradient that `gathered` describes."""
    if ranks() == 1:
        return rows
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


def _check_equal(rows: int) -> None:
    # On the CPU, so that no step waits for a device.
    counts = torch.cat(_all(torch.tensor([rows]))).tolist()
    if len(set(counts)) > 1:
        raise ValueError(
            f"every process must embed as many rows as the others, not {counts}; "
            f"write a batch that {ranks()} processes divide evenly"
        )


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Make every gradient its mean over the ranks, the same bits on all of them."""
    if ranks() == 1:
        return
    pending = []
    for bucket in _buckets([parameter.grad for parameter in parameters if parameter.grad is not None]):
        flat = torch.cat([grad.flatten() for grad in bucket]).div_(ranks())
        pending.append((bucket, flat, distributed.all_reduce(flat, async_op=True)))
    for bucket, flat, work in pending:
        assert work is not None
        work.wait()
        for grad, mean in zip(bucket, torch.split(flat, [grad.numel() for grad in bucket]), strict=True):
            grad.copy_(mean.view_as(grad))


def _buckets(grads: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients of one type at a time, some megabytes together."""
    for kind in dict.fromkeys(grad.dtype for grad in grads):
        bucket: list[Tensor] = []
        size = 0
        for grad in (grad for grad in grads if grad.dtype == kind):
            bucket.append(grad)
            size += grad.nbytes
            if size >= BUCKET:
                yield bucket
                bucket, size = [], 0
        if bucket:
            yield bucket


def agreed(*numbers: int) -> tuple[int, ...]:
    """The largest of each number over the ranks, so that all of them do the same. None goes on before all are here."""
    if ranks() == 1:
        return numbers
    found = torch.tensor(numbers)
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return tuple(found.tolist())


def told(words: str) -> str:
    """What the first rank says, on all of them."""
    if ranks() == 1:
        return words
    content = torch.frombuffer(bytearray(words.encode() or b" "), dtype=torch.uint8)
    size = torch.tensor([len(words.encode())])
    distributed.broadcast(size, 0)
    said = content if rank() == 0 else torch.empty(max(1, int(size)), dtype=torch.uint8)
    distributed.broadcast(said, 0)
    return bytes(said.tolist())[: int(size)].decode()


def led(act: Callable[[], T]) -> T | None:
    """Do something on the first rank alone, and have its result there. Where it fails, it fails on all ranks.

    ValueError, with the same words, on the others.
    """
    failure, found = None, None
    if rank() == 0:
        try:
            found = act()
        except Exception as error:
            failure = error
    said = told("" if failure is None else str(failure) or repr(failure))
    if failure is not None:
        raise failure
    if said:
        raise ValueError(said)
    return found


def spread(tensors: Mapping[str, Tensor] | None) -> dict[str, Tensor] | None:
    """Tensors of the first rank by name, on the CPU of all ranks; None if it has none."""
    if ranks() == 1:
        return None if tensors is None else dict(tensors)
    kinds = None
    if tensors is not None:
        kinds = {name: [str(value.dtype).removeprefix("torch."), list(value.shape)] for name, value in tensors.items()}
    kinds = json.loads(told(json.dumps(kinds)))
    if kinds is None:
        return None
    found = {}
    for name, (kind, shape) in kinds.items():
        own = torch.empty(shape, dtype=getattr(torch, kind)) if tensors is None else tensors[name]
        found[name] = own.cpu().contiguous()
        if own.numel():
            distributed.broadcast(found[name].view(-1).view(torch.uint8), 0)
    return found
