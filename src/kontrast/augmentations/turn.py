"""Turn: a picture turned about its center."""

from __future__ import annotations

import math
from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.draws import Noise


@chz.chz
class Rotation(Augmentation):
    """A share p of the pictures turned about their centers by an angle uniform in `degrees`, counterclockwise.

    The picture keeps its size; what comes from outside has the level `fill`. Pixels are interpolated as Pillow does.
    """

    degrees: tuple[float, float] = chz.field(default=(-30.0, 30.0), doc="least and greatest angle, counterclockwise")
    interpolation: Literal["bilinear", "nearest"] = chz.field(default="bilinear", doc="how pixels are interpolated")
    fill: float = chz.field(default=0.0, doc="the level of what comes from outside, in [0, 1]")
    p: float = chz.field(default=1.0, validator=probability, doc="probability of being turned")

    @chz.validate
    def _ranges(self) -> None:
        low, high = self.degrees
        if not -math.inf < low <= high < math.inf:
            raise ValueError(f"degrees needs least <= greatest, not {low},{high}; write degrees=-30,30")
        if self.interpolation not in ("bilinear", "nearest"):
            raise ValueError(
                f"pixels are bilinear or nearest, not {self.interpolation!r}; write interpolation=bilinear"
            )
        if not 0 <= self.fill <= 1:
            raise ValueError(f"fill is a level from 0 to 1, not {self.fill}; write fill=0.5")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        turned = rotated(images, self.angles(noise), self.interpolation, self.fill)
        return images.lerp(turned, chosen(noise, "rotation", self.p))

    def angles(self, noise: Noise) -> Tensor:
        """The angle float32 [n] of each picture, in degrees."""
        low, high = self.degrees
        return low + (high - low) * noise.uniform("rotation")[:, 0]


def rotated(images: Tensor, degrees: Tensor, interpolation: str = "bilinear", fill: float = 0.0) -> Tensor:
    """Images [n, c, h, w] turned counterclockwise by `degrees` [n], with `fill` where they show what was outside.

    The pixel with center (x, y), measured from the picture's center, shows the point
    (x cos a - y sin a, x sin a + y cos a) of the original, if that is within it.
    """
    angle = torch.deg2rad(degrees)
    if interpolation == "nearest":
        return _nearest(images, angle.cos(), angle.sin(), fill)
    height, width = images.shape[-2:]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    y = torch.arange(height, device=images.device)[:, None] + (0.5 - height / 2)
    x = torch.arange(width, device=images.device) + (0.5 - width / 2)
    across = x * cos - y * sin + width / 2
    down = x * sin + y * cos + height / 2
    within = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    grid = torch.stack([across * (2 / width) - 1, down * (2 / height) - 1], -1)
    shown = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return torch.where(within[:, None], shown, fill)


def _nearest(images: Tensor, cos: Tensor, sin: Tensor, fill: float) -> Tensor:
    """The nearest pixel, found in whole numbers with 16 bits after the point as Pillow does: ties are common here."""
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device)[:, None]
    x = torch.arange(width, device=images.device)

    def fixed(number: Tensor) -> Tensor:
        return (number * 65536 + 0.5).floor().long()[:, None, None]

    left, top = 0.5 - width / 2, 0.5 - height / 2
    across = (fixed(left * cos - top * sin + width / 2) + x * fixed(cos) + y * fixed(-sin)) >> 16
    down = (fixed(left * sin + top * cos + height / 2) + x * fixed(sin) + y * fixed(cos)) >> 16
    within = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    place = (down * width + across).clamp(0, height * width - 1).flatten(1)[:, None]
    shown = images.flatten(2).gather(2, place.expand(-1, images.shape[1], -1)).view_as(images)
    return torch.where(within[:, None], shown, fill)
