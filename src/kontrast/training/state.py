"""Everything that a later step of a run depends on, as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kontrast.training.trainer import Trainer


def gather_state(trainer: Trainer) -> dict[str, Tensor]:
    """The tensors of model, optimizer, probe, average, precision and loss windows, each under its prefix."""
    found = _with("model", trainer.model.state_dict())
    found |= _of_optimizer("optimizer", trainer.optimizer)
    if trainer.probe is not None:
        found |= _with("online", trainer.probe.state_dict())
        found |= _of_optimizer("online_optimizer", trainer.probe.optimizer)
    if trainer.average is not None:
        found |= _with("average", trainer.average.student.state_dict())
    found |= _with("precision", trainer.precision.tensors())
    if trainer.experiment.precision == "float16":
        found["precision.skipped"] = torch.tensor(trainer.skipped)
    return found | _with("losses", trainer.windows.tensors())


def restore_state(trainer: Trainer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `gather_state` gave, of the same experiment."""
    trainer.model.load_state_dict(_under(tensors, "model."))
    _restore_optimizer(trainer.optimizer, _under(tensors, "optimizer."))
    if trainer.probe is not None:
        trainer.probe.load_state_dict(_under(tensors, "online."))
        _restore_optimizer(trainer.probe.optimizer, _under(tensors, "online_optimizer."))
    if trainer.average is not None:
        trainer.average.student.load_state_dict(_under(tensors, "average."))
    trainer.precision.restore(_under(tensors, "precision."))
    trainer.skipped = int(tensors.get("precision.skipped", 0))
    trainer.windows.restore(_under(tensors, "losses."), trainer.device)


def _with(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _of_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{number}.{name}": value
        for number, state in states.items()
        for name, value in state.items()
        if value is not None
    }


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        number, _, name = path.partition(".")
        like = parameters[int(number)]
        # In the memory layout of the parameter, which is how the optimizer made it.
        laid = torch.empty_like(like, dtype=value.dtype).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(number), {})[name] = laid
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
