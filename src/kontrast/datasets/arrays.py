"""NumPy files from elsewhere: what their headers say is checked before anything is allocated, and no code is run.

A .npy file is a header and the values after it; an .npz file is a zip archive of those. A header may claim any size,
an archive may unpack to any size, and an array of objects is a pickle, which can run code. So dtype and shape must be
those that are expected, the bytes that a header asks for must be those that there are, and objects are refused.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import tokenize
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets.archives import DAMAGE
from kontrast.datasets.mapped import Mapped as Mapped

PIECE = 1 << 20
LIMIT = 1 << 36
"""Bytes that an array may take on the disk unless its reader says otherwise."""
MEMORY = 1 << 31
"""Bytes that an array may take in memory unless its reader says otherwise."""
HEADER = 4096
"""Bytes that a header may take: those of plain arrays take 128."""
RATIO = 1032
"""How many times longer than its packed form content of a zip archive can be."""
ODD = (ValueError, RuntimeError, SyntaxError, TypeError, LookupError, ArithmeticError, MemoryError, tokenize.TokenError)
"""What NumPy and zipfile raise of headers that are not what they should be."""
Shape = Sequence[int | None]
"""The shape that is expected; None is any size."""


class Header(NamedTuple):
    """What a .npy file says of itself, and where its values begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def bytes(self) -> int:
        """What its values take."""
        return math.prod(self.shape) * self.dtype.itemsize


class Array:
    """An array that was found sound but not read: an .npy file, or one in an .npz archive."""

    def __init__(self, path: Path, header: Header, opened: Callable[[], contextlib.AbstractContextManager[IO[bytes]]]):
        self.path, self.header, self._opened = path, header, opened

    def read(self, limit: int = MEMORY) -> NDArray[Any]:
        """All of it, in memory; ValueError if that takes more than `limit` bytes, or less is there than it says."""
        if self.header.bytes > limit:
            raise ValueError(f"{self.path}: it takes {self.header.bytes:,} bytes, more than the {limit:,} allowed")
        values = bytearray()  # memory grows with what is there, not with what is promised
        for piece in self.pieces():
            values += piece
        flat = np.frombuffer(values, self.header.dtype)
        return flat.reshape(self.header.shape, order="F" if self.header.fortran else "C")

    def pieces(self) -> Iterator[bytes]:
        """Its values, so many bytes at a time: exactly those it should have, else a ValueError."""
        left = self.header.bytes
        with _told(self.path), self._opened() as stream:
            _skip(stream, self.header.start)
            # Reading beyond the end makes an archive compare its own sum.
            while piece := stream.read(min(PIECE, left + 1)):
                if (left := left - len(piece)) < 0:
                    raise ValueError("there is more in it than its header says")
                yield piece
        if left:
            raise ValueError(f"{self.path}: its header asks for {self.header.bytes:,} bytes, of which {left:,} lack")

    def extract(self, out: Path, most: int | None = None) -> None:
        """Write it as an .npy file, piece by piece; the caller gives it its name when it is whole.

        ValueError if values, then uint8, are larger than `most`.
        """
        if self.header.fortran:
            raise ValueError(f"{self.path}: it is stored by columns, not by rows")
        with out.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, _described(self.header))
            for piece in self.pieces():
                if most is not None and np.frombuffer(piece, np.uint8).max() > most:
                    raise ValueError(f"{self.path}: it has values above {most}, up to {max(piece)}")
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())


def find(path: Path, dtypes: str, shape: Shape, limit: int = LIMIT) -> Array:
    """The array of an .npy file, if its dtype and shape are as expected: `dtypes` names those allowed, as "f4 f8".

    A ValueError that names the file and its fault, before anything is allocated for the values.
    """
    with _told(path):
        if not path.is_file():
            raise ValueError("it is not a file")
        with path.open("rb") as stream:
            header = _header(stream, dtypes, shape, limit, path.stat().st_size)
    return Array(path, header, lambda: path.open("rb"))


def read(path: Path, dtypes: str, shape: Shape, limit: int = MEMORY) -> NDArray[Any]:
    """The values of an .npy file. Raises what `find` does."""
    return find(path, dtypes, shape, limit).read(limit)


def mapped(path: Path, dtypes: str, shape: Shape, limit: int = LIMIT) -> NDArray[Any]:
    """The values of an .npy file, mapped from the disk: they take memory when they are touched. Raises as `find`."""
    header = find(path, dtypes, shape, limit).header
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    # "c" can be written to, as torch wants it, and what is written stays in memory.
    return np.memmap(path, header.dtype, "c", header.start, header.shape, order)


def member(path: Path, name: str, dtypes: str, shape: Shape, limit: int = LIMIT) -> Array:
    """The array `name` of an .npz archive, as `find` does; other members are not looked into.

    A member that comes twice, is encrypted, or lies about its size is refused.
    """
    with _told(path):
        if not path.is_file():
            raise ValueError("it is not a file")
        with zipfile.ZipFile(path) as archive:
            entry = _entry(archive, name)
            with archive.open(entry) as stream:
                header = _header(stream, dtypes, shape, limit, entry.file_size)

    @contextlib.contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(path) as archive, archive.open(_entry(archive, name)) as stream:
            yield stream

    return Array(path, header, opened)


def finite(path: Path, latents: NDArray[Any], count: int | None = None) -> Tensor:
    """Latents float32 [n, k] as a tensor; ValueError if some are no numbers, or there are not as many as pictures."""
    if count is not None and len(latents) != count:
        raise ValueError(f"{path}: it has {len(latents):,} rows of latents, but there are {count:,} pictures")
    wrong = np.flatnonzero(~np.isfinite(latents.reshape(len(latents), -1)).all(1))
    if wrong.size:
        others = f", and so have {wrong.size - 1:,} others" if wrong.size > 1 else ""
        raise ValueError(f"{path}: row {wrong[0]:,} has latents that are no finite numbers{others}")
    return torch.from_numpy(latents.astype(np.float32, copy=False))


def _entry(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    found = [entry for entry in archive.infolist() if entry.filename in (name, f"{name}.npy")]
    if not found:
        held = ", ".join(sorted(entry.filename.removesuffix(".npy")[:40] for entry in archive.infolist()[:9]))
        raise ValueError(f"it has no array {name}; it has {held or 'none'}")
    if len(found) > 1:
        raise ValueError(f"it has more than one array {name}")
    entry = found[0]
    if entry.flag_bits & 1:
        raise ValueError(f"its array {name} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its array {name} is packed in a way that NumPy does not write")
    if entry.file_size > RATIO * entry.compress_size + HEADER:
        raise ValueError(f"its array {name} says that it has {entry.file_size:,} bytes, more than can be packed so")
    return entry


def _header(stream: IO[bytes], dtypes: str, shape: Shape, limit: int, size: int) -> Header:
    """The header of an .npy file whose size is said to be `size`; the stream may be at any place then."""
    begin = io.BytesIO(stream.read(HEADER))
    version = np.lib.format.read_magic(begin)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is None:
        raise ValueError(f"it is of version {version[0]}.{version[1]} of the format, not 1.0 or 2.0")
    with warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote
        found, fortran, dtype = reader(begin, max_header_size=HEADER)
    header = Header(dtype, found, fortran and len(found) > 1, begin.tell())
    allowed = [np.dtype(name) for name in dtypes.split()]
    if dtype.hasobject:
        raise ValueError("it is an array of objects, which is a pickle and could run code")
    if dtype.newbyteorder("=") not in allowed:
        raise ValueError(f"its values are {str(dtype)[:60]}, not {' or '.join(map(str, allowed))}")
    fits = len(found) == len(shape) and all(want in (None, size) for want, size in zip(shape, found, strict=True))
    if not fits or any(type(size) is not int or size < 0 for size in found):
        wanted = " x ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"its size is {' x '.join(map(str, found))[:80] or 'that of one number'}, not {wanted}")
    if header.bytes > limit:
        raise ValueError(f"its header asks for {header.bytes:,} bytes, more than the {limit:,} that are allowed")
    if size != header.start + header.bytes:
        raise ValueError(f"its header asks for {header.bytes:,} bytes of values, but it holds {size - header.start:,}")
    return header


def _skip(stream: IO[bytes], count: int) -> None:
    while count and (piece := stream.read(count)):
        count -= len(piece)


def _described(header: Header) -> dict[str, Any]:
    return {"descr": np.lib.format.dtype_to_descr(header.dtype), "fortran_order": False, "shape": header.shape}


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong in here becomes one sentence that names the file."""
    try:
        yield
    except ODD as error:
        raise ValueError(f"{path}: {_sentence(error)}") from error
    except DAMAGE as error:
        raise ValueError(f"{path}: it is damaged ({_sentence(error)})") from error
    except OSError as error:
        raise ValueError(f"{path}: it cannot be read ({error.strerror or error})") from error


def _sentence(error: BaseException) -> str:
    """What an error says, with what repeats itself and what is long shortened."""
    told = re.sub(r"(.{1,8}?)\1{8,}", r"\1\1\1...", (str(error) or type(error).__name__).partition("\n")[0][:HEADER])
    return told if len(told) <= 300 else f"{told[:297]}..."
