"""Sprites as the npz file of dSprites: rendered in pieces by several processes, and put together when all are there."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kontrast.datasets.crew import together
from kontrast.datasets.writing import Order
from kontrast.files import whole, write_whole

if TYPE_CHECKING:
    from kontrast.datasets.sprites.sprites import Sprites

PIECE = 4096
"""Pictures that are rendered, kept and compressed at once."""


def write(sprites: Sprites, out: Path, order: Order) -> None:
    """Write all rows of the grid of sprites; go on with the pieces that are there, and leave a whole file as it is.

    ValueError where `out` is something else, or the pieces beside it are of other sprites.
    """
    stamp = repr(_grid_of(sprites)).encode()
    if out.exists():
        if not _is(out, stamp):
            raise ValueError(f"{out} is there already and is not the file of these sprites; name another")
        return
    folder = out.with_name(f".{out.name}.pieces")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "of").exists():
        write_whole(folder / "of", stamp)
    if (folder / "of").read_bytes() != stamp:
        raise ValueError(
            f"{folder} has pieces of other sprites, which were interrupted; delete it, or name another file"
        )
    _render(sprites, folder, order)
    _assemble(sprites, folder, out, stamp)
    shutil.rmtree(folder)


def _grid_of(sprites: Sprites) -> Sprites:
    """What of the options the file depends on: all but the law."""
    import chz

    return chz.replace(sprites, law="grid")


def _is(out: Path, stamp: bytes) -> bool:
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(out) as found:
        return found.comment == stamp
    return False


def _pieces(sprites: Sprites) -> Iterator[tuple[int, int]]:
    for start in range(0, sprites.rows, PIECE):
        yield start, min(start + PIECE, sprites.rows)


def _render(sprites: Sprites, folder: Path, order: Order) -> None:
    """Render every piece that is not there yet."""
    todo = [rows for rows in _pieces(sprites) if not _file(folder, rows[0]).exists()]
    done = sprites.rows - sum(stop - start for start, stop in todo)
    order.tell(done, sprites.rows)
    if order.workers <= 1:
        written = _share(sprites, folder, todo, order.device)
    else:
        shares = [todo[first :: order.workers] for first in range(order.workers)]
        written = together(_alone, [(sprites, folder, share, order.device) for share in shares if share])
    for rows in filter(None, written):
        done += rows
        order.tell(done, sprites.rows)


def _alone(sprites: Sprites, folder: Path, pieces: Sequence[tuple[int, int]], device: str) -> Iterator[int]:
    """What each process does."""
    torch.set_num_threads(1)
    yield from _share(sprites, folder, pieces, device)


def _share(sprites: Sprites, folder: Path, pieces: Sequence[tuple[int, int]], device: str) -> Iterator[int]:
    """Render pieces, and say of each how many rows it has."""
    for start, stop in pieces:
        write_whole(_file(folder, start), _compressed(sprites, start, stop, device))
        yield stop - start


def _file(folder: Path, start: int) -> Path:
    return folder / f"{start:09d}"


def _compressed(sprites: Sprites, start: int, stop: int, device: str = "cpu") -> bytes:
    """The bytes of `imgs` of some rows, compressed quickly: most of a picture is black."""
    pictures = sprites.render(sprites.grid(torch.arange(start, stop)).latents, torch.device(device))
    if _binary(sprites):
        pictures //= 255
    return zlib.compress(pictures.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes(), 1)


def _binary(sprites: Sprites) -> bool:
    return sprites.shape[0] == 1 and sprites.background == "black"


def _assemble(sprites: Sprites, folder: Path, out: Path, stamp: bytes) -> None:
    count, (channels, height, width) = sprites.rows, sprites.shape
    each = (height, width) if channels == 1 else (height, width, channels)
    with whole(out, folder) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        made.comment = stamp
        pieces = (_piece(sprites, folder, *rows) for rows in _pieces(sprites))
        _member(made, "imgs", np.dtype(np.uint8), (count, *each), pieces)
        values, classes = ("values", np.dtype("<f8")), ("classes", np.dtype("<i8"))
        for kind, dtype in (values, classes):
            columns = (
                getattr(sprites.grid(torch.arange(*rows)), kind).numpy().astype(dtype).tobytes()
                for rows in _pieces(sprites)
            )
            _member(made, f"latents_{kind}", dtype, (count, 6), columns)


def _piece(sprites: Sprites, folder: Path, start: int, stop: int) -> bytes:
    """The bytes of a piece; rendered again where the disk has not kept it."""
    with suppress(zlib.error):
        found = zlib.decompress(_file(folder, start).read_bytes())
        if len(found) == (stop - start) * sprites.shape[0] * sprites.size**2:
            return found
    return zlib.decompress(_compressed(sprites, start, stop))


def _member(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], pieces: Iterator[bytes]
) -> None:
    """One array of the archive, written as its bytes come."""
    header: dict[str, Any] = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(piece)
