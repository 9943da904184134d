"""Gradients of a batch that does not pass through the network at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kontrast.model import Output
from kontrast.objectives import Criterion, Loss
from kontrast.objectives.objective import mean_of
from kontrast.training.distributed import gathered, rank
from kontrast.views import Views

Scale = Callable[[Tensor], Tensor]
"""What a loss is multiplied by before it is differentiated."""
Embed = Callable[[Views, int], Output]
"""The model on one micro-batch, given its number over all processes. The same number draws the same dropout."""


def unscaled(loss: Tensor) -> Tensor:
    """The loss as it is."""
    return loss


def plain(
    embed: Embed, criterion: Criterion, views: Views, micro: int | None = None, scale: Scale = unscaled
) -> tuple[Loss, Output]:
    """Every micro-batch is a contrastive batch of its own, and their gradients are averaged: no pair spans two of them.

    Leaves the gradient in the parameters; the loss is the mean over micro-batches, and the output that of all rows.
    Without `micro` all of it is one batch. Over processes, a micro-batch is made of `micro` things of each.
    """
    batches = split(views, micro)
    losses, outputs = [], []
    for number, batch in enumerate(batches, rank() * len(batches)):
        outputs.append(embed(batch, number))
        losses.append(criterion(*gathered(outputs[-1].asked, outputs[-1].answers, batch)))
        scale(losses[-1].total / len(batches)).backward()  # type: ignore[no-untyped-call]
    return (losses[0] if len(losses) == 1 else mean_of(losses)), joined(outputs)


def exact(
    embed: Embed,
    criterion: Criterion,
    views: Views,
    micro: int,
    carried: bool,
    state: Sequence[Tensor],
    scale: Scale = unscaled,
) -> tuple[Loss, Output]:
    """The gradient of the whole batch, from micro-batches, by caching representations (GradCache, Gao et al. 2021,
    arXiv 2101.06983).

    All micro-batches are embedded without a graph; the loss of the whole batch gives the gradient to the embeddings,
    and to what the criterion learns; then each micro-batch is embedded again, with a graph, and its part of that
    gradient goes back through the network. Memory is that of one micro-batch, time that of one forward pass more. Batch
    normalization alone makes a difference: its statistics are those of a micro-batch.

    `carried` says whether gradients reach the answers; if not, they are embedded once. `state` holds the buffers that a
    forward pass moves (running statistics): the second pass finds each as the first did, and leaves it as that left it.
    Leaves the gradient in the parameters; the loss and the output are those of all rows.
    """
    batches = split(views, micro)
    first = rank() * len(batches)
    outputs, before = [], []
    with torch.no_grad():
        for number, batch in enumerate(batches, first):
            before.append([buffer.clone() for buffer in state])
            outputs.append(embed(batch, number))
    after, whole = [buffer.clone() for buffer in state], joined(outputs)
    for z in (*whole.asked, *(whole.answers if carried else ())):
        z.requires_grad_()
    loss: Loss = criterion(*gathered(whole.asked, whole.answers, views))
    scale(loss.total).backward()  # type: ignore[no-untyped-call]
    again = views if carried else views._replace(answering=())
    for number, batch in enumerate(split(again, micro)):
        _put(state, before[number])
        _pull(embed(batch, first + number), whole, number * micro)
    _put(state, after)
    return loss, whole


def split(views: Views, micro: int | None) -> list[Views]:
    """Views of `micro` things each, in their order; None leaves them together."""
    if micro is None:
        return [views]
    columns = zip(*(torch.split(view, micro) for view in views.views), strict=True)
    keys = torch.split(views.key, micro)
    return [views._replace(views=some, key=key) for some, key in zip(columns, keys, strict=True)]


def joined(outputs: Sequence[Output]) -> Output:
    """Outputs one below the other. Where an answer is an asked embedding, in each of them, so it is in the result."""
    if len(outputs) == 1:
        return outputs[0]
    whole: dict[int, Tensor] = {}
    for places in zip(*((*output.asked, *output.answers) for output in outputs), strict=True):
        if id(places[0]) not in whole:
            whole[id(places[0])] = torch.cat(places)
    asked, answers = (tuple(whole[id(z)] for z in zs) for zs in (outputs[0].asked, outputs[0].answers))
    return Output(asked, answers, torch.cat([output.features for output in outputs]))


def _pull(output: Output, whole: Output, start: int) -> None:
    """Send the gradient at the embeddings of all rows back through a micro-batch, which begins at row `start`."""
    pairs = zip((*whole.asked, *whole.answers), (*output.asked, *output.answers), strict=False)
    found = {id(z): (z.grad, y) for z, y in pairs if y.requires_grad}
    some = [(y, grad[start : start + len(y)]) for grad, y in found.values() if grad is not None]
    torch.autograd.backward([y for y, _ in some], [grad for _, grad in some])


@torch.no_grad()
def _put(state: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for buffer, value in zip(state, values, strict=True):
        buffer.copy_(value)
