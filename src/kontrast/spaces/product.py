"""The product of two spaces."""

from __future__ import annotations

from collections.abc import Callable

import chz
import torch
from torch import Tensor, nn

from kontrast import parts
from kontrast.spaces.box import Box
from kontrast.spaces.space import Space
from kontrast.spaces.sphere import Sphere


@chz.chz
class Product(Space):
    """Two spaces side by side: the first `split` coordinates of a point are in `first`, the rest in `second`.

    It nests for more than two. The latents of 3DIdent are a box of 3 positions and a sphere of 8 coordinates
    (Zimmermann et al. 2021, arXiv 2102.08850). Where both spaces say how certain a point is, the sum is what the
    product says.
    """

    first: Space = parts.field(Space, Box, doc="where the first `split` coordinates are")
    second: Space = parts.field(Space, Sphere, doc="where the other coordinates are")
    split: int = chz.field(default=3, doc="how many coordinates are in `first`")

    @chz.validate
    def _some(self) -> None:
        if self.split < 1:
            raise ValueError(f"the first space needs coordinates, not {self.split} of them; write space.split=3")
        self.first.check(self.split)

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        self.check(dim)
        first = self.first.uniform(n, self.split, generator)
        return torch.cat((first, self.second.uniform(n, dim - self.split, generator)), -1)

    def project(self, z: Tensor) -> Tensor:
        first, second = self._parts(z, self.first.inputs(self.split))
        return torch.cat((self.first.project(first), self.second.project(second)), -1)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        first, second = self._parts(center, self.split)
        kept = self.first.keep(first, lambda: noise()[..., : self.split])
        return torch.cat((kept, self.second.keep(second, lambda: noise()[..., self.split :])), -1)

    def check(self, dim: int) -> None:
        if dim <= self.split:
            raise ValueError(
                f"a product with split={self.split} needs points of more coordinates than that, not {dim}; "
                f"write a dimension of {self.split + 1} or more, or a smaller split"
            )
        self.second.check(dim - self.split)

    def inputs(self, dim: int) -> int:
        return self.first.inputs(self.split) + self.second.inputs(dim - self.split)

    def build(self, dim: int) -> nn.Module:
        self.check(dim)
        return SideBySide(
            self.first.build(self.split), self.second.build(dim - self.split), self.first.inputs(self.split)
        )

    def concentration(self, z: Tensor) -> Tensor | None:
        first, second = self._parts(z, self.split)
        said = [self.first.concentration(first), self.second.concentration(second)]
        known = [each for each in said if each is not None]
        return torch.stack(known).sum(0) if known else None

    @staticmethod
    def _parts(z: Tensor, split: int) -> tuple[Tensor, Tensor]:
        return z[..., :split], z[..., split:]


class SideBySide(nn.Module):
    """Two modules, the first for the first `split` columns and the second for the rest."""

    def __init__(self, first: nn.Module, second: nn.Module, split: int) -> None:
        super().__init__()
        self.first, self.second, self.split = first, second, split

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat((self.first(z[..., : self.split]), self.second(z[..., self.split :])), -1)
