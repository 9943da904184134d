"""Transfers: fetching published files, going on where one stopped, and taking nothing but what was published."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kontrast.datasets.archives import unpack
from kontrast.datasets.published import Published

if TYPE_CHECKING:
    import requests

PIECE = 1 << 16
TIMEOUT = 30.0
MOST = 1 << 36
"""Bytes that are taken of a file whose length nobody published."""
Tell = Callable[[str, int, int], None]
"""Hears of a file, how many bytes of it are there, and how many there will be, 0 where that is not known."""


class _Foreign(ValueError):
    """What came is not what was published."""


def fetch(files: Sequence[Published], folder: Path, tell: Tell | None = None) -> None:
    """Download files into a folder: each under a temporary name, moved to its own only when its checksum is right.

    A transfer that breaks off leaves that temporary file, and the next one goes on where it ends. Archives are
    unpacked; one whose top folder is there is neither asked for nor read again. Processes that fetch into the same
    folder wait for each other.

    `tell(name, bytes so far, bytes in all)` hears of the progress. A ValueError for content that is not what was
    published, a ConnectionError where no source answers. A warning where nobody published a checksum.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = error.strerror or type(error).__name__
        raise ValueError(f"the folder {folder} cannot be made ({told}); name one that can, as to=data") from None
    with locked(folder):
        for file in files:
            (_fetch if file.holds is None else _fetch_archive)(file, folder, tell or (lambda name, done, size: None))


def locked(folder: Path) -> contextlib.AbstractContextManager[object]:
    """Only one process at a time is in here for a folder; a folder that cannot be written to needs no lock."""
    from filelock import FileLock

    return FileLock(folder / ".lock") if os.access(folder, os.W_OK) else contextlib.nullcontext()


def _fetch_archive(file: Published, folder: Path, tell: Tell) -> None:
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


def _fetch(file: Published, folder: Path, tell: Tell) -> None:
    import requests
    import urllib3

    path = folder / file.name
    if path.is_file() and not file.wrong(path):
        if os.access(folder, os.W_OK):
            file.note(path)
        return
    faults: list[str] = []
    wrong = False
    for url in file.urls:
        try:
            _download(url, file, path, tell)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            faults.append(f"{url} failed with {_reason(error)}")
        except _Foreign as error:
            faults.append(f"{url} sent something else than was published, which was thrown away: {error}")
            wrong = True
        else:
            return
    fault = ValueError if wrong else ConnectionError
    told = "; ".join(faults) or "there is no link that a program could follow"
    raise fault(f"{file.name} could not be downloaded: {told}; try again, or put it into {folder}")


def _reason(error: BaseException) -> str:
    """Why a server did not send a file, in a few words: what lies at the bottom of what its clients wrap up."""
    if (response := getattr(error, "response", None)) is not None:
        return f"{response.status_code} {response.reason}"[:80]
    for _ in range(16):
        inner = (getattr(error, "reason", None), *error.args[:1], error.__cause__, error.__context__)
        if not (deeper := [each for each in inner if isinstance(each, BaseException)]):
            break
        error = deeper[0]
    if "IncompleteRead" in type(error).__name__ or "IncompleteRead" in str(error):
        return "a connection that broke off"
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(told).partition("\n")[0][:120]


def _download(url: str, file: Published, path: Path, tell: Tell) -> None:
    """Download one file from one place, from where an earlier transfer ended if that is possible."""
    part = _Part(file, path.with_name(f".{file.name}.part"), url, tell)
    begun = part.begun()
    try:
        if not (begun and begun == file.size):
            part.receive(begun)
        if not part.path.exists():
            raise _Foreign("it is empty")
        if fault := file.wrong(part.path):
            raise _Foreign(fault)
    except _Foreign:
        part.drop()
        if not begun:
            raise
        _download(url, file, path, tell)  # what lay there may have been to blame
        return
    (stale := path.with_name(f"{path.name}.sha256")).unlink(missing_ok=True)
    os.replace(part.path, path)
    part.drop()
    if file.note(path):
        cut = "" if part.told else ", and its server did not say how long it is, so that its end may lack"
        warnings.warn(
            f"nobody has published a checksum of {file.name}: that it came whole and unchanged could not be checked"
            f"{cut}; "
            f"its sha256 is in {stale.name} beside it, and `kontrast data check` compares with that",
            stacklevel=2,
        )


class _Part:
    """A file that is being downloaded: it goes on where it ends, and refuses to grow past its published size.

    Beside it lies the address that it came from and the mark by which the server knows its version.
    """

    def __init__(self, file: Published, path: Path, url: str, tell: Tell) -> None:
        self.file, self.path, self.url, self.tell = file, path, url, tell
        self.origin = path.with_name(f"{path.name}.from")
        self.opened: IO[bytes]
        self.done, self.whole = 0, file.size
        self.told = True
        """Whether one can tell where it ends."""

    def begun(self) -> int:
        """How many bytes are there that one can go on from; what cannot be gone on from is removed."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        # Without a checksum only the server can tell whether both parts belong together.
        if size > (self.file.size or MOST) or not (self.file.kind or self._mark()):
            self.drop()
            return 0
        return size

    def drop(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)

    def receive(self, begun: int) -> None:
        """Ask for all bytes from `begun` on."""
        import pooch
        import requests

        self.done, headers = begun, {"Accept-Encoding": "identity"}
        if begun:
            headers |= {"Range": f"bytes={begun}-"} | ({"If-Range": mark} if (mark := self._mark()) else {})
        ask = pooch.HTTPDownloader(chunk_size=PIECE, timeout=TIMEOUT, headers=headers, hooks={"response": self.hear})
        try:
            with self.path.open("ab") as self.opened:
                ask(self.url, self, None)
        except requests.HTTPError as error:
            if begun and error.response is not None and error.response.status_code == 416:
                raise _Foreign(f"it has no bytes from {begun:,} on") from error
            raise
        finally:
            if not self.path.stat().st_size:
                self.drop()

    def hear(self, response: requests.Response, **_: Any) -> None:
        """Learn from the first lines of an answer which bytes come; anew from the first if that is what comes."""
        if response.is_redirect or not response.ok:
            return
        # The file is wanted as it lies there: some servers declare a .gz to be a way of sending what is in it.
        response.raw.headers.discard("content-encoding")
        kept = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", response.headers.get("Content-Range", ""))
        if response.status_code != 206 or not kept or int(kept[1]) != self.done:
            if response.status_code == 206:
                raise _Foreign("it sent other bytes than were asked for")
            self.opened.truncate(0)
            self.done = 0
            mark = response.headers.get("ETag", "")
            self.origin.write_text(f"{self.url}\n{mark if not mark.startswith('W/') else ''}\n")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise _Foreign("it is a page for a browser")
        length = response.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{0,18}", length):
            raise _Foreign(f"the length that its server announces is no number ({length[:20]!r})")
        self.told = bool(length or self.file.size) or "Transfer-Encoding" in response.headers
        left = int(length or 0)
        self.whole = self.file.size or (self.done + left if left else 0)
        if (free := shutil.disk_usage(self.path.parent).free) < left:
            raise OSError(f"{self.file.name} takes {left:,} more bytes, but {self.path.parent} has room for {free:,}")

    def write(self, piece: bytes) -> None:
        self.done += len(piece)
        if self.done > (most := self.file.size or MOST):
            raise _Foreign(f"it is longer than {most:,} bytes")
        self.opened.write(piece)
        self.tell(self.file.name, self.done, self.whole)

    def flush(self) -> None:
        self.opened.flush()

    def _mark(self) -> str:
        """The mark of the server that the first part came from, if that is the one that is asked now."""
        lines = self.origin.read_text("utf-8", "replace").splitlines() if self.origin.is_file() else []
        return lines[1] if len(lines) > 1 and lines[0] == self.url else ""
