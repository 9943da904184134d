"""Geometry: random resized crops and mirror images.

A crop that is resized, with antialiasing, is linear in the picture and separable: two small matrices per picture,
one for its rows and one for its columns, do all of it as batched matrix products.
"""

from __future__ import annotations

import math

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.draws import Noise

TRIES = 10


@chz.chz
class Crop(Augmentation):
    """A random part of the picture, resized: "random resized crop" (Szegedy et al. 2014, arXiv 1409.4842).

    The box has an area uniform in `scale` times the picture's and an aspect ratio width / height log-uniform in
    `ratio`, at a uniform place. If 10 such boxes in a row do not fit, it is the largest central box of an allowed
    ratio. It is resized bilinearly with antialiasing and never looks beyond its border.
    """

    scale: tuple[float, float] = chz.field(
        default=(0.2, 1.0), doc="least and greatest area, as a share of the picture's"
    )
    ratio: tuple[float, float] = chz.field(
        default=(3 / 4, 4 / 3), doc="least and greatest aspect ratio, width / height"
    )
    size: int | None = chz.field(default=None, doc="height and width of the result in pixels; None: the picture's own")

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

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        height, width = images.shape[-2:]
        return resized_crop(images, self.boxes(noise, height, width), self.size or height, self.size or width)

    def boxes(self, noise: Noise, height: int, width: int) -> Tensor:
        """Random boxes int64 [n, 4] (top, left, height, width) in pictures of height x width pixels."""
        uniform = noise.uniform("crop", 2 * TRIES + 2)
        area = height * width * _between(uniform[:, :TRIES], *self.scale)
        ratio = _between(uniform[:, TRIES:-2], math.log(self.ratio[0]), math.log(self.ratio[1])).exp()
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


def resized_crop(images: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """The boxes int64 [n, 4] (top, left, height, width) of images [n, c, h, w], resized to [n, c, height, width]."""
    rows = interpolation(boxes[:, 0], boxes[:, 2], images.shape[-2], height)
    columns = interpolation(boxes[:, 1], boxes[:, 3], images.shape[-1], width)
    return separable(images, rows, columns)


def interpolation(start: Tensor, length: Tensor, size: int, out: int) -> Tensor:
    """Weights float32 [n, out, size] that resize the pixels start ... start + length - 1 of `size` to `out` pixels.

    Bilinear with antialiasing: output pixel o looks at the point c = start + (o + 1/2) s, s = length / out, and pixel
    i weighs max(0, 1 - |i + 1/2 - c| / max(s, 1)), zero outside the range; each row is scaled to sum to 1. These are
    the weights of Pillow's BILINEAR.
    """
    start, length = start.to(torch.float32)[:, None], length.to(torch.float32)[:, None]
    step = length / out
    reach = step.clamp_min(1)
    pixel = torch.arange(size, device=start.device) + 0.5
    center = start + (torch.arange(out, device=start.device) + 0.5) * step
    weight = (1 - ((pixel - center[..., None]) / reach[..., None]).abs_()).clamp_min_(0)
    weight *= ((pixel > start) & (pixel < start + length))[:, None]
    return weight.div_(weight.sum(-1, keepdim=True))


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows[i] @ images[i] @ columns[i]^T for images [n, c, h, w], rows [n, h', h] and columns [n, w', w]."""
    n, channels, height, width = images.shape
    across = images.reshape(n, channels * height, width) @ columns.mT
    return rows[:, None] @ across.view(n, channels, height, -1)


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform
