"""Small files in the formats of the sets that are full products of their factors, and classes that expect them so."""

import gzip
import struct
from pathlib import Path
from typing import ClassVar

import chz
import numpy as np
import torch

from kontrast.datasets import MPI3D, Cars3D, DSprites, Shapes3D
from kontrast.datasets.dsprites import NAME
from kontrast.datasets.factorial import Axis
from kontrast.datasets.shapes3d import NAME as SHAPES3D
from kontrast.datasets.smallnorb import BYTES, INTEGERS, STEM

import formats


def few(axes: tuple[Axis, ...], *numbers: tuple[int, ...]) -> tuple[Axis, ...]:
    """The same axes with only some of their values."""
    return tuple(
        Axis(axis.factor, tuple(axis.values[number] for number in chosen))
        for axis, chosen in zip(axes, numbers, strict=True)
    )


@chz.chz
class _DSprites(DSprites):
    """dSprites, a few rows of it: among them the angle that comes twice."""

    _axes: ClassVar[tuple[Axis, ...]] = few(DSprites._axes, (0, 1, 2), (0, 5), (0, 7, 39), (0, 31), (3, 9))


@chz.chz
class _Shapes3D(Shapes3D):
    """3D Shapes, a few rows of it."""

    _axes: ClassVar[tuple[Axis, ...]] = few(Shapes3D._axes, (0, 9), (0, 1), (4, 5), (0, 7), (0, 1), (0, 14))


@chz.chz
class _MPI3D(MPI3D):
    """MPI3D, a few rows of it."""

    _simple: ClassVar[tuple[Axis, ...]] = few(MPI3D._simple, (0, 1), (0, 1), (0, 1), (0,), (0,), (0, 39), (0, 1))
    _complex: ClassVar[tuple[Axis, ...]] = few(MPI3D._complex, (0,), (0, 1), (0, 1), (0, 1), (0,), (0, 39), (0, 1, 2))


@chz.chz
class _Cars3D(Cars3D):
    """Cars3D, a few rows of it, and smaller."""

    _axes: ClassVar[tuple[Axis, ...]] = few(Cars3D._axes, (0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3))
    _side: ClassVar[int] = 8


def dsprites_arrays(dataset: DSprites, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays of the published file, its metadata, which is a pickle, among them."""
    count = dataset.count
    return {
        "metadata": np.array({"title": "dSprites"}, dtype=object),
        "imgs": formats.bytes_of(count, 64, 64, seed=seed) & 1,
        "latents_classes": dataset._classes(),
        "latents_values": dataset._values(),
    }


def dsprites(root: Path, **changed: np.ndarray) -> Path:
    np.savez_compressed(root / NAME, **{**dsprites_arrays(_DSprites()), **changed})
    return root


def labels(dataset: Shapes3D) -> np.ndarray:
    at = dataset.combinations(torch.arange(dataset.count)).numpy()
    return np.stack([np.array(axis.values)[at[:, k]] for k, axis in enumerate(dataset.axes)], 1)


def shapes3d(root: Path, rows: np.ndarray | None = None, **layout: object) -> Path:
    import h5py

    dataset = _Shapes3D()
    with h5py.File(root / SHAPES3D, "w") as file:
        layout = layout or {"compression": "gzip", "chunks": (20, 32, 16, 3)}
        file.create_dataset("images", data=formats.bytes_of(*dataset.stored), **layout)
        file.create_dataset("labels", data=labels(dataset) if rows is None else rows)
    return root


def mpi3d(root: Path, variant: str = "toy") -> Path:
    dataset = _MPI3D(variant=variant)
    np.savez(root / dataset.wanted[0].name, images=formats.bytes_of(*dataset.stored))
    return root


def cars3d(root: Path) -> Path:
    """A folder `data` as the archive holds it, with four cars, listed in another order than that of the alphabet."""
    from scipy.io import savemat

    folder = root / "data" / "cars"
    folder.mkdir(parents=True)
    names = [f"car_{number:03}_mesh" for number in (7, 2, 11, 3)]
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    for seed, name in enumerate(names):
        content = {"im": formats.bytes_of(8, 8, 3, 4, 3, seed=seed), "mask": np.zeros((8, 8, 4, 3), np.uint8)}
        savemat(folder / f"{name}.mat", content, do_compression=bool(seed % 2))
    return root


def binary(magic: int, values: np.ndarray) -> bytes:
    """A binary matrix as NORB is published: it has at least three sizes, whatever its number of dimensions."""
    sizes = [*values.shape, 1, 1][: max(3, values.ndim)]
    kind = np.uint8 if magic == BYTES else "<i4"
    return struct.pack(f"<II{len(sizes)}i", magic, values.ndim, *sizes) + values.astype(kind).tobytes()


def smallnorb(root: Path, count: int = 25, zipped: bool = True) -> Path:
    for number, stem in enumerate(STEM.values()):
        row = np.arange(count) + number
        info = np.stack([row % 10, row % 9, 2 * (row % 18), row % 6], 1)
        pictures = formats.bytes_of(count, 2, 96, 96, seed=number)
        for part, magic, values in (("dat", BYTES, pictures), ("cat", INTEGERS, row % 5), ("info", INTEGERS, info)):
            content = binary(magic, values)
            (root / f"{stem}{part}.mat{'.gz' * zipped}").write_bytes(gzip.compress(content, 1) if zipped else content)
    return root
