"""Fashion-MNIST: pictures of clothes, as a harder stand-in for handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets import idx
from kontrast.datasets.dataset import Fault
from kontrast.datasets.download import Downloadable, Published
from kontrast.views import Split, Things

SIDE = 28
LIMIT = 1 << 28
STEM = {"train": "train", "test": "t10k"}
COLUMNS: dict[str, tuple[int | None, ...]] = {"images-idx3": (None, SIDE, SIDE), "labels-idx1": (None,)}
SOURCES = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


def _published(name: str, size: int, sha256: str) -> Published:
    return Published(name, size, sha256, tuple(source + name for source in SOURCES))


@chz.chz
class FashionMNIST(Downloadable):
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28 x 28, grayscale, in ten classes.

    Observations are uint8 [n, 1, 28, 28], labels int64 [n] in 0..9. Any data set in the same four files, of any
    number of rows, can be read by naming its folder. A FileNotFoundError if the files are nowhere; a ValueError that
    lists every damaged one. Source: Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747.
    """

    root: str | None = chz.field(
        default=None, doc="folder with the four files, gzip or plain; the cache folder or Debian's package if empty"
    )

    folder: ClassVar[str] = "fashion-mnist"
    places: ClassVar[tuple[str, ...]] = ("/usr/share/datasets/fashion-mnist",)
    package: ClassVar[str] = "or install the Debian package dataset-fashion-mnist"
    files: ClassVar[tuple[Published, ...]] = (
        _published(
            "train-images-idx3-ubyte.gz", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        _published(
            "train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        _published(
            "t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        _published(
            "t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        return 1, SIDE, SIDE

    @property
    def classes(self) -> tuple[str, ...]:
        return (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        )

    def read(self, split: Split) -> Things:
        folder = self.find(self.root)
        pictures, labels, faults = self._columns(folder, split)
        if faults:
            # Whoever has to replace files wants to know of all of them at once.
            faults += self._columns(folder, "test" if split == "train" else "train")[2]
            raise ValueError(
                f"{len(faults)} of the files of {type(self).__name__} are damaged: {'; '.join(faults)}; "
                f"replace them, or delete them and run `kontrast data get {type(self).__name__}`"
            )
        index = torch.arange(len(pictures))
        return Things(torch.from_numpy(pictures)[:, None], index, 0, torch.from_numpy(labels).long())

    def faults(self, split: Split) -> list[Fault]:
        try:
            folder = self.find(self.root)
        except FileNotFoundError as error:
            return [Fault(type(self).__name__, str(error))]
        return [Fault(type(self).__name__, fault) for fault in self._columns(folder, split)[2]]

    def _columns(self, folder: Path, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str]]:
        """Pictures [n, 28, 28] and labels [n] of a split, and what is wrong with their files."""
        faults: list[str] = []
        columns: list[NDArray[np.uint8]] = []
        paths = [self.path(folder, f"{STEM[split]}-{name}-ubyte.gz") or folder for name in COLUMNS]
        for path, shape in zip(paths, COLUMNS.values(), strict=True):
            try:
                columns.append(idx.read(path, shape, LIMIT))
            except ValueError as error:
                faults.append(str(error))
                columns.append(np.empty(0, np.uint8))
        pictures, labels = columns
        if not faults and len(pictures) != len(labels):
            faults.append(f"{paths[0]} has {len(pictures):,} pictures but {paths[1]} has {len(labels):,} labels")
        if labels.size and labels.max() >= len(self.classes):
            faults.append(f"{paths[1]}: it has a label {labels.max()}, but there are {len(self.classes)} classes")
        return pictures, labels, faults
