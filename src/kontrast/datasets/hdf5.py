"""HDF5 files from elsewhere: only datasets that lie in the file itself, whole and of the expected kind, are read.

A dataset of such a file may take its bytes from any other file of the machine, be put together from others, or be a
link; a packed piece of it may unpack to any size. All that is refused or bounded before anything is allocated.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kontrast.datasets.arrays import LIMIT, MEMORY

if TYPE_CHECKING:
    import h5py

CHUNK = 1 << 26
"""Bytes that one piece may unpack to."""
BLOCK = 1 << 29
"""Bytes of the rows that are unpacked together."""
DEFLATE, SHUFFLE, SUM, LZF = 1, 2, 3, 32000
PACKED = [
    [*order, *end]
    for order in ([], [SHUFFLE])
    for how in ([], [DEFLATE], [LZF])
    for end in ([*how], [*how, SUM], [SUM, *how])
]
"""The ways of packing that are read, as lists of HDF5's filters."""


def read(path: Path, name: str, dtype: str, shape: tuple[int, ...], limit: int = MEMORY) -> NDArray[Any]:
    """The values of a dataset, in memory; ValueError that names the file and its fault."""
    with _opened(path, name, dtype, shape, limit) as dataset:
        return np.concatenate([*_blocks(dataset, path)]).reshape(shape)


def extract(path: Path, name: str, dtype: str, shape: tuple[int, ...], out: Path, limit: int = LIMIT) -> None:
    """Write a dataset as an .npy file, some rows at a time; the caller gives it its name when it is whole.

    ValueError that names the file and its fault.
    """
    with _opened(path, name, dtype, shape, limit) as dataset, out.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in _blocks(dataset, path):
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _opened(path: Path, name: str, dtype: str, shape: tuple[int, ...], limit: int) -> Iterator[h5py.Dataset]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{path.name} needs {error.name}: pip install 'kontrast[hdf5]'") from None
    try:
        if not path.is_file():
            raise ValueError("it is not a file")
        with h5py.File(path, "r", locking=False) as file:
            yield _checked(file, name, np.dtype(dtype), shape, limit)
    except (ValueError, RuntimeError, TypeError, LookupError, ArithmeticError, MemoryError, zlib.error) as error:
        raise ValueError(f"{path}: {_sentence(error)}") from error
    except OSError as error:
        # HDF5 says of everything that is damaged that it could not be read; the number is there if the system says so.
        if error.errno is not None and "HDF5" not in str(error) and "nable to" not in str(error):
            raise
        raise ValueError(f"{path}: it is no sound HDF5 file ({_sentence(error)})") from error


def _checked(file: h5py.File, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], limit: int) -> h5py.Dataset:
    import h5py

    link = file.get(name, getlink=True) if name in file.id else None
    if link is None:
        raise ValueError(f"it has no dataset {name}")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"its dataset {name} is a link to somewhere else")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"its {name} is no dataset")
    if dataset.external:
        raise ValueError(f"the values of its dataset {name} lie in other files")
    if dataset.is_virtual:
        raise ValueError(f"its dataset {name} is put together from others")
    if dataset.dtype != dtype:
        raise ValueError(f"the values of its dataset {name} are {str(dataset.dtype)[:60]}, not {dtype}")
    if dataset.shape != shape:
        found, wanted = (" x ".join(map(str, size or ())) for size in (dataset.shape, shape))
        raise ValueError(f"the size of its dataset {name} is {found[:80]}, not {wanted}")
    if (length := math.prod(shape) * dtype.itemsize) > limit:
        raise ValueError(f"its dataset {name} takes {length:,} bytes, more than the {limit:,} that are allowed")
    return dataset


def _blocks(dataset: h5py.Dataset, path: Path) -> Iterator[NDArray[Any]]:
    """All rows, in their order, some at a time."""
    if dataset.chunks is None:
        yield from _contiguous(dataset, path)
        return
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    if filters not in PACKED:
        raise ValueError(f"its dataset {dataset.name} is packed in a way that is not read here (filters {filters})")
    length = math.prod(dataset.chunks) * dataset.dtype.itemsize
    row = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
    if length > (CHUNK if LZF not in filters else CHUNK >> 4) or row * dataset.chunks[0] > BLOCK:
        raise ValueError(f"its dataset {dataset.name} lies in pieces of {length:,} bytes, more than are allowed")
    for start in range(0, dataset.shape[0], dataset.chunks[0]):
        rows = np.empty((min(dataset.chunks[0], dataset.shape[0] - start), *dataset.shape[1:]), dataset.dtype)
        steps = zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
        for at in itertools.product(*(range(0, size, step) for size, step in steps)):
            piece = _piece(dataset, (start, *at), filters, length)
            place = (slice(None), *(slice(k, k + step) for k, step in zip(at, dataset.chunks[1:], strict=True)))
            inside = rows[place]
            inside[...] = piece[tuple(slice(size) for size in inside.shape)]
        yield rows


def _piece(dataset: h5py.Dataset, at: tuple[int, ...], filters: list[int], length: int) -> NDArray[Any]:
    """One chunk, unpacked here and not by HDF5, which would unpack it to whatever size it has.

    Only LZF is left to HDF5: nothing becomes more than 88 times as long by it.
    """
    info = dataset.id.get_chunk_info_by_coord(at)
    if info.byte_offset is None or info.size > 2 * length + 4096:
        raise ValueError(f"its dataset {dataset.name} lacks the piece at {at}")
    if LZF in filters:
        found: NDArray[Any] = dataset[tuple(slice(k, k + step) for k, step in zip(at, dataset.chunks, strict=True))]
        return found
    mask, packed = dataset.id.read_direct_chunk(at)
    for number, kind in reversed([*enumerate(filters)]):
        if mask >> number & 1:
            continue
        if kind == DEFLATE:
            stream = zlib.decompressobj()
            packed = stream.decompress(packed, length + 1)
        elif kind == SUM:
            packed = packed[:-4]
        else:
            size = dataset.dtype.itemsize
            packed = np.frombuffer(packed, np.uint8).reshape(size, -1).T.tobytes()
    if len(packed) != length:
        raise ValueError(f"the piece of its dataset {dataset.name} at {at} has not the {length:,} bytes that it should")
    return np.frombuffer(packed, dataset.dtype).reshape(dataset.chunks)


def _contiguous(dataset: h5py.Dataset, path: Path) -> Iterator[NDArray[Any]]:
    length, start = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_offset()
    if start is None and dataset.id.get_storage_size() == length and length <= 1 << 16:
        yield dataset[()]  # it lies in the header
        return
    if start is None or start + length > path.stat().st_size:
        raise ValueError(f"its dataset {dataset.name} is not whole")
    with path.open("rb") as file:
        file.seek(start)
        yield from _flat(file, length, dataset.dtype)


def _flat(file: IO[bytes], length: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    while length:
        piece = file.read(min(CHUNK, length))
        if not piece or len(piece) % dtype.itemsize:
            raise ValueError("it ends within its values")
        length -= len(piece)
        yield np.frombuffer(piece, dtype)


def _sentence(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:300]
