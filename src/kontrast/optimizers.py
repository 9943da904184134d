"""Optimizers: how parameters follow the gradient."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chz
import torch
from torch import nn

from kontrast.parts import Part
from kontrast.schedules import Schedule


class Group(NamedTuple):
    """Parameters that share a learning rate: `factor` times the peak, scaled by a schedule (None: the run's own)."""

    parameters: Sequence[nn.Parameter]
    factor: float = 1.0
    schedule: Schedule | None = None


class Optimizer(Part, ABC):
    """A rule for steps. `rate` is the peak that the schedule scales."""

    rate: float
    weight_decay: float

    @abstractmethod
    def build(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        """The optimizer of these groups. Biases and normalization (one-dimensional) are not decayed.

        Every group of the torch optimizer carries the `factor` and `schedule` it came with.
        """

    def set_rates(self, optimizer: torch.optim.Optimizer, schedule: Schedule, step: int, steps: int) -> None:
        """Give every group of `optimizer` its learning rate at a step."""
        for group in optimizer.param_groups:
            group["lr"] = self.rate * group["factor"] * (group["schedule"] or schedule).factor(step, steps)


def _check(optimizer: Optimizer) -> None:
    if not 0 < optimizer.rate < math.inf:
        raise ValueError(f"a learning rate must be positive, not {optimizer.rate}; write optimizer.rate=0.001")
    if not 0 <= optimizer.weight_decay < math.inf:
        raise ValueError(
            f"weight decay is a number from 0 on, not {optimizer.weight_decay}; write optimizer.weight_decay=0"
        )


def _check_betas(betas: tuple[float, float]) -> None:
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"the decay of a moment lies in [0, 1), not {betas}; write optimizer.betas=0.9,0.999")


def _split(groups: Sequence[Group], weight_decay: float) -> list[dict[str, Any]]:
    """Groups as torch takes them, with matrices, which are decayed, apart from vectors, which are not."""
    found: list[dict[str, Any]] = []
    for group in groups:
        for decay, vectors in ((weight_decay, False), (0.0, True)):
            chosen = [parameter for parameter in group.parameters if (parameter.ndim <= 1) == vectors]
            if chosen:
                found.append(
                    {"params": chosen, "weight_decay": decay, "factor": group.factor, "schedule": group.schedule}
                )
    return found


@chz.chz
class Adam(Optimizer):
    """Adam; weight decay is added to the gradient (Kingma and Ba 2014, arXiv 1412.6980)."""

    rate: float = chz.field(default=1e-3, doc="peak learning rate")
    weight_decay: float = chz.field(default=0.0, doc="L2 penalty, added to the gradient")
    betas: tuple[float, float] = chz.field(default=(0.9, 0.999), doc="decay of the two moments")

    @chz.validate
    def _valid(self) -> None:
        _check(self)
        _check_betas(self.betas)

    def build(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        return torch.optim.Adam(_split(groups, self.weight_decay), lr=self.rate, betas=self.betas)


@chz.chz
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv 1711.05101)."""

    rate: float = chz.field(default=1e-3, doc="peak learning rate")
    weight_decay: float = chz.field(default=1e-2, doc="decay, multiplied by the learning rate")
    betas: tuple[float, float] = chz.field(default=(0.9, 0.999), doc="decay of the two moments")

    @chz.validate
    def _valid(self) -> None:
        _check(self)
        _check_betas(self.betas)

    def build(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(_split(groups, self.weight_decay), lr=self.rate, betas=self.betas)


@chz.chz
class SGD(Optimizer):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient."""

    rate: float = chz.field(default=0.1, doc="peak learning rate")
    weight_decay: float = chz.field(default=0.0, doc="L2 penalty, added to the gradient")
    momentum: float = chz.field(default=0.9, doc="momentum in [0, 1)")
    nesterov: bool = chz.field(default=False, doc="look ahead (needs momentum > 0)")

    @chz.validate
    def _valid(self) -> None:
        _check(self)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum lies in [0, 1), not {self.momentum}; write optimizer.momentum=0.9")
        if self.nesterov and self.momentum == 0:
            raise ValueError("Nesterov's method needs momentum; write optimizer.momentum=0.9")

    def build(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        made = _split(groups, self.weight_decay)
        return torch.optim.SGD(made, lr=self.rate, momentum=self.momentum, nesterov=self.nesterov)


@chz.chz
class Muon(Optimizer):
    """Muon: momentum whose matrices are made orthogonal before each step; vectors are stepped by Adam.

    The update of a matrix [m, n] is that with all its singular values at 1, times .2 sqrt(max(m, n)), which makes it as
    large as one of Adam's, so that both share one rate (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982).
    """

    rate: float = chz.field(default=2e-3, doc="peak learning rate")
    weight_decay: float = chz.field(default=0.0, doc="decay, multiplied by the learning rate")
    momentum: float = chz.field(default=0.95, doc="momentum of the matrices, in [0, 1)")
    betas: tuple[float, float] = chz.field(default=(0.9, 0.999), doc="decay of the two moments of the vectors")

    @chz.validate
    def _valid(self) -> None:
        _check(self)
        _check_betas(self.betas)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum lies in [0, 1), not {self.momentum}; write optimizer.momentum=0.95")

    def build(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        parts: list[torch.optim.Optimizer] = []
        made = _split([_of(group, matrices=True) for group in groups], self.weight_decay)
        if made:
            parts.append(torch.optim.Muon(made, lr=self.rate, momentum=self.momentum, adjust_lr_fn="match_rms_adamw"))
        made = _split([_of(group, matrices=False) for group in groups], self.weight_decay)
        if made:
            parts.append(torch.optim.AdamW(made, lr=self.rate, betas=self.betas))
        return Several(parts)


def _of(group: Group, *, matrices: bool) -> Group:
    """The matrices of a group, or all else; kernels of convolutions are no matrices here."""
    return group._replace(parameters=[p for p in group.parameters if (p.ndim == 2) == matrices])


class Several(torch.optim.Optimizer):
    """Optimizers of different parameters as one: its groups and its state are theirs, one after the other."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([{"params": group["params"]} for part in parts for group in part.param_groups], {})
        self._join()

    def _join(self) -> None:
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        taken = 0
        for part in self.parts:
            own = part.state_dict()
            state |= {number + taken: value for number, value in own["state"].items()}
            groups += [
                {**group, "params": [number + taken for number in group["params"]]} for group in own["param_groups"]
            ]
            taken += sum(len(group["params"]) for group in own["param_groups"])
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        taken = used = 0
        for part in self.parts:
            groups = state_dict["param_groups"][used : used + len(part.param_groups)]
            count = sum(len(group["params"]) for group in groups)
            part.load_state_dict(
                {
                    "state": {n - taken: v for n, v in state_dict["state"].items() if taken <= n < taken + count},
                    "param_groups": [{**g, "params": [n - taken for n in g["params"]]} for g in groups],
                }
            )
            taken, used = taken + count, used + len(groups)
        self._join()
