"""Causal3DIdent: pictures of seven objects whose latents depend on each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import chz
import numpy as np
import torch

from kontrast.datasets.archives import Bounds
from kontrast.datasets.download import Published
from kontrast.datasets.imagenet import listing
from kontrast.datasets.picture_files import Row
from kontrast.datasets.scenes import Scene, Scenes, numbered, raw_latents, seen, stamps
from kontrast.datasets.threedident import FACTORS, published
from kontrast.views import Factor, Split

SHAPES = ("teapot", "hare", "dragon", "cow", "armadillo", "horse", "head")
"""The objects by their numbers."""
OBJECT = re.compile(r"(?:raw_latents|images)_(\d{1,3})(?:\.npy)?")


@chz.chz
class Causal3DIdent(Scenes):
    """Causal3DIdent: 250,000 training and 25,000 test pictures of seven objects, 224 x 224, color.

    Observations are uint8 [n, 3, size, size], decoded and resized once. Labels int64 [n] are the objects: teapot, hare,
    dragon, cow, armadillo, horse, head, numbered as those of Multimodal3DIdent, whose scene this is; the files
    themselves say numbers alone. Latents float32 [n, 11] are the number of the object and the ten of ThreeDIdent, in
    the same units, pos in [-3, 3] and angles and hues in [-pi/2, pi/2]; the files have raw ones in [-1, 1], and it is
    taken that they were rendered as those of 3DIdent were. They are not independent: the hues of spotlight, object and
    background and the positions depend on the object and on each other (arXiv:2106.04619, figure 2). What is said of
    negative hues in ThreeDIdent may hold here, too.

    Rows are those of object 0, then of object 1, and so on. Any folder in the same layout is read: trainset/ and
    testset/ (or train/ and test/) with raw_latents_0.npy and images_0/000000.png ... for each of the objects 0 to 6, or
    of as many as there are: then they are called object 0, object 1 ... A FileNotFoundError if there is none; a
    ValueError for pictures that are not as many as the latents, other files among them, latents that are no numbers or
    out of range, and pictures that cannot be read. Source: von Kuegelgen, Sharma, Gresele, Brendel, Schoelkopf,
    Besserve, Locatello, "Self-Supervised Learning with Data Augmentations Provably Isolates Content from Style" (2021),
    arXiv:2106.04619; https://zenodo.org/records/4784282.
    """

    inside: ClassVar[Mapping[Split, tuple[str, ...]]] = {"train": ("trainset", "train"), "test": ("testset", "test")}
    sign: ClassVar[str] = "raw_latents_0.npy"
    folder: ClassVar[str] = "causal3dident"
    files: ClassVar[tuple[Published, ...]] = tuple(
        Published(
            f"{split}set.tar.gz",
            0,
            f"md5:{checksum}",
            (f"https://zenodo.org/records/4784282/files/{split}set.tar.gz?download=1",),
            Bounds(f"{split}set", 120_000 * rows, rows + 100),
            {f"raw_latents_{k}.npy": 0 for k in range(7)} | {f"images_{k}": 0 for k in range(7)},
        )
        for split, rows, checksum in (
            ("train", 250_000, "acd98fda30eee75856dbbc7c54a27e45"),
            ("test", 25_000, "c5d9d32d3737e241a2b12b968275fcb8"),
        )
    )

    @property
    def classes(self) -> tuple[str, ...]:
        try:
            count = _objects(self.base() / self.place("train"))
        except FileNotFoundError:
            return SHAPES  # of the published set; that it is not there, opening says
        return SHAPES if count == len(SHAPES) else tuple(f"object {k}" for k in range(count))

    @property
    def factors(self) -> tuple[Factor, ...]:
        count = len(self.classes)
        return (Factor("shape", "discrete", 0.0, count - 1.0, size=count), *FACTORS)

    def scene(self, split: Split) -> Scene:
        base, inside = self.base(), self.place(split)
        count, there = len(self.classes), _objects(base / inside)
        if there > count:
            raise ValueError(f"{base / inside} has pictures of {there} objects, the training rows of {count}")
        names = [name for k in range(count) for name in (f"raw_latents_{k}.npy", f"images_{k}")]
        return seen(_scene, base, inside, stamps(base / inside, *names))


def _objects(folder: Path) -> int:
    """How many objects there are files of in a folder."""
    found = [OBJECT.fullmatch(name) for name in listing([folder])[0]]
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _scene(base: Path, inside: str) -> Scene:
    rows: list[Row] = []
    latents = []
    for number in range(_objects(base / inside)):
        path = base / inside / f"raw_latents_{number}.npy"
        raw = raw_latents(path, len(FACTORS))
        rows += numbered(base, f"{inside}/images_{number}", len(raw), number)
        found = published(np.clip(raw, -1, 1))
        latents.append(np.concatenate((np.full((len(raw), 1), float(number)), found), 1))
    return Scene(tuple(rows), torch.from_numpy(np.concatenate(latents).astype(np.float32)))
