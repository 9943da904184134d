"""A folder of pictures: the user's own data, with or without labels."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets import pictures
from kontrast.datasets.dataset import Stored
from kontrast.views import Split, Things

# Kinds that are refused count as pictures too: leaving them out silently would change what is measured.
NAMED = re.compile(
    r"\.(png|jpe?g|jpe|jfif|webp|bmp|dib|gif|tiff?|hei[cf]|avif|jp2|jxl|p[pgbn]m|tga|svg|psd|exr)$", re.IGNORECASE
)
NAMED_FAULTS = 20


class _Row(NamedTuple):
    name: str
    label: str


@chz.chz
class ImageFolder(Stored):
    """A folder of pictures; subfolders, where there are any, are the classes.

    Observations are uint8 [n, channels, size, size], labels int64 [n] (-1 in a split without classes; None where
    neither split has any); everything is held in memory. If `root` has subfolders `train` and `test` (or `val`), they
    are the splits. If not, the hash of a picture's path below `root` decides, so a new picture moves no other one.

    Pictures are the files named like one (.png, .jpg, .webp, .bmp ...), at any depth, except hidden ones. Content
    decides what they are: PNG, JPEG, WebP and BMP are read, turned as their EXIF orientation says, laid on white where
    they are transparent, brought to 8 bits, resized (bicubic, antialiased) so that the short side is `size`, and
    cropped to the center. Other kinds, animations, damaged files and more than 89,478,485 pixels are refused.

    A FileNotFoundError if there is no such folder; a ValueError that lists every picture that cannot be read.
    """

    root: str = chz.field(doc="the folder")
    size: int = chz.field(default=64, doc="height and width of an observation in pixels")
    channels: int = chz.field(default=3, doc="3 for color, 1 for grayscale")
    test: float = chz.field(default=0.2, doc="share of the pictures in the test split, where no subfolders say so")

    @chz.validate
    def _sensible(self) -> None:
        if not self.root:
            raise ValueError("an ImageFolder needs a folder; write root=FOLDER")
        if self.size < 1:
            raise ValueError(f"pictures of {self.size} pixels cannot be; write size=64")
        if self.channels not in (1, 3):
            raise ValueError(f"pictures have 1 channel or 3, not {self.channels}; write channels=3")
        if not 0 <= self.test < 1:
            raise ValueError(f"the test split cannot be a share of {self.test} of the pictures; write test=0.2")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.size, self.size

    @property
    def classes(self) -> tuple[str, ...]:
        return _classes(self._rows())

    def names(self, split: Split) -> tuple[str, ...]:
        """The path below `root` of each row of a split, with slashes, in the order of the rows."""
        return tuple(row.name for row in self._rows()[split])

    def read(self, split: Split) -> Things:
        rows = self._rows()
        mine = rows[split]
        if not mine:
            better = "a larger test" if split == "test" else "a smaller test"
            raise ValueError(f"none of the pictures in {self.root} is in the {split} split; write {better}")
        observations, faults = self._decode(mine)
        if faults:
            # Whoever has to replace pictures wants to know of all of them at once.
            faults |= self._decode(rows["test" if split == "train" else "train"])[1]
            raise ValueError(self._complaint(faults))
        numbers = {"": -1} | {name: number for number, name in enumerate(_classes(rows))}
        labels = torch.tensor([numbers[row.label] for row in mine]) if len(numbers) > 1 else None
        return Things(torch.from_numpy(observations), torch.arange(len(mine)), 0, labels)

    def _rows(self) -> dict[Split, list[_Row]]:
        """The pictures of each split, sorted by name."""
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise FileNotFoundError(f"there is no folder {root}; write root=FOLDER with a folder of pictures")
        folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
        held_out = next((name for name in ("test", "val") if name in folders), None)
        if "train" in folders and held_out:
            return {"train": _labeled(root, "train/"), "test": _labeled(root, f"{held_out}/")}
        if folders in ({"train"}, {"test"}, {"val"}):
            raise ValueError(
                f"{root} has a folder {min(folders)} and no other; it needs both train and test (or val), or else "
                f"write root={root / min(folders)}"
            )
        rows: dict[Split, list[_Row]] = {"train": [], "test": []}
        for row in _labeled(root, ""):
            rows["test" if _share(row.name) < self.test else "train"].append(row)
        return rows

    def _decode(self, rows: Sequence[_Row]) -> tuple[NDArray[np.uint8], dict[str, str]]:
        """The pictures uint8 [n, *shape], and what is wrong with those that could not be read."""
        root = Path(self.root).expanduser()
        observations = np.empty((len(rows), *self.shape), np.uint8)
        faults: dict[str, str] = {}

        def one(number: int) -> None:
            try:
                observations[number] = pictures.decode(root / rows[number].name, self.size, self.channels)
            except ValueError as error:
                faults[rows[number].name] = str(error)

        # What Pillow warns of, odd metadata, either does no harm or ends in an error.
        with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(one, range(len(rows))))
        return observations, faults

    def _complaint(self, faults: dict[str, str]) -> str:
        listed = "; ".join(f"{name!r}: {faults[name]}" for name in sorted(faults)[:NAMED_FAULTS])
        more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
        return f"{len(faults)} of the pictures in {self.root} cannot be read, replace or remove them: {listed}{more}"


def _classes(rows: dict[Split, list[_Row]]) -> tuple[str, ...]:
    return tuple(sorted({row.label for split in rows.values() for row in split} - {""}))


def _labeled(root: Path, inside: str) -> list[_Row]:
    """The pictures below root/inside by their names below root; the first folder below `inside` is the class."""
    names = sorted(inside + name for name in _walk(root / inside))
    rows = [_Row(name, name.removeprefix(inside).rpartition("/")[0].partition("/")[0]) for name in names]
    if not rows:
        raise ValueError(f"there are no pictures in {root / inside}; their names end in .png, .jpg, .webp or .bmp")
    if len({row.label == "" for row in rows}) > 1:
        stray = next(row.name for row in rows if not row.label)
        raise ValueError(
            f"{root / inside} has pictures both of its own and in subfolders; move {stray!r} and its like into a class"
        )
    return rows


def _walk(folder: Path) -> Iterator[str]:
    """The names below a folder of what is named like a picture; a folder that links lead to twice counts once."""

    def fail(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (real := os.path.realpath(here)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            if not name.startswith(".") and NAMED.search(name):
                yield Path(here, name).relative_to(folder).as_posix()


def _share(name: str) -> float:
    """A number in [0, 1) that depends on a name alone, uniform over names."""
    written = os.fsencode(unicodedata.normalize("NFC", name))
    return int.from_bytes(hashlib.blake2b(written, digest_size=7).digest(), "little") / 2**56
