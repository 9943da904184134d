"""VICReg: views alike, every coordinate varying, and no two coordinates varying together."""

from __future__ import annotations

import math
from typing import ClassVar

import chz
import torch
from torch import Tensor

from kontrast.objectives.objective import Loss, Objective, widened
from kontrast.spaces import Euclidean, Space

EPS = 1e-4


@chz.chz(typecheck=True)
class VICReg(Objective):
    """Variance, invariance and covariance, each weighted on its own (Bardes, Ponce, LeCun 2021, arXiv 2105.04906).

        L = invariance mean_ik (x_ik - y_ik)^2
            + variance mean_z mean_k max(0, 1 - sqrt(Var_k(z) + 1e-4))
            + covariance sum_z sum_{k != l} Cov_kl(z)^2 / d

    for z the two views, with variances and covariances of divisor n - 1. This is the loss of the published code; the
    paper's equations have a sum over z for the variance too, and no mean over k for the invariance. Keys do not matter.

    Parts: `invariance`, `variance` and `covariance` with their weights, which add up to the loss.

    ValueError: fewer than two rows, rows of x, y and key that do not match, a negative weight, or a space other than
    Euclidean, in which no coordinate could vary so much.
    """

    symmetric: ClassVar[bool] = True

    invariance: float = chz.field(default=25.0, doc="weight of the invariance, >= 0")
    variance: float = chz.field(default=25.0, doc="weight of the variance, >= 0")
    covariance: float = chz.field(default=1.0, doc="weight of the covariance, >= 0")

    @chz.validate
    def _weights(self) -> None:
        for name in ("invariance", "variance", "covariance"):
            weight = getattr(self, name)
            if not 0 <= weight < math.inf:
                raise ValueError(f"{name} is a weight from 0 on, not {weight}; write objective.{name}=1")

    def check(self, space: Space) -> None:
        """A ValueError unless coordinates are free to vary by one."""
        if not isinstance(space, Euclidean):
            raise ValueError(
                f"VICReg asks for coordinates of standard deviation 1, for which {type(space).__name__} has no room; "
                "write space=Euclidean"
            )

    def check_batch(self, rows: int, dim: int) -> None:
        if rows < 2:
            raise ValueError(f"a variance needs at least two rows, not {rows}; write batch=256")

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        (x,), (y,) = widened(self, (x,), (y,), key)
        self.check_batch(*x.shape)
        variances, covariances = zip(_moments(x), _moments(y), strict=True)
        terms = {
            "invariance": self.invariance * (x - y).square().mean(),
            "variance": self.variance * torch.stack(variances).mean(),
            "covariance": self.covariance * torch.stack(covariances).sum(),
        }
        return Loss(torch.stack([*terms.values()]).sum(), {name: term.detach() for name, term in terms.items()})


def _moments(z: Tensor) -> tuple[Tensor, Tensor]:
    """How much of the deviation of coordinates [n, d] lacks to 1, and how much they vary together."""
    n, dim = z.shape
    z = z - z.mean(0)
    covariance = z.T @ z / (n - 1)
    variance = covariance.diagonal()
    together = (covariance - torch.diag(variance)).square().sum() / dim
    return (1 - (variance + EPS).sqrt()).relu().mean(), together
