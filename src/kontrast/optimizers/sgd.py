"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import chz
import torch

from kontrast.optimizers.optimizer import BATCH, Group, Optimizer, check_momentum, fused, laid_out


@chz.chz
class SGD(Optimizer):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient.

    v <- momentum v + g, then w <- w - lr v, or, with `nesterov`, w <- w - lr (g + momentum v), where g is the gradient
    plus weight_decay w (Sutskever et al. 2013).
    """

    rate: float = chz.field(default=0.1, doc="peak learning rate, before scaling by the batch")
    momentum: float = chz.field(default=0.9, doc="momentum in [0, 1)")
    nesterov: bool = chz.field(default=False, doc="look ahead (needs momentum > 0)")

    @chz.validate
    def _valid(self) -> None:
        check_momentum(self.momentum, 0.9)
        if self.nesterov and self.momentum == 0:
            raise ValueError("Nesterov's method needs momentum; write optimizer.momentum=0.9")

    def build(self, groups: Sequence[Group], batch: int = BATCH) -> torch.optim.Optimizer:
        made = self._split(groups, batch)
        return laid_out(torch.optim.SGD(made, momentum=self.momentum, nesterov=self.nesterov, fused=fused(made)))
