"""Datasets in the formats of Hugging Face, read from this machine."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import chz

from kontrast.datasets.dataset import Fault
from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.datasets.stores import Holding
from kontrast.views import Split


@chz.chz
class Hub(PictureFiles):
    """A data set of pictures as Hugging Face's `datasets` reads it: Parquet files, a folder of pictures, or its cache.

    Observations are uint8 [n, channels, size, size]: pictures are decoded and refused as in ImageFolder. Labels are
    int64 [n], -1 where the column has none: the numbers of a ClassLabel, else the place of an integer or string among
    the ascending ones of the training split.

    Nothing is downloaded: `path` is a folder, a Parquet file, or the name of a data set that `datasets` has loaded
    before (and keeps in its cache). Needs the extra `hub`. A FileNotFoundError where there is no such data set; a
    ValueError for another split or column, and one that lists every picture that cannot be read.
    """

    path: str = chz.field(doc="a folder, a .parquet file, or the name of a data set in the cache of Hugging Face")
    name: str | None = chz.field(default=None, doc="the configuration, where the data set has several")
    train: str = chz.field(default="train", doc='the training split, or a part of one such as "train[:80%]"')
    test: str = chz.field(default="test", doc='the test split, or a part of one such as "train[80%:]"')
    image: str = chz.field(default="image", doc="the column of pictures")
    label: str | None = chz.field(default="label", doc="the column of labels; None: without labels")

    @chz.validate
    def _sensible(self) -> None:
        if not self.path:
            raise ValueError("a Hub data set needs a place; write path=FOLDER")

    @property
    def classes(self) -> tuple[str, ...]:
        feature = self._feature("train")
        if feature is None:
            return ()
        if (names := getattr(feature, "names", None)) is not None:
            return tuple(names)
        return tuple(str(value) for value in self._values())

    def base(self) -> Path:
        return Path(self.path).expanduser()

    def hold(self, split: Split) -> Holding:
        if len(gone := self._gone()) > self.skip:
            raise self._refusal(gone)
        return super().hold(split)

    def faults(self, split: Split) -> list[Fault]:
        return [Fault(name, fault) for name, fault in self._gone().items()] + super().faults(split)

    def rows(self, split: Split) -> Sequence[Row]:
        split_name, table = self._name(split), self._open(split)
        feature = self._feature(split)
        if feature is None:
            return [Row(f"{split_name}[{number}]") for number in range(len(table))]
        found = table[self.label][:]
        if getattr(feature, "names", None) is not None:
            numbers = [-1 if value is None else int(value) for value in found]
            strange = next((n for n, value in enumerate(numbers) if not -1 <= value < len(feature.names)), None)
        else:
            known = {value: number for number, value in enumerate(self._values())} | {None: -1}
            strange = next((n for n, value in enumerate(found) if value not in known), None)
            numbers = [known.get(value, -1) for value in found]
        if strange is not None:
            raise ValueError(
                f"{split_name}[{strange}] of {self.path} has the label {found[strange]!r}, which is no class"
            )
        return [Row(f"{split_name}[{number}]", label) for number, label in enumerate(numbers)]

    def contents(self, split: Split) -> Callable[[int], Path | bytes]:
        table, picture = self._open(split), _library().Image
        feature = table.features.get(self.image)
        if feature is None:
            raise ValueError(self._absent(self.image, "image", table.features))
        if isinstance(feature, picture):
            table = table.cast_column(self.image, picture(decode=False))
        elif getattr(feature, "dtype", "") not in ("binary", "large_binary"):
            raise ValueError(
                f"the column {self.image!r} of {self.path} holds {feature}, not pictures; write image=COLUMN"
            )
        table = table.select_columns([self.image])

        def content(number: int) -> Path | bytes:
            found = table[number][self.image]
            if isinstance(found, Mapping):
                found = found["bytes"] if found["bytes"] is not None else Path(found["path"] or "")
            return b"" if found is None else found

        return content

    def stamp(self, split: Split) -> str:
        made = [file["filename"] for file in self._open(split).cache_files]
        return f"{self._name(split)} {self.image} {_state(self.path)} {_listed(map(Path, made))}"

    def _gone(self) -> dict[str, str]:
        """Links of a folder that lead nowhere: `datasets` would leave them out without a word."""
        base = self.base()
        links = (path for path in base.rglob("*") if path.is_symlink() and not os.path.exists(path))
        names = sorted(path.relative_to(base).as_posix() for path in links if not path.name.startswith("."))
        return dict.fromkeys(names, "it is a link to a file that is not there")

    def _name(self, split: Split) -> str:
        return self.train if split == "train" else self.test

    def _open(self, split: Split) -> Any:
        return _load(self.path, self.name, self._name(split), _state(self.path))

    def _feature(self, split: Split) -> Any:
        """What the column of labels holds; None without labels."""
        if self.label is None:
            return None
        features = self._open(split).features
        if self.label not in features:
            raise ValueError(self._absent(self.label, "label", features) + ", or label=None")
        feature = features[self.label]
        dtype = str(getattr(feature, "dtype", feature))
        if not dtype.startswith(("int", "uint", "bool", "string", "large_string")):
            raise ValueError(
                f"the column {self.label!r} of {self.path} holds {dtype}, not classes; write label=COLUMN, or "
                "label=None"
            )
        return feature

    def _values(self) -> list[Any]:
        """The distinct labels of the training split, ascending."""
        return sorted(value for value in self._open("train").unique(self.label) if value is not None)

    def _absent(self, column: str, field: str, columns: Mapping[str, Any]) -> str:
        return f"{self.path} has no column {column!r}, but {', '.join(columns)}; write {field}=COLUMN"


@functools.lru_cache(maxsize=8)
def _load(path: str, name: str | None, split: str, state: str) -> Any:
    """One split of a data set. `state` is what changes whenever its files do."""
    datasets, place = _library(), Path(path).expanduser()
    if not place.exists() and path.count("/") > 1:
        raise FileNotFoundError(f"there is no folder or file {place}; write path=FOLDER")
    try:
        with _offline():
            if place.is_file():
                return datasets.load_dataset("parquet", name, data_files=str(place), split=split)
            return datasets.load_dataset(str(place) if place.is_dir() else path, name, split=split)
    except (ConnectionError, FileNotFoundError) as error:
        if place.exists():
            raise FileNotFoundError(f"{place} cannot be read as a data set of Hugging Face ({error})") from error
        raise FileNotFoundError(
            f"{path} is no folder, no Parquet file, and not in the cache of Hugging Face; run `hf download {path} "
            "--repo-type dataset --local-dir FOLDER` and write path=FOLDER"
        ) from error
    except Exception as error:  # damaged files end in whatever their readers raise
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        if there := re.match(r"Unknown split .*\['([^']+)'", reason):
            reason = (
                reason.rstrip(".") + f"; parts of one can be the splits: train={there[1]}[:80%] test={there[1]}[80%:]"
            )
        raise ValueError(f"{path} cannot be read as a data set of Hugging Face ({reason})") from error


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Keeps Hugging Face's packages from connecting: what they do when HF_HUB_OFFLINE is set, which they read once.

    And from drawing bars where there is no terminal, and from telling of what ends in an error, which tells it better.
    """
    library = _library()
    level = library.logging.get_verbosity()
    places: list[Any] = [library.config, importlib.import_module("huggingface_hub.constants")]
    before, bars = [place.HF_HUB_OFFLINE for place in places], library.is_progress_bar_enabled()
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        if not sys.stderr.isatty():
            library.disable_progress_bars()
        library.logging.set_verbosity(library.logging.CRITICAL)
        yield
    finally:
        library.logging.set_verbosity(level)
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value
        if bars:
            library.enable_progress_bars()


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Hub needs Hugging Face's datasets: pip install 'kontrast[hub]'") from error


def _state(path: str) -> str:
    """What changes whenever a file of a folder does; empty for a data set in the cache of Hugging Face."""
    place = Path(path).expanduser()
    if not place.exists():
        return ""
    return _listed(sorted(place.rglob("*")) if place.is_dir() else [place])


def _listed(files: Any) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for file in files:
        found = ""
        with contextlib.suppress(OSError):  # a link to nothing: whoever decodes it tells of it
            stat = file.stat()
            found = f"{stat.st_size} {stat.st_mtime_ns}"
        digest.update(f"{file} {found}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
