"""Taps: pictures whose rows or columns are weighted sums of a few rows or columns of other pictures.

Resizing and blurring are both of this kind, and torch sums a few weighted rows of a table in one pass: `embedding_bag`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kontrast.augmentations.compiled import fused

STEPS = 1 << 24
"""Weights are whole multiples of 1 / STEPS, of which float32 holds every one from 0 to 1."""


class Taps(NamedTuple):
    """For each line of the result the lines that it is a sum of, int64 [n, out, k], and their weights [n, out, k]."""

    line: Tensor
    weight: Tensor

    def mirrored(self, mirror: Tensor) -> Taps:
        """Those with True in `mirror`, bool [n], with their result the other way round."""
        line, weight = (torch.where(mirror[:, None, None], each.flip(1), each) for each in self)
        return Taps(line, weight)


def balanced(weight: Tensor, main: Tensor) -> Tensor:
    """Weights [..., k] >= 0 of sum 1 up to rounding, as weights whose sum is 1 to the last bit in any order.

    What the others lose by it goes to the one at `main`, int64 [..., 1]. A mean by such weights of numbers in [0, 1] is
    in [0, 1], for rounding never turns the order of two sums.
    """
    weight = weight.mul(STEPS).floor_().scatter_(-1, main, 0.0)
    return weight.scatter_(-1, main, STEPS - weight.sum(-1, keepdim=True)).div_(STEPS)


def down(images: Tensor, rows: Taps) -> Tensor:
    """Images [n, c, h, w] with other rows: [n, c, out, w]."""
    n, channels, height, width = images.shape
    out, k = rows.line.shape[1:]
    first = torch.arange(0, n * channels * height, height, device=images.device).view(n, channels, 1, 1)
    weight = rows.weight[:, None].expand(n, channels, out, k).reshape(-1, k)
    summed = torch.nn.functional.embedding_bag(
        (rows.line[:, None] + first).view(-1, k),
        images.reshape(-1, width),
        per_sample_weights=weight,
        mode="sum",
    )
    return summed.view(n, channels, out, width)


def across(images: Tensor, columns: Taps) -> Tensor:
    """Images [n, c, h, w] with other columns: [n, c, h, out]."""
    return transposed(down(transposed(images), columns))


def transposed(images: Tensor) -> Tensor:
    """Images [n, c, h, w] with rows and columns in each other's place in memory too; bytes become floats in [0, 1]."""
    n, channels, height, width = images.shape
    return fused(_transposed)(images.flatten(0, 1)).view(n, channels, width, height)


def _transposed(planes: Tensor) -> Tensor:
    turned = planes.mT.contiguous()
    return turned.float().div_(255) if planes.dtype == torch.uint8 else turned
