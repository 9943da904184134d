"""CIFAR-10 and CIFAR-100: small color photographs of things, animals and people."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets.archives import Bounds
from kontrast.datasets.dataset import Fault
from kontrast.datasets.download import Downloadable, Published
from kontrast.datasets.records import labels, records
from kontrast.views import Split, Things

SIDE = 32
PIXELS = 3 * SIDE * SIDE
BATCHES: Mapping[Split, Mapping[str, int]] = {
    "train": {f"data_batch_{number}.bin": 10_000 * (1 + PIXELS) for number in range(1, 6)},
    "test": {"test_batch.bin": 10_000 * (1 + PIXELS)},
}
WHOLE: Mapping[Split, Mapping[str, int]] = {
    "train": {"train.bin": 50_000 * (2 + PIXELS)},
    "test": {"test.bin": 10_000 * (2 + PIXELS)},
}
COARSE_NAMES = """
aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""
FINE_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
COARSE, FINE = tuple(COARSE_NAMES.split()), tuple(FINE_NAMES.split())


def _published(
    name: str, size: int, sha256: str, top: str, files: Mapping[Split, Mapping[str, int]]
) -> tuple[Published]:
    sources = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
    bounds = Bounds(top, 200_000_000, 32)
    needed = {**files["train"], **files["test"]}
    return (Published(name, size, sha256, tuple(source + name for source in sources), bounds, needed),)


class _Columns(NamedTuple):
    pictures: NDArray[np.uint8]
    labels: tuple[NDArray[np.int64], ...]


def _read(paths: Mapping[Path, int], counts: Sequence[int]) -> tuple[_Columns, list[Fault]]:
    """The pictures [n, 3, 32, 32] and each column of labels [n], which are below `counts`, and what is wrong.

    `paths` are the files with their published lengths, 0 for any.
    """
    faults: list[Fault] = []
    found: list[_Columns] = []
    for path, size in paths.items():
        try:
            rows = records(path, len(counts) + PIXELS, size)
            columns = tuple(labels(rows[:, at], 0, count) for at, count in enumerate(counts))
            found.append(_Columns(rows[:, len(counts) :], columns))
        except ValueError as error:
            faults.append(Fault(str(path), str(error)))
    if faults:
        return _Columns(np.empty(0, np.uint8), ()), faults
    pictures = np.concatenate([part.pictures for part in found]).reshape(-1, 3, SIDE, SIDE)
    return _Columns(pictures, tuple(map(np.concatenate, zip(*(part.labels for part in found), strict=True)))), []


class _Binary(Downloadable, ABC):
    """A set of the CIFARs in its binary version."""

    root: str | None
    _batches: ClassVar[Mapping[Split, Mapping[str, int]]]
    """The files of each split, within the folder."""

    _counts: ClassVar[tuple[int, ...]]
    """How many classes there are for each label of a record, in their order."""

    @property
    def _column(self) -> int:
        """Which of these labels is read."""
        return 0

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, SIDE, SIDE

    def read(self, split: Split) -> Things:
        columns, faults = self._columns(split)
        if faults:
            raise self.damaged(faults + self.faults("test" if split == "train" else "train"), self.root)
        found = torch.from_numpy(columns.labels[self._column])
        return Things(torch.from_numpy(columns.pictures), torch.arange(len(found)), 0, found)

    def faults(self, split: Split) -> list[Fault]:
        try:
            return self._columns(split)[1]
        except FileNotFoundError as error:
            return [Fault(type(self).__name__, str(error))]

    def _columns(self, split: Split) -> tuple[_Columns, list[Fault]]:
        folder, sizes = self.unpacked(self.root), self.sizes(self.root)
        return _read({folder / name: sizes.get(name, 0) for name in self._batches[split]}, self._counts)


@chz.chz
class CIFAR10(_Binary):
    """CIFAR-10: 50,000 training and 10,000 test photographs, 32 x 32, color, in ten classes.

    Observations are uint8 [n, 3, 32, 32], labels int64 [n] in 0..9, read from the binary version, which no pickle is
    part of. Any data set in the same six files, of any number of rows, can be read by naming its folder. A
    FileNotFoundError if the files are nowhere; a ValueError that lists every damaged one. Source: Krizhevsky 2009,
    "Learning multiple layers of features from tiny images".
    """

    root: str | None = chz.field(
        default=None, doc="folder with cifar-10-batches-bin, or that folder itself; the cache folder if empty"
    )

    folder: ClassVar[str] = "cifar-10"
    files: ClassVar[tuple[Published, ...]] = _published(
        "cifar-10-binary.tar.gz",
        170052171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        "cifar-10-batches-bin",
        BATCHES,
    )
    _batches = BATCHES
    _counts = (10,)

    @property
    def classes(self) -> tuple[str, ...]:
        return "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"


@chz.chz
class CIFAR100(_Binary):
    """CIFAR-100: 50,000 training and 10,000 test photographs, 32 x 32, color, in 100 classes or 20 superclasses.

    Observations are uint8 [n, 3, 32, 32], labels int64 [n] in 0..99, or 0..19 with labels="coarse", read from the
    binary version, which no pickle is part of. Any data set in the same two files, of any number of rows, can be read
    by naming its folder. A FileNotFoundError if the files are nowhere; a ValueError that lists every damaged one.
    Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """

    root: str | None = chz.field(
        default=None, doc="folder with cifar-100-binary, or that folder itself; the cache folder if empty"
    )
    labels: Literal["fine", "coarse"] = chz.field(default="fine", doc="100 classes, or the 20 they are grouped into")

    folder: ClassVar[str] = "cifar-100"
    files: ClassVar[tuple[Published, ...]] = _published(
        "cifar-100-binary.tar.gz",
        168513733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        "cifar-100-binary",
        WHOLE,
    )
    _batches = WHOLE
    _counts = (len(COARSE), len(FINE))  # a record begins with its superclass, then its class

    @chz.validate
    def _known_labels(self) -> None:
        if self.labels not in ("fine", "coarse"):
            raise ValueError(f"the labels of CIFAR-100 are fine or coarse, not {self.labels!r}; write labels=fine")

    @property
    def _column(self) -> int:
        return 1 if self.labels == "fine" else 0

    @property
    def classes(self) -> tuple[str, ...]:
        return FINE if self.labels == "fine" else COARSE
