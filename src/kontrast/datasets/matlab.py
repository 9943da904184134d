"""MATLAB files from elsewhere: one array of bytes of a MATLAB 5 file, and nothing else of what it may hold.

SciPy's reader brings the process down with some damaged files. The part of the format that is needed here is small:
after 128 bytes come elements, each a type, a length and so many bytes, of which a packed one holds another; an array is
an element of four elements: its class, its sizes, its name, and its values, the first dimension fastest.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = 128
INT8, UINT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 2, 5, 6, 14, 15
CLASS, COMPLEX = 9, 8
"""The class of an array of bytes, and the flag of one of complex numbers."""
SLACK = 1 << 16


def read(path: Path, name: str, shape: tuple[int, ...], most: int) -> NDArray[Any]:
    """The array `name` of bytes, uint8 [*shape], of a MATLAB 5 file that has at most `most` bytes when it is unpacked.

    A ValueError that names the file and its fault, before anything larger is allocated.
    """
    try:
        if not path.is_file() or path.stat().st_size > most:
            raise ValueError(f"it is not a file of at most {most:,} bytes")
        found = [array for array in _arrays(path.read_bytes(), most) if array[0] == name]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} arrays {name}, not one")
        return _values(name, *found[0][1:], shape)
    except (ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error


def _values(name: str, kind: int, sizes: tuple[int, ...], content: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    if kind != CLASS or sizes != shape:
        said = f"of class {kind} and size {' x '.join(map(str, sizes[:9]))}"
        raise ValueError(f"its array {name} is {said}, not bytes of size {' x '.join(map(str, shape))}")
    ((stored, values),) = list(_elements(content, True))[:1] or [(0, b"")]
    if stored != UINT8 or len(values) != math.prod(shape):
        raise ValueError(f"its array {name} has not the {math.prod(shape):,} bytes that it should")
    return np.frombuffer(values, np.uint8).reshape(shape, order="F")


def _arrays(content: bytes, most: int) -> Iterator[tuple[str, int, tuple[int, ...], bytes]]:
    """The name, class, sizes and what comes then of each array."""
    if content[HEADER - 4 : HEADER] != b"\x00\x01IM":
        raise ValueError("it is no little-endian MATLAB 5 file")
    for kind, element in _elements(content[HEADER:], False):
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(element, most + 1)
            if (most := most - len(unpacked)) < 0:
                raise ValueError("it unpacks to more than is allowed")
            kind, element = next(_elements(unpacked, False), (0, b""))
        if kind != MATRIX:
            raise ValueError("it holds something that is no array")
        yield _described(element)


def _described(element: bytes) -> tuple[str, int, tuple[int, ...], bytes]:
    parts: list[bytes] = []
    kinds: list[int] = []
    at = 0
    for _ in range(3):
        kind, part, at = _next(element, at, True)
        kinds.append(kind)
        parts.append(part)
    if kinds != [UINT32, INT32, INT8] or len(parts[0]) != 8 or len(parts[1]) % 4 or len(parts[1]) > SLACK:
        raise ValueError("it holds an array that does not begin as one does")
    flags = parts[0]
    kind = flags[0] if not flags[1] & COMPLEX else -1
    return parts[2].decode("latin-1"), kind, struct.unpack(f"<{len(parts[1]) // 4}i", parts[1]), element[at:]


def _elements(content: bytes, padded: bool) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        kind, element, at = _next(content, at, padded)
        yield kind, element


def _next(content: bytes, at: int, padded: bool) -> tuple[int, bytes, int]:
    """The type and the bytes of the element that begins somewhere, and where the next one does."""
    kind, length = struct.unpack_from("<II", content, at)
    begin = at + 8
    if kind >> 16:
        kind, length, begin = kind & 0xFFFF, kind >> 16, at + 4
    end = begin + length
    if end > len(content) or (begin == at + 4 and length > 4):
        raise ValueError("it ends within an array")
    after = at + 8 if begin == at + 4 else end + (-length % 8 if padded else 0)
    return kind, content[begin:end], after
