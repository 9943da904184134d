"""Pictures in files: datasets of which every row is decoded from a file of its own."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import chz
import torch

from kontrast.datasets import dali, pictures
from kontrast.datasets.dataset import Fault, Stored
from kontrast.datasets.decoding import Files
from kontrast.datasets.picture_store import Pictures
from kontrast.datasets.stores import Holding
from kontrast.views import Split, Things

NAMED_FAULTS = 20


class Row(NamedTuple):
    """A picture: its path below the folder of its dataset, with slashes, and the number of its class, -1 for none."""

    name: str
    label: int = -1


@chz.chz
class PictureFiles(Stored):
    """Pictures that are decoded from files.

    A subclass says which there are: `rows(split)` and `base()`, and `classes` where there are labels. This class
    decodes them on all cores, once, finds out what is wrong with them, and keeps what was decoded in the cache folder.
    """

    size: int = chz.field(default=64, doc="height and width of an observation in pixels")
    channels: int = chz.field(default=3, doc="3 for color, 1 for grayscale")
    skip: int = chz.field(default=0, doc="so many pictures of a split may be damaged: they are left out, and listed")
    cached: bool = chz.field(default=True, doc="keep what was decoded in the cache folder, unless it is little")
    decoder: Literal["pillow", "dali"] = chz.field(
        default="pillow", doc="dali decodes JPEG on the GPU where there is one, with pip install 'kontrast[dali]'"
    )

    @chz.validate
    def _observable(self) -> None:
        if self.size < 1:
            raise ValueError(f"pictures of {self.size} pixels cannot be; write size=64")
        if self.channels not in (1, 3):
            raise ValueError(f"pictures have 1 channel or 3, not {self.channels}; write channels=3")
        if self.skip < 0:
            raise ValueError(f"{self.skip} pictures cannot be left out; write skip=0")

    @abstractmethod
    def rows(self, split: Split) -> Sequence[Row]:
        """The pictures of a split, in a fixed order; FileNotFoundError or ValueError if they are not there."""

    @abstractmethod
    def base(self) -> Path:
        """The folder that the names of rows are below. Messages name it, too."""

    def contents(self, split: Split) -> Callable[[int], Path | bytes]:
        """A function from the number of a row to its file, or to the bytes of one: `base()` and its name, as a rule."""
        base, rows = self.base(), self.rows(split)
        return lambda number: base / rows[number].name

    def stamp(self, split: Split) -> str | None:
        """What changes whenever the pictures do; None where that is the names, sizes and times of the files."""
        return None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.size, self.size

    def names(self, split: Split) -> tuple[str, ...]:
        """The name of each picture of a split; `Things.index` is a number in this list."""
        return tuple(row.name for row in self.rows(split))

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def hold(self, split: Split) -> Holding:
        rows = self.rows(split)
        if not rows:
            raise ValueError(f"none of the pictures in {self.base()} is in the {split} split{self.advice(split)}")
        labels = torch.tensor([row.label for row in rows]) if self.classes else None
        held = Holding(self._store(split, rows), torch.arange(len(rows)), labels)
        if self.skip and (bad := self._left_out(split)):
            warnings.warn(f"{len(bad)} of the pictures in {self.base()} are left out: {_told(bad)}", stacklevel=2)
            held = held.select(torch.tensor([number for number in range(len(rows)) if rows[number].name not in bad]))
        return held

    def advice(self, split: Split) -> str:
        """What to write where a split is empty, as the end of a sentence; empty where nothing helps."""
        return ""

    def faults(self, split: Split) -> list[Fault]:
        try:
            rows = self.rows(split)
            store = self._store(split, rows)
            found = [Fault(rows[n].name, fault) for n, fault in sorted(store.files.decode_all().items())]
            damaged = [rows[n].name for n in store.damaged()]
        except (OSError, ValueError) as error:
            return [Fault(type(self).__name__, str(error))]
        if not rows and split == "train":
            found.append(Fault(str(self.base()), f"none of the pictures is in the train split{self.advice(split)}"))
        changed = f"it is not what was decoded in {store.folder} any more; delete that folder"
        return found + [Fault(name, changed) for name in damaged]

    def listed(self) -> dict[str, list[Any]]:
        splits: tuple[Split, ...] = ("train", "test") if self.skip else ()
        bad = {f"left out of {split}": self._left_out(split) for split in splits if self.rows(split)}
        return {name: [[row, fault] for row, fault in sorted(rows.items())] for name, rows in bad.items() if rows}

    def _store(self, split: Split, rows: Sequence[Row]) -> Pictures:
        names = [row.name for row in rows]
        title = f"{type(self).__name__}-{split}"
        if self.decoder == "dali":
            dali.check()
        contents, stamp = self.contents(split), self.stamp(split)
        files = Files(title, self.base(), names, contents, self.size, self.channels, stamp, self.decoder)

        def complain(faults: dict[int, str]) -> ValueError:
            # Whoever has to replace pictures wants to know of all of them at once.
            other: Split = "test" if split == "train" else "train"
            more = {fault.where: fault.what for fault in self.faults(other)} if self.rows(other) else {}
            return self._refusal({names[number]: fault for number, fault in faults.items()} | more)

        return Pictures(files, complain, self.cached)

    def _left_out(self, split: Split) -> dict[str, str]:
        """What is wrong with the pictures of a split that cannot be read, if that are few enough."""
        rows = self.rows(split)
        bad = {rows[number].name: fault for number, fault in self._store(split, rows).unreadable().items()}
        if len(bad) > self.skip:
            raise self._refusal(bad)
        return bad

    def _refusal(self, faults: Mapping[str, str]) -> ValueError:
        allowed = f", more than skip={self.skip} allows" if len(faults) > self.skip > 0 else ""
        if self.skip and any(isinstance(fault, pictures.Passing) for fault in faults.values()):
            allowed = f", and skip={self.skip} leaves out only those that are damaged"
        return ValueError(
            f"{len(faults)} of the pictures in {self.base()} cannot be read{allowed}, replace or remove them: "
            f"{_told(faults)}"
        )


def _told(faults: Mapping[str, str]) -> str:
    listed = "; ".join(f"{name!r}: {faults[name]}" for name in sorted(faults)[:NAMED_FAULTS])
    return listed + (f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else "")
