"""The box."""

from __future__ import annotations

import math
from collections.abc import Callable

import chz
import torch
from torch import Tensor, nn

from kontrast.spaces.space import Projected, Space, truncated


@chz.chz
class Box(Space):
    """The box [low, high]^d. A network's output enters it through a logistic function.

    With `learned`, each coordinate has a width w_k of its own: z_k -> low + w_k sigmoid(z_k). The logarithms of the
    widths are parameters that start at log(high - low), and the corner at `low` stays, as in the source's [0, w_k]
    (Zimmermann et al. 2021, arXiv 2102.08850). Scores that depend on differences alone do not see the corner, and the
    widths settle at the scale at which they fit the objective's temperature.
    """

    low: float = chz.field(default=0.0, doc="lower bound of every coordinate")
    high: float = chz.field(default=1.0, doc="upper bound of every coordinate")
    learned: bool = chz.field(default=False, doc="learn a width for each coordinate, from high - low on")

    @chz.validate
    def _ordered(self) -> None:
        if not self.low < self.high or math.isinf(self.high - self.low):
            raise ValueError(f"a box needs low < high, not low={self.low} high={self.high}; write low=0 high=1")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        return self.low + (self.high - self.low) * torch.rand(n, dim, generator=generator)

    def project(self, z: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(z)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return truncated(center, noise, self.low, self.high)

    def build(self, dim: int) -> nn.Module:
        return LearnedBox(self.low, self.high, dim) if self.learned else Projected(self)


class LearnedBox(nn.Module):
    """The box whose widths are learned, as their logarithms [dim]."""

    def __init__(self, low: float, high: float, dim: int) -> None:
        super().__init__()
        self.low = low
        self.log_width = nn.Parameter(torch.full((dim,), math.log(high - low)))

    def forward(self, z: Tensor) -> Tensor:
        return self.low + self.log_width.exp() * torch.sigmoid(z)
