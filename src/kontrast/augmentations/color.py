"""Color: brightness, contrast, saturation and hue in a random order, and loss of color.

Brightness, contrast and saturation are one operation, clamp(f x + a mean(gray(x)) + b gray(x) + d), so that the order
in which a picture goes through them is data, not control flow, and a batch needs no loop over its pictures.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.augmentations.compiled import fused
from kontrast.augmentations.shares import drawn
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

    With lightening="added", brightness is x + d instead, with d uniform in [-strength, strength], as in SimCLR's own
    program. With order="fixed" every picture goes through the four in the order in which they are named here.

    Hue is turned in real numbers. Pillow, which rounds hue, saturation and value to bytes, differs by up to 17 levels
    of 255 at single pixels of a picture of noise, and by less than 1 on average.
    """

    brightness: float = chz.field(default=0.4, doc="strength of the change of brightness, 0 for none")
    contrast: float = chz.field(default=0.4, doc="strength of the change of contrast, 0 for none")
    saturation: float = chz.field(default=0.4, doc="strength of the change of saturation, 0 for none")
    hue: float = chz.field(default=0.1, doc="strength of the change of hue, in turns, from 0 (none) to 0.5 (any)")
    p: float = chz.field(default=0.8, validator=probability, doc="probability of being changed at all")
    lightening: Literal["scaled", "added"] = chz.field(
        default="scaled", doc="whether a change of brightness multiplies pixels or shifts them"
    )
    order: Literal["random", "fixed"] = chz.field(
        default="random", doc="order of the four changes: drawn for each picture, or the one they are named in"
    )

    @chz.validate
    def _strengths(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is a strength of 0 or more, not {getattr(self, name)}; write {name}=0.4")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue is a share of the color circle from 0 to 0.5, not {self.hue}; write hue=0.1")
        if self.lightening not in ("scaled", "added"):
            raise ValueError(f"brightness is scaled or added, not {self.lightening!r}; write lightening=scaled")
        if self.order not in ("random", "fixed"):
            raise ValueError(f"the order is random or fixed, not {self.order!r}; write order=random")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        return self.grayed(images, noise, None)

    def grayed(self, images: Tensor, noise: Noise, lost: Tensor | None) -> Tensor:
        """Images under random changes, and then without color where `lost`, float32 [n, 1, 1, 1], is 1 and not 0."""
        check_channels(images)
        return _jittered(images, Plan(*drawn(noise, self._plan, images.shape[1] == 3)), lost)

    def changes(self, noise: Noise) -> tuple[Tensor, Tensor]:
        """The factors float32 [n, 4] of brightness, contrast, saturation and hue of each picture, and their order.

        The order int64 [n, 4] lists these four by number, 0 to 3. A picture left alone has the factors 1, 1, 1, 0, or
        0, 1, 1, 0 where brightness is added.
        """
        uniform = noise.uniform("jitter", 8)
        strength = uniform.new_tensor([self.brightness, self.contrast, self.saturation, self.hue])
        scaled = float(self.lightening == "scaled")
        neutral = uniform.new_tensor([scaled, 1.0, 1.0, 0.0])
        low = torch.where(neutral > 0, (neutral - strength).clamp_min(0), -strength)
        factors = low + (neutral + strength - low) * uniform[:, :4]
        order = uniform[:, 4:].argsort(1) if self.order == "random" else torch.arange(4).expand(len(uniform), 4)
        return neutral.lerp(factors, chosen(noise, "jitter", self.p)[:, :, 0, 0]), order.to(uniform.device)

    def _plan(self, noise: Noise, colored: bool) -> tuple[Tensor, ...]:
        return planned(*self.changes(noise), colored, self.lightening == "added")


@chz.chz
class Grayscale(Augmentation):
    """Loss of color in a share p of the pictures: all three channels become .2989 R + .587 G + .114 B."""

    p: float = chz.field(default=0.2, validator=probability, doc="probability of losing color")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        if images.shape[1] == 1:
            return images
        check_channels(images)
        return fused(_grayed)(images.flatten(2), self.share(noise)[..., 0]).view_as(images)

    def share(self, noise: Noise) -> Tensor:
        """float32 [n, 1, 1, 1]: 1 for the pictures that lose their color, and 0 for the others."""
        return chosen(noise, "grayscale", self.p)


class Plan(NamedTuple):
    """What jitter does to each of n pictures: a row of clamp(f x + a mean(gray(x)) + b gray(x) + d), and a turn.

    Hue is turned once for all pictures: with color there are three such changes before it and three after it, of which
    three leave the picture as it is; without color there are two and no turn.
    """

    factor: Tensor
    """f [n, k]."""
    level: Tensor
    """a [n, k]."""
    share: Tensor
    """b [n, k]."""
    shift: Tensor
    """d [n, k]."""
    turn: Tensor
    """Turn of the hue [n], as a share of the color circle."""


def check_channels(images: Tensor) -> None:
    """A ValueError if images [n, c, h, w] have another number of channels than one or three."""
    if images.shape[1] not in (1, 3):
        raise ValueError(f"colors need 1 or 3 channels, not {images.shape[1]}; write jitter=None grayscale=None")


def gray(images: Tensor) -> Tensor:
    """The luminance [n, 1, h, w] of images [n, c, h, w] of one or three channels."""
    check_channels(images)
    return images if images.shape[1] == 1 else _luminance([images[:, channel : channel + 1] for channel in range(3)])


def jitter(images: Tensor, factors: Tensor, order: Tensor, added: bool = False) -> Tensor:
    """Images [n, c, h, w] changed by factors [n, 4] of brightness, contrast, saturation, hue in the order int64 [n, 4].

    c is 1 or 3; saturation and hue mean nothing for c = 1. If `added`, the factor of brightness is added.
    """
    check_channels(images)
    return _jittered(images, planned(factors, order, images.shape[1] == 3, added))


def planned(factors: Tensor, order: Tensor, colored: bool, added: bool) -> Plan:
    """The plan for factors [n, 4] of brightness, contrast, saturation, hue in the order int64 [n, 4]."""
    place = order.argsort(1)
    change = place[:, : HUE if colored else SATURATION].argsort(1)
    factor = factors.gather(1, change)
    shift = torch.where(change == BRIGHTNESS, factor, 0.0) if added else torch.zeros_like(factor)
    factor = torch.where(change == BRIGHTNESS, 1.0, factor) if added else factor
    level = torch.where(change == CONTRAST, 1 - factor, 0.0)
    share = torch.where(change == SATURATION, 1 - factor, 0.0)
    if not colored:
        return Plan(factor, level, share, shift, factors[:, HUE])
    before = torch.arange(HUE, device=place.device) < place[:, HUE:]
    before, none = torch.cat([before, ~before], 1), factor.new_zeros(())
    level, share, shift = (torch.where(before, each.repeat(1, 2), none) for each in (level, share, shift))
    return Plan(torch.where(before, factor.repeat(1, 2), none + 1), level, share, shift, factors[:, HUE])


def _jittered(images: Tensor, plan: Plan, lost: Tensor | None = None) -> Tensor:
    weight = None if lost is None else lost[:, 0, 0]
    return fused(_changed)(images.flatten(2), *plan, weight).view_as(images)


def _grayed(images: Tensor, weight: Tensor) -> Tensor:
    """Images [n, 3, pixels] without color where their weight [n, 1, 1] is 1, and as they are where it is 0."""
    return images.lerp(_luminance([images[:, channel : channel + 1] for channel in range(3)]), weight)


def _changed(
    images: Tensor,
    factor: Tensor,
    level: Tensor,
    share: Tensor,
    shift: Tensor,
    turn: Tensor,
    lost: Tensor | None,
) -> Tensor:
    """Images [n, c, pixels] changed by a plan, and without color where `lost`, float32 [n, 1], is 1.

    Planes are tensors of their own, which are changed in place.
    """
    planes = [plane.clone() for plane in images.unbind(1)]
    steps = list(zip(*(x[..., None].unbind(1) for x in (factor, level, share, shift)), strict=True))
    for step in steps[:HUE]:
        _blend_(planes, *step)
    if len(planes) == 3:
        _turn_(planes, turn[:, None])
        for step in steps[HUE:]:
            _blend_(planes, *step)
        if lost is not None:
            luminance = _luminance(planes)
            planes = [plane.lerp_(luminance, lost) for plane in planes]
    return torch.stack(planes, 1)


def _blend_(planes: list[Tensor], f: Tensor, a: Tensor, b: Tensor, d: Tensor) -> None:
    """Planes [n, pixels] become clamp(f x + a mean(gray(x)) + b gray(x) + d), with numbers [n, 1]."""
    luminance = planes[0] if len(planes) == 1 else _luminance(planes)
    other = luminance * b + (luminance.mean(1, keepdim=True) * a + d)
    for plane in planes:
        plane.mul_(f).add_(other).clamp_(0, 1)


def _turn_(planes: list[Tensor], turn: Tensor) -> None:
    """Planes [n, pixels] of red, green and blue get their hue turned by a share [n, 1] of the color circle.

    Value and saturation stay. With v the largest, u the smallest channel and c = v - u, the hue in [-1/2, 1/2] turns
    is of the sign of g - b and of the size (1 + (g + b - r - u) / c) / 6; a color of hue t has the channels
    u + c clamp(2 - 6 |t - m / 3|, 0, 1), where m = 0, 1, 2 for r, g, b and |.| is the distance along the circle.
    """
    red, green, blue = planes
    lowest = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(lowest)
    size = (green + blue).sub_(red).sub_(lowest).div_(chroma.clamp_min(1e-12)).add_(1).div_(6)
    hue = size.copysign_(green - blue).add_(turn)
    for m in range(3):
        away = hue - m / 3
        away.sub_(away.round()).abs_()
        planes[m] = away.mul_(-6).add_(2).clamp_(0, 1).mul_(chroma).add_(lowest)


def _luminance(planes: list[Tensor]) -> Tensor:
    red, green, blue = planes
    return (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
