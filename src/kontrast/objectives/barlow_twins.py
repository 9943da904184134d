"""Barlow Twins: the cross-correlation of two views as the identity."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import chz
import torch
from torch import Tensor

from kontrast.objectives.objective import Loss, Objective, widened


@chz.chz(typecheck=True)
class BarlowTwins(Objective):
    """The distance of the views' cross-correlation from the identity (Zbontar et al. 2021, arXiv 2103.03230).

        L = sum_k (1 - C_kk)^2 + weight sum_{k != l} C_kl^2,  C_kl = mean_i x~_ik y~_il

    with x~ and y~ the coordinates brought to mean 0 and standard deviation 1 over the batch, (x - mean) /
    sqrt(variance + eps). The paper's variance is that of batch normalization, whose divisor is n ("biased"); with n - 1
    ("unbiased") the diagonal reaches (n - 1) / n at most. Keys do not matter, and neither do location and scale of the
    embedding.

    Parts: `invariance` (the diagonal) and `redundancy` (the rest, with its weight), which add up to the loss.

    ValueError: fewer than two rows, rows of x, y and key that do not match, or weight or eps negative.
    """

    symmetric: ClassVar[bool] = True

    weight: float = chz.field(default=5e-3, doc="of the off-diagonal beside the diagonal, >= 0")
    deviation: Literal["biased", "unbiased"] = chz.field(default="biased", doc="whether variances divide by n or n - 1")
    eps: float = chz.field(default=1e-5, doc="added to the variance, >= 0")

    @chz.validate
    def _ranges(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"the weight is a number from 0 on, not {self.weight}; write objective.weight=0.005")
        if not 0 <= self.eps < math.inf:
            raise ValueError(f"eps is a number from 0 on, not {self.eps}; write objective.eps=1e-5")

    def check_batch(self, rows: int, dim: int) -> None:
        if rows < 2:
            raise ValueError(f"a correlation needs at least two rows, not {rows}; write batch=256")

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        (x,), (y,) = widened(self, (x,), (y,), key)
        self.check_batch(*x.shape)
        correlation = self._standardized(x).T @ self._standardized(y) / len(x)
        diagonal = correlation.diagonal()
        invariance = (1 - diagonal).square().sum()
        redundancy = self.weight * (correlation - torch.diag(diagonal)).square().sum()
        found = {"invariance": invariance.detach(), "redundancy": redundancy.detach()}
        return Loss(invariance + redundancy, found)

    def _standardized(self, z: Tensor) -> Tensor:
        variance, mean = torch.var_mean(z, 0, correction=int(self.deviation == "unbiased"))
        return (z - mean) / (variance + self.eps).sqrt()
