"""3D Shapes: one object in a room."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import ClassVar

import chz
import numpy as np
import torch

from kontrast.datasets import arrays, hdf5
from kontrast.datasets.converted import converted
from kontrast.datasets.download import Published
from kontrast.datasets.factorial import Axis, Factorial, compare, even, numbered
from kontrast.views import Factor

NAME = "3dshapes.h5"


def _hue(name: str) -> Axis:
    return Axis(Factor(name, "periodic", grid=10), tuple(step / 10 for step in range(10)))


@chz.chz
class Shapes3D(Factorial):
    """3D Shapes: 480,000 pictures of an object in a room, 64 x 64, color, the full product of six factors.

    Observations are uint8 [n, 3, 64, 64], latents [n, 6], row-major:

    - floor_hue, wall_hue, object_hue: 10 values each, 0 to 0.9, periodic with the range [0, 1): 0.9 is next to 0;
    - scale: 8 values in [0.75, 1.25];
    - shape 0 to 3, four bodies that the file does not name;
    - orientation: 15 values in [-30, 30] degrees.

    The labels of the file are compared with these. (Its description says that scales lie in [0, 1]; labels that do are
    taken, too, and the latents are those above.) The HDF5 file needs the extra `hdf5`; datasets in it that lie in
    other files, are put together from others, or are reached by links are refused. FileNotFoundError if the file is
    nowhere; ValueError if it is not what was published.

    Source: Burgess and Kim, "3D Shapes Dataset" (2018), https://github.com/google-deepmind/3d-shapes.
    """

    folder: ClassVar[str] = "3dshapes"
    files: ClassVar[tuple[Published, ...]] = (
        Published(
            NAME,
            267573662,
            "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
            (f"https://storage.googleapis.com/3d-shapes/{NAME}",),
        ),
    )
    _axes: ClassVar[tuple[Axis, ...]] = (
        _hue("floor_hue"),
        _hue("wall_hue"),
        _hue("object_hue"),
        Axis(Factor("scale", low=0.75, high=1.25, grid=8), even(0.75, 1.25, 8)),
        numbered("shape", 4),
        Axis(Factor("orientation", low=-30.0, high=30.0, grid=15), even(-30, 30, 15)),
    )

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self._axes

    @property
    def side(self) -> int:
        return 64

    def array(self, folder: Path) -> Path:
        path = folder / NAME
        return converted("3dshapes.npy", [path], math.prod(self.stored), partial(self._write, path))

    def _write(self, path: Path, out: Path) -> None:
        labels = hdf5.read(path, "labels", "f8", (self.count, len(self.axes)))
        arrays.finite(path, labels)
        rows = torch.arange(self.count)
        columns = zip(self.axes, self.combinations(rows).numpy().T, strict=True)
        expected = np.stack([np.array(axis.values)[at] for axis, at in columns], 1)
        scale = [axis.factor.name for axis in self.axes].index("scale")
        if labels[:, scale].min() < 0.7:
            expected[:, scale] = (expected[:, scale] - 0.75) * 2
        compare(path, labels, expected, tuple(axis.factor.name for axis in self.axes))
        hdf5.extract(path, "images", "u1", self.stored, out)
