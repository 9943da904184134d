"""The recipe: which changes a view goes through, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.blur import Blur
from kontrast.augmentations.color import Grayscale, Jitter
from kontrast.augmentations.geometry import Crop, Flip
from kontrast.augmentations.pixels import Cutout, Normalize, SaltPepper
from kontrast.augmentations.shares import drawn, in_shares
from kontrast.augmentations.tone import Brightness, Clip, Equalize, Invert, Posterize, Solarize, Standardize
from kontrast.augmentations.turn import Rotation
from kontrast.draws import Noise

SLOTS: dict[str, type[Augmentation]] = {
    "crop": Crop,
    "flip": Flip,
    "rotation": Rotation,
    "jitter": Jitter,
    "grayscale": Grayscale,
    "brightness": Brightness,
    "standardize": Standardize,
    "clip": Clip,
    "salt_pepper": SaltPepper,
    "invert": Invert,
    "blur": Blur,
    "solarize": Solarize,
    "equalize": Equalize,
    "posterize": Posterize,
    "cutout": Cutout,
    "normalize": Normalize,
}
"""The slots of a recipe in their usual order, with the change that each is made for."""


class _Slot(parts.Named):
    """Chooses the change of a slot by name; the class that the slot is made for has the slot's own defaults."""

    def from_string(self, factory: str) -> Callable[..., Any]:
        found, own = super().from_string(factory), self.unspecified_factory()
        return own if own is not None and getattr(own, "func", own) is found else found


def slot(part: Callable[..., Augmentation], doc: str, *, on: bool = True) -> Any:
    """A field for one change of a recipe: `part()` by default where it is on, otherwise None.

    `part` may be a functools.partial of a class. Its values then are the defaults of the slot: setting one option, or
    naming that class on the command line, keeps the others.
    """
    meta = _Slot(Augmentation, part)
    if not on:
        return chz.field(default=None, meta_factory=meta, doc=doc)
    return chz.field(default_factory=part, meta_factory=meta, doc=doc)


@chz.chz
class Recipe(Augmentation):
    """The changes a view goes through, one after the other, in the order of `order`.

    The default is the recipe of SimCLR (Chen et al. 2020, arXiv 2002.05709) with the strengths usual for small
    pictures: crop, flip, jitter, grayscale, blur. Each slot holds any augmentation, or None, which switches it off; no
    slot changes what another one draws, and neither does their order.
    """

    crop: Augmentation | None = slot(Crop, "a random part of the picture")
    flip: Augmentation | None = slot(Flip, "the mirror image")
    rotation: Augmentation | None = slot(Rotation, "a turn about the center", on=False)
    jitter: Augmentation | None = slot(Jitter, "color jitter")
    grayscale: Augmentation | None = slot(Grayscale, "loss of color")
    brightness: Augmentation | None = slot(Brightness, "brightness alone", on=False)
    standardize: Augmentation | None = slot(Standardize, "mean 0 and variance 1 for a picture", on=False)
    clip: Augmentation | None = slot(Clip, "numbers outside [0, 1] clamped, after changes that do not", on=False)
    salt_pepper: Augmentation | None = slot(SaltPepper, "pixels that turn black or white", on=False)
    invert: Augmentation | None = slot(Invert, "the negative", on=False)
    blur: Augmentation | None = slot(Blur, "Gaussian blur")
    solarize: Augmentation | None = slot(Solarize, "bright pixels inverted", on=False)
    equalize: Augmentation | None = slot(Equalize, "histogram equalization", on=False)
    posterize: Augmentation | None = slot(Posterize, "fewer levels", on=False)
    cutout: Augmentation | None = slot(Cutout, "a square taken out", on=False)
    normalize: Augmentation | None = slot(Normalize, "channels in other units", on=False)
    order: tuple[str, ...] = chz.field(
        default=tuple(SLOTS), doc="names of the slots in the order of their changes; of those that are off, any or none"
    )

    @chz.validate
    def _ordered(self) -> None:
        for name in self.order:
            parts.choose(name, SLOTS, "slot of a recipe")
        twice = [name for name in SLOTS if self.order.count(name) > 1]
        if twice:
            raise ValueError(f"order names {twice[0]} more than once; name each slot once: order={','.join(SLOTS)}")
        left = [name for name in SLOTS if getattr(self, name) is not None and name not in self.order]
        if left:
            raise ValueError(f"{left[0]} is on but has no place in the order; write it into order, or {left[0]}=None")

    @torch.no_grad()
    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        """Views float32 [n, c, h', w'] of pictures [n, c, h, w], c = 1 or 3: uint8, or floats in [0, 1]."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            shape = ", ".join(str(size) for size in images.shape[1:])
            raise ValueError(
                f"a recipe changes pictures of 1 or 3 channels, not observations of shape [{shape}]; "
                "for vectors, choose another pairing"
            )
        with torch.autocast(images.device.type, enabled=False):
            return in_shares(self._changed, images, noise)

    def _changed(self, images: Tensor, noise: Noise) -> Tensor:
        # Another part than the slot's own draws for this slot alone: two of one class are not alike.
        steps = [
            (change, noise if isinstance(change, SLOTS[name]) else noise.of(name))
            for name, change in self.steps().items()
        ]
        if images.dtype != torch.uint8:
            images = images.float()
        elif not steps or type(steps[0][0]) is not Crop:  # which takes bytes too
            images = images / 255.0
        while steps:
            change, own = steps.pop(0)
            after, its = steps[0] if steps else (None, own)
            # What follows on a crop or a jitter and costs nothing together with it.
            if type(change) is Crop and type(after) is Flip:
                del steps[0]
                images = change.mirrored(images, own, drawn(its, after.mirror))
            elif type(change) is Jitter and type(after) is Grayscale:
                del steps[0]
                images = change.grayed(images, own, drawn(its, after.share))
            else:
                images = change(images, own)
        return images

    def steps(self) -> dict[str, Augmentation]:
        """The changes by the names of their slots, in their order; those that are off are not there."""
        changes = {name: getattr(self, name) for name in self.order}
        return {name: change for name, change in changes.items() if change is not None}


def alone(recipe: Recipe) -> dict[str, Augmentation]:
    """For each slot that is on, in their order, the recipe with that slot alone: what it does, by the same draws."""
    return {name: chz.replace(recipe, **{other: None for other in SLOTS if other != name}) for name in recipe.steps()}
