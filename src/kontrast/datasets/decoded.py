"""Decoded pictures in the cache folder: made once, mapped into memory afterwards.

A folder holds `pictures`, the bytes uint8 [n, c, size, size] and nothing else, and `manifest.json`, which is written
last, all or nothing: without it the rest is a decoding that was stopped, which goes on where its `journal` ends. Every
picture has a checksum, compared when the picture is first read. One process decodes; others wait for it. The folder
may be deleted at any time when nothing reads from it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets.pictures import Passing, workers
from kontrast.files import write_json

BLOCK = 1 << 22
"""Bytes that are decoded, written and noted at once."""
Decode = Callable[[range, NDArray[np.uint8]], dict[int, str]]
"""Decodes rows into an array, and says what is wrong with those that cannot be: they are left black."""
Result = TypeVar("Result")


class NoRoom(OSError):
    """The cache folder cannot take the pictures."""


class Unread(Exception):
    """Files that could not be read this time. The rest is kept; `faults` has all that is wrong, by the numbers."""

    def __init__(self, faults: dict[int, str]) -> None:
        super().__init__(f"{len(faults)} pictures cannot be read")
        self.faults = faults


class Plan(NamedTuple):
    """What shall be in a folder: so many pictures of one shape."""

    folder: Path
    rows: int
    shape: tuple[int, ...]

    @property
    def row(self) -> int:
        """Bytes of a picture."""
        return math.prod(self.shape)

    @property
    def blocks(self) -> list[range]:
        """The rows that are decoded at once."""
        return blocks(self.rows, max(1, BLOCK // self.row))


class Decoded:
    """All pictures of a folder, mapped. What could not be decoded is black, and in `faults` by its number."""

    def __init__(self, plan: Plan, sums: NDArray[np.uint32], faults: dict[int, str]) -> None:
        self.plan, self.sums, self.faults = plan, sums, faults
        self.sound = np.zeros(plan.rows, bool)
        self.pictures = np.memmap(plan.folder / "pictures", np.uint8, "r", shape=(plan.rows, *plan.shape))

    def read(self, rows: Tensor, out: Tensor) -> None:
        """Copy rows int64 [n] into uint8 [n, ...]; ValueError if one is no longer what was decoded."""
        numbers, found = rows.numpy(), out.numpy()
        np.take(self.pictures, numbers, 0, found, "clip")
        fresh = np.flatnonzero(~self.sound[numbers])
        for position in fresh:
            if zlib.crc32(found[position]) != self.sums[numbers[position]]:
                raise ValueError(
                    f"picture {numbers[position]} in the cache {self.plan.folder} is not what was decoded: the disk or "
                    "a program changed it; delete that folder, and it is made anew"
                )
        self.sound[numbers[fresh]] = True

    def damaged(self) -> list[int]:
        """The numbers of all pictures that are no longer what was decoded."""
        pictures, sums = self.pictures, self.sums
        found = spread(lambda rows: [n for n in rows if zlib.crc32(pictures[n]) != sums[n]], self.plan.blocks)
        return [number for part in found for number in part]


def blocks(count: int, size: int) -> list[range]:
    """Rows 0 to `count` in runs of `size`."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def spread(work: Callable[[range], Result], parts: list[range]) -> Iterator[Result]:
    """Work on parts with all cores; the results in their order."""
    with ThreadPoolExecutor(workers(), "kontrast-pictures") as pool:
        yield from pool.map(work, parts)


def find(plan: Plan) -> Decoded | None:
    """The decoded pictures, if they are there and whole."""
    try:
        written = json.loads((plan.folder / "manifest.json").read_bytes())
        sums = np.frombuffer(bytes.fromhex(written["sums"]), "<u4")
        faults = {int(number): str(fault) for number, fault in written["faults"].items()}
        size = (plan.folder / "pictures").stat().st_size
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    sound = written.get("sha256") == _seal(written) and written.get("shape") == list(plan.shape)
    return Decoded(plan, sums, faults) if sound and size == plan.rows * plan.row and len(sums) == plan.rows else None


def make(plan: Plan, decode: Decode) -> Decoded:
    """Decode into the folder what is not there yet.

    NoRoom, with one sentence, if it cannot take it. Unread if files could not be read this time: nothing is noted of
    their blocks, which are decoded again the next time.
    """
    from filelock import FileLock

    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(plan.folder / ".lock"):
            if (found := find(plan)) is not None:
                return found
            _decode(plan, decode)
    except OSError as error:
        raise NoRoom(
            f"{plan.rows:,} decoded pictures cannot be kept in {plan.folder} ({error.strerror or error}): set "
            "KONTRAST_DATA to a folder with room, or write data.cached=false"
        ) from error
    if (found := find(plan)) is None:
        raise NoRoom(f"what was decoded into {plan.folder} is no longer there; is another program deleting it?")
    return found


def room(folder: Path, need: int) -> bool:
    """Whether the disk of a folder that may not exist yet has so many bytes, and lets us write."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    held = sum(file.stat().st_blocks * 512 for file in [folder / "pictures"] if file.exists())
    return os.access(there, os.W_OK) and shutil.disk_usage(there).free + held > need


def _decode(plan: Plan, decode: Decode) -> None:
    total = plan.rows * plan.row
    if not room(plan.folder, total):
        raise OSError(f"they take {total:,} bytes, and {shutil.disk_usage(plan.folder).free:,} are free")
    (plan.folder / "pictures").touch()
    # Not for appending: Linux would then write at the end whatever offset is asked for.
    with (plan.folder / "pictures").open("r+b") as file, (plan.folder / "journal").open("a+b") as journal:
        file.truncate(total)
        done = _resume(plan, file, journal)
        rest = [rows for rows in plan.blocks if rows.start not in done]
        for entry in _shown(spread(lambda rows: _block(plan, file.fileno(), decode, rows), rest), len(rest)):
            if not any(isinstance(fault, Passing) for fault in entry["faults"].values()):
                journal.write(json.dumps(entry).encode() + b"\n")
                journal.flush()
            done[entry["start"]] = entry
        os.fsync(file.fileno())
    entries = [done[rows.start] for rows in plan.blocks]
    faults = {number: fault for entry in entries for number, fault in entry["faults"].items()}
    if any(isinstance(fault, Passing) for fault in faults.values()):
        raise Unread({int(number): fault for number, fault in faults.items()})
    written: dict[str, Any] = {"shape": list(plan.shape), "sums": "".join(e["sums"] for e in entries), "faults": faults}
    write_json(plan.folder / "manifest.json", written | {"sha256": _seal(written)})
    (plan.folder / "journal").unlink()


def _block(plan: Plan, file: int, decode: Decode, rows: range) -> dict[str, Any]:
    """Decode and write some rows; what the journal says of them."""
    pictures = np.zeros((len(rows), *plan.shape), np.uint8)
    faults = decode(rows, pictures)
    content, offset = memoryview(pictures.data).cast("B"), rows.start * plan.row
    while content:
        wrote = os.pwrite(file, content, offset)
        content, offset = content[wrote:], offset + wrote
    return {"start": rows.start, "sums": _sums(pictures), "faults": {str(key): fault for key, fault in faults.items()}}


def _resume(plan: Plan, file: IO[bytes], journal: IO[bytes]) -> dict[int, dict[str, Any]]:
    """The blocks that a stopped decoding has finished: those in the journal whose pictures are really on the disk."""
    done: dict[int, dict[str, Any]] = {}
    journal.seek(0)
    starts = {rows.start: rows for rows in plan.blocks}
    for line in journal:
        try:
            entry = json.loads(line)
            rows = starts[entry["start"]]
            stored = os.pread(file.fileno(), len(rows) * plan.row, rows.start * plan.row)
            if _sums(np.frombuffer(stored, np.uint8).reshape(len(rows), -1)) == entry["sums"]:
                done[rows.start] = entry
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # the line was being written
    if journal.tell() and not line.endswith(b"\n"):
        journal.write(b"\n")
    return done


def _sums(pictures: NDArray[np.uint8]) -> str:
    return np.array([zlib.crc32(picture) for picture in pictures], "<u4").tobytes().hex()


def _seal(written: dict[str, Any]) -> str:
    content = json.dumps([written["shape"], written["sums"], written["faults"]], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _shown(entries: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """Draws a bar on the standard error stream if it is a terminal."""
    if not sys.stderr.isatty():
        yield from entries
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(entries, "decoding pictures", total=count, console=Console(stderr=True), transient=True)
