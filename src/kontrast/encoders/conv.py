"""A plain convolutional network: an encoder of small pictures that keeps track of where things are."""

from __future__ import annotations

import chz
from torch import Tensor, nn
from torch.nn import functional

from kontrast.encoders.encoder import Encoder, check_dropout, dropped

LEAST = 8


@chz.chz
class Conv(Encoder):
    """Convolutions of stride 2, then one over all that is left, with rectifiers: for pictures of 8 pixels or more.

    The picture is halved until a side is below 8 pixels, by 4 x 4 convolutions whose channels double at every other
    one, beginning with `width`; a last convolution sees the whole of the remainder, so that the feature, of dimension
    8 * width, can tell positions, which pooling over the picture would forget. For 64 x 64 pixels and a width of 32
    this is the encoder of beta-VAE (Higgins et al. 2017) and of KITTI Masks (Klindt et al. 2020, arXiv 2007.10930).
    Weights are He-normal, biases 0. Dropout follows every rectifier but the last one, whose output is the feature.

    Pictures of another size than it was built for, as the small crops of multi-crop are, are brought to the size of the
    remainder by adaptive average pooling before the last convolution.
    """

    width: int = chz.field(default=32, doc="channels of the first convolution; the feature has 8 times as many numbers")
    batch_norm: bool = chz.field(default=False, doc="normalize each convolution's output over the batch")
    dropout: float = chz.field(default=0.0, doc="share of the hidden numbers set to zero in training, in [0, 1)")

    @chz.validate
    def _positive(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is a number of channels, not {self.width}; write encoder.width=32")
        check_dropout(self.dropout)

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        if len(shape) != 3 or min(shape[1:]) < LEAST:
            raise ValueError(
                f"Conv encodes pictures of at least {LEAST} x {LEAST} pixels, not observations of shape {list(shape)}; "
                "write encoder=Mlp for vectors"
            )
        channels, height, width = shape
        layers: list[nn.Module] = []
        while min(height, width) >= LEAST:
            out = self.width * 2 ** (len(layers) // 2)
            halving = nn.Conv2d(channels, out, 4, stride=2, padding=1, bias=not self.batch_norm)
            layers.append(self._layer(halving, self.dropout))
            channels, height, width = out, height // 2, width // 2
        out = 8 * self.width
        layers.append(self._layer(_Whole(channels, out, (height, width), bias=not self.batch_norm)))
        return nn.Sequential(*layers, nn.Flatten()), out

    def _layer(self, convolution: nn.Conv2d, dropout: float = 0.0) -> nn.Module:
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        rectifier = dropped(nn.ReLU(), dropout)
        if convolution.bias is None:
            return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), rectifier)
        nn.init.zeros_(convolution.bias)
        return nn.Sequential(convolution, rectifier)


class _Whole(nn.Conv2d):
    """A convolution over the whole of a map, which is brought to its size where it has another one."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.kernel_size
        if x.shape[-2:] != (height, width):
            x = functional.adaptive_avg_pool2d(x, (height, width))
        return super().forward(x)
