"""A folder of pictures: the user's own data, with or without labels."""

from __future__ import annotations

import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import chz

from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.views import Split

# Kinds that are refused count as pictures too: leaving them out silently would change what is measured.
NAMED = re.compile(
    r"\.(png|jpe?g|jpe|jfif|webp|bmp|dib|gif|tiff?|hei[cf]|avif|jp2|jxl|p[pgbn]m|tga|svg|psd|exr)$", re.IGNORECASE
)
SETTLED = 2.0
"""Seconds after which a change of a folder surely shows in its time, whose grain is coarse on some disks."""
KEPT = 4
"""Folders of which the listing is remembered."""


@chz.chz
class ImageFolder(PictureFiles):
    """A folder of pictures; subfolders, where there are any, are the classes.

    Observations are uint8 [n, channels, size, size], labels int64 [n] (-1 in a split without classes; None where
    neither split has any). If `root` has subfolders `train` and `test` (or `val`), they are the splits. If not, the
    hash of a picture's path below `root` decides, so a new picture moves no other one.

    Pictures are the files named like one (.png, .jpg, .webp, .bmp ...), at any depth, except hidden ones. Content
    decides what they are: PNG, JPEG, WebP and BMP are read, turned as their EXIF orientation says, laid on white where
    they are transparent, brought to 8 bits, resized (bicubic, antialiased) so that the short side is `size`, and
    cropped to the center. Other kinds, animations, damaged files and more than 89,478,485 pixels are refused; of the
    four PNG alone has checksums, by which any damage is noticed.

    A FileNotFoundError if there is no such folder; a ValueError that lists every picture that cannot be read, if those
    are more than `skip`.
    """

    root: str = chz.field(doc="the folder")
    test: float = chz.field(default=0.2, doc="share of the pictures in the test split, where no subfolders say so")

    @chz.validate
    def _sensible(self) -> None:
        if not self.root:
            raise ValueError("an ImageFolder needs a folder; write root=FOLDER")
        if not 0 <= self.test < 1:
            raise ValueError(f"the test split cannot be a share of {self.test} of the pictures; write test=0.2")

    @property
    def classes(self) -> tuple[str, ...]:
        return _listing(self.base(), self.test).classes

    def base(self) -> Path:
        return Path(self.root).expanduser()

    def rows(self, split: Split) -> Sequence[Row]:
        return _listing(self.base(), self.test).rows[split]

    def advice(self, split: Split) -> str:
        return "; write a larger test" if split == "test" else "; write a smaller test"


Folders = dict[str, tuple[int, int]]
"""Folders by their paths, with what changes when something is put into one: its number and its time."""


@dataclass(frozen=True)
class Listing:
    """What was found in a folder: the names of classes, the pictures of each split, and the folders looked into."""

    classes: tuple[str, ...]
    rows: dict[Split, tuple[Row, ...]]
    folders: Folders

    def fresh(self) -> bool:
        """Whether a new look would find the same."""
        try:
            return all(_state(folder) == state for folder, state in self.folders.items())
        except OSError:
            return False


_listings: dict[tuple[Path, float], Listing] = {}
"""The last listings by folder and share, so that a large folder is not walked each time that it is asked about."""


def _listing(root: Path, test: float) -> Listing:
    found = _listings.get((root, test))
    if found is not None and found.fresh():
        return found
    folders: Folders = {}
    splits = _splits(root, test, folders)
    classes = tuple(sorted({label for names in splits.values() for label in names.values()} - {""}))
    numbers = {"": -1} | {name: number for number, name in enumerate(classes)}
    rows = {split: tuple(Row(name, numbers[label]) for name, label in names.items()) for split, names in splits.items()}
    found = Listing(classes, rows, folders)
    _listings.pop((root, test), None)
    if time.time_ns() - max(changed for _, changed in folders.values()) > SETTLED * 1e9:
        while len(_listings) >= KEPT:
            _listings.pop(next(iter(_listings)))
        _listings[root, test] = found
    return found


def _splits(root: Path, test: float, seen: Folders) -> dict[Split, dict[str, str]]:
    """The pictures of each split, sorted by name, with their classes."""
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; write root=FOLDER with a folder of pictures")
    folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    seen[str(root)] = _state(root)
    held_out = next((name for name in ("test", "val") if name in folders), None)
    if "train" in folders and held_out:
        return {"train": _labeled(root, "train/", seen), "test": _labeled(root, f"{held_out}/", seen)}
    if folders in ({"train"}, {"test"}, {"val"}):
        raise ValueError(
            f"{root} has a folder {min(folders)} and no other; it needs both train and test (or val), or else "
            f"write root={root / min(folders)}"
        )
    rows: dict[Split, dict[str, str]] = {"train": {}, "test": {}}
    for name, label in _labeled(root, "", seen).items():
        rows["test" if _share(name) < test else "train"][name] = label
    return rows


def _state(folder: str | Path) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_ino, found.st_mtime_ns


def _labeled(root: Path, inside: str, seen: Folders) -> dict[str, str]:
    """The pictures below root/inside: names below root, and their classes, the first folder below `inside`."""
    names = sorted(inside + name for name in _walk(root / inside, seen))
    rows = {name: name.removeprefix(inside).rpartition("/")[0].partition("/")[0] for name in names}
    if not rows:
        raise ValueError(f"there are no pictures in {root / inside}; their names end in .png, .jpg, .webp or .bmp")
    if len({label == "" for label in rows.values()}) > 1:
        stray = next(name for name, label in rows.items() if not label)
        raise ValueError(
            f"{root / inside} has pictures both of its own and in subfolders; move {stray!r} and its like into a class"
        )
    return rows


def _walk(folder: Path, times: Folders) -> Iterator[str]:
    """The names below a folder of what is named like a picture; a folder that links lead to twice counts once.

    Notes of each folder what changes when something is put into it.
    """

    def fail(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (real := os.path.realpath(here)) in seen:
            folders.clear()
            continue
        seen.add(real)
        times[here] = _state(here)
        for name in files:
            if not name.startswith(".") and NAMED.search(name):
                yield Path(here, name).relative_to(folder).as_posix()


def _share(name: str) -> float:
    """A number in [0, 1) that depends on a name alone, uniform over names."""
    written = os.fsencode(unicodedata.normalize("NFC", name))
    return int.from_bytes(hashlib.blake2b(written, digest_size=7).digest(), "little") / 2**56
