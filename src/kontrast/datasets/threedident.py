"""3DIdent: pictures of a teapot under a colored spotlight, of which ten latents are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets import arrays
from kontrast.datasets.archives import Bounds
from kontrast.datasets.download import Published
from kontrast.datasets.scenes import Scene, Scenes, anew, numbered, raw_latents, seen, stamps
from kontrast.spaces import Box, Product, Space, Sphere
from kontrast.views import Factor, Split

NAMES = (
    *("pos_x", "pos_y", "pos_z", "rot_phi", "rot_theta", "rot_psi"),
    *("spotlight", "hue_object", "hue_spotlight", "hue_background"),
)
"""The ten latents in the order of their columns."""
FACTORS = tuple(
    Factor(name, low=-3.0, high=3.0) if name.startswith("pos") else Factor(name, low=-math.pi / 2, high=math.pi / 2)
    for name in NAMES
)
"""The ranges of the box: half turns."""
PERIODIC = (
    *(Factor("pos_x", low=-3.0, high=3.0), Factor("pos_y", low=-3.0, high=3.0), Factor("pos_z", high=3.0)),
    *(Factor(name, "periodic", high=math.tau) for name in NAMES[3:]),
)
"""The ranges of the periodic variant: whole turns."""
OFF = 5e-3
"""By how much single precision may move a latent between raw_latents.npy and latents.npy."""


@chz.chz
class ThreeDIdent(Scenes):
    """3DIdent: 250,000 training and 25,000 test pictures of a teapot on a ground, 224 x 224, color.

    Observations are uint8 [n, 3, size, size], decoded and resized once. Latents float32 [n, 10] are those that the
    pictures were rendered from, latents.npy: pos_x, pos_y, pos_z in [-3, 3]; the Euler angles rot_phi, rot_theta,
    rot_psi, the angle of the spotlight, and the hues of object, spotlight and background, where 2 pi is once around the
    circle of colors. raw_latents.npy, what the source draws, is the same in units of [-1, 1], with seven angles in
    [-pi/2, pi/2], so that no latent is periodic. A set that was made with periodic angles has 11 raw columns, three of
    the box and eight of a unit vector: its angles, in [0, 2 pi], are the spherical coordinates of that vector, all but
    the last one doubled, and its pos_z is in [0, 3].

    Its hues are not all what they say, as far as can be told from the code that rendered it: where an angle is
    negative, Blender cuts off a negative red, green or blue. Hues of the object in (-pi/3, 0], of the spotlight in
    (-pi/3, -pi/12) and of the background in (-pi/3, -2 pi/9) then hardly show, and no encoder can tell them apart.

    Read are a downloaded set and any folder in the same layout: train/ and test/ with raw_latents.npy, latents.npy and
    images/000000.png ... A FileNotFoundError if there is none; a ValueError for pictures that are not as many as the
    latents, other files among them, latents that are no numbers, out of range or not those of raw_latents.npy, and
    pictures that cannot be read. Source: Zimmermann, Sharma, Schneider, Bethge, Brendel, "Contrastive Learning Inverts
    the Data Generating Process" (2021), arXiv:2102.08850; https://zenodo.org/records/4502485.
    """

    units: Literal["published", "raw"] = chz.field(
        default="published", doc="latents as they were rendered, or raw, as they were drawn"
    )

    inside: ClassVar[Mapping[Split, tuple[str, ...]]] = {
        "train": ("3dident/train", "train"),
        "test": ("3dident/test", "test"),
    }
    sign: ClassVar[str] = "raw_latents.npy"
    folder: ClassVar[str] = "3dident"
    files: ClassVar[tuple[Published, ...]] = tuple(
        Published(
            f"3dident_{split}.tar",
            0,
            f"md5:{checksum}",
            (f"https://zenodo.org/records/4502485/files/3dident_{split}.tar?download=1",),
            Bounds(f"3dident/{split}", 120_000 * rows, rows + 100),
            {"raw_latents.npy": 0, "latents.npy": 0, "images": 0},
        )
        for split, rows, checksum in (
            ("train", 250_000, "df132b4dacf04fa28e1c8ca9d2168634"),
            ("test", 25_000, "35020bca16c9faa80cf0c926d265d678"),
        )
    )

    @chz.validate
    def _known_units(self) -> None:
        if self.units not in ("published", "raw"):
            raise ValueError(f"latents are in published or raw units, not {self.units!r}; write units=published")

    @property
    def periodic(self) -> bool:
        """Whether angles are whole turns, drawn as a unit vector; False as long as there are no files."""
        try:
            base = self.base()
        except FileNotFoundError:
            return False  # as the published set is taken to be; that it is not there, opening says
        raw = arrays.find(base / self.place("train") / "raw_latents.npy", "f4 f8", (None, None))
        return raw.header.shape[1] > len(NAMES)

    @property
    def factors(self) -> tuple[Factor, ...]:
        if self.units == "published":
            return PERIODIC if self.periodic else FACTORS
        names = (*NAMES[:3], *(f"direction_{k}" for k in range(8))) if self.periodic else NAMES
        return tuple(Factor(name, low=-1.0, high=1.0) for name in names)

    @property
    def latent_space(self) -> Space:
        if self.units == "published":
            return super().latent_space
        return Product(first=Box(low=-1.0), second=Sphere(), split=3) if self.periodic else Box(low=-1.0)

    def scene(self, split: Split) -> Scene:
        base, inside = self.base(), self.place(split)
        found = seen(_scene, base, inside, stamps(base / inside, "raw_latents.npy", "latents.npy", "images"))
        return found if self.units == "published" or found.raw is None else Scene(found.rows, found.raw)


def published(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """The latents [n, 10] that a scene is rendered from, of raw latents [n, 10] of the box or [n, 11] of the sphere."""
    if raw.shape[1] == len(NAMES):
        units: NDArray[np.float64] = np.array([3.0] * 3 + [math.pi / 2] * 7)
        return np.multiply(raw, units, dtype=np.float64)
    position, vector = raw[:, :3] * 3, raw[:, 3:]
    position[:, 2] = (position[:, 2] + 3) / 2
    rest = np.sqrt(np.cumsum(vector[:, ::-1] ** 2, 1))[:, ::-1]
    angles = np.arctan2(rest[:, 1:], vector[:, :-1]) * 2
    angles[:, -1] = np.arctan2(vector[:, -1], vector[:, -2]) % math.tau
    return np.concatenate((position, angles), 1)


def _raw(path: Path) -> NDArray[np.float64]:
    found = raw_latents(path, None)
    if found.shape[1] not in (len(NAMES), len(NAMES) + 1):
        raise ValueError(
            f"{path} has {found.shape[1]} columns, not 10, or 11 with periodic angles; {anew(path.parent)}"
        )
    return found


def _scene(base: Path, inside: str) -> Scene:
    folder = base / inside
    raw = _raw(folder / "raw_latents.npy")
    if raw.shape[1] > len(NAMES) and not np.allclose((raw[:, 3:] ** 2).sum(1), 1, atol=1e-3):
        raise ValueError(f"the last eight columns of {folder / 'raw_latents.npy'} are no unit vectors; {anew(folder)}")
    path = folder / "latents.npy"
    found = arrays.read(path, "f4 f8", (None, len(NAMES))).astype(np.float64)
    if len(found) != len(raw):
        raise ValueError(f"{path} has {len(found):,} rows, and raw_latents.npy {len(raw):,}; {anew(folder)}")
    factors = FACTORS if raw.shape[1] == len(NAMES) else PERIODIC
    wanted, turn = published(raw), np.array([math.tau if factor.kind == "periodic" else math.inf for factor in factors])
    away = np.abs(found - wanted)
    bad = ~(np.minimum(away, np.abs(turn - away)) <= OFF).all(1)
    if bad.any():
        raise ValueError(f"row {int(bad.argmax())} of {path} is not that of raw_latents.npy; {anew(folder)}")
    low, high = (np.array([getattr(factor, end) for factor in factors]) for end in ("low", "high"))
    latents = torch.from_numpy(np.clip(found, low, high).astype(np.float32))
    drawn = torch.from_numpy(np.clip(raw, -1, 1).astype(np.float32))
    return Scene(tuple(numbered(base, f"{inside}/images", len(raw))), latents, drawn)
