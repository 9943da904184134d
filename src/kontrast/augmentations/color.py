"""Color: brightness, contrast, saturation and hue in a random order, and loss of color.

Brightness, contrast and saturation are one operation, clamp(a x + b gray(x) + c mean(gray(x))), so that the order in
which a picture goes through them is data, not control flow, and a batch needs no loop over its pictures.
"""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.draws import Noise

LUMA = (0.2989, 0.587, 0.114)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


@chz.chz
class Jitter(Augmentation):
    """Random brightness, contrast, saturation and hue, in an order drawn for each picture: "color jitter".

    With factors f uniform in [max(0, 1 - strength), 1 + strength] and clamped to [0, 1] after each,
    brightness: f x;  contrast: f x + (1 - f) mean(gray(x));  saturation: f x + (1 - f) gray(x);  hue: turned by a
    share uniform in [-strength, strength] of the color circle. The defaults are half the strength of SimCLR
    (Chen et al. 2020, arXiv 2002.05709), as is usual for small pictures. Grayscale pictures know brightness and
    contrast only.
    """

    brightness: float = chz.field(default=0.4, doc="strength of the change of brightness, 0 for none")
    contrast: float = chz.field(default=0.4, doc="strength of the change of contrast, 0 for none")
    saturation: float = chz.field(default=0.4, doc="strength of the change of saturation, 0 for none")
    hue: float = chz.field(default=0.1, doc="strength of the change of hue, in turns, from 0 (none) to 0.5 (any)")
    p: float = chz.field(default=0.8, validator=probability, doc="probability of being changed at all")

    @chz.validate
    def _strengths(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is a strength of 0 or more, not {getattr(self, name)}; write {name}=0.4")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue is a share of the color circle from 0 to 0.5, not {self.hue}; write hue=0.1")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        factors, order = self.changes(noise)
        return jitter(images, factors, order)

    def changes(self, noise: Noise) -> tuple[Tensor, Tensor]:
        """The factors float32 [n, 4] of brightness, contrast, saturation and hue of each picture, and their order.

        The order int64 [n, 4] lists these four by number, 0 to 3. A picture left alone has the factors 1, 1, 1, 0.
        """
        uniform = noise.uniform("jitter", 8)
        strength = uniform.new_tensor([self.brightness, self.contrast, self.saturation, self.hue])
        neutral = uniform.new_tensor([1.0, 1.0, 1.0, 0.0])
        low = torch.where(neutral > 0, (neutral - strength).clamp_min(0), -strength)
        factors = low + (neutral + strength - low) * uniform[:, :4]
        order = uniform[:, 4:].argsort(1)
        return neutral.lerp(factors, chosen(noise, "jitter", self.p)[:, :, 0, 0]), order


@chz.chz
class Grayscale(Augmentation):
    """Loss of color in a share p of the pictures: all three channels become .2989 R + .587 G + .114 B."""

    p: float = chz.field(default=0.2, validator=probability, doc="probability of losing color")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        if images.shape[1] == 1:
            return images
        return images.lerp(gray(images), chosen(noise, "grayscale", self.p))


def gray(images: Tensor) -> Tensor:
    """The luminance [n, 1, h, w] of images [n, c, h, w] of one or three channels."""
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        raise ValueError(f"colors need 1 or 3 channels, not {images.shape[1]}; write jitter=None grayscale=None")
    red, green, blue = (images[:, channel : channel + 1] for channel in range(3))
    return (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def jitter(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Images [n, c, h, w] changed by factors [n, 4] of brightness, contrast, saturation, hue in the order int64 [n, 4].

    c is 1 or 3; saturation and hue mean nothing for c = 1.
    """
    place = order.argsort(1)
    colored = images.shape[1] == 3
    linear = place[:, : HUE if colored else SATURATION].argsort(1)
    factor = factors.gather(1, linear)
    images = images.clone()
    if not colored:
        return _blend_(images, linear, factor)
    # Hue is turned once for all pictures: each goes through some of its linear changes before, and the rest after it.
    before = torch.arange(HUE, device=place.device) < place[:, HUE:]
    _blend_(images, linear, torch.where(before, factor, 1.0))
    turn_hue_(images, factors[:, HUE])
    return _blend_(images, linear, torch.where(before, 1.0, factor))


def _blend_(images: Tensor, change: Tensor, factor: Tensor) -> Tensor:
    """A row of changes [n, k] in place, one after the other, each clamp(f x + (1 - f) y) with its factor f [n, k].

    y is nothing where the change is BRIGHTNESS, mean(gray(x)) where it is CONTRAST, gray(x) where it is SATURATION.
    """
    level = torch.where(change == CONTRAST, 1 - factor, 0.0)
    share = torch.where(change == SATURATION, 1 - factor, 0.0)
    for step in range(change.shape[1]):
        f, a, b = (each[:, step, None, None, None] for each in (factor, level, share))
        luminance = gray(images)
        other = torch.addcmul(a * luminance.mean((-2, -1), keepdim=True), b, luminance)
        images.mul_(f).add_(other).clamp_(0, 1)
    return images


def turn_hue_(images: Tensor, turn: Tensor) -> Tensor:
    """Colors [n, 3, h, w] with their hue turned, in place, by a share [n] of the color circle.

    Value and saturation stay. With v the largest, u the smallest channel and c = v - u, the hue in [-1/2, 1/2] turns
    is of the sign of g - b and of the size (1 + (g + b - r - u) / c) / 6; a color of hue t has the channels
    u + c clamp(2 - 6 |t - m / 3|, 0, 1), where m = 0, 1, 2 for r, g, b and |.| is the distance along the circle.
    """
    red, green, blue = images.unbind(1)
    lowest = images.amin(1)
    chroma = images.amax(1).sub_(lowest)
    size = (green + blue).sub_(red).sub_(lowest).div_(chroma.clamp_min(1e-12)).add_(1).div_(6)
    hue = size.copysign_(green - blue).add_(turn[:, None, None])
    for m, channel in enumerate((red, green, blue)):
        away = hue - m / 3
        away.sub_(away.round()).abs_()
        torch.addcmul(lowest, chroma, away.mul_(-6).add_(2).clamp_(0, 1), out=channel)
    return images
