"""Presets: the recipes of papers and of published programs, each a recipe with other defaults.

A crop keeps the size of the picture unless it is given one, and pictures stay in [0, 1]: the fixed normalization that
ends most of these recipes where they were published is off, because encoders here see pictures in [0, 1] wherever they
are probed or embed. Contrast and saturation change by torchvision's laws in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import chz

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.blur import Blur
from kontrast.augmentations.color import Jitter
from kontrast.augmentations.geometry import Crop
from kontrast.augmentations.recipe import SLOTS, Recipe, slot
from kontrast.augmentations.tone import Brightness, Clip, Solarize, Standardize


def _changed(name: str, part: Callable[..., Augmentation], *, on: bool = True) -> Any:
    """The slot `name` of a recipe with another default."""
    return slot(part, str(chz.chz_fields(Recipe)[name]._doc), on=on)


def _flip_last() -> Any:
    order = (*(name for name in SLOTS if name not in ("flip", "normalize")), "flip", "normalize")
    return chz.field(default=order, doc=str(chz.chz_fields(Recipe)["order"]._doc))


_TORCHVISION = partial(Crop, scale=(0.08, 1.0))
_BICUBIC = partial(Crop, scale=(0.08, 1.0), interpolation="bicubic")
_TENSORFLOW = partial(Crop, scale=(0.08, 1.0), interpolation="bicubic", tries=100)
_STRONG = partial(Jitter, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
_BYOL = partial(Jitter, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)


@chz.chz
class SimCLR(Recipe):
    """SimCLR for ImageNet (Chen et al. 2020, arXiv 2002.05709): crop, flip, strong jitter, grayscale, blur of half."""

    crop: Augmentation | None = _changed("crop", _TENSORFLOW)
    jitter: Augmentation | None = _changed("jitter", partial(_STRONG, lightening="added"))


@chz.chz
class SimCLRCifar(Recipe):
    """SimCLR for CIFAR-10 (arXiv 2002.05709, appendix B.9): jitter of half the strength, and no blur."""

    crop: Augmentation | None = _changed("crop", _TENSORFLOW)
    jitter: Augmentation | None = _changed("jitter", partial(Jitter, lightening="added"))
    blur: Augmentation | None = _changed("blur", Blur, on=False)


@chz.chz
class ProbabilisticSimCLR(Recipe):
    """Probabilistic SimCLR for CIFAR-10 and STL-10: jitter of half the strength, and a blur of all."""

    crop: Augmentation | None = _changed("crop", _TORCHVISION)
    blur: Augmentation | None = _changed("blur", partial(Blur, p=1.0))


@chz.chz
class SimCLRAblations(Recipe):
    """Ablations of SimCLR: crop, flip, strong jitter, grayscale, blur of half, and four changes that are off.

    Between grayscale and blur, in this order: `brightness` (added), `standardize` (half), clamping to [0, 1],
    `salt_pepper` and `invert` (half).
    """

    crop: Augmentation | None = _changed("crop", _TENSORFLOW)
    jitter: Augmentation | None = _changed("jitter", partial(_STRONG, lightening="added"))
    brightness: Augmentation | None = _changed("brightness", partial(Brightness, clip=False), on=False)
    standardize: Augmentation | None = _changed("standardize", partial(Standardize, clip=False), on=False)
    clip: Augmentation | None = _changed("clip", Clip)


@chz.chz
class SoloLearn(Recipe):
    """What solo-learn's first version does to CIFAR and STL-10, and SupCon to CIFAR: crop, flip, jitter, grayscale.

    SupCon: Khosla et al. 2020, arXiv 2004.11362.
    """

    blur: Augmentation | None = _changed("blur", Blur, on=False)


@chz.chz
class SoloLearnImageNet(Recipe):
    """What solo-learn's first version does to ImageNet: crop, strong jitter, grayscale, blur of half, flip."""

    jitter: Augmentation | None = _changed("jitter", _STRONG)
    order: tuple[str, ...] = _flip_last()


@chz.chz
class BYOLFirst(Recipe):
    """BYOL's first view (Grill et al. 2020, arXiv 2006.07733, appendix B): jitter, grayscale, and a blur of all.

    The change of brightness is added.
    """

    crop: Augmentation | None = _changed("crop", _BICUBIC)
    jitter: Augmentation | None = _changed("jitter", partial(_BYOL, lightening="added"))
    blur: Augmentation | None = _changed("blur", partial(Blur, p=1.0))


@chz.chz
class BYOLSecond(Recipe):
    """BYOL's second view (arXiv 2006.07733, appendix B): as the first, but a tenth blurred, and a fifth solarized."""

    crop: Augmentation | None = _changed("crop", _BICUBIC)
    jitter: Augmentation | None = _changed("jitter", partial(_BYOL, lightening="added"))
    blur: Augmentation | None = _changed("blur", partial(Blur, p=0.1))
    solarize: Augmentation | None = _changed("solarize", Solarize)


@chz.chz
class BarlowTwinsFirst(Recipe):
    """The first view of Barlow Twins (Zbontar et al. 2021, arXiv 2103.03230) and VICReg (arXiv 2105.04906).

    It is BYOL's, but for brightness, which is multiplied.
    """

    crop: Augmentation | None = _changed("crop", _BICUBIC)
    jitter: Augmentation | None = _changed("jitter", _BYOL)
    blur: Augmentation | None = _changed("blur", partial(Blur, p=1.0))


@chz.chz
class BarlowTwinsSecond(Recipe):
    """The second view of Barlow Twins (arXiv 2103.03230) and VICReg: a tenth blurred, and a fifth solarized."""

    crop: Augmentation | None = _changed("crop", _BICUBIC)
    jitter: Augmentation | None = _changed("jitter", _BYOL)
    blur: Augmentation | None = _changed("blur", partial(Blur, p=0.1))
    solarize: Augmentation | None = _changed("solarize", Solarize)


@chz.chz
class SimSiam(Recipe):
    """SimSiam for ImageNet (Chen and He 2020, arXiv 2011.10566): crop, jitter, grayscale, blur of half, flip."""

    order: tuple[str, ...] = _flip_last()


@chz.chz
class SwAV(Recipe):
    """The large views of SwAV (Caron et al. 2020, arXiv 2006.09882): a crop of 14 % or more, strong jitter, blur."""

    crop: Augmentation | None = _changed("crop", partial(Crop, scale=(0.14, 1.0)))
    jitter: Augmentation | None = _changed("jitter", _STRONG)


@chz.chz
class SwAVSmall(Recipe):
    """The small views of SwAV (arXiv 2006.09882): a crop of 5 to 14 % at 96 pixels, beside large views of 224."""

    crop: Augmentation | None = _changed("crop", partial(Crop, scale=(0.05, 0.14), size=96))
    jitter: Augmentation | None = _changed("jitter", _STRONG)
