"""MPI3D: a robot arm that carries an object before a camera, simulated and real."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, get_args

import chz

from kontrast.datasets import arrays
from kontrast.datasets.converted import converted
from kontrast.datasets.download import Published
from kontrast.datasets.factorial import Axis, Factorial, even, numbered
from kontrast.parts import choose
from kontrast.views import Factor

Variant = Literal["toy", "realistic", "real", "complex"]
LINK = "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/"


def _axes(colors: int, shapes: int) -> tuple[Axis, ...]:
    return (
        numbered("object_color", colors),
        numbered("object_shape", shapes),
        numbered("object_size", 2),
        numbered("camera_height", 3),
        numbered("background_color", 3),
        Axis(Factor("horizontal_axis", low=0.0, high=39.0, grid=40), even(0, 39, 40)),
        Axis(Factor("vertical_axis", low=0.0, high=39.0, grid=40), even(0, 39, 40)),
    )


def _published(name: str, md5: str) -> Published:
    return Published(name, 0, f"md5:{md5}", (LINK + name,))


@chz.chz
class MPI3D(Factorial):
    """MPI3D: 1,036,800 pictures of an object on a robot arm, 64 x 64, color, the full product of seven factors.

    Observations are uint8 [n, 3, 64, 64], latents [n, 7], row-major: object_color (6), object_shape (6), object_size
    (2), camera_height (3), background_color (3), which are discrete, and horizontal_axis and vertical_axis, the two
    joints of the arm, in steps 0 to 39. `variant` is one of four files:

    - toy: rendered simply, mpi3d_toy.npz;
    - realistic: rendered to look real, mpi3d_realistic.npz;
    - real: photographed, mpi3d_real.npz;
    - complex: photographed with four things of daily life in four colors, 460,800 pictures,
      real3d_complicated_shapes_ordered.npz.

    The first three have the same combinations in the same order. An older toy file, whose name ends in
    without_heldout_factors and which has 4 colors and 4 shapes, is not read. The converted pictures take 12.7 GB (5.7
    GB for complex). Nobody published a checksum of complex. FileNotFoundError if the file is nowhere; ValueError if it
    is not what was published.

    Source: Gondal et al. 2019, "On the Transfer of Inductive Bias from Simulation to the Real World: a New
    Disentanglement Dataset", arXiv:1906.03292; CC BY 4.0.
    """

    variant: Variant = chz.field(default="toy", doc="which pictures: toy, realistic, real or complex")

    folder: ClassVar[str] = "mpi3d"
    files: ClassVar[tuple[Published, ...]] = (
        _published("mpi3d_toy.npz", "55889cb7c7dfc655d6e0277beee88868"),
        _published("mpi3d_realistic.npz", "59a6225b88b635365f70c91b3e52f70f"),
        _published("mpi3d_real.npz", "0f33f609918fb5c97996692f91129802"),
        Published(
            "real3d_complicated_shapes_ordered.npz",
            0,
            "",
            (
                "https://drive.usercontent.google.com/download?"
                "id=1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm&export=download&confirm=t",
            ),
        ),
    )
    _simple: ClassVar[tuple[Axis, ...]] = _axes(6, 6)
    _complex: ClassVar[tuple[Axis, ...]] = _axes(4, 4)

    @chz.validate
    def _known_variant(self) -> None:
        choose(self.variant, get_args(Variant), "variant of MPI3D")

    @property
    def wanted(self) -> tuple[Published, ...]:
        return (self.files[get_args(Variant).index(self.variant)],)

    @property
    def called(self) -> str:
        return f"MPI3D variant={self.variant}"

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self._complex if self.variant == "complex" else self._simple

    @property
    def side(self) -> int:
        return 64

    def array(self, folder: Path) -> Path:
        path = folder / self.wanted[0].name
        return converted(f"mpi3d-{self.variant}.npy", [path], math.prod(self.stored), partial(self._write, path))

    def _write(self, path: Path, out: Path) -> None:
        arrays.member(path, "images", "u1", self.stored).extract(out)
