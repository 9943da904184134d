"""Objectives whose answers are given: the supervised ceilings that contrastive encoders are held against."""

from __future__ import annotations

from typing import ClassVar, Literal

import chz
import torch
from torch import Tensor
from torch.nn import functional

from kontrast.objectives.objective import Loss, Objective
from kontrast.spaces import Euclidean, Space


class Supervised(Objective):
    """An objective that is told the answers: they are labels or latents, not embeddings."""

    target: ClassVar[str]
    """What the answers are: "labels" or "latents"."""

    def check(self, space: Space) -> None:
        """A ValueError unless the outputs are free to take any value."""
        if not isinstance(space, Euclidean):
            raise ValueError(
                f"{type(self).__name__} needs unbounded outputs, not {type(space).__name__}; write space=Euclidean"
            )


@chz.chz(typecheck=True)
class CrossEntropy(Supervised):
    """Cross-entropy of the label y_i under softmax(x_i): L = -mean_i log softmax(x_i)[y_i].

    x [n, classes] are logits and y int64 [n] labels; rows labeled -1 do not count. Chance is log(classes).
    Measure: `accuracy`. ValueError where no row has a label.
    """

    target: ClassVar[str] = "labels"

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        labeled = y >= 0
        if not bool(labeled.any()):
            raise ValueError("none of the rows has a label; CrossEntropy needs at least one in each batch")
        total = functional.cross_entropy(x.float() if x.dtype.itemsize < 4 else x, y, ignore_index=-1)
        with torch.no_grad():
            accuracy = (x.argmax(1) == y)[labeled].float().mean()
        return Loss(total, measures={"accuracy": accuracy})


@chz.chz(typecheck=True)
class MeanSquaredError(Supervised):
    """Mean squared error of latents: L = mean over rows and columns of (x - y)^2, for x and y [n, k].

    With `unit="variance"` each column's error is in units of its variance in the batch, so that L = 1 - R^2, averaged
    over columns, and latents of any scale weigh alike. Measure: `r2`, 1 - SSE / SST averaged over columns.
    """

    target: ClassVar[str] = "latents"

    unit: Literal["latent", "variance"] = chz.field(default="latent", doc="what errors are measured in")

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        if x.shape != y.shape:
            raise ValueError(
                f"outputs {tuple(x.shape)} do not fit latents {tuple(y.shape)}; write head.dim={y.shape[1]}"
            )
        error = ((x.float() if x.dtype.itemsize < 4 else x) - y).square().mean(0)
        share = (error / y.var(0, correction=0).clamp_min(1e-12)).mean()
        total = share if self.unit == "variance" else error.mean()
        return Loss(total, measures={"r2": 1 - share.detach()})
