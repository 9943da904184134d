"""What ends a run: numbers that are not finite, and memory that does not suffice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kontrast.draws import Draws
from kontrast.model import Output
from kontrast.objectives import Loss
from kontrast.optimizers.optimizer import Group
from kontrast.training.distributed import ranks
from kontrast.views import Things

if TYPE_CHECKING:
    from kontrast.training.trainer import Trainer

SHORT = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "could not create a primitive",
)
"""What torch, and oneDNN within it, say where memory does not suffice, other than by torch.OutOfMemoryError."""
MARGIN = 2.0
"""What a backward pass takes beside what the forward pass keeps for it, as a factor."""


class NonFinite(ArithmeticError):
    """The loss or its gradient stopped being a number. The parameters are as they were before that step."""


class OutOfMemory(RuntimeError):
    """A step did not fit in memory. Nothing of it is saved, and a checkpoint from before it is as it was."""


def blame(step: int, loss: Loss, output: Output, things: Things, model: torch.nn.Module) -> str:
    """What is not finite at a step: which terms of the loss, in which rows, or the gradient of which parameter."""
    bad = torch.stack([~z.isfinite().all(-1) for z in output.asked]).any(0)
    terms = [name for name, value in loss.parts.items() if not bool(value.isfinite().all())]
    where = [name for name, p in model.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())]
    what = (
        f"the loss is {float(loss.total.detach())}" if not bool(loss.total.isfinite()) else "the gradient is not finite"
    )
    said = f"at step {step} {what}"
    if terms:
        said += f" (terms: {', '.join(terms)})"
    if bool(bad.any()):
        said += f", in rows {things.index[bad].tolist()[:8]}"
    elif where:
        said += f", first in {where[0]}"
    return said + "; no parameter was changed: start again with a lower optimizer.rate, or a higher temperature"


def is_short(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SHORT)


def advice(trainer: Trainer, halfway: bool) -> str:
    """One sentence: what did not fit, and the largest micro-batch that does by the memory that few rows take."""
    experiment, rows = trainer.experiment, trainer.rows
    passing = trainer.micro or rows
    of = f"batch={experiment.batch}" + (f", {rows} in each of {ranks()} processes," if ranks() > 1 else "")
    of += f" with micro={trainer.micro}" if trainer.micro else ""
    said = f"at step {trainer.step} the memory of {trainer.device} did not suffice for {of}"
    divisors = [d for d in range(1, passing // 2 + 1) if rows % d == 0]
    if not divisors:
        return (
            f"{said}; nothing smaller passes through the network at once: write a smaller encoder or smaller pictures"
        )
    each, owed, free = _each(trainer), _owed(trainer), _free(trainer.device)
    if free is not None and owed >= free:
        return (
            f"{said}; gradients and the optimizer's state alone take {owed / 1e9:.3g} GB more, and {free / 1e9:.3g} GB "
            "are free: write a smaller encoder"
        )
    # A gradient that is added to another, and laid out as it is.
    largest = 2 * max((p.nbytes for p in trainer.learned), default=0)
    fitting = [d for d in divisors if each and free is not None and d * each * MARGIN <= free - owed - largest]
    micro = max(fitting, default=1 if each and free else divisors[-1])
    if each is not None and free is not None:
        said += f", where about {each / 1e6:.3g} MB a thing"
        said += f" and {owed / 1e9:.3g} GB for gradients and the optimizer's state" if owed else ""
        said += f" are needed and {free / 1e9:.3g} GB are free"
    state = "this step was left half done, and is not saved" if halfway else "no parameter was changed"
    exact = "the same gradient" if experiment.accumulation == "exact" else "its mean over micro-batches"
    return f"{said} ({state}); write micro={micro} for {exact} in less memory, or a smaller batch="


def _each(trainer: Trainer) -> float | None:
    """Bytes that a forward pass keeps for each thing, by what it keeps of a few; None where even these do not fit."""
    experiment, few = trainer.experiment, min(trainer.rows, 4)
    own = {parameter.untyped_storage().data_ptr() for parameter in trainer.model.parameters()}
    kept: dict[int, int] = {}

    def note(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    trainer.model.eval()
    try:
        draws = Draws(experiment.seed, 0, few)
        views = experiment.pairing(trainer.source.batch(draws), trainer.source, draws)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
            output = trainer.embed(views, 0)
        return sum(kept.values()) / few if output.features.requires_grad else None
    except (RuntimeError, MemoryError, ValueError):
        return None
    finally:
        trainer.model.train()


def _owed(trainer: Trainer) -> int:
    """Bytes that every step takes, whatever its rows, and that are not there yet: gradients and optimizer state."""
    gradients: int = sum(p.nbytes for p in trainer.learned if p.grad is None) * (2 if ranks() > 1 else 1)
    there = trainer.optimizer.state_dict()["state"]
    parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    fresh = [p for number, p in enumerate(parameters) if number not in there]
    tensors = {ndim: _states(trainer, ndim) for ndim in {p.ndim for p in fresh}}
    kept: int = sum(p.nbytes * tensors[p.ndim] for p in fresh)
    return gradients + kept


def _states(trainer: Trainer, ndim: int) -> int:
    """How many tensors of the size of a parameter the optimizer keeps for it, by a step on a small one."""
    small = nn.Parameter(torch.zeros([2] * ndim, device=trainer.device))
    small.grad = torch.ones_like(small)
    optimizer = trainer.experiment.optimizer.build([Group([small])], trainer.experiment.batch)
    optimizer.step()
    kept = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    return len([value for value in kept if isinstance(value, Tensor) and value.shape == small.shape])


def _free(device: torch.device) -> int | None:
    """Bytes that can still be had; None if nothing says so."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    try:
        import resource

        page = resource.getpagesize()
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return available
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * page
        return max(0, min(available, limit - taken))
    except (ImportError, OSError, StopIteration, ValueError):
        return None
