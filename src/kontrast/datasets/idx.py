"""IDX files: the format in which MNIST and its successors publish pictures and labels.

A file is a header and nothing else but the values after it, big-endian: two zero bytes, one byte for the type of
the values, one byte for the number of dimensions, four bytes for the size of each dimension (LeCun, Cortes and
Burges 1998). The reader is strict: what a file says of itself and what it holds must agree to the byte.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 1 << 30
PIECE = 1 << 20
TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def read(path: Path, shape: tuple[int | None, ...], limit: int = LIMIT) -> NDArray[np.uint8]:
    """The bytes of an IDX file, gzip or plain (told apart by content), as uint8 [*shape]; None is any size.

    At most `limit` bytes are taken: a header that asks for more is refused before anything is allocated, and memory
    grows with what the file really holds, not with what it says. A ValueError that names the file and its fault.
    """
    try:
        if not path.is_file():
            raise ValueError("it is not a file")
        with path.open("rb") as packed:
            zipped = packed.read(2) == b"\x1f\x8b"
            packed.seek(0)
            with gzip.GzipFile(fileobj=packed) if zipped else packed as stream:
                return _parse(stream, shape, limit, None if zipped else os.fstat(packed.fileno()).st_size)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: {_reason(error)}") from error


def _parse(stream: io.BufferedIOBase, shape: tuple[int | None, ...], limit: int, size: int | None) -> NDArray[np.uint8]:
    sizes = _header(stream, shape)
    length = math.prod(sizes)
    if not length:
        raise ValueError("its header says that it holds nothing")
    if length > limit:
        raise ValueError(f"its header asks for {length:,} bytes, more than the {limit:,} that are allowed")
    start = 4 + 4 * len(sizes)
    if size is not None and size != start + length:
        raise ValueError(f"its header asks for {length:,} bytes of values, but it holds {size - start:,}")
    values = bytearray()
    # One byte more than asked for: it shows what is too much, and makes gzip check its own sum at the end.
    while piece := stream.read(min(PIECE, length + 1 - len(values))):
        values += piece
    if len(values) != length:
        found = f"{len(values):,}" if len(values) < length else "more"
        raise ValueError(f"its header asks for {length:,} bytes of values, but it holds {found}")
    return np.frombuffer(values, np.uint8).reshape(sizes)


def _header(stream: io.BufferedIOBase, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise ValueError("it does not begin as an IDX file does" if magic else "it is empty")
    if TYPES[magic[2]] != "uint8":
        raise ValueError(f"its values are {TYPES[magic[2]]}, not uint8")
    if magic[3] != len(shape):
        raise ValueError(f"it has {magic[3]} dimensions, not {len(shape)}")
    packed = stream.read(4 * len(shape))
    if len(packed) < 4 * len(shape):
        raise ValueError("it ends within its header")
    sizes: tuple[int, ...] = struct.unpack(f">{len(shape)}I", packed)
    if any(wanted not in (None, found) for wanted, found in zip(shape, sizes, strict=True)):
        wanted = " x ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"its size is {' x '.join(map(str, sizes))}, not {wanted}")
    return sizes


def _reason(error: Any) -> str:
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return f"its gzip stream is damaged ({error})"
    return f"it cannot be read ({error.strerror or error})" if isinstance(error, OSError) else str(error)
