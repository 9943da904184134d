"""ImageNet and ImageNet-100: photographs in folders that are named by the nouns of WordNet."""

from __future__ import annotations

import csv
import functools
import os
import re
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import ClassVar

import chz

from kontrast.datasets.download import ByHand, cache
from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.views import Split

WNID = re.compile(r"n\d{8}")
FOLDERS = {"train": "train", "test": "val"}
WORDS = "LOC_synset_mapping.txt"
SOLUTION = "LOC_val_solution.csv"
SETTLED = 2e9
HOW = (
    "ImageNet may not be downloaded by a program: accept its terms at https://www.image-net.org/download.php "
    "(ILSVRC2012, tasks 1 and 2) or https://www.kaggle.com/c/imagenet-object-localization-challenge, unpack it to "
    "FOLDER/train/WNID and FOLDER/val/WNID, one folder for each class, and write data.root=FOLDER"
)


@chz.chz
class WordNetFolders(PictureFiles, ByHand):
    """Pictures in folders root/train/WNID and root/val/WNID, of which a subclass may choose some.

    A WNID, "n" and eight digits, is the number of a noun in WordNet; classes are numbered in ascending order of theirs.
    """

    root: str | None = chz.field(
        default=None, doc="folder with train and val, each with a folder for each class; imagenet in the cache if empty"
    )
    size: int = chz.field(default=224, doc="height and width of an observation in pixels")

    how: ClassVar[str] = HOW

    @abstractmethod
    def chosen(self) -> tuple[str, ...]:
        """The WNIDs of the classes; empty for all folders of root/train."""

    def base(self) -> Path:
        folder = cache() / "imagenet" if self.root is None else Path(self.root).expanduser()
        if not (folder / "train").is_dir():
            raise FileNotFoundError(f"there is no folder {folder / 'train'}; {HOW}")
        return folder

    @property
    def wnids(self) -> tuple[str, ...]:
        """The WNIDs of the classes, in their order."""
        return tuple(sorted(self.chosen())) or _folders(self.base() / "train")

    @property
    def classes(self) -> tuple[str, ...]:
        """The nouns of the classes, where LOC_synset_mapping.txt lies in `root`; else their WNIDs.

        FileNotFoundError where there is no `root` and the folders in it would have to say which classes there are.
        """
        wnids = self.wnids
        try:
            return distinct(wnids, words(self.base() / WORDS))
        except FileNotFoundError:
            return wnids

    def rows(self, split: Split) -> Sequence[Row]:
        base, wnids = self.base(), self.wnids
        inside = FOLDERS[split]
        if not (base / inside).is_dir():
            return ()
        there = {entry.name for entry in os.scandir(base / inside) if entry.is_dir()}
        if not there and split == "test":
            return _flat(base, wnids)
        if missing := [wnid for wnid in wnids if wnid not in there]:
            raise FileNotFoundError(
                f"{base / inside} lacks {len(missing)} of the {len(wnids)} classes: {', '.join(missing[:5])}"
                + (" ..." if len(missing) > 5 else "")
            )
        return _rows(base, inside, wnids)

    def advice(self, split: Split) -> str:
        return f"; {HOW}"


@chz.chz
class ImageNet(WordNetFolders):
    """ImageNet, ILSVRC 2012: 1,281,167 training and 50,000 validation photographs in 1,000 classes, in color.

    Observations are uint8 [n, 3, size, size]: the short side is resized to `size` (bicubic, antialiased) and the center
    cropped. Labels are int64 [n], numbered by ascending WNID as everywhere; they are named by the nouns in
    LOC_synset_mapping.txt, if that lies in `root`. The test split is the validation set: folders of classes, or all
    pictures in one folder and LOC_val_solution.csv in `root`. All class folders of root/train are taken, so that any
    part of ImageNet can be read. FileNotFoundError if folders are missing. Source: Russakovsky et al. 2015, arXiv
    1409.0575.
    """

    def chosen(self) -> tuple[str, ...]:
        return ()


@chz.chz
class ImageNet100(WordNetFolders):
    """ImageNet-100: the photographs of 100 of the classes of ImageNet, in the folders of ImageNet or of its own.

    Observations and labels are as in ImageNet, the labels 0..99 by ascending WNID. The classes are those of the file
    imagenet100.txt of Contrastive Multiview Coding (https://github.com/HobbitLong/CMC, 22 May 2020), which most papers
    on contrastive learning use; name another list with `classes_file`. FileNotFoundError if folders are missing.
    Source: Tian, Krishnan and Isola 2019, arXiv 1906.05849.
    """

    classes_file: str | None = chz.field(
        default=None, doc="text file with the WNID of a class at the start of each line; the usual 100 if empty"
    )

    def chosen(self) -> tuple[str, ...]:
        if self.classes_file is None:
            return _wnids(
                resources.files("kontrast.datasets").joinpath("imagenet100.txt").read_text("utf-8"), "the list"
            )
        path = Path(self.classes_file).expanduser()
        try:
            return _wnids(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise FileNotFoundError(f"the list of classes {path} cannot be read ({error})") from error


def words(path: Path) -> dict[str, str]:
    """The nouns of WNIDs, from a file of lines such as "n01440764 tench, Tinca tinca"; empty if it is not there."""
    if not path.is_file():
        return {}
    lines = path.read_text("utf-8", errors="replace").splitlines()
    parts = (line.partition("\t" if "\t" in line else " ") for line in lines)
    return {wnid: noun.strip() for wnid, _, noun in parts if noun.strip()}


def distinct(wnids: Sequence[str], nouns: dict[str, str]) -> tuple[str, ...]:
    """The names of classes: their nouns, with the WNID where two have the same; the WNID where there is no noun."""
    names = [nouns.get(wnid, wnid) for wnid in wnids]
    often = Counter(names)
    return tuple(name if often[name] == 1 else f"{name} ({wnid})" for name, wnid in zip(names, wnids, strict=True))


def listing(folders: Iterable[Path]) -> tuple[tuple[str, ...], ...]:
    """The names of what lies in each folder, sorted; remembered as long as nothing is put into one or taken out."""
    return tuple(map(_listing, folders))


def _listing(folder: Path) -> tuple[str, ...]:
    found = os.stat(folder)
    # The time of a change that has just been made may not show the next one.
    look = _look if time.time_ns() - found.st_mtime_ns > SETTLED else _look.__wrapped__
    return look(str(folder), found.st_ino, found.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _look(folder: str, number: int, changed: int) -> tuple[str, ...]:
    return tuple(sorted(name for name in os.listdir(folder) if not name.startswith(".")))


def _rows(base: Path, inside: str, wnids: Sequence[str]) -> tuple[Row, ...]:
    found = listing(base / inside / wnid for wnid in wnids)
    return tuple(
        Row(f"{inside}/{wnid}/{name}", label)
        for label, (wnid, names) in enumerate(zip(wnids, found, strict=True))
        for name in names
    )


def _folders(train: Path) -> tuple[str, ...]:
    """The class folders of root/train, in ascending order."""
    names = {entry.name: entry.is_dir() for entry in os.scandir(train) if not entry.name.startswith(".")}
    if tars := sorted(name for name in names if name.endswith(".tar")):
        raise ValueError(f"{train} has archives such as {tars[0]}; unpack each into a folder of its name without .tar")
    if strange := sorted(name for name, folder in names.items() if not (folder and WNID.fullmatch(name))):
        raise ValueError(
            f"{train} has {strange[0]!r}, which is no folder of a class such as n01440764; for other pictures write "
            "data=ImageFolder"
        )
    if not names:
        raise FileNotFoundError(f"{train} is empty; {HOW}")
    return tuple(sorted(names))


def _flat(base: Path, wnids: Sequence[str]) -> tuple[Row, ...]:
    """The pictures of a validation folder without class folders, by what LOC_val_solution.csv says of them."""
    if not (base / SOLUTION).is_file():
        raise FileNotFoundError(
            f"{base / 'val'} has no folders of classes; move its pictures into folders named by WNID, or put "
            f"{SOLUTION} of the Kaggle challenge into {base}"
        )
    with (base / SOLUTION).open(newline="", encoding="utf-8") as opened:
        said = {row[0]: (row[1].split() or [""])[0] for row in csv.reader(opened) if len(row) > 1}
    numbers = {wnid: label for label, wnid in enumerate(wnids)}
    rows = []
    for name in listing([base / "val"])[0]:
        wnid = said.get(Path(name).stem)
        if wnid is None or not WNID.fullmatch(wnid):
            raise ValueError(f"{base / SOLUTION} does not name the class of {name}; it may be cut short")
        if wnid in numbers:
            rows.append(Row(f"val/{name}", numbers[wnid]))
    return tuple(rows)


def _wnids(text: str, where: str) -> tuple[str, ...]:
    found = tuple(line.split()[0] for line in text.splitlines() if line.strip())
    if strange := [word for word in found if not WNID.fullmatch(word)]:
        raise ValueError(f"{where} has {strange[0]!r} where a class such as n01440764 should be")
    if twice := [wnid for wnid, times in Counter(found).items() if times > 1]:
        raise ValueError(f"{where} has the class {twice[0]} twice")
    if not found:
        raise ValueError(f"{where} has no class; write one WNID such as n01440764 on each line")
    return found
