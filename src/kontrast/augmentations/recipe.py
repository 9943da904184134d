"""The recipe: which changes a view goes through, and in which order."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.blur import Blur
from kontrast.augmentations.color import Grayscale, Jitter
from kontrast.augmentations.geometry import Crop, Flip
from kontrast.draws import Noise


@chz.chz
class Recipe(Augmentation):
    """The changes a view goes through, in this order: crop, flip, jitter, grayscale, blur.

    This is the recipe of SimCLR (Chen et al. 2020, arXiv 2002.05709) with the strengths usual for small pictures. Each
    slot holds any augmentation, or None, which switches it off; no slot changes what another one draws.
    """

    crop: Augmentation | None = parts.field(Augmentation, Crop, doc="first change: a random part of the picture")
    flip: Augmentation | None = parts.field(Augmentation, Flip, doc="second change: the mirror image")
    jitter: Augmentation | None = parts.field(Augmentation, Jitter, doc="third change: color jitter")
    grayscale: Augmentation | None = parts.field(Augmentation, Grayscale, doc="fourth change: loss of color")
    blur: Augmentation | None = parts.field(Augmentation, Blur, doc="last change: Gaussian blur")

    @torch.no_grad()
    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        """Views float32 [n, c, h', w'] in [0, 1] of pictures [n, c, h, w], c = 1 or 3: uint8, or floats in [0, 1]."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            shape = ", ".join(str(size) for size in images.shape[1:])
            raise ValueError(
                f"a recipe changes pictures of 1 or 3 channels, not observations of shape [{shape}]; "
                "for vectors, choose another pairing"
            )
        images = images / 255.0 if images.dtype == torch.uint8 else images.float()
        with torch.autocast(images.device.type, enabled=False):
            for change in (self.crop, self.flip, self.jitter, self.grayscale, self.blur):
                if change is not None:
                    images = change(images, noise)
        return images
