"""Optimizers: how parameters follow the gradient."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable

import chz
import torch
from torch import nn

from kontrast.parts import Part


class Optimizer(Part, ABC):
    """A rule for steps. `rate` is the peak that the schedule scales."""

    rate: float
    weight_decay: float

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters. Biases and normalization (one-dimensional) are not decayed."""


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


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, object]]:
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for parameter in parameters:
        (matrices if parameter.ndim > 1 else vectors).append(parameter)
    groups: list[dict[str, object]] = [{"params": matrices, "weight_decay": weight_decay}]
    return [group for group in [*groups, {"params": vectors, "weight_decay": 0.0}] if group["params"]]


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

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(_groups(parameters, self.weight_decay), lr=self.rate, betas=self.betas)


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

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(_groups(parameters, self.weight_decay), lr=self.rate, betas=self.betas)


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

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        groups = _groups(parameters, self.weight_decay)
        return torch.optim.SGD(groups, lr=self.rate, momentum=self.momentum, nesterov=self.nesterov)
