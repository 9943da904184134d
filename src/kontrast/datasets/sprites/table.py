"""The table of dSprites: the values of its columns, and the rows of it by their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kontrast.datasets.sprites.shapes import SHAPES

GRID: dict[str, Tensor] = {
    "color": torch.ones(1, dtype=torch.float64),
    "shape": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
    "scale": torch.from_numpy(np.linspace(0.5, 1, 6)),
    "orientation": torch.from_numpy(np.linspace(0, 2 * np.pi, 40)),
    "posX": torch.from_numpy(np.linspace(0, 1, 32)),
    "posY": torch.from_numpy(np.linspace(0, 1, 32)),
}
"""The values of each column of dSprites; the last orientation is the first again."""


class Grid(NamedTuple):
    """Rows of the dSprites table, in the layout of the published file, and what `render` needs for them.

    `classes` int64 [n, 6] and `values` float64 [n, 6] have the columns color, shape, scale, orientation, posX, posY.
    `latents` float32 [n, 5] are in the units of the factors of `Sprites`, in which the last orientation is 0 as the
    first is; where color is a latent they are [n, 6].
    """

    classes: Tensor
    values: Tensor
    latents: Tensor


def count(shapes: Sequence[str], colors: Sequence[float]) -> int:
    """The rows of the table."""
    return math.prod(_sizes(shapes, colors))


def rows_of(numbers: Tensor, shapes: Sequence[str], colors: Sequence[float]) -> Grid:
    """Rows by their numbers int64 [n]; the color is the slowest column, and a latent where there are several.

    ValueError for a number that is not one of a row.
    """
    sizes, numbers = _sizes(shapes, colors), numbers.to("cpu", torch.int64)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < math.prod(sizes)):
        raise ValueError(f"rows of the dSprites table are numbered 0 to {math.prod(sizes) - 1:,}")
    classes = torch.stack(torch.unravel_index(numbers, sizes), 1)
    shape = classes[:, 1].clone()
    classes[:, 1] = torch.tensor([list(SHAPES).index(name) for name in shapes])[shape]
    columns = {**GRID, "color": torch.tensor(colors, dtype=torch.float64)}
    values = torch.stack([column[classes[:, k]] for k, column in enumerate(columns.values())], 1)
    latents = torch.cat([shape[:, None], values[:, 2:], *([values[:, :1]] if len(colors) > 1 else [])], 1)
    latents[:, 2] %= math.tau
    return Grid(classes, values, latents.float())


def _sizes(shapes: Sequence[str], colors: Sequence[float]) -> list[int]:
    return [len(colors), len(shapes), *(len(values) for values in list(GRID.values())[2:])]
