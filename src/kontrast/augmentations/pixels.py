"""Pixels: some of them lost, and all of them in other units."""

from __future__ import annotations

import math
from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.draws import Noise

STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    "stl10": ((0.4409, 0.4279, 0.3867), (0.2683, 0.2610, 0.2686)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Means and standard deviations of the channels of the training pictures of known data sets."""


@chz.chz
class SaltPepper(Augmentation):
    """Pixels that turn black (pepper) or white (salt), in all channels at once, in a share p of the pictures.

    Each pixel turns black with probability amount / 2, and then white with probability amount / 2. Every picture and
    view has its own pixels; with fixed=True the same pixels are hit in all of them, always.
    """

    amount: float = chz.field(default=0.05, validator=probability, doc="share of the pixels that are hit")
    fixed: bool = chz.field(default=False, doc="hit the same pixels in every picture, view and step")
    p: float = chz.field(default=1.0, validator=probability, doc="probability of being hit at all")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        height, width = images.shape[-2:]
        source = Noise(noise.key.new_zeros(1)) if self.fixed else noise
        drawn = source.uniform("salt and pepper", height * width).view(-1, 1, height, width)
        half = self.amount / 2
        hit = images.masked_fill(drawn < half * (1 - half), 0).masked_fill(drawn >= 1 - half, 1)
        return images.lerp(hit, chosen(noise, "salt and pepper", self.p))


@chz.chz
class Cutout(Augmentation):
    """A square of a share p of the pictures replaced by one level (DeVries and Taylor 2017, arXiv 1708.04552).

    Its area is `share` of the picture's, with a side rounded to whole pixels; its center is uniform over all pixels,
    so that a part of it may lie outside.
    """

    share: float = chz.field(default=0.25, validator=probability, doc="area of the square, as a share of the picture's")
    fill: float = chz.field(default=0.0, doc="the level that replaces it, in [0, 1]")
    p: float = chz.field(default=1.0, validator=probability, doc="probability of losing a square")

    @chz.validate
    def _level(self) -> None:
        if not 0 <= self.fill <= 1:
            raise ValueError(f"fill is a level from 0 to 1, not {self.fill}; write fill=0.5")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        top, left, side = self.squares(noise, *images.shape[-2:])
        rows, columns = (torch.arange(size, device=images.device) for size in images.shape[-2:])
        within = ((rows >= top[:, None]) & (rows < top[:, None] + side))[:, None, :, None]
        within = within & ((columns >= left[:, None]) & (columns < left[:, None] + side))[:, None, None]
        return images.lerp(images.masked_fill(within, self.fill), chosen(noise, "cutout", self.p))

    def squares(self, noise: Noise, height: int, width: int) -> tuple[Tensor, Tensor, int]:
        """Top and left int64 [n] of random squares, which may lie outside, and their side in pixels."""
        side = round(math.sqrt(self.share * height * width))
        place = noise.uniform("cutout", 2)
        top, left = ((place[:, k] * size).long().clamp_max(size - 1) for k, size in enumerate((height, width)))
        return top - side // 2, left - side // 2, side


@chz.chz
class Normalize(Augmentation):
    """Every channel in units of its standard deviation from its mean: (x - mean) / std, which leaves [0, 1].

    `mean` and `std` are one number for all channels, or one for each; `of` names a data set instead. Encoders here see
    pictures in [0, 1] wherever they are probed or embed, so normalize views only for an encoder that normalizes those.
    """

    of: Literal["given", "cifar10", "stl10", "imagenet"] = chz.field(
        default="given", doc="whose statistics: those given by mean and std, or those of a data set"
    )
    mean: tuple[float, ...] = chz.field(default=(0.5,), doc="mean of each channel, or of all")
    std: tuple[float, ...] = chz.field(default=(0.5,), doc="standard deviation of each channel, or of all")

    @chz.validate
    def _statistics(self) -> None:
        if self.of != "given" and self.of not in STATISTICS:
            raise ValueError(
                f"no statistics of {self.of!r} are known; write of=given, or one of {', '.join(STATISTICS)}"
            )
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(
                f"mean has {len(self.mean)} numbers and std has {len(self.std)}; give as many: mean=0.5 std=0.25"
            )
        if not all(0 < std < math.inf for std in self.std):
            raise ValueError(f"a standard deviation is positive, not {self.std}; write std=0.25,0.25,0.25")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        mean, std = (self.mean, self.std) if self.of == "given" else STATISTICS[self.of]
        if len(mean) not in (1, images.shape[1]):
            raise ValueError(
                f"statistics of {len(mean)} channels do not fit pictures of {images.shape[1]}; "
                "write normalize.of=given normalize.mean=0.5 normalize.std=0.25"
            )
        return (images - images.new_tensor(mean)[:, None, None]) / images.new_tensor(std)[:, None, None]
