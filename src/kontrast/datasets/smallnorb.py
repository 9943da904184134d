"""SmallNORB: toys before two cameras."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets.arrays import Mapped, mapped
from kontrast.datasets.converted import converted, damaged
from kontrast.datasets.dataset import Fault
from kontrast.datasets.download import Downloadable, Published
from kontrast.datasets.stores import Holding
from kontrast.parts import choose
from kontrast.views import Factor, Split, Things

SIDE, ROWS, PIECE = 96, 24_300, 1 << 20
MOST = 1_000_000
"""Rows that a file of one's own may have."""
CAMERAS = ("left", "right", "both")
BYTES, INTEGERS = 507333717, 507333716
"""The numbers that a file of bytes, or of 32-bit integers, begins with."""
STEM: Mapping[Split, str] = {
    "train": "smallnorb-5x46789x9x18x6x2x96x96-training-",
    "test": "smallnorb-5x01235x9x18x6x2x96x96-testing-",
}
FACTORS = (
    Factor("category", "discrete", 0.0, 4.0, size=5),
    Factor("instance", "discrete", 0.0, 9.0, size=10),
    Factor("elevation", low=30.0, high=70.0, grid=9),
    Factor("azimuth", "periodic", 0.0, 360.0, grid=18),
    Factor("lighting", "discrete", 0.0, 5.0, size=6),
)
INFO = np.array([[1, 0], [5, 30], [10, 0], [1, 0]])
"""What a number in `info` is times, and what is added, to be in units of the factors."""


def _published(name: str, size: int, sha256: str) -> Published:
    name += ".mat.gz"
    sources = ("https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/", "https://cs.nyu.edu/~yann/data/norb-v1.0-small/")
    return Published(name, size, f"sha256:{sha256}", tuple(source + name for source in sources))


@chz.chz
class SmallNORB(Downloadable):
    """SmallNORB: 24,300 training and 24,300 test pictures of 50 toys of five categories, 96 x 96, gray, two cameras.

    Observations are uint8 [n, 1, 96, 96], or [n, 2, 96, 96] with both cameras; labels int64 [n] in 0..4 are the
    categories. Latents [n, 5]:

    - category 0 to 4 and instance 0 to 9: which toy; those of the two splits are different toys (instances 4, 6, 7, 8
      and 9 of each category for training, 0, 1, 2, 3 and 5 for testing);
    - elevation: 30 to 70 degrees in steps of 5;
    - azimuth: 0 to 340 degrees in steps of 20, periodic with the range [0, 360);
    - lighting 0 to 5.

    Every toy is seen in all 972 conditions. Any data set in the same six files, of any number of rows, can be read by
    naming its folder. FileNotFoundError if the files are nowhere; ValueError if they are damaged.

    Source: LeCun, Huang and Bottou 2004, "Learning Methods for Generic Object Recognition with Invariance to Pose and
    Lighting". For research only.
    """

    root: str | None = chz.field(
        default=None, doc="folder with the six files, gzip or plain; the cache folder if empty"
    )
    camera: Literal["left", "right", "both"] = chz.field(
        default="left", doc="which of the two cameras: left (the first), right, or both as two channels"
    )

    folder: ClassVar[str] = "smallnorb"
    files: ClassVar[tuple[Published, ...]] = (
        _published(
            f"{STEM['train']}dat", 131896188, "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873"
        ),
        _published(f"{STEM['train']}cat", 348, "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa"),
        _published(f"{STEM['train']}info", 71052, "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32"),
        _published(f"{STEM['test']}dat", 130799817, "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474"),
        _published(f"{STEM['test']}cat", 347, "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff"),
        _published(f"{STEM['test']}info", 10428, "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2"),
    )

    @chz.validate
    def _known_camera(self) -> None:
        choose(self.camera, CAMERAS, "camera")

    @property
    def shape(self) -> tuple[int, int, int]:
        return (2 if self.camera == "both" else 1), SIDE, SIDE

    @property
    def classes(self) -> tuple[str, ...]:
        return "animal", "human", "airplane", "truck", "car"

    @property
    def factors(self) -> tuple[Factor, ...]:
        return FACTORS

    def convert(self, folder: Path) -> None:
        for split in STEM:
            self._array(folder, split)

    def hold(self, split: Split) -> Holding:
        folder = self.find(self.root)
        labels, latents = self._columns(folder, split)
        path = self._array(folder, split)
        pictures = mapped(path, "u1", (len(labels), 2, SIDE, SIDE))
        if self.camera != "both":
            pictures = pictures[:, CAMERAS.index(self.camera)]
        found = torch.from_numpy(labels.astype(np.int64))
        return Holding(Mapped(pictures, str(path)), torch.arange(len(found)), found, torch.from_numpy(latents))

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def faults(self, split: Split) -> list[Fault]:
        try:
            self.hold(split)
            path = self._array(self.find(self.root), split)
        except (OSError, ValueError) as error:
            return [Fault(type(self).__name__, str(error))]
        fault = damaged(path)
        return [Fault(str(path), fault)] if fault else []

    def _file(self, folder: Path, split: Split, part: str) -> Path:
        found = self.path(folder, f"{STEM[split]}{part}.mat.gz")
        assert found is not None
        return found

    def _columns(self, folder: Path, split: Split) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The category [n] of each row and its latents [n, 5]."""
        paths = [self._file(folder, split, part) for part in ("cat", "info")]
        count = ROWS if self.root is None else None
        category = matrix(paths[0], INTEGERS, (count,))
        info = matrix(paths[1], INTEGERS, (len(category), 4))
        latents = np.concatenate([category[:, None], info * INFO[:, 0] + INFO[:, 1]], 1)
        for factor, column in zip(FACTORS, latents.T, strict=True):
            high = factor.high if factor.kind != "periodic" else factor.high - 1
            if len(wrong := np.flatnonzero((column < factor.low) | (column > high))):
                raise ValueError(f"{paths[1]}: row {wrong[0]:,} has no {factor.name} that there is")
        return category, latents.astype(np.float32)

    def _array(self, folder: Path, split: Split) -> Path:
        path = self._file(folder, split, "dat")
        count = len(matrix(self._file(folder, split, "cat"), INTEGERS, (ROWS if self.root is None else None,)))
        shape = (count, 2, SIDE, SIDE)
        return converted(f"smallnorb-{split}.npy", [path], math.prod(shape), partial(_write, path, shape))


def matrix(path: Path, magic: int, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The values of a binary matrix, gzip or plain, as uint8 or int32 of the expected shape; None is any size.

    Magic number, number of dimensions, sizes (at least three), values, all little-endian. A ValueError that names the
    file and its fault; memory grows with what the file holds, not with what it says.
    """
    with _opened(path, magic, shape) as (pieces, sizes):
        values = b"".join(pieces)
    return np.frombuffer(values, np.uint8 if magic == BYTES else "<i4").reshape(sizes)


def _write(path: Path, shape: tuple[int, ...], out: Path) -> None:
    with _opened(path, BYTES, shape) as (pieces, sizes), out.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": sizes})
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _opened(path: Path, magic: int, shape: tuple[int | None, ...]) -> Iterator[tuple[Iterator[bytes], tuple[int, ...]]]:
    try:
        with path.open("rb") as packed:
            zipped = packed.read(2) == b"\x1f\x8b"
            packed.seek(0)
            with gzip.GzipFile(fileobj=packed) if zipped else packed as stream:
                found, count = struct.unpack("<II", stream.read(8).ljust(8, b"\0"))
                if found != magic or count != len(shape):
                    raise ValueError(
                        "it does not begin as such a matrix does"
                        if found != magic
                        else f"it has {count} dimensions, not {len(shape)}"
                    )
                listed = struct.unpack(
                    f"<{max(3, count)}i", stream.read(4 * max(3, count)).ljust(4 * max(3, count), b"\0")
                )
                sizes = listed[:count]
                if not all(0 < size <= MOST and want in (None, size) for want, size in zip(shape, sizes, strict=True)):
                    wanted = " x ".join("n" if want is None else str(want) for want in shape)
                    raise ValueError(f"its size is {' x '.join(map(str, sizes))}, not {wanted}")
                yield _pieces(stream, math.prod(sizes) * (1 if magic == BYTES else 4)), sizes
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
        raise ValueError(f"{path}: {error or 'it is damaged'}") from error


def _pieces(stream: Any, left: int) -> Iterator[bytes]:
    # One byte more than asked for: it shows what is too much, and makes gzip check its own sum at the end.
    while piece := stream.read(min(PIECE, left + 1)):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise ValueError("it holds more or fewer values than its header says")
