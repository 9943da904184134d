"""Datasets whose files are published: which they are, where they lie, and how they come here.

Nothing here runs by itself. `kontrast data get NAME`, which is `get(NAME)`, is the one thing that opens a connection
for data; everything else reads what lies on the disk.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from kontrast.datasets.dataset import Dataset, Fault, Stored
from kontrast.datasets.published import Published as Published
from kontrast.datasets.transfer import fetch as fetch
from kontrast.parts import choose, known


class Downloadable(Stored, ABC):
    """A stored dataset whose files are published. It says which they are; `get` fetches them."""

    folder: ClassVar[str]
    """Where its files lie within the cache folder."""

    files: ClassVar[tuple[Published, ...]]
    """All of its files, archives among them."""

    @property
    def wanted(self) -> tuple[Published, ...]:
        """Those of its files that are needed with these fields."""
        return self.files

    @property
    def called(self) -> str:
        """What `kontrast data get` calls these files."""
        return type(self).__name__

    def convert(self, folder: Path) -> None:
        """Bring the files of a folder, which are all there, into the form that is read fast, if they have another.

        `get` calls it. A ValueError or OSError, with one sentence, for files that cannot be.
        """
        return

    places: ClassVar[tuple[str, ...]] = ()
    """Folders where a package of an operating system puts the same files."""

    package: ClassVar[str] = ""
    """What else provides them, as the end of a sentence: "or install ..."; empty where nothing does."""

    def find(self, root: str | None) -> Path:
        """The folder that has all files, gzip or plain: `root` if given, else the cache folder or a known place.

        A FileNotFoundError that says how to get them.
        """
        name = self.called
        folders = [cache() / self.folder, *map(Path, self.places)] if root is None else [Path(root).expanduser()]
        for folder in folders:
            if all(file.lies(folder) for file in self.wanted):
                return folder
        fetch = f"run `kontrast data get {name}`"
        if packed := next(
            (file.name for file in self.wanted if file.holds and (folders[0] / file.name).exists()), None
        ):
            advice = f"unpack {packed}: {fetch[:-1]} to={folders[0]}`"
        elif root is None:
            advice = ", ".join(filter(None, (fetch, self.package)))
        else:
            advice = f"name the folder that has these files, or leave out root and {fetch}"
        missing = [what for file in self.wanted for what in file.missing(folders[0])]
        where = " or ".join(map(str, folders))
        raise FileNotFoundError(f"{type(self).__name__} is not in {where} (missing: {', '.join(missing)}); {advice}")

    def sizes(self, root: str | None) -> Mapping[str, int]:
        """The lengths that files of its one archive must have: those published, but in a folder of one's own any."""
        return self.files[0].needed if root is None else {}

    def unpacked(self, root: str | None) -> Path:
        """The top folder of the one archive that this dataset is published as; raises what `find` does."""
        where = self.files[0].lies(self.find(root))
        assert where is not None
        return where

    def damaged(self, faults: Sequence[Fault], root: str | None) -> ValueError:
        """The error that lists every damaged file and says what to do."""
        name, top = type(self).__name__, self.unpacked(root)
        told = "; ".join(f"{fault.where}: {fault.what}" for fault in faults)
        again = f"kontrast data get {name}" + ("" if root is None else f" to={top.parent}")
        return ValueError(
            f"{len(faults)} of the files of {name} are damaged: {told}; replace them, or delete {top} and run `{again}`"
        )

    @staticmethod
    def path(folder: Path, name: str) -> Path | None:
        """Where a published file lies in a folder, as it was published or unpacked; None if it does not."""
        return Published(name, 0, "", ()).lies(folder)


class ByHand(ABC):
    """A dataset that may not be downloaded by a program, since those who want it have to accept its terms."""

    how: ClassVar[str]
    """Where it can be had and how it is to be laid out, as a sentence."""


def cache() -> Path:
    """The folder for downloaded data: $KONTRAST_DATA, else kontrast in $XDG_CACHE_HOME, else ~/.cache/kontrast."""
    if own := os.environ.get("KONTRAST_DATA"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kontrast"


def get(what: str | Downloadable, to: str | Path | None = None, progress: bool = True) -> Path:
    """Download the files of a dataset, or of the one of that name, into the folder `to` or its cache folder, its path.

    A file that is already there with the right content is kept. An archive is unpacked beside itself, and deleted
    then unless it was there before. What is read faster in another form is brought into that. A ValueError for an
    unknown name, a dataset that has to be got by hand or content that is not what was published, a ConnectionError
    where no source answers: then the next call goes on where this one stopped.
    """
    dataset = downloadable(what)() if isinstance(what, str) else what
    folder = cache() / dataset.folder if to is None else Path(to).expanduser()
    with _shown(progress) as tell:
        fetch(dataset.wanted, folder, tell)
    dataset.convert(folder)
    return folder


def downloadable(name: str) -> type[Downloadable]:
    """The class of a dataset that can be downloaded, by its name; a ValueError that says how else it can be had."""
    by_hand = {key: cls for key, cls in known(Dataset).items() if issubclass(cls, ByHand)}
    if name in by_hand:
        raise ValueError(by_hand[name].how)
    found = {key: cls for key, cls in known(Dataset).items() if issubclass(cls, Downloadable)}
    return found[choose(name, found, "dataset to download")]


@contextlib.contextmanager
def _shown(progress: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Draws a bar for each file on the standard error stream, if asked to and if it is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (progress and console.is_terminal):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def tell(name: str, done: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=size or None)
            bars.update(tasks[name], completed=done, total=size or None)

        yield tell
