"""Tone: changes of a picture's levels, each level by itself or by how often it occurs.

Operations that Pillow defines on the 256 levels of a byte, equalization and posterization, round to the nearest level.
"""

from __future__ import annotations

from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.draws import Noise

LEVELS = 256


@chz.chz
class Brightness(Augmentation):
    """Random brightness of a share p of the pictures: x + delta, or x factor, then clamped to [0, 1].

    "added": delta is uniform in [-strength, strength]; "scaled": the factor is uniform in
    [max(0, 1 - strength), 1 + strength]. One number for all pixels and channels of a picture. With clip=False the
    result keeps what lies outside [0, 1], for a later change that needs it.
    """

    strength: float = chz.field(default=0.7, doc="greatest change of brightness")
    change: Literal["added", "scaled"] = chz.field(default="added", doc="whether pixels are shifted or multiplied")
    clip: bool = chz.field(default=True, doc="clamp the result to [0, 1]")
    p: float = chz.field(default=1.0, validator=probability, doc="probability of being changed")

    @chz.validate
    def _positive(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ValueError(f"strength is a finite number of 0 or more, not {self.strength}; write strength=0.7")
        if self.change not in ("added", "scaled"):
            raise ValueError(f"brightness is added or scaled, not {self.change!r}; write change=added")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        drawn = noise.uniform("brightness")[:, :, None, None]
        if self.change == "added":
            changed = images + (2 * drawn - 1) * self.strength
        else:
            low = max(0.0, 1 - self.strength)
            changed = images * (low + (1 + self.strength - low) * drawn)
        changed = images.lerp(changed, chosen(noise, "brightness", self.p))
        return changed.clamp_(0, 1) if self.clip else changed


@chz.chz
class Standardize(Augmentation):
    """Mean 0 and variance 1 for a share p of the pictures: (x - mean) / max(std, 1 / sqrt(N)), then clamped to [0, 1].

    Mean and standard deviation are those of all N numbers of one picture. Clamping turns all below the mean to 0 and
    all above it by one standard deviation to 1; clip=False leaves the result as it is.
    """

    clip: bool = chz.field(default=True, doc="clamp the result to [0, 1]")
    p: float = chz.field(default=0.5, validator=probability, doc="probability of being standardized")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        count = images[0].numel()
        mean = images.mean((1, 2, 3), keepdim=True)
        centered = images - mean
        deviation = centered.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(count**-0.5)
        changed = images.lerp(centered / deviation, chosen(noise, "standardize", self.p))
        return changed.clamp_(0, 1) if self.clip else changed


@chz.chz
class Clip(Augmentation):
    """Every number clamped to [0, 1]."""

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        return images.clamp(0, 1)


@chz.chz
class Invert(Augmentation):
    """The negative, 1 - x, of a share p of the pictures."""

    p: float = chz.field(default=0.5, validator=probability, doc="probability of being inverted")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        return images.lerp(1 - images, chosen(noise, "invert", self.p))


@chz.chz
class Solarize(Augmentation):
    """All numbers from `threshold` on inverted, in a share p of the pictures: 1 - x where x >= threshold, else x.

    The default is that of the second view of BYOL (Grill et al. 2020, arXiv 2006.07733).
    """

    threshold: float = chz.field(default=0.5, doc="the level from which on is inverted, in [0, 1]")
    p: float = chz.field(default=0.2, validator=probability, doc="probability of being solarized")

    @chz.validate
    def _level(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is a level from 0 to 1, not {self.threshold}; write threshold=0.5")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        solarized = torch.where(images >= self.threshold, 1 - images, images)
        return images.lerp(solarized, chosen(noise, "solarize", self.p))


@chz.chz
class Posterize(Augmentation):
    """Only the `bits` most significant bits of every level kept, in a share p of the pictures."""

    bits: int = chz.field(default=4, doc="bits that are kept, from 1 to 8")
    p: float = chz.field(default=0.5, validator=probability, doc="probability of being posterized")

    @chz.validate
    def _bits(self) -> None:
        if not 1 <= self.bits <= 8:
            raise ValueError(f"a level has 8 bits, of which {self.bits} cannot be kept; write bits=4")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        step = 2 ** (8 - self.bits)
        posterized = (_levels(images) / step).floor_() * (step / (LEVELS - 1))
        return images.lerp(posterized, chosen(noise, "posterize", self.p))


@chz.chz
class Equalize(Augmentation):
    """Histogram equalization of every channel of a share p of the pictures, by Pillow's law.

    With h the histogram of a channel over 256 levels and s = (sum of h without its last occupied level) div 255, level
    k becomes (s div 2 + h_0 + ... + h_(k-1)) div s, at most 255. Where s = 0, as in a picture of one level, the channel
    stays.
    """

    p: float = chz.field(default=0.5, validator=probability, doc="probability of being equalized")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        return images.lerp(equalized(images), chosen(noise, "equalize", self.p))


def equalized(images: Tensor) -> Tensor:
    """Images [n, c, h, w] in [0, 1] with every channel's histogram equalized."""
    levels = _levels(images).long().flatten(2)
    histogram = levels.new_zeros(*levels.shape[:2], LEVELS).scatter_add_(2, levels, torch.ones_like(levels))
    total = histogram.cumsum(2)
    last = histogram.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - last) // (LEVELS - 1)
    table = (total - histogram + step // 2) // step.clamp_min(1)
    changed = table.clamp_max_(LEVELS - 1).gather(2, levels).view(images.shape).to(images.dtype) / (LEVELS - 1)
    return torch.where(step[..., None] > 0, changed, images)


def _levels(images: Tensor) -> Tensor:
    """The nearest of 256 levels, 0 to 255, of numbers in [0, 1]."""
    return (images * (LEVELS - 1)).round_().clamp_(0, LEVELS - 1)
