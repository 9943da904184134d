"""Adam, with weight decay in the gradient or apart from it."""

from __future__ import annotations

from collections.abc import Sequence

import chz
import torch

from kontrast.optimizers.optimizer import BATCH, Group, Optimizer, check_betas, fused, laid_out


@chz.chz
class _Moments(Optimizer):
    """What follows the moving averages of the gradient and of its square."""

    betas: tuple[float, float] = chz.field(default=(0.9, 0.999), doc="decay of the two moments")

    @chz.validate
    def _valid(self) -> None:
        check_betas(self.betas)


@chz.chz
class Adam(_Moments):
    """Adam; weight decay is added to the gradient (Kingma and Ba 2014, arXiv 1412.6980)."""

    def build(self, groups: Sequence[Group], batch: int = BATCH) -> torch.optim.Optimizer:
        made = self._split(groups, batch)
        return laid_out(torch.optim.Adam(made, betas=self.betas, fused=fused(made)))


@chz.chz
class AdamW(_Moments):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv 1711.05101)."""

    weight_decay: float = chz.field(default=1e-2, doc="decay, multiplied by the learning rate")

    def build(self, groups: Sequence[Group], batch: int = BATCH) -> torch.optim.Optimizer:
        made = self._split(groups, batch)
        return laid_out(torch.optim.AdamW(made, betas=self.betas, fused=fused(made)))
