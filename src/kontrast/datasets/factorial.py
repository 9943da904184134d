"""Sets that are the full product of their factors: every combination of values once, in row-major order."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import chz
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets.arrays import Mapped, mapped
from kontrast.datasets.converted import damaged
from kontrast.datasets.dataset import Fault
from kontrast.datasets.download import Downloadable
from kontrast.datasets.splits import divided
from kontrast.datasets.stores import Holding
from kontrast.views import Factor, Split, Things


class Axis(NamedTuple):
    """One factor of a product, and the values of it that the set has, in their order, in units of the factor."""

    factor: Factor
    values: tuple[float, ...]


def even(low: float, high: float, count: int) -> tuple[float, ...]:
    """So many values at equal distances, both ends among them."""
    return tuple(np.linspace(low, high, count).tolist())


def numbered(name: str, count: int) -> Axis:
    """A discrete factor with the values 0 to count - 1."""
    return Axis(Factor(name, "discrete", 0.0, count - 1.0, size=count), tuple(map(float, range(count))))


@chz.chz
class Factorial(Downloadable, ABC):
    """A published set that has one picture of every combination of the values of its factors, in row-major order.

    Row r of the published file has the combination unravel_index(r, sizes), the last factor fastest, and is named r by
    `index`. The set has no published splits: floor(test n) rows, drawn by `seed`, are for testing. Rows with the same
    latents, which show the same, are never in both. Pictures are read from a converted file in the cache folder, which
    is mapped from the disk.
    """

    root: str | None = chz.field(default=None, doc="folder with the published files; the cache folder if empty")
    test: float = chz.field(default=0.1, doc="share of the rows that is for testing, at least 0 and below 1")
    seed: int = chz.field(default=0, doc="which rows are for testing")

    @chz.validate
    def _can_be_divided(self) -> None:
        divided(0, self.test, self.seed)

    @property
    @abstractmethod
    def axes(self) -> tuple[Axis, ...]:
        """The factors with their values, the slowest first."""

    @property
    @abstractmethod
    def side(self) -> int:
        """Height and width of a picture."""

    @property
    def channels(self) -> int:
        """Channels of a picture: 3, which are the last dimension of the file, or 1, for which it has none."""
        return 3

    @property
    def most(self) -> int:
        """The largest value of a pixel in the published file: what is white."""
        return 255

    @abstractmethod
    def array(self, folder: Path) -> Path:
        """The .npy file with all pictures, made of the published files of a folder if it is not there yet."""

    @property
    def factors(self) -> tuple[Factor, ...]:
        return tuple(axis.factor for axis in self.axes)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.side, self.side

    @property
    def count(self) -> int:
        """How many rows both splits have together."""
        return math.prod(self.sizes_of_axes)

    @property
    def sizes_of_axes(self) -> tuple[int, ...]:
        """How many values each factor has."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape of the published array of pictures."""
        return (self.count, self.side, self.side, *((self.channels,) if self.channels > 1 else ()))

    def combinations(self, rows: Tensor) -> Tensor:
        """Which value int64 [n, k] of each factor rows int64 [n] of the published file have, counted from 0."""
        return torch.stack(torch.unravel_index(rows, self.sizes_of_axes), 1)

    def latents(self, rows: Tensor) -> Tensor:
        """The latents float32 [n, k] of rows int64 [n] of the published file, in units of the factors."""
        columns = zip(self.axes, self.combinations(rows).T, strict=True)
        return torch.stack([torch.tensor(axis.values, dtype=torch.float64)[at] for axis, at in columns], 1).float()

    def divided(self) -> dict[Split, Tensor]:
        """The rows of the published file int64 [n] of both splits, ascending."""
        firsts = [torch.tensor([axis.values.index(value) for value in axis.values]) for axis in self.axes]
        if all(len(set(axis.values)) == len(axis.values) for axis in self.axes):
            return divided(self.count, self.test, self.seed)
        same = torch.zeros((), dtype=torch.int64)
        for first in firsts:
            same = same[..., None] * len(first) + first
        return divided(self.count, self.test, self.seed, same.flatten())

    def convert(self, folder: Path) -> None:
        self.array(folder)

    def hold(self, split: Split) -> Holding:
        path = self.array(self.find(self.root))
        pictures = mapped(path, "u1", self.stored)
        rows = self.divided()[split]
        store = Mapped(pictures, str(path), rows, self.channels > 1, 255 // self.most)
        return Holding(store, rows, None, self.latents(rows))

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def faults(self, split: Split) -> list[Fault]:
        try:
            path = self.array(self.find(self.root))
            mapped(path, "u1", self.stored)
        except (OSError, ValueError, ModuleNotFoundError) as error:
            return [Fault(type(self).__name__, str(error))]
        fault = damaged(path) if split == "train" else ""
        return [Fault(str(path), fault)] if fault else []


def compare(path: Path, labels: NDArray[Any], expected: NDArray[Any], names: tuple[str, ...]) -> None:
    """ValueError that names the file, the first row and the column where labels are not as they should be."""
    for column, name in enumerate(names):
        wrong = np.flatnonzero(~np.isclose(labels[:, column], expected[:, column], rtol=0, atol=1e-6))
        if wrong.size:
            row = wrong[0]
            raise ValueError(
                f"{path}: row {row:,} has {name} {labels[row, column]:.6g}, not {expected[row, column]:.6g}: it is not "
                "the full product of its factors in the published order"
            )
