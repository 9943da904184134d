"""Multilayer perceptrons: encoders of vectors."""

from __future__ import annotations

from itertools import pairwise

import chz
from torch import Tensor, nn

from kontrast.encoders.encoder import Encoder


@chz.chz
class Mlp(Encoder):
    """A multilayer perceptron with leaky rectifiers (slope 0.01), for vectors.

    The default is the encoder that inverts generating processes (Zimmermann et al. 2021, arXiv 2102.08850): for
    observations of n numbers, n -> 10n -> 50n -> 50n -> 50n -> 50n -> 10n. Its feature is the last layer, after the
    rectifier; a linear head makes it their whole network.
    """

    widths: tuple[int, ...] = chz.field(
        default=(10, 50, 50, 50, 50, 10), doc="width of each layer, first to last, in multiples of the observation's"
    )
    relative: bool = chz.field(default=True, doc="False: the widths are numbers of units, not multiples")

    @chz.validate
    def _layers(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths lists one positive number per layer, not {self.widths}; write widths=10,50,10")

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        size = _length("Mlp", shape)
        widths = [size, *(width * size if self.relative else width for width in self.widths)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU()]
        return nn.Sequential(*layers), widths[-1]


@chz.chz
class ResidualMlp(Encoder):
    """A residual perceptron, for vectors: x -> x + W2 gelu(W1 norm(x)), `depth` times, with root-mean-square norms.

    W1 doubles the width and W2 halves it again; a linear layer comes before and a norm after. It is much smaller
    than the default `Mlp` and takes larger learning rates (He et al. 2016, arXiv 1603.05027; Zhang and Sennrich
    2019, arXiv 1910.07467).
    """

    width: int = chz.field(default=128, doc="units of the residual stream, and dimension of the feature")
    depth: int = chz.field(default=2, doc="number of residual blocks")

    @chz.validate
    def _sizes(self) -> None:
        if self.width < 1 or self.depth < 1:
            raise ValueError(
                f"width and depth are positive, not {self.width} and {self.depth}; "
                "write encoder.width=128 encoder.depth=2"
            )

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        blocks = [_Residual(self.width) for _ in range(self.depth)]
        inward = nn.Linear(_length("ResidualMlp", shape), self.width)
        return nn.Sequential(inward, *blocks, nn.RMSNorm(self.width)), self.width


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.RMSNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.change(x)
        return x + change


def _length(name: str, shape: tuple[int, ...]) -> int:
    if len(shape) != 1:
        raise ValueError(
            f"{name} encodes vectors, not pictures of shape {list(shape)}; write encoder=Conv or encoder=ResNet"
        )
    return shape[0]
