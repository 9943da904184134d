"""Multilayer perceptrons: encoders of vectors."""

from __future__ import annotations

from itertools import pairwise

import chz
from torch import Tensor, nn

from kontrast.encoders.encoder import Encoder, check_dropout, dropped


@chz.chz
class Mlp(Encoder):
    """A multilayer perceptron with leaky rectifiers (slope 0.01), for vectors.

    The default is the encoder that inverts generating processes (Zimmermann et al. 2021, arXiv 2102.08850): for
    observations of n numbers, n -> 10n -> 50n -> 50n -> 50n -> 50n -> 10n. Its feature is the last layer, after the
    rectifier; a linear head makes it their whole network. Dropout follows every rectifier but this last one.
    """

    widths: tuple[int, ...] = chz.field(
        default=(10, 50, 50, 50, 50, 10), doc="width of each layer, first to last, in multiples of the observation's"
    )
    relative: bool = chz.field(default=True, doc="False: the widths are numbers of units, not multiples")
    dropout: float = chz.field(default=0.0, doc="share of the hidden numbers set to zero in training, in [0, 1)")

    @chz.validate
    def _layers(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths lists one positive number per layer, not {self.widths}; write widths=10,50,10")
        check_dropout(self.dropout)
        if self.dropout and len(self.widths) < 2:
            raise ValueError("one layer has nothing hidden that could drop out; write encoder.widths=10,50,10")

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        size = _length("Mlp", shape)
        widths = [size, *(width * size if self.relative else width for width in self.widths)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), dropped(nn.LeakyReLU(), self.dropout)]
        return nn.Sequential(*layers[:-1], nn.LeakyReLU()), widths[-1]


@chz.chz
class ResidualMlp(Encoder):
    """A residual perceptron, for vectors: x -> x + W2 relu(W1 x + b1) + b2, `depth` times, after a linear layer.

    W1 widens the stream `expansion` times. W2, b2 and the bias of the first layer start at 0, so the network starts as
    a linear map. There is no normalization unless `norm` puts a root-mean-square one before each W1 and at the end:
    what undoes a mixing by rectifiers is itself linear in pieces, which two blocks of rectifiers can express and
    norms only blur (He et al. 2016, arXiv 1603.05027).
    """

    width: int = chz.field(default=64, doc="units of the residual stream, and dimension of the feature")
    depth: int = chz.field(default=2, doc="number of residual blocks")
    expansion: int = chz.field(default=4, doc="hidden units of a block, in multiples of the width")
    norm: bool = chz.field(default=False, doc="root-mean-square norms before each block and after the last")
    dropout: float = chz.field(default=0.0, doc="share of the hidden numbers set to zero in training, in [0, 1)")

    @chz.validate
    def _sizes(self) -> None:
        if self.width < 1 or self.depth < 1 or self.expansion < 1:
            raise ValueError(
                f"width, depth and expansion are positive, not {self.width}, {self.depth} and {self.expansion}; "
                "write encoder.width=64 encoder.depth=2 encoder.expansion=4"
            )
        check_dropout(self.dropout)

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        inward = nn.Linear(_length("ResidualMlp", shape), self.width)
        nn.init.zeros_(inward.bias)
        blocks = [_Residual(self.width, self.expansion, self.norm, self.dropout) for _ in range(self.depth)]
        last = [nn.RMSNorm(self.width)] if self.norm else []
        return nn.Sequential(inward, *blocks, *last), self.width


class _Residual(nn.Module):
    def __init__(self, width: int, expansion: int, norm: bool, dropout: float) -> None:
        super().__init__()
        narrow = nn.Linear(expansion * width, width)
        nn.init.zeros_(narrow.weight)
        nn.init.zeros_(narrow.bias)
        wide = [nn.Linear(width, expansion * width), dropped(nn.ReLU(), dropout)]
        self.change = nn.Sequential(*([nn.RMSNorm(width)] if norm else []), *wide, narrow)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.change(x)
        return x + change


def _length(name: str, shape: tuple[int, ...]) -> int:
    if len(shape) != 1:
        raise ValueError(
            f"{name} encodes vectors, not pictures of shape {list(shape)}; write encoder=Conv or encoder=ResNet"
        )
    return shape[0]
