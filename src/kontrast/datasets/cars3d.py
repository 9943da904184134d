"""Cars3D: cars seen from all around."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import ClassVar

import chz
import numpy as np

from kontrast.datasets import matlab
from kontrast.datasets.archives import Bounds
from kontrast.datasets.converted import converted
from kontrast.datasets.download import Published
from kontrast.datasets.factorial import Axis, Factorial, even, numbered
from kontrast.views import Factor

SLACK = 1 << 22
"""Bytes that a .mat file may have beside the pictures and the masks."""


@chz.chz
class Cars3D(Factorial):
    """Cars3D: 17,568 pictures of 183 cars, 128 x 128, color, each seen from 4 elevations and 24 azimuths.

    Observations are uint8 [n, 3, 128, 128], latents [n, 3], row-major:

    - elevation: 4 values 0 to 3; the files do not say which angles they are;
    - azimuth: 24 values in degrees, 15 apart, periodic with the range [0, 360);
    - car 0 to 182, in the order of the published list.txt.

    Others take the cars in the order in which a folder happens to list them, so that their numbers of a car differ
    from machine to machine, and make the pictures smaller: `Resized` does that. The archive, which holds other data,
    too, is taken as its authors' MATLAB files; `mask` in them is not read. FileNotFoundError if they are nowhere;
    ValueError if they are not what was published.

    Source: Reed, Zhang, Zhang and Lee 2015, "Deep Visual Analogy-Making"; the cars are those of Fidler, Dickinson and
    Urtasun 2012.
    """

    folder: ClassVar[str] = "cars3d"
    files: ClassVar[tuple[Published, ...]] = (
        Published(
            "nips2015-analogy-data.tar.gz",
            0,
            "md5:4e866a7919c1beedf53964e6f7a23686",
            ("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",),
            Bounds("data", 8_000_000_000, 20_000),
            {"cars/list.txt": 0},
        ),
    )
    _axes: ClassVar[tuple[Axis, ...]] = (
        Axis(Factor("elevation", low=0.0, high=3.0, grid=4), even(0, 3, 4)),
        Axis(Factor("azimuth", "periodic", 0.0, 360.0, grid=24), tuple(15.0 * step for step in range(24))),
        numbered("car", 183),
    )
    _side: ClassVar[int] = 128

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self._axes

    @property
    def side(self) -> int:
        return self._side

    def array(self, folder: Path) -> Path:
        base = self.files[0].lies(folder)
        assert base is not None
        listed = base / "cars" / "list.txt"
        size = math.prod(self.stored)
        return converted(
            "cars3d.npy", [listed, *sorted(listed.parent.glob("*.mat"))], size, partial(self._write, listed)
        )

    def _write(self, listed: Path, out: Path) -> None:
        elevations, azimuths, cars = self.sizes_of_axes
        names = listed.read_text("utf-8", "replace").split() if listed.stat().st_size < SLACK else []
        if len(names) != cars or len(set(names)) != cars or not all(Path(name).name == name for name in names):
            raise ValueError(f"{listed}: it does not list {cars} cars, each once and by its name")
        if lacking := [name for name in names if not (listed.parent / f"{name}.mat").is_file()]:
            raise ValueError(
                f"{listed.parent} lacks {lacking[0]}.mat" + f" and {len(lacking) - 1} more" * (len(lacking) > 1)
            )
        pictures = np.lib.format.open_memmap(out, "w+", np.uint8, (elevations, azimuths, cars, self.side, self.side, 3))
        shape = (self.side, self.side, 3, azimuths, elevations)
        for number, name in enumerate(names):
            mesh = matlab.read(listed.parent / f"{name}.mat", "im", shape, 2 * math.prod(shape) + SLACK)
            pictures[:, :, number] = mesh.transpose(4, 3, 0, 1, 2)
        pictures.flush()
        del pictures
        _reshape(out, self.stored)


def _reshape(path: Path, shape: tuple[int, ...]) -> None:
    """Give the array of an .npy file another shape of as many values."""
    held = np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        if file.tell() != held.offset:
            raise ValueError(f"{path}: its header cannot be replaced")
