"""dSprites, as it was published."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import ClassVar

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets import arrays
from kontrast.datasets.converted import converted
from kontrast.datasets.download import Published
from kontrast.datasets.factorial import Axis, Factorial, compare, even, numbered
from kontrast.views import Factor

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
COLUMNS = ("color", "shape", "scale", "orientation", "posX", "posY")


@chz.chz
class DSprites(Factorial):
    """dSprites: 737,280 pictures of a white sprite on black, 64 x 64, the full product of five factors.

    Observations are uint8 [n, 1, 64, 64], 0 and 255 (the published array says 0 and 1). Latents [n, 5], row-major:

    - shape 0, 1, 2: square, ellipse, heart;
    - scale: 6 values in [0.5, 1];
    - orientation: 40 values in [0, 2 pi], periodic, an angle that the square repeats after a quarter of a turn and the
      ellipse after a half;
    - x and y: 32 values each in [0, 1].

    They are the factors of `Sprites`, in the same units. The published angles include both 0 and 2 pi, which are one
    angle and one picture: here both are 0, so that there are 39 angles, and of the 18,432 pictures that come twice
    both are in one split. The `metadata` of the file, which is a pickle, is never read. FileNotFoundError if the file
    is nowhere; ValueError if it is not what was published.

    Source: Matthey, Higgins, Hassabis, Lerchner, "dSprites: Disentanglement testing Sprites dataset" (2017),
    https://github.com/google-deepmind/dsprites-dataset. Its authors published no checksum: compared is the name that
    git gives to the content in their repository.
    """

    folder: ClassVar[str] = "dsprites"
    files: ClassVar[tuple[Published, ...]] = (
        Published(
            NAME,
            0,
            "git:d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
            (
                f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{NAME}",
                f"https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/{NAME}",
            ),
        ),
    )
    _axes: ClassVar[tuple[Axis, ...]] = (
        numbered("shape", 3),
        Axis(Factor("scale", low=0.5, high=1.0, grid=6), even(0.5, 1, 6)),
        Axis(
            Factor("orientation", "periodic", 0.0, math.tau, symmetry=(4, 2, 1), symmetry_by="shape", grid=39),
            tuple(angle % math.tau for angle in even(0, math.tau, 40)),
        ),
        Axis(Factor("x", grid=32), even(0, 1, 32)),
        Axis(Factor("y", grid=32), even(0, 1, 32)),
    )

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self._axes

    @property
    def side(self) -> int:
        return 64

    @property
    def channels(self) -> int:
        return 1

    @property
    def most(self) -> int:
        return 1

    def array(self, folder: Path) -> Path:
        path = folder / NAME
        size = math.prod(self.stored)
        return converted("dsprites.npy", [path], size, partial(self._write, path))

    def _write(self, path: Path, out: Path) -> None:
        pictures = arrays.member(path, "imgs", "u1", self.stored)
        known = (self.count, len(COLUMNS))
        classes = arrays.member(path, "latents_classes", "i8", known).read()
        values = arrays.member(path, "latents_values", "f8", known).read()
        arrays.finite(path, values)
        compare(path, classes, self._classes(), COLUMNS)
        compare(path, values, self._values(), COLUMNS)
        pictures.extract(out, self.most)

    def _classes(self) -> NDArray[np.int64]:
        """What the columns of `latents_classes` should be."""
        found = self.combinations(torch.arange(self.count)).numpy()
        return np.concatenate([np.zeros((len(found), 1), np.int64), found], 1)

    def _values(self) -> NDArray[np.float64]:
        """What the columns of `latents_values` should be: color and shape count from 1, the last angle is 2 pi."""
        columns = []
        for axis, at in zip(self.axes, self._classes().T[1:], strict=True):
            values = np.array(axis.values)
            if axis.factor.name == "shape":
                values = values + 1
            if axis.factor.kind == "periodic" and len(values) > 1 and values[-1] == 0:
                values[-1] = math.tau
            columns.append(values[at])
        return np.stack([np.ones(self.count), *columns], 1)
