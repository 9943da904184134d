"""Residual networks, with torchvision's parameter names, so that weights move freely between the two."""

from __future__ import annotations

from typing import Literal

import chz
from torch import Tensor, nn

from kontrast.encoders.encoder import Encoder, check_dropout

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
SMALL = 64


@chz.chz
class ResNet(Encoder):
    """A residual network for pictures (He et al. 2015, arXiv 1512.03385). Its feature is the average over the picture.

    The feature has 8 * width numbers for depths 18 and 34, and 32 * width for 50 and more, whose blocks are bottlenecks
    with the stride in the 3 x 3 convolution. All stages widen with `width`: the ResNet-50 (2x) and (4x) of SimCLR have
    widths of 128 and 256. Depth 200 is that of He et al. 2016 (arXiv 1603.05027). The stem is "imagenet", a 7 x 7
    convolution of stride 2 and a max-pool, which divide the sides by 4, or "cifar", a 3 x 3 convolution of stride 1 and
    no max-pool, which keep them (Chen et al. 2020, arXiv 2002.05709, appendix B.9). Dropout follows the first rectifier
    and each of the four stages; a share of .3 is the encoder of probabilistic SimCLR.
    """

    depth: Literal[18, 34, 50, 101, 152, 200] = chz.field(default=18, doc="number of layers")
    width: int = chz.field(
        default=64, doc="channels of the first stage: 64 in the paper, 128 for twice the width, 16 for quick runs"
    )
    stem: Literal["auto", "cifar", "imagenet"] = chz.field(
        default="auto", doc='first layers; "auto" is "cifar" for pictures below 64 pixels and "imagenet" from there on'
    )
    zero_init: bool = chz.field(
        default=False, doc="begin with every residual branch at zero, by the scale of its last normalization"
    )
    dropout: float = chz.field(default=0.0, doc="share of the hidden numbers set to zero in training, in [0, 1)")

    @chz.validate
    def _known(self) -> None:
        if self.depth not in BLOCKS:
            raise ValueError(
                f"a ResNet has 18, 34, 50, 101, 152 or 200 layers, not {self.depth}; write encoder.depth=18"
            )
        if self.stem not in ("auto", "cifar", "imagenet"):
            raise ValueError(f"the stem is auto, cifar or imagenet, not {self.stem!r}; write encoder.stem=auto")
        if self.width < 1:
            raise ValueError(f"width is a number of channels, not {self.width}; write encoder.width=64")
        check_dropout(self.dropout)

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        if len(shape) != 3:
            raise ValueError(f"ResNet encodes pictures, not observations of shape {list(shape)}; write encoder=Mlp")
        small = self.stem == "cifar" or (self.stem == "auto" and min(shape[1:]) < SMALL)
        kind = _Bottleneck if self.depth >= 50 else _Basic
        network = _Network(shape[0], self.width, BLOCKS[self.depth], kind, small, self.dropout)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if self.zero_init and isinstance(module, _Block):
                nn.init.zeros_(module.last().weight)
        return network, network.features


class _Block(nn.Module):
    """relu(shortcut(x) + branch(x)), where the branch ends in the normalization `last()`."""

    downsample: nn.Module | None

    def _shortcut(self, before: int, after: int, stride: int) -> nn.Module | None:
        if stride == 1 and before == after:
            return None
        return nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def last(self) -> nn.BatchNorm2d:
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return (self.branch(x) + shortcut).relu_()


class _Basic(_Block):
    """Two 3 x 3 convolutions."""

    expansion = 1

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = self._shortcut(before, width, stride)

    def last(self) -> nn.BatchNorm2d:
        return self.bn2

    def branch(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu_()
        return self.bn2(self.conv2(x))  # type: ignore[no-any-return]


class _Bottleneck(_Block):
    """1 x 1, 3 x 3 and 1 x 1 convolutions, the last one four times as wide."""

    expansion = 4

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = self._shortcut(before, 4 * width, stride)

    def last(self) -> nn.BatchNorm2d:
        return self.bn3

    def branch(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        return self.bn3(self.conv3(x))  # type: ignore[no-any-return]


class _Network(nn.Module):
    def __init__(
        self,
        channels: int,
        width: int,
        blocks: tuple[int, ...],
        kind: type[_Basic | _Bottleneck],
        small: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.features = width
        for stage, count in enumerate(blocks):
            inner, made = width * 2**stage, list[nn.Module]()
            for block in range(count):
                made.append(kind(self.features, inner, stride=2 if stage and not block else 1))
                self.features = inner * kind.expansion
            made += [nn.Dropout(dropout)] if dropout else []
            self.add_module(f"layer{stage + 1}", nn.Sequential(*made))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.dropout(self.bn1(self.conv1(x)).relu_()))
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{stage}")(x)
        return x.mean((2, 3))
