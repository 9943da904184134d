"""Blur: a Gaussian blur of random width."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.augmentations.geometry import separable
from kontrast.draws import Noise


@chz.chz
class Blur(Augmentation):
    """A Gaussian blur of a share p of the pictures, of standard deviation uniform in `sigma` pixels.

    The kernel has the odd number of pixels 2 floor(kernel * side / 2) + 1, at least 3, where side is the shorter one of
    the picture, and meets the border by reflection, as in SimCLR (Chen et al. 2020, arXiv 2002.05709): 3 pixels at a
    side of 32, 9 at 96, 23 at 224.
    """

    p: float = chz.field(default=0.5, validator=probability, doc="probability of being blurred")
    sigma: tuple[float, float] = chz.field(default=(0.1, 2.0), doc="least and greatest standard deviation, in pixels")
    kernel: float = chz.field(default=0.1, doc="size of the kernel, as a share of the picture's shorter side")

    @chz.validate
    def _ranges(self) -> None:
        low, high = self.sigma
        if not 0 < low <= high:
            raise ValueError(f"sigma needs 0 < least <= greatest, not {low},{high}; write sigma=0.1,2")
        if not 0 < self.kernel <= 1:
            raise ValueError(
                f"kernel is a share of the picture above 0 and up to 1, not {self.kernel}; write kernel=0.1"
            )

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        low, high = self.sigma
        sigma = low + (high - low) * noise.uniform("blur")[:, 0]
        radius = max(1, int(self.kernel * min(images.shape[-2:])) // 2)
        return blurred(images, sigma * chosen(noise, "blur", self.p)[:, 0, 0, 0], radius)


def blurred(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Images [n, c, h, w] under Gaussians of standard deviation sigma [n], cut off at `radius` pixels; 0 is no blur."""
    offset = torch.arange(-radius, radius + 1, device=images.device)
    width = torch.where(sigma > 0, sigma, 1.0)[:, None]
    kernel = torch.exp(-0.5 * (offset / width).square()) * (sigma[:, None] > 0)
    kernel[:, radius] = 1.0
    kernel /= kernel.sum(1, keepdim=True)
    rows, columns = (_smoothing(kernel, offset, size) for size in images.shape[-2:])
    return separable(images, rows, columns)


def _smoothing(kernel: Tensor, offset: Tensor, size: int) -> Tensor:
    """The matrices [n, size, size] that convolve `size` pixels with kernels [n, k], reflecting at the border."""
    here = torch.arange(size, device=kernel.device)
    source = (here[:, None] + offset).abs()
    source = (size - 1 - (size - 1 - source).abs()).clamp_min(0)
    shifts = torch.nn.functional.one_hot(source, size).to(kernel.dtype)
    return torch.einsum("nk,oks->nos", kernel, shifts)
