"""Tiny ImageNet: 200 classes of ImageNet in small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import chz

from kontrast.datasets.archives import Bounds
from kontrast.datasets.download import Downloadable, Published
from kontrast.datasets.imagenet import distinct, listing, words
from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.views import Split

ANNOTATIONS = "val/val_annotations.txt"


@chz.chz
class TinyImageNet(PictureFiles, Downloadable):
    """Tiny ImageNet: 100,000 training and 10,000 validation photographs, 64 x 64, color, in 200 classes of ImageNet.

    Observations are uint8 [n, 3, 64, 64] (resized, if `size` is another), labels int64 [n] in 0..199, numbered by
    ascending WNID. The test split is the validation set, since the published test pictures have no labels. A
    FileNotFoundError if the files are nowhere; a ValueError that says what is wrong with them. Source: Stanford CS231n;
    Le and Yang 2015, "Tiny ImageNet visual recognition challenge".
    """

    root: str | None = chz.field(
        default=None, doc="folder with tiny-imagenet-200, or that folder itself; the cache folder if empty"
    )

    folder: ClassVar[str] = "tiny-imagenet"
    files: ClassVar[tuple[Published, ...]] = (
        Published(
            "tiny-imagenet-200.zip",
            248100043,
            "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            ("http://cs231n.stanford.edu/tiny-imagenet-200.zip", "https://cs231n.stanford.edu/tiny-imagenet-200.zip"),
            Bounds("tiny-imagenet-200", 600_000_000, 130_000),
            {"wnids.txt": 0, "words.txt": 0, "train": 0, "val/images": 0, ANNOTATIONS: 0},
        ),
    )

    def base(self) -> Path:
        return self.unpacked(self.root)

    @property
    def classes(self) -> tuple[str, ...]:
        return distinct(self._wnids(), words(self.base() / "words.txt"))

    def rows(self, split: Split) -> Sequence[Row]:
        wnids = self._wnids()
        return self._train(wnids) if split == "train" else self._validation(wnids)

    def _wnids(self) -> tuple[str, ...]:
        path = self.base() / "wnids.txt"
        found = tuple(sorted(path.read_text("utf-8").split()))
        if not found or len(set(found)) < len(found):
            raise ValueError(f"{path} is empty or names a class twice; {self._again()}")
        return found

    def _train(self, wnids: Sequence[str]) -> tuple[Row, ...]:
        folders = [self.base() / "train" / wnid / "images" for wnid in wnids]
        if missing := [str(folder) for folder in folders if not folder.is_dir()]:
            raise FileNotFoundError(f"{len(missing)} of the class folders are missing: {missing[0]}; {self._again()}")
        return tuple(
            Row(f"train/{wnid}/images/{name}", label)
            for label, (wnid, names) in enumerate(zip(wnids, listing(folders), strict=True))
            for name in names
        )

    def _validation(self, wnids: Sequence[str]) -> tuple[Row, ...]:
        path = self.base() / ANNOTATIONS
        numbers = {wnid: label for label, wnid in enumerate(wnids)}
        rows = []
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            name, *rest = line.split("\t")
            if not rest or rest[0] not in numbers or "/" in name:
                raise ValueError(f"line {number} of {path} is {line!r}, not a picture and its class; {self._again()}")
            rows.append(Row(f"val/images/{name}", numbers[rest[0]]))
        there = set(listing([self.base() / "val/images"])[0])
        if there != {row.name.rpartition("/")[2] for row in rows} or len(rows) != len(there):
            raise ValueError(
                f"{path} names {len(rows):,} pictures, but they are not the {len(there):,} in val/images; "
                f"{self._again()}"
            )
        return tuple(sorted(rows))

    def _again(self) -> str:
        return f"replace it, or delete {self.base()} and run `kontrast data get TinyImageNet`"
