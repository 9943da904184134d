"""Features of any folder of pictures, written as they are computed: memory is that of a few pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import pictures
from kontrast.datasets.image_folder import NAMED
from kontrast.encoding import CHUNK
from kontrast.export.tables import KINDS, Columns
from kontrast.model import Student
from kontrast.parts import choose
from kontrast.passes import Layer, Passes
from kontrast.run import Run
from kontrast.views import Things

NAMED_FAULTS = 20
PIXELS = 500 * 64 * 64
"""Pixels that pass through the network at once, which bounds its memory."""


class Embedded(NamedTuple):
    """What `embed` wrote: how many pictures, the columns by their widths, and what it left out, with the reasons."""

    out: Path
    rows: int
    columns: dict[str, int]
    skipped: dict[str, str]


def embed(
    run: Run,
    folder: Path | str,
    out: Path | str,
    *,
    layer: Layer = "feature",
    samples: int = 1,
    skip: int = 0,
    step: int | None = None,
    device: str = "cpu",
    tell: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Write names, features and confidence of every picture in a folder, at any depth, to .npz, .csv or .parquet.

    Pictures are read as ImageFolder does, at the size and channels that the run was trained on; their names are paths
    below `folder`, in alphabetical order. `feature` [n, f] is the encoder's output, or the embedding where `layer` says
    so. Confidence is the column that the space of the run allows:

    - concentration: how certain the embedding is, by its space (a Simplex, VonMisesFisher);
    - norm: elsewhere, the length of what the head gives, before a sphere makes all lengths one. No probability, and
      nothing that training asked for; it often is larger for what is like the training data.

    With `samples` > 1 the values are means of so many passes with dropout, with the `concentration` and `spread` that
    `Run.encode` documents. `tell(done, all)` hears of the progress.

    ValueError: `out` is there already, no pictures, a folder that cannot be read, more than `skip` pictures that cannot
    be read, which are named, or a run that was not trained on square pictures. FileNotFoundError: no such folder.
    """
    out, folder = Path(out), Path(folder).expanduser()
    choose(layer, get_args(Layer), "layer")
    shape, names = _shape(run, out), listed(folder)
    # What drops out is drawn on the CPU alone, so that the same call gives the same again.
    device = device if samples == 1 else "cpu"
    student = run.student(step=step).to(device)
    encode = _encoder(student, layer, samples, run.experiment.seed)
    skipped: dict[str, str] = {}
    rows, widths = 0, dict[str, int]()
    with KINDS[out.suffix.lower()](out) as table:
        for number, (some, observations) in enumerate(_decoded(folder, names, shape, skipped, skip)):
            columns = _columns(encode, torch.from_numpy(observations), device, number)
            table.add([_legible(name) for name in some], columns)
            rows, widths = rows + len(some), {name: column[0].size for name, column in columns.items()}
            if tell is not None:
                tell(rows + len(skipped), len(names))
        if not rows:
            raise ValueError(f"none of the {len(names)} pictures in {folder} can be read")
    return Embedded(out, rows, widths, skipped)


def _shape(run: Run, out: Path) -> tuple[int, ...]:
    """The shape of a picture, if a run was trained on square ones and `out` names a new file for what they become."""
    if out.suffix.lower() not in KINDS:
        raise ValueError(f"features go to a .npz, .csv or .parquet file, not to {out.name}")
    if out.exists():
        raise ValueError(f"{out} is there already; give another out=, or delete it")
    shape = run.experiment.data.shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(f"this run was trained on observations of shape {shape}, not on square pictures")
    return shape


def listed(folder: Path) -> list[str]:
    """The paths below a folder of all that is named like a picture, sorted, with slashes; hidden ones left out."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; name a folder of pictures")

    def fail(error: OSError) -> None:
        raise ValueError(
            f"the folder {error.filename} cannot be read ({error.strerror}); allow it, or name another folder"
        ) from None

    found, seen = [], set[str]()
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        if real not in seen:
            inside = Path(here).relative_to(folder)
            found += [(inside / name).as_posix() for name in files if NAMED.search(name) and not name.startswith(".")]
        seen.add(real)
    if not found:
        raise ValueError(f"there are no pictures in {folder}; their names end in .png, .jpg, .webp or .bmp")
    return sorted(found)


def _decoded(
    folder: Path, names: Sequence[str], shape: tuple[int, ...], skipped: dict[str, str], skip: int
) -> Iterator[tuple[list[str], NDArray[np.uint8]]]:
    """Pieces of the pictures that can be read, with their names; the next piece is decoded while one is used."""

    def one(name: str) -> NDArray[np.uint8] | ValueError:
        try:
            return pictures.decode(folder / name, shape[1], shape[0])
        except ValueError as error:
            return error

    pieces = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    with ThreadPoolExecutor(pictures.workers()) as pool:
        ahead: list[Future[NDArray[np.uint8] | ValueError]] = []
        for number, piece in enumerate(pieces):
            ahead = ahead or [pool.submit(one, name) for name in piece]
            found = [future.result() for future in ahead]
            later = pieces[number + 1] if number + 1 < len(pieces) else []
            ahead = [pool.submit(one, name) for name in later]
            skipped |= {
                name: str(each) for name, each in zip(piece, found, strict=True) if isinstance(each, ValueError)
            }
            if len(skipped) > skip:
                for future in ahead:
                    future.cancel()
                raise ValueError(_complaint(folder, skipped, skip))
            read = [(name, each) for name, each in zip(piece, found, strict=True) if not isinstance(each, ValueError)]
            if read:
                yield [name for name, _ in read], np.stack([each for _, each in read])


def _complaint(folder: Path, faults: dict[str, str], skip: int) -> str:
    shown = "; ".join(f"{name!r}: {faults[name]}" for name in sorted(faults)[:NAMED_FAULTS])
    more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
    return (
        f"{len(faults)} of the pictures in {folder} cannot be read, where skip allows for {skip}: {shown}{more}; "
        f"kontrast data check {folder} lists all, and skip={max(10, 2 * len(faults))} leaves so many out"
    )


def _legible(name: str) -> str:
    """A name as text, also where its bytes are none."""
    return os.fsencode(name).decode(errors="replace")


def _columns(encode: Callable[[Things, int], Columns], piece: Tensor, device: str, number: int) -> Columns:
    """The columns of a piece, which passes in as few batches as its pixels allow."""
    rows = max(1, PIXELS // (piece.shape[-1] * piece.shape[-2]))
    found = [
        encode(Things(some.to(device), torch.arange(len(some))), number * CHUNK + part)
        for part, some in enumerate(torch.split(piece, rows))
    ]
    return {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}


def _encoder(student: Student, layer: Layer, samples: int, seed: int) -> Callable[[Things, int], Columns]:
    passes = Passes(None if layer == "raw" else student, layer, samples, seed)

    @torch.no_grad()
    def once(things: Things, chunk: int) -> Columns:
        feature = student.features(things.observations)
        outer = student.head(feature).float()
        point = student.into(outer)
        certain = student.space.concentration(point)
        confidence = {"norm": outer.norm(dim=1)} if certain is None else {"concentration": certain}
        return _arrays({"feature": feature if layer == "feature" else point, **confidence})

    def several(things: Things, chunk: int) -> Columns:
        values, concentration, spread = passes(things, chunk)
        return _arrays({"feature": values, "concentration": concentration, "spread": spread})

    return once if samples == 1 and layer != "raw" else several


def _arrays(columns: dict[str, Tensor | None]) -> Columns:
    return {name: column.float().cpu().numpy() for name, column in columns.items() if column is not None}
