"""STL-10: few labeled photographs and many without a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import chz
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets.archives import Bounds
from kontrast.datasets.dataset import Fault
from kontrast.datasets.download import Downloadable, Published
from kontrast.datasets.records import labels, records
from kontrast.datasets.stores import Holding, Reader, Store
from kontrast.views import Split, Things

SIDE = 96
PIXELS = 3 * SIDE * SIDE
PARTS = ("train", "unlabeled", "train+unlabeled")
TOGETHER = 512


class ByColumns(Store):
    """Pictures in files that go through a channel column by column: mapped from the disk, and turned as they are read.

    `parts` are uint8 [n, 3, width, height]; the observations are rows `at` of all of them, uint8 [n, 3, height, width].
    """

    def __init__(self, parts: Sequence[Tensor], where: str, at: Tensor | None = None) -> None:
        self.parts, self.where = parts, where
        self.ends = torch.tensor([len(part) for part in parts]).cumsum(0)
        self.at = torch.arange(int(self.ends[-1])) if at is None else at
        channels, width, height = parts[0].shape[1:]
        self.shape = (len(self.at), channels, height, width)

    def select(self, rows: Tensor) -> ByColumns:
        return ByColumns(self.parts, self.where, self.at[rows])

    def memory(self) -> Tensor:
        out = torch.empty(self.shape, dtype=torch.uint8)
        for start in range(0, len(out), TOGETHER):
            rows = torch.arange(start, min(start + TOGETHER, len(out)))
            self._read(rows, out[rows[0] : rows[-1] + 1])
        return out

    def mapped(self) -> tuple[Reader, str]:
        return self._read, f"mapped from {self.where}"

    def _read(self, rows: Tensor, out: Tensor) -> None:
        numbers = self.at[rows]
        part = torch.bucketize(numbers, self.ends, right=True)
        for number, (pictures, end) in enumerate(zip(self.parts, self.ends, strict=True)):
            mine = torch.nonzero(part == number).squeeze(1)
            if len(mine):
                out[mine] = pictures[numbers[mine] - (end - len(pictures))].transpose(2, 3)


@chz.chz
class STL10(Downloadable):
    """STL-10: 5,000 training and 8,000 test photographs in ten classes and 100,000 without a label, 96 x 96, color.

    Observations are uint8 [n, 3, 96, 96], labels int64 [n] in 0..9, -1 for an unlabeled row. `part` says which rows are
    the training split: the labeled, the unlabeled (which hold other things, too), or both, the labeled first. Any data
    set in the same five files, of any number of rows, can be read by naming its folder. A FileNotFoundError if the
    files are nowhere; a ValueError that lists every damaged one. Source: Coates, Lee and Ng 2011, "An analysis of
    single-layer networks in unsupervised feature learning".
    """

    root: str | None = chz.field(
        default=None, doc="folder with stl10_binary, or that folder itself; the cache folder if empty"
    )
    part: Literal["train", "unlabeled", "train+unlabeled"] = chz.field(
        default="train", doc="the rows of the training split: train (labeled), unlabeled, or train+unlabeled"
    )

    folder: ClassVar[str] = "stl-10"
    files: ClassVar[tuple[Published, ...]] = (
        Published(
            "stl10_binary.tar.gz",
            2640397119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
            (
                "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            ),
            Bounds("stl10_binary", 3_200_000_000, 32),
            {
                "train_X.bin": 5_000 * PIXELS,
                "train_y.bin": 5_000,
                "test_X.bin": 8_000 * PIXELS,
                "test_y.bin": 8_000,
                "unlabeled_X.bin": 100_000 * PIXELS,
            },
        ),
    )

    @chz.validate
    def _known_part(self) -> None:
        if self.part not in PARTS:
            raise ValueError(f"the training rows of STL-10 are {', '.join(PARTS)}, not {self.part!r}; write part=train")

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, SIDE, SIDE

    @property
    def classes(self) -> tuple[str, ...]:
        return "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def hold(self, split: Split) -> Holding:
        columns, faults = self._columns(split)
        if faults:
            raise self.damaged(faults + self.faults("test" if split == "train" else "train"), self.root)
        found = torch.from_numpy(np.concatenate([label for _, label in columns]))
        parts = [torch.from_numpy(rows).view(-1, 3, SIDE, SIDE) for rows, _ in columns]
        return Holding(ByColumns(parts, str(self.unpacked(self.root))), torch.arange(len(found)), found)

    def faults(self, split: Split) -> list[Fault]:
        try:
            return self._columns(split)[1]
        except FileNotFoundError as error:
            return [Fault(type(self).__name__, str(error))]

    def _columns(self, split: Split) -> tuple[list[tuple[NDArray[np.uint8], NDArray[np.int64]]], list[Fault]]:
        """The pictures [n, 27648] and labels [n] of each part of a split, and what is wrong with their files."""
        folder, sizes = self.unpacked(self.root), self.sizes(self.root)
        faults: list[Fault] = []
        columns: list[tuple[NDArray[np.uint8], NDArray[np.int64]]] = []

        def attempt(path: Path, read: Callable[[Path], NDArray[Any]]) -> NDArray[Any] | None:
            try:
                return read(path)
            except ValueError as error:
                faults.append(Fault(str(path), str(error)))
                return None

        for name in self.part.split("+") if split == "train" else ["test"]:
            path = folder / f"{name}_X.bin"
            pictures = attempt(path, lambda path: records(path, PIXELS, sizes.get(path.name, 0)))
            if name == "unlabeled":
                found = None if pictures is None else np.full(len(pictures), -1)
            else:
                found = attempt(
                    folder / f"{name}_y.bin",
                    lambda path: labels(records(path, 1, sizes.get(path.name, 0))[:, 0], 1, len(self.classes)),
                )
            if pictures is None or found is None:
                continue
            if len(pictures) != len(found):
                faults.append(Fault(str(path), f"it has {len(pictures):,} pictures, but {len(found):,} labels"))
            columns.append((pictures, found))
        return columns, faults
