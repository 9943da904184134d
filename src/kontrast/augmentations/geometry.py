"""Geometry: random resized crops and mirror images.

A crop that is resized, with antialiasing, is linear in the picture and separable: each row of the result is a sum of a
few rows, and then each column one of a few columns. A mirror image only changes which columns.
"""

from __future__ import annotations

import math
from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.augmentations.shares import drawn
from kontrast.augmentations.taps import Taps, across, balanced, down
from kontrast.draws import Noise

SUPPORT = {"bilinear": 1, "bicubic": 2}
"""How far a pixel reaches, in pixels."""


@chz.chz
class Crop(Augmentation):
    """A random part of the picture, resized: "random resized crop" (Szegedy et al. 2014, arXiv 1409.4842).

    The box has an area uniform in `scale` times the picture's and an aspect ratio width / height log-uniform in
    `ratio`, at a uniform place. If `tries` such boxes in a row do not fit, it is the largest central box of an allowed
    ratio. It is resized by Pillow's weights, bilinearly or bicubically, with antialiasing where it shrinks, and never
    looks beyond its border.

    Columns are resized before rows, and a bicubic curve is clamped to [0, 1] after each of the two. Pillow rounds to
    bytes there, and from version 13 on takes rows first where they alone shrink. Bilinear crops are within 2 levels of
    255 of Pillow's; so are bicubic ones in the same order, which in the other may differ by some 30 at single pixels of
    a picture of noise.
    """

    scale: tuple[float, float] = chz.field(
        default=(0.2, 1.0), doc="least and greatest area, as a share of the picture's"
    )
    ratio: tuple[float, float] = chz.field(
        default=(3 / 4, 4 / 3), doc="least and greatest aspect ratio, width / height"
    )
    size: int | None = chz.field(default=None, doc="height and width of the result in pixels; None: the picture's own")
    interpolation: Literal["bilinear", "bicubic"] = chz.field(default="bilinear", doc="how pixels are interpolated")
    tries: int = chz.field(default=10, doc="boxes that are drawn until one fits into the picture")

    @chz.validate
    def _ranges(self) -> None:
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale needs 0 < least <= greatest <= 1, not {low},{high}; write scale=0.2,1")
        low, high = self.ratio
        if not 0 < low <= high:
            raise ValueError(f"ratio needs 0 < least <= greatest, not {low},{high}; write ratio=0.75,1.333")
        if self.size is not None and self.size < 1:
            raise ValueError(
                f"size is a number of pixels, not {self.size}; write size=32, or None to keep the picture's"
            )
        if self.interpolation not in SUPPORT:
            raise ValueError(
                f"pixels are bilinear or bicubic, not {self.interpolation!r}; write interpolation=bilinear"
            )
        if self.tries < 1:
            raise ValueError(f"tries is a number of boxes, 1 or more, not {self.tries}; write tries=10")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        return self.mirrored(images, noise, None)

    def mirrored(self, images: Tensor, noise: Noise, mirror: Tensor | None) -> Tensor:
        """Random parts of images, of which those with True in `mirror`, bool [n], are mirrored left for right.

        Images may be bytes too, whose levels 0 to 255 become 0 to 1.
        """
        rows, row_weights, columns, column_weights = drawn(noise, self._taps, *images.shape[-2:])
        right = Taps(columns, column_weights)
        right = right if mirror is None else right.mirrored(mirror)
        return _resampled(images, Taps(rows, row_weights), right, self.interpolation)

    def _taps(self, noise: Noise, height: int, width: int) -> tuple[Tensor, ...]:
        boxes = self.boxes(noise, height, width)
        rows = taps(boxes[:, 0], boxes[:, 2], height, self.size or height, self.interpolation)
        return *rows, *taps(boxes[:, 1], boxes[:, 3], width, self.size or width, self.interpolation)

    def boxes(self, noise: Noise, height: int, width: int) -> Tensor:
        """Random boxes int64 [n, 4] (top, left, height, width) in pictures of height x width pixels."""
        uniform = noise.uniform("crop", 2 * self.tries + 2)
        area = height * width * _between(uniform[:, : self.tries], *self.scale)
        ratio = _between(uniform[:, self.tries : -2], math.log(self.ratio[0]), math.log(self.ratio[1])).exp()
        tall, wide = (area / ratio).sqrt().round().long(), (area * ratio).sqrt().round().long()
        fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
        first = fits.to(torch.uint8).argmax(1, keepdim=True)
        size = torch.cat([tall.gather(1, first), wide.gather(1, first)], 1)
        room = size.new_tensor([height, width]) + 1 - size
        corner = (uniform[:, -2:] * room).long().clamp_max(room - 1)
        fallback = size.new_tensor(self._central(height, width))
        return torch.where(fits.any(1, keepdim=True), torch.cat([corner, size], 1), fallback)

    def _central(self, height: int, width: int) -> tuple[int, int, int, int]:
        tall, wide = height, width
        if width / height < self.ratio[0]:
            tall = max(1, round(width / self.ratio[0]))
        elif width / height > self.ratio[1]:
            wide = max(1, round(height * self.ratio[1]))
        return (height - tall) // 2, (width - wide) // 2, tall, wide


@chz.chz
class Flip(Augmentation):
    """The mirror image, left for right, of a share p of the pictures."""

    p: float = chz.field(default=0.5, validator=probability, doc="probability of being mirrored")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        return images.lerp(images.flip(-1), chosen(noise, "flip", self.p))

    def mirror(self, noise: Noise) -> Tensor:
        """Which pictures are mirrored, bool [n]."""
        return chosen(noise, "flip", self.p)[:, 0, 0, 0] > 0


def resized_crop(images: Tensor, boxes: Tensor, height: int, width: int, interpolation: str = "bilinear") -> Tensor:
    """The boxes int64 [n, 4] (top, left, height, width) of images [n, c, h, w], resized to [n, c, height, width]."""
    rows = taps(boxes[:, 0], boxes[:, 2], images.shape[-2], height, interpolation)
    columns = taps(boxes[:, 1], boxes[:, 3], images.shape[-1], width, interpolation)
    return _resampled(images, rows, columns, interpolation)


def _resampled(images: Tensor, rows: Taps, columns: Taps, interpolation: str) -> Tensor:
    images = across(images, columns)
    if interpolation == "bilinear":
        return down(images, rows)
    # A bicubic curve overshoots, which is cut after each of the two, as Pillow's bytes cut it.
    return down(images.clamp_(0, 1), rows).clamp_(0, 1)


def taps(start: Tensor, length: Tensor, size: int, out: int, interpolation: str = "bilinear") -> Taps:
    """Weights that resize the pixels start ... start + length - 1 of `size`, both int64 [n], to `out` pixels.

    Output pixel o looks at the point c = start + (o + 1/2) s, s = length / out, and pixel i weighs
    f((i + 1/2 - c) / max(s, 1)), zero outside the range; the weights of an output pixel are scaled to sum to 1. f(x) is
    max(0, 1 - |x|) if bilinear, and if bicubic Keys's curve with a = -1/2 (Keys 1981): 1 - 5/2 x^2 + 3/2 |x|^3 for
    |x| < 1, and 2 - 4 |x| + 5/2 x^2 - 1/2 |x|^3 for 1 <= |x| < 2. These are Pillow's weights.
    """
    support = SUPPORT[interpolation]
    start, length = start.to(torch.float32)[:, None], length.to(torch.float32)[:, None]
    step = length / out
    reach = step.clamp_min(1)
    place = torch.arange(out, device=start.device) + 0.5
    center = start + place * step
    first = torch.maximum((center - support * reach - 0.5).floor() + 1, start)
    line = first[..., None] + torch.arange(-(-2 * support * max(size, out) // out), device=start.device)
    away = ((line + 0.5 - center[..., None]) / reach[..., None]).abs_()
    weight = (1 - away).clamp_min_(0) if interpolation == "bilinear" else _cubic(away)
    weight *= line < (start + length)[..., None]
    weight /= weight.sum(-1, keepdim=True)
    if interpolation == "bilinear":
        weight = balanced(weight, weight.argmax(-1, keepdim=True))
    return Taps(line.long().clamp_max_(size - 1), weight)


def _cubic(x: Tensor) -> Tensor:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform
