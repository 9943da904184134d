"""Published files: what a dataset downloads, from where, and how one knows that it is the right thing.

Nothing here runs by itself. `kontrast data get NAME`, which is `get(NAME)`, is the one thing that opens a connection
for data; everything else reads what lies on the disk.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, NamedTuple

from kontrast.datasets.archives import Bounds, unpack
from kontrast.datasets.dataset import Dataset, Fault, Stored
from kontrast.parts import choose, known

PIECE = 1 << 16
TIMEOUT = 30.0


class Published(NamedTuple):
    """A file as its authors published it: its name, its length in bytes, its sha256, and where it can be had.

    An archive also says what it `holds`, and which paths within its top folder are `needed`, with their lengths (0 for
    folders, and where any will do).
    """

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]
    holds: Bounds | None = None
    needed: Mapping[str, int] = MappingProxyType({})

    def lies(self, folder: Path) -> Path | None:
        """Where it lies in a folder, as it was published or unpacked; None if it does not.

        An archive lies where its top folder does, which may be `folder` itself.
        """
        if self.holds is None:
            return Downloadable.path(folder, self.name)
        places = (folder / self.holds.top, folder)
        return next((place for place in places if all((place / name).exists() for name in self.needed)), None)

    def missing(self, folder: Path) -> list[str]:
        """What a folder lacks of it, in words."""
        if self.lies(folder):
            return []
        if self.holds is None:
            return [self.name]
        top = self.holds.top
        if not (folder / top).is_dir():
            return [f"the folder {top}"]
        return [f"{top}/{name}" for name in self.needed if not (folder / top / name).exists()]


class Downloadable(Stored, ABC):
    """A stored dataset whose files are published. It says which they are; `get` fetches them."""

    folder: ClassVar[str]
    """Where its files lie within the cache folder."""

    files: ClassVar[tuple[Published, ...]]
    """All of its files, archives among them."""

    places: ClassVar[tuple[str, ...]] = ()
    """Folders where a package of an operating system puts the same files."""

    package: ClassVar[str] = ""
    """What else provides them, as the end of a sentence: "or install ..."; empty where nothing does."""

    def find(self, root: str | None) -> Path:
        """The folder that has all files, gzip or plain: `root` if given, else the cache folder or a known place.

        A FileNotFoundError that says how to get them.
        """
        name = type(self).__name__
        folders = [cache() / self.folder, *map(Path, self.places)] if root is None else [Path(root).expanduser()]
        for folder in folders:
            if all(file.lies(folder) for file in self.files):
                return folder
        fetch = f"run `kontrast data get {name}`"
        if packed := next((file.name for file in self.files if file.holds and (folders[0] / file.name).exists()), None):
            advice = f"unpack {packed}: {fetch[:-1]} to={folders[0]}`"
        elif root is None:
            advice = ", ".join(filter(None, (fetch, self.package)))
        else:
            advice = f"name the folder that has these files, or leave out root and {fetch}"
        missing = [what for file in self.files for what in file.missing(folders[0])]
        where = " or ".join(map(str, folders))
        raise FileNotFoundError(f"{name} is not in {where} (missing: {', '.join(missing)}); {advice}")

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
        return next((folder / n for n in (name, name.removesuffix(".gz")) if (folder / n).exists()), None)


class ByHand(ABC):
    """A dataset that may not be downloaded by a program, since those who want it have to accept its terms."""

    how: ClassVar[str]
    """Where it can be had and how it is to be laid out, as a sentence."""


def cache() -> Path:
    """The folder for downloaded data: $KONTRAST_DATA, else kontrast in $XDG_CACHE_HOME, else ~/.cache/kontrast."""
    if own := os.environ.get("KONTRAST_DATA"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kontrast"


def get(name: str, to: str | Path | None = None, progress: bool = True) -> Path:
    """Download the files of the dataset called `name` into the folder `to`, or into its cache folder; returns it.

    A file that is already there with the right content is kept. An archive is unpacked beside itself, and deleted
    then unless it was there before. A ValueError for an unknown name, a dataset that has to be got by hand or content
    that is not what was published, a ConnectionError where no source answers: then nothing half-written is left behind.
    """
    by_hand = {key: cls for key, cls in known(Dataset).items() if issubclass(cls, ByHand)}
    if name in by_hand:
        raise ValueError(by_hand[name].how)
    found = {key: cls for key, cls in known(Dataset).items() if issubclass(cls, Downloadable)}
    dataset = found[choose(name, found, "dataset to download")]
    folder = cache() / dataset.folder if to is None else Path(to).expanduser()
    with _shown(progress) as tell:
        fetch(dataset.files, folder, tell)
    return folder


def fetch(files: Sequence[Published], folder: Path, tell: Callable[[str, int, int], None] | None = None) -> None:
    """Download files into a folder: each under a temporary name, moved to its own only when its sha256 is right.

    Archives are unpacked; one whose top folder is there is neither asked for nor read again.

    `tell(name, bytes so far, bytes in all)` hears of the progress. Raises what `get` does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (_fetch if file.holds is None else _fetch_archive)(file, folder, tell or (lambda name, done, size: None))


def _fetch_archive(file: Published, folder: Path, tell: Callable[[str, int, int], None]) -> None:
    assert file.holds is not None
    if not (missing := file.missing(folder)):
        return
    top, archive = folder / file.holds.top, folder / file.name
    if top.exists():
        raise ValueError(f"{top} is there, but not whole (missing: {', '.join(missing)}); delete it and try again")
    own = archive.exists()
    _fetch(file, folder, tell)
    unpack(archive, folder, file.holds, lambda done, size: tell(f"unpacking {file.name}", done, size))
    if not own:
        archive.unlink(missing_ok=True)


def _fetch(file: Published, folder: Path, tell: Callable[[str, int, int], None]) -> None:
    import pooch
    import requests

    def download(url: str, target: str, _: Any) -> None:
        with open(target, "wb") as opened:
            pooch.HTTPDownloader(chunk_size=PIECE, timeout=TIMEOUT)(url, _Sink(opened, file, tell), None)

    pooch.get_logger().setLevel("WARNING")
    faults: list[str] = []
    wrong = False
    for url in file.urls:
        try:
            kept = pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=download)
        except requests.RequestException as error:
            faults.append(f"{url} failed with {error}")
        except ValueError:
            faults.append(f"{url} sent something else than was published, which was thrown away")
            wrong = True
        else:
            # The temporary file was for its owner alone, but a cache folder may be shared.
            os.chmod(kept, 0o644)
            return
    fault = ValueError if wrong else ConnectionError
    raise fault(f"{file.name} could not be downloaded: {'; '.join(faults)}; try again, or put it into {folder}")


class _Sink:
    """A file being written: it tells how far it is, and refuses to grow past its published size."""

    def __init__(self, opened: IO[bytes], file: Published, tell: Callable[[str, int, int], None]) -> None:
        self.opened, self.file, self.tell, self.done = opened, file, tell, 0

    def write(self, piece: bytes) -> None:
        self.done += len(piece)
        if self.done > self.file.size:
            raise ValueError(f"{self.file.name} is longer than its published {self.file.size} bytes")
        self.opened.write(piece)
        self.tell(self.file.name, self.done, self.file.size)

    def flush(self) -> None:
        self.opened.flush()


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
                tasks[name] = bars.add_task(name, total=size)
            bars.update(tasks[name], completed=done)

        yield tell
