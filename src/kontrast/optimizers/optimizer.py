"""The interface of an optimizer, and what all optimizers do alike: peak rates, exclusions, groups."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import chz
import torch
from torch import nn

from kontrast.parts import Part
from kontrast.schedules import Schedule

BATCH = 256
"""The batch whose peak rate under linear scaling is `rate` itself."""


class Group(NamedTuple):
    """Parameters that share a learning rate: `factor` times the peak, scaled by a schedule (None: the run's own).

    Those of an `excluded` group are treated as vectors are, whatever their shape.
    """

    parameters: Sequence[nn.Parameter]
    factor: float = 1.0
    schedule: Schedule | None = None
    excluded: bool = False


@chz.chz
class Optimizer(Part, ABC):
    """A rule for steps. The schedule scales its peak rate, which `scaling` derives from `rate` and the batch.

    For a batch of B things, over all processes, the peak is rate ("none"), rate * B / 256 ("linear"; Goyal et al. 2017,
    arXiv 1706.02677), or rate * sqrt(B) ("root"; Krizhevsky 2014, arXiv 1404.5997, and the 0.075 sqrt(B) of SimCLR,
    arXiv 2002.05709). A batch is counted in things, not in views, and whole, however it is accumulated.

    Vectors, that is biases and the scales and shifts of normalizations, are neither decayed nor, where the optimizer
    adapts its rate to each tensor, adapted; with exclude="nothing" they are treated as matrices are (SimSiam).
    """

    rate: float = chz.field(default=1e-3, doc="peak learning rate, before scaling by the batch")
    scaling: Literal["none", "linear", "root"] = chz.field(
        default="none", doc='peak rate for a batch B: rate ("none"), rate * B / 256 ("linear"), rate * sqrt(B) ("root")'
    )
    weight_decay: float = chz.field(default=0.0, doc="L2 penalty, added to the gradient")
    exclude: Literal["vectors", "nothing"] = chz.field(
        default="vectors", doc="what is not decayed: biases and normalizations, or nothing"
    )

    @chz.validate
    def _sound(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ValueError(f"a learning rate must be positive, not {self.rate}; write optimizer.rate=0.001")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"weight decay is a number from 0 on, not {self.weight_decay}; write optimizer.weight_decay=0"
            )
        if self.scaling not in ("none", "linear", "root"):
            raise ValueError(f"scaling is none, linear or root, not {self.scaling!r}; write optimizer.scaling=linear")
        if self.exclude not in ("vectors", "nothing"):
            raise ValueError(f"exclude is vectors or nothing, not {self.exclude!r}; write optimizer.exclude=vectors")

    @abstractmethod
    def build(self, groups: Sequence[Group], batch: int = BATCH) -> torch.optim.Optimizer:
        """The optimizer of these groups, for a batch of so many things over all processes.

        Every group of the torch optimizer carries its `peak` and the `schedule` it came with, for `set_rates`.
        """

    def peak(self, batch: int) -> float:
        """The peak learning rate for a batch of so many things."""
        if self.scaling == "none":
            return self.rate
        return self.rate * (batch / BATCH if self.scaling == "linear" else math.sqrt(batch))

    def describe(self, batch: int) -> str:
        """The peak learning rate for a batch, and how it comes about: peak learning rate 0.3 x 512/256 = 0.6."""
        how = {"none": "", "linear": f" x {batch}/{BATCH}", "root": f" x sqrt({batch})"}[self.scaling]
        return f"peak learning rate {self.rate:g}{how}" + (f" = {self.peak(batch):g}" if how else "")

    def set_rates(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        step: int,
        steps: int,
        losses: Sequence[float] = (),
    ) -> None:
        """Give every group of `optimizer` its learning rate at a step."""
        found: dict[Schedule, float] = {}
        for group in optimizer.param_groups:
            own = group["schedule"] or schedule
            if own not in found:
                found[own] = own.factor(step, steps, losses)
            group["lr"] = group["peak"] * found[own]

    def _split(self, groups: Sequence[Group], batch: int) -> list[dict[str, Any]]:
        """Groups as torch takes them, with what is decayed and adapted apart from what is excluded."""
        found: list[dict[str, Any]] = []
        for group in groups:
            peak = self.peak(batch) * group.factor
            for excluded in (False, True):
                chosen = [p for p in group.parameters if self._excluded(p, group) == excluded]
                if chosen:
                    decay = 0.0 if excluded else self.weight_decay
                    own = {"lr": peak, "peak": peak, "schedule": group.schedule, "excluded": excluded}
                    found.append({"params": chosen, "weight_decay": decay, **own})
        return found

    def _excluded(self, parameter: nn.Parameter, group: Group) -> bool:
        return group.excluded or (self.exclude == "vectors" and parameter.ndim <= 1)


def check_betas(betas: tuple[float, float]) -> None:
    """A ValueError unless the decays of both moments lie in [0, 1)."""
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"the decay of a moment lies in [0, 1), not {betas}; write optimizer.betas=0.9,0.999")


def check_momentum(momentum: float, write: float) -> None:
    """A ValueError, which says to write so much, unless momentum lies in [0, 1)."""
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum lies in [0, 1), not {momentum}; write optimizer.momentum={write}")


def fused(groups: Sequence[dict[str, Any]]) -> bool | None:
    """Whether torch has one kernel for the whole step of these parameters; None leaves it to torch.

    Such a kernel computes every number by itself, so that it repeats exactly.
    """
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters) or None


def laid_out(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer, whose gradients and loaded state are laid out in memory as its parameters are.

    Fused kernels go through parameter, gradient and state side by side, in the order of memory, whatever their strides
    say: of a kernel in channels-last order and a contiguous momentum they would make nonsense.
    """
    optimizer.register_step_pre_hook(_lay_out_gradients)
    optimizer.register_load_state_dict_post_hook(_lay_out_state)
    return optimizer


def _lay_out_gradients(optimizer: torch.optim.Optimizer, args: tuple[Any, ...], options: dict[Any, Any]) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and parameter.grad.stride() != parameter.stride():
                parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)


def _lay_out_state(optimizer: torch.optim.Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
