"""KITTI Masks: people who walk before a car, as black and white masks, film by film."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from pickle import dump
from typing import ClassVar, NamedTuple

import chz
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import unpickling
from kontrast.datasets.arrays import finite, member
from kontrast.datasets.converted import converted, damaged
from kontrast.datasets.dataset import Fault
from kontrast.datasets.download import Downloadable, Published
from kontrast.datasets.splits import divided
from kontrast.datasets.stores import Held, Holding
from kontrast.files import whole
from kontrast.views import Factor, Split, Things

SIDE = 64
PACKED = SIDE * SIDE // 8
"""Bytes of a mask whose pixels are bits."""
LEAST = 30
"""Pixels that a mask has at least; where one has fewer, the published program cut the film in two."""
MOST = 1 << 31
"""Bytes of the pickle at most; the published one has 347 million of masks."""
NAME, MASKS, LATENTS = "kitti_peds_v2.pickle", "pedestrians", "pedestrians_latents"
FACTORS = (
    Factor("y", low=0.0, high=SIDE - 1.0),
    Factor("x", low=0.0, high=SIDE - 1.0),
    Factor("area", low=float(LEAST), high=float(SIDE**2)),
)


class _Films(NamedTuple):
    """All frames: `masks` uint8 [n, 512] with a bit for each pixel, `latents` [n, 3], `lengths` int64 [films]."""

    masks: NDArray[np.uint8]
    latents: Tensor
    lengths: Tensor


def chosen(lengths: Tensor, test: float, seed: int, split: Split) -> tuple[Tensor, Tensor]:
    """The frames of a split and the sequences they are of, int64 [m] each, of sequences of these lengths int64 [s].

    A share `test` of the sequences is held out as `divided` does; with test=0 every one is in both splits. A ValueError
    if none is left.
    """
    mine = divided(len(lengths), test, seed)[split if test else "train"]
    if not len(mine):
        raise ValueError(f"{test:g} of {len(lengths)} sequences leaves none to {split} on; write data.test=0.5, or 0")
    sequence = mine.repeat_interleave(lengths[mine])
    within = torch.arange(len(sequence)) - (lengths[mine].cumsum(0) - lengths[mine]).repeat_interleave(lengths[mine])
    return (lengths.cumsum(0) - lengths)[sequence] + within, sequence


@chz.chz
class KITTIMasks(Downloadable):
    """KITTI Masks: 2,120 sequences of the masks of single people, 84,626 frames of 64 x 64 pixels at ten a second.

    Observations are uint8 [n, 1, 64, 64], 0 and 255; latents [n, 3] are the center of mass (y, x), counted from the
    center of the first pixel, and the area of each mask, in pixels. They are cut out of KITTI MOTS (Voigtlaender et al.
    2019, arXiv 1902.03604) in six windows; a mask has 30 pixels or more, a sequence two frames or more. Rows of a
    sequence follow each other, as `pairing=Temporal` wants them, and `index` numbers them in the file.

    A share `test` of the sequences is held out by `seed`. The published code trains and tests on all of them: test=0.
    The pickle is read without running it, and kept unpacked to bits in the cache folder. A FileNotFoundError if it is
    nowhere; a ValueError if it is damaged or holds anything else. Nobody published its checksum. Source: Klindt et al.
    2020, arXiv 2007.10930, https://zenodo.org/record/3931823.
    """

    root: str | None = chz.field(default=None, doc=f"folder with {NAME}; the cache folder if empty")
    test: float = chz.field(default=0.1, doc="share of the sequences held out; 0: test on those one trains on")
    seed: int = chz.field(default=0, doc="seed of which sequences are held out")

    folder: ClassVar[str] = "kitti-masks"
    files: ClassVar[tuple[Published, ...]] = (
        Published(NAME, 0, "", (f"https://zenodo.org/record/3931823/files/{NAME}?download=1",)),
    )

    @chz.validate
    def _split(self) -> None:
        divided(0, self.test, self.seed)

    @property
    def shape(self) -> tuple[int, int, int]:
        return 1, SIDE, SIDE

    @property
    def factors(self) -> tuple[Factor, ...]:
        return FACTORS

    def convert(self, folder: Path) -> None:
        self._converted(folder)

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def hold(self, split: Split) -> Holding:
        films = _films(self._converted(self.find(self.root)))
        rows, sequence = chosen(films.lengths, self.test, self.seed, split)
        masks = np.unpackbits(films.masks[rows.numpy()], axis=1).reshape(-1, 1, SIDE, SIDE)
        np.multiply(masks, 255, out=masks)
        return Holding(Held(torch.from_numpy(masks)), rows, None, films.latents[rows], sequence)

    def faults(self, split: Split) -> list[Fault]:
        try:
            path = self._converted(self.find(self.root))
            if broken := damaged(path):
                return [Fault(str(path), broken)]
            self.read(split)
        except (OSError, ValueError) as error:
            return [Fault(type(self).__name__, str(error))]
        return []

    def _converted(self, folder: Path) -> Path:
        path = self.files[0].lies(folder)
        assert path is not None
        return converted("kitti-masks.npz", [path], path.stat().st_size // 7, partial(_convert, path))


def _convert(path: Path, out: Path) -> None:
    """Write the films of a pickle as an .npz file: masks as bits, latents, and the length of each film."""
    lists = unpickling.read(path, MOST)
    if set(lists) != {MASKS, LATENTS}:
        raise ValueError(f"{path} holds {sorted(lists)!s:.80}, not {MASKS} and {LATENTS}")
    films, latents = lists[MASKS], lists[LATENTS]
    if not films or len(films) != len(latents):
        raise ValueError(f"{path} has {len(films):,} sequences of masks and {len(latents):,} of latents")
    for number, (film, known) in enumerate(zip(films, latents, strict=True)):
        if fault := _fault(film, known):
            raise ValueError(f"{path}: sequence {number:,} {fault}")
    packed = np.concatenate([np.packbits(film.reshape(len(film), -1), axis=1) for film in films])
    lengths = np.array([len(film) for film in films])
    with out.open("wb") as opened:
        np.savez(opened, masks=packed, latents=np.concatenate(latents), lengths=lengths)


def _fault(film: NDArray[np.bool_], latents: NDArray[np.float32]) -> str:
    """What is wrong with a sequence; empty if nothing is."""
    if film.dtype != np.bool_ or film.ndim != 3 or film.shape[1:] != (SIDE, SIDE):
        return f"has masks {film.dtype} {list(film.shape)}, not bool [T, {SIDE}, {SIDE}]"
    if latents.dtype != np.float32 or latents.shape != (len(film), 3):
        return f"has latents {latents.dtype} {list(latents.shape)}, not float32 [{len(film)}, 3]"
    if len(film) < 2:
        return "has no two frames"
    # A comparison with what is no number is false.
    inside = [
        (factor.low <= column) & (column <= factor.high) for factor, column in zip(FACTORS, latents.T, strict=True)
    ]
    if not np.all(inside):
        return f"has latents that are no place in a picture, or an area below {LEAST}"
    if not np.array_equal(film.sum((1, 2)), latents[:, 2]):
        return "has latents of other masks: their areas differ"
    return ""


def _films(path: Path) -> _Films:
    masks = member(path, "masks", "u1", (None, PACKED)).read()
    latents = finite(path, member(path, "latents", "f4", (None, 3)).read(), len(masks))
    return _Films(masks, latents, torch.from_numpy(member(path, "lengths", "i8", (None,)).read()))


def write(out: Path, films: Sequence[NDArray[np.bool_]], latents: Sequence[NDArray[np.float32]]) -> None:
    """Write films bool [T, 64, 64] and their latents float32 [T, 3] into a folder as KITTI Masks was published.

    What is there already stays if it is the same; a ValueError if it is something else.
    """
    path = out / NAME
    if path.exists():
        there = unpickling.read(path, MOST)
        if [*map(len, there.values())] != [len(films), len(latents)] or not all(
            np.array_equal(old, new)
            for part, given in zip(there.values(), (films, latents), strict=True)
            for old, new in zip(part, given, strict=True)
        ):
            raise ValueError(f"{path} is there already, with other sequences; delete it, or name another folder")
        return
    with whole(path) as opened:
        # 4 is the highest protocol whose arrays name nothing but numpy's own three names.
        dump({MASKS: list(films), LATENTS: list(latents)}, opened, protocol=4)
