"""Blur: a Gaussian blur of random width."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast.augmentations.augmentation import Augmentation
from kontrast.augmentations.chance import chosen, probability
from kontrast.augmentations.shares import drawn
from kontrast.augmentations.taps import Taps, across, balanced, down
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
        radius = max(1, int(self.kernel * min(images.shape[-2:])) // 2)
        kernel, is_blurred = drawn(noise, self._kernels, radius)
        if images.device.type != "cpu":  # to count the pictures that are blurred, one would have to wait for the device
            return _convolved(images, kernel)
        some = is_blurred.nonzero()[:, 0]
        return images.index_copy(0, some, _convolved(images[some], kernel[some])) if len(some) else images

    def _kernels(self, noise: Noise, radius: int) -> tuple[Tensor, Tensor]:
        """The kernel of each picture, [n, 2 radius + 1], and which of them are blurred at all, bool [n]."""
        low, high = self.sigma
        sigma = low + (high - low) * noise.uniform("blur")[:, 0]
        sigma = sigma * chosen(noise, "blur", self.p)[:, 0, 0, 0]
        return _gaussian(sigma, radius), sigma > 0


def blurred(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Images [n, c, h, w] under Gaussians of standard deviation sigma [n], cut off at `radius` pixels; 0 is no blur."""
    return _convolved(images, _gaussian(sigma, radius))


def _gaussian(sigma: Tensor, radius: int) -> Tensor:
    """Kernels [n, 2 radius + 1] of standard deviations sigma [n], each of sum 1 to the last bit."""
    offset = torch.arange(-radius, radius + 1, device=sigma.device)
    width = torch.where(sigma > 0, sigma, 1.0)[:, None]
    kernel = torch.exp(-0.5 * (offset / width).square())
    kernel *= sigma[:, None] > 0
    kernel[:, radius] = 1.0
    middle = torch.full((len(kernel), 1), radius, device=kernel.device)
    return balanced(kernel / kernel.sum(1, keepdim=True), middle)


def _convolved(images: Tensor, kernel: Tensor) -> Tensor:
    """Images [n, c, h, w] convolved in both directions with kernels [n, k], reflecting at the border."""
    rows, columns = (_reflecting(kernel, size) for size in images.shape[-2:])
    return down(across(images, columns), rows)


def _reflecting(kernel: Tensor, size: int) -> Taps:
    n, k = kernel.shape
    offset = torch.arange(k, device=kernel.device) - k // 2
    line = (torch.arange(size, device=kernel.device)[:, None] + offset).abs()
    line = (size - 1 - (size - 1 - line).abs()).clamp_min(0)
    return Taps(line.expand(n, size, k), kernel[:, None].expand(n, size, k))
