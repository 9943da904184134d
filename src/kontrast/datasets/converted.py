"""Converted files in the cache folder: made once of what was published, in a form that is read fast.

A converted file is known by the files that it was made of: their places, lengths and times. It is made under a
temporary name and renamed when it is whole; one process makes it, and others wait. The folder `converted` of the cache
may be deleted at any time when nothing reads from it: what is needed is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from kontrast.datasets.download import cache
from kontrast.files import write_whole

PIECE = 1 << 20


def converted(title: str, sources: Sequence[Path], size: int, make: Callable[[Path], None]) -> Path:
    """The file of some name, like "dsprites.npy", that `make(path)` writes of `sources`, about `size` bytes long.

    A FileNotFoundError if a source is not there, a ValueError if there is no room, and what `make` raises: then
    nothing is left behind.
    """
    from filelock import FileLock

    target = place(title, sources)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{title}.lock"):
        if target.exists():
            return target
        if (free := shutil.disk_usage(target.parent).free) < size:
            raise ValueError(
                f"{title} takes {size:,} bytes, but {target.parent} has room for {free:,}: free some, or set "
                "KONTRAST_DATA to a folder with room"
            )
        handle, growing = tempfile.mkstemp(dir=target.parent, prefix=f".{title}.")
        os.close(handle)
        try:
            make(Path(growing))
            os.chmod(growing, 0o644)
            write_whole(_sum(target), f"{_crc(Path(growing)):08x}\n".encode())
            os.replace(growing, target)
        except BaseException:
            Path(growing).unlink(missing_ok=True)
            raise
    return target


def damaged(target: Path) -> str:
    """What shows that a converted file is no longer what was made; empty if it is."""
    if _sum(target).is_file() and _sum(target).read_text("utf-8", "replace").strip() != f"{_crc(target):08x}":
        return f"it is no longer what was made of the published files; delete {target}, and it is made anew"
    return ""


def place(title: str, sources: Sequence[Path]) -> Path:
    """Where the file of that name lies that was made of these sources."""
    stats = [(str(source.resolve()), source.stat().st_size, source.stat().st_mtime_ns) for source in sources]
    key = hashlib.sha256(json.dumps(stats).encode()).hexdigest()[:16]
    stem, dot, suffix = title.rpartition(".")
    return cache() / "converted" / f"{stem}-{key}{dot}{suffix}"


def _sum(target: Path) -> Path:
    return target.with_name(f"{target.name}.crc32")


def _crc(path: Path) -> int:
    found = 0
    with path.open("rb") as opened:
        while piece := opened.read(PIECE):
            found = zlib.crc32(piece, found)
    return found
