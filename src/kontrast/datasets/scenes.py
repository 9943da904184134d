"""Rendered scenes whose latents are known: numbered pictures in a folder for each split, and a table of latents."""

from __future__ import annotations

import functools
import os
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import chz
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import arrays
from kontrast.datasets.download import Downloadable
from kontrast.datasets.imagenet import SETTLED, listing
from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.datasets.picture_folder import RECORD
from kontrast.datasets.stores import Holding
from kontrast.views import Split

NUMBERED = re.compile(r"(\d{1,9})\.png")


class Scene(NamedTuple):
    """A split as it was published: its pictures, and their latents float32 [n, k] in the units of the factors.

    `raw` are the latents as they were drawn, where a set has them.
    """

    rows: tuple[Row, ...]
    latents: Tensor
    raw: Tensor | None = None


@chz.chz
class Scenes(PictureFiles, Downloadable):
    """Rendered pictures in two folders, one for each split, with the latents that they were rendered from.

    `inside` names the folders of a split below `root`, any of which may be there, the published one first.
    """

    root: str | None = chz.field(default=None, doc="the folder of the two splits; the cache folder if empty")

    inside: ClassVar[Mapping[Split, tuple[str, ...]]]
    sign: ClassVar[str]
    """A file that every split has."""

    @abstractmethod
    def scene(self, split: Split) -> Scene:
        """The pictures and latents of a split; FileNotFoundError or ValueError, in one sentence, if they are not."""

    def base(self) -> Path:
        folder = self.find(None) if self.root is None else Path(self.root).expanduser()
        if self._places(folder):
            return folder
        self.find(self.root)
        raise FileNotFoundError(f"{folder} is one split and not the folder that has both; write root={folder.parent}")

    def place(self, split: Split) -> str:
        """The folder of a split, below `base()`."""
        return self._places(self.base())[split]

    def rows(self, split: Split) -> tuple[Row, ...]:
        return self.scene(split).rows

    def hold(self, split: Split) -> Holding:
        held = super().hold(split)
        return replace(held, latents=self.scene(split).latents[held.index])

    def _places(self, folder: Path) -> dict[Split, str]:
        """The folders of both splits; empty where one of them is not there."""
        found: dict[Split, str] = {}
        for split, names in self.inside.items():
            there = [name for name in names if (folder / name / self.sign).is_file()]
            if not there:
                return {}
            found[split] = there[0]
        return found


Stamps = tuple[tuple[int, int, int], ...]
"""What changes when one of some files or folders does."""


def stamps(folder: Path, *names: str) -> Stamps:
    """The stamps of these files and folders; FileNotFoundError for one that is not there."""
    if missing := [name for name in names if not (folder / name).exists()]:
        raise FileNotFoundError(f"{folder} has no {missing[0]}; {anew(folder)}")
    found = [os.stat(folder / name) for name in names]
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


def seen(look: Callable[[Path, str], Scene], base: Path, inside: str, now: Stamps) -> Scene:
    """What `look` sees in a folder, remembered as long as its stamps are what they are now."""
    # The time of a change that has just been made may not show the next one.
    settled = time.time_ns() - max(changed for _, changed, _ in now) > SETTLED
    return (_seen if settled else _seen.__wrapped__)(look, base, inside, now)


@functools.lru_cache(maxsize=4)
def _seen(look: Callable[[Path, str], Scene], base: Path, inside: str, now: Stamps) -> Scene:
    return look(base, inside)


def anew(folder: Path) -> str:
    """What to do about the folder of a split that is not as it should be."""
    return "let its rendering go on with the same command" if (folder / RECORD).is_file() else "get it anew"


def numbered(base: Path, inside: str, count: int, label: int = -1) -> list[Row]:
    """The pictures 0.png, 1.png ... of a folder with any number of leading zeros; ValueError if they are not `count`.

    ValueError for other files too: something else has been at work there.
    """
    folder = base / inside
    names: dict[int, str] = {}
    for name in listing([folder])[0]:
        found = NUMBERED.fullmatch(name)
        if found is None or int(found[1]) in names:
            raise ValueError(f"{folder} has {name!r}, which is no picture of its own number; remove it")
        names[int(found[1])] = name
    if names.keys() != set(range(count)):
        missing = min(set(range(count)) - names.keys(), default=None)
        told = "" if missing is None else f", and number {missing} is missing"
        raise ValueError(
            f"{folder} has {len(names):,} pictures for {count:,} rows of latents{told}; {anew(folder.parent)}"
        )
    return [Row(f"{inside}/{names[number]}", label) for number in range(count)]


def within(latents: NDArray[np.float64], path: Path, low: float = -1.0, high: float = 1.0) -> None:
    """A ValueError that names the first row with a latent that is no number, or out of range."""
    bad = ~((latents >= low - 1e-4) & (latents <= high + 1e-4)).all(1)
    if bad.any():
        row = int(bad.argmax())
        told = ", ".join(f"{value:.3g}" for value in latents[row])
        raise ValueError(f"row {row} of {path} is ({told}), which is not in [{low:g}, {high:g}]; {anew(path.parent)}")


def raw_latents(path: Path, columns: int | None) -> NDArray[np.float64]:
    """Raw latents [n, columns] of an .npy file, in [-1, 1]; None for any number of columns."""
    values: NDArray[Any] = arrays.read(path, "f4 f8", (None, columns)).astype(np.float64)
    within(values, path)
    return values
