"""All of R^d."""

from __future__ import annotations

import math
from collections.abc import Callable

import chz
import torch
from torch import Tensor, nn

from kontrast.spaces.space import Space


@chz.chz
class Euclidean(Space):
    """All of R^d, without bounds.

    As it is, z -> z. With `standardize`, every coordinate is brought to mean 0 and standard deviation `scale`: by the
    statistics of the batch in training and by their running average in evaluation, as batch normalization does
    (Ioffe and Szegedy 2015, arXiv 1502.03167), with no scale or shift for each coordinate. With `learned`, the
    logarithm of the one common scale is a parameter that starts at log(scale). `project` knows no running average and
    always goes by the batch it is given.
    """

    standardize: bool = chz.field(default=False, doc="bring every coordinate to mean 0 and standard deviation `scale`")
    scale: float = chz.field(default=1.0, doc="standard deviation of a standardized coordinate, > 0")
    learned: bool = chz.field(default=False, doc="learn the scale, from `scale` on")

    @chz.validate
    def _scaled(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"a scale must be positive and finite, not {self.scale}; write space.scale=1")
        if not self.standardize and (self.learned or self.scale != 1):
            raise ValueError("only standardized coordinates have a scale; write space.standardize=True with it")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        raise ValueError("R^d has no uniform law; write space=Box or space=Sphere for the latents")

    def project(self, z: Tensor) -> Tensor:
        return self.scale * nn.functional.batch_norm(z, None, None, training=True) if self.standardize else z

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        return center + noise()

    def build(self, dim: int) -> nn.Module:
        return Standardized(dim, self.scale, self.learned) if self.standardize else nn.Identity()


class Standardized(nn.Module):
    """Coordinates of mean 0 and one standard deviation, which may be learned: z = scale (z - mean) / deviation."""

    def __init__(self, dim: int, scale: float, learned: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim, affine=False)
        self.scale = scale
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale))) if learned else None

    def forward(self, z: Tensor) -> Tensor:
        scale = self.scale if self.log_scale is None else self.log_scale.exp()
        return scale * self.norm(z)  # type: ignore[no-any-return]
