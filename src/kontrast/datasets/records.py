"""Files of records: bytes without a header, so many for each row, as CIFAR and STL-10 are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def records(path: Path, length: int, published: int = 0) -> NDArray[np.uint8]:
    """The records uint8 [n, length] of a file, mapped from the disk: they take memory when they are touched.

    A file of `published` bytes is taken, or if that is 0, one of any whole number of records. A ValueError that says
    what is wrong with it.
    """
    if not path.is_file():
        raise ValueError("it is not a file")
    size = path.stat().st_size
    if not size:
        raise ValueError("it is empty")
    if published and size != published:
        raise ValueError(f"it has {size:,} bytes, not the {published:,} that were published")
    if size % length:
        raise ValueError(f"it has {size:,} bytes, which are no whole number of records of {length:,} bytes")
    try:
        # "c" can be written to, as torch wants it, and what is written stays in memory.
        return np.memmap(path, np.uint8, "c", shape=(size // length, length))
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror or error})") from error


def labels(column: NDArray[np.uint8], first: int, count: int) -> NDArray[np.int64]:
    """Labels int64 [n] in 0..count-1, of bytes that count from `first`; a ValueError that names a row that is wrong."""
    found = column.astype(np.int64) - first
    wrong = np.flatnonzero((found < 0) | (found >= count))
    if wrong.size:
        row = wrong[0]
        raise ValueError(
            f"record {row:,} has the label {column[row]}, but they are {first} to {first + count - 1}"
            + (f", and so have {wrong.size - 1:,} others" if wrong.size > 1 else "")
        )
    return found
