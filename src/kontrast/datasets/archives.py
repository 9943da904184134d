"""Archives: unpacking what others packed, without letting it write anywhere else or grow past its bounds.

A tar (gzip or plain) or zip archive becomes one new folder, which is there whole or not at all. Only folders and
ordinary files are taken; the archive's own owners, modes and times are not.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

PIECE = 1 << 20
NAME = 255
"""Bytes that a name may have on the disks of all systems."""
HEADERS = 4096
"""Bytes that a tar archive may spend on each member beside its content."""
TAR_KINDS: dict[str, Callable[[tarfile.TarInfo], bool]] = {
    "a link": lambda entry: entry.issym() or entry.islnk(),
    "a file with holes": tarfile.TarInfo.issparse,
    "folder": tarfile.TarInfo.isdir,
    "file": tarfile.TarInfo.isreg,
}
DAMAGE = (
    EOFError,
    NotImplementedError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What readers raise of data that are not what they should be, beside a ValueError and an OSError without a number."""


class Bounds(NamedTuple):
    """What an archive holds: the one folder everything lies in, and at most so many bytes and members.

    That folder may lie in others, as "set/train": archives of other parts of a set then lie beside it.
    """

    top: str
    size: int
    members: int


class _Member(NamedTuple):
    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes] | None]
    start: int | None = None
    """Where in the archive it begins; None where an archive is read from beginning to end."""


def unpack(
    archive: Path, folder: Path, bounds: Bounds, tell: Callable[[int, int], None] = lambda done, size: None
) -> Path:
    """Unpack an archive into `folder`, as the new folder folder/top, and return that.

    It grows under a temporary name and is renamed when the last byte is written. A ValueError that names the archive
    and its fault where it is damaged, holds an absolute path, `..`, a link, a device, a name twice, two that differ by
    case alone, or something outside its top folder, or is larger than `bounds`: then nothing is left behind.
    `tell(done, size)` hears how many of the archive's own bytes have been read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free) < bounds.size:
        raise ValueError(f"{archive} unpacks to {bounds.size:,} bytes, but {folder} has room for {free:,}; free some")
    growing = Path(tempfile.mkdtemp(dir=folder, prefix=f".{PurePosixPath(bounds.top).name}."))
    try:
        _write(archive, growing, bounds, tell)
        return _place(growing / bounds.top, folder / bounds.top)
    except ValueError as error:
        raise ValueError(f"{archive} cannot be unpacked: {error}") from error
    except DAMAGE as error:
        raise ValueError(f"{archive} cannot be unpacked: it is damaged ({error or type(error).__name__})") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError(f"{archive} cannot be unpacked: it holds a path that is too long for {folder}") from error
        # Damaged data may lead to a place that no file has, and bz2 knows no number. Others are the system's.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{archive} cannot be unpacked: it is damaged ({error.strerror or error})") from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _place(whole: Path, target: Path) -> Path:
    if not whole.is_dir():
        raise ValueError(f"it has no folder {whole.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(whole, target)
    except OSError:
        # Another process may have been faster: then its folder is as good.
        if not target.is_dir():
            raise
    return target


def _write(archive: Path, growing: Path, bounds: Bounds, tell: Callable[[int, int], None]) -> None:
    size, count = 0, 0
    names = _Names()
    with archive.open("rb") as packed:
        whole = os.fstat(packed.fileno()).st_size
        for member in _members(packed, bounds):
            count += 1
            size += member.size
            if count > bounds.members:
                raise ValueError(f"it has more than the {bounds.members:,} members that are allowed")
            if size > bounds.size:
                raise ValueError(f"it unpacks to more than the {bounds.size:,} bytes that are allowed")
            name = _checked(member, bounds.top)
            names.add(name)
            _write_member(member, growing / name)
            tell(packed.tell() if member.start is None else member.start, whole)


class _Names:
    """The names in a folder, with those in each: two that only some disks tell apart are refused on all."""

    def __init__(self) -> None:
        self.within: dict[str, tuple[str, _Names]] = {}

    def add(self, name: str) -> None:
        """Add a path; ValueError if another differs from it by case, or the way its letters are put together, alone."""
        place = self
        for part in PurePosixPath(name).parts:
            known, inner = place.within.setdefault(unicodedata.normalize("NFC", part).casefold(), (part, _Names()))
            if known != part:
                raise ValueError(f"{name!r} has a part {part!r} that differs from another, {known!r}, by case alone")
            place = inner


def _checked(member: _Member, top: str) -> str:
    """The path of a member, if it may be written; a ValueError that says why not."""
    name = member.name
    path = PurePosixPath(name)
    if path.is_absolute() or re.match(r"[A-Za-z]:", name):
        raise ValueError(f"{name!r} is an absolute path")
    if ".." in path.parts:
        raise ValueError(f"{name!r} leads out of its folder")
    if any(len(os.fsencode(part)) > NAME for part in path.parts if part.isprintable()):
        raise ValueError(f"{name[:40]!r}... is a longer name than the {NAME} bytes that are allowed")
    if not name.isprintable() or "\\" in name:
        raise ValueError(f"{name!r} has signs that no file should have in its name")
    if member.kind not in ("file", "folder"):
        raise ValueError(f"{name!r} is {member.kind}, and only files and folders are taken")
    within = PurePosixPath(top).parts
    above = member.kind == "folder" and path.parts and path.parts == within[: len(path.parts)]
    if path.parts[: len(within)] != within and not above:
        raise ValueError(f"{name!r} is not in the folder {top}")
    return str(path)


def _write_member(member: _Member, path: Path) -> None:
    try:
        if member.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = member.open()
        assert stream is not None
        with stream, path.open("xb") as out:
            shutil.copyfileobj(stream, out, PIECE)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{member.name!r} comes twice") from error
    if (found := path.stat().st_size) != member.size:
        raise ValueError(f"{member.name!r} has {found:,} bytes, not the {member.size:,} that were announced")


def _members(packed: io.BufferedReader, bounds: Bounds) -> Iterator[_Member]:
    magic = packed.read(4)
    packed.seek(0)
    if not magic:
        raise ValueError("it is empty")
    if magic == b"PK\x03\x04":
        yield from _zipped(packed)
    elif magic[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=packed) as stream:
            yield from _tarred(stream, bounds)
    else:
        yield from _tarred(packed, bounds)


class _Bounded(io.BufferedIOBase):
    """A stream that gives no more than so many bytes: a header may ask for any number."""

    def __init__(self, stream: io.BufferedIOBase, bounds: Bounds) -> None:
        self.stream, self.bounds = stream, bounds
        self.left = bounds.size + HEADERS * (bounds.members + 1) + tarfile.RECORDSIZE

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.left + 1 if size is None or size < 0 else min(size, self.left + 1)
        piece = self.stream.read(wanted)
        self.left -= len(piece)
        if self.left < 0:
            raise ValueError(f"it unpacks to more than the {self.bounds.size:,} bytes that are allowed")
        return piece


def _tarred(stream: io.BufferedIOBase, bounds: Bounds) -> Iterator[_Member]:
    with tarfile.open(fileobj=_Bounded(stream, bounds), mode="r|", bufsize=PIECE) as tar:
        for entry in tar:
            kind = next((kind for kind, is_it in TAR_KINDS.items() if is_it(entry)), "a device")
            yield _Member(entry.name, kind, entry.size if kind == "file" else 0, partial(tar.extractfile, entry))


def _zipped(packed: io.BufferedReader) -> Iterator[_Member]:
    with zipfile.ZipFile(packed) as archive:
        for entry in archive.infolist():
            mode = stat.S_IFMT(entry.external_attr >> 16)
            kind = "folder" if entry.is_dir() else "file"
            if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "a link" if mode == stat.S_IFLNK else "a device"
            if entry.flag_bits & 1:
                kind = "encrypted"
            yield _Member(entry.orig_filename, kind, entry.file_size, partial(archive.open, entry), entry.header_offset)
