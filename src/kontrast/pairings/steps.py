"""Moves on a grid of latents: which neighbors each place has, and which rows of a table lie there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kontrast.views import Factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]

ON_GRID = 1e-3
"""How far from a grid's value a latent may be, in steps, to be taken for it."""
TILE = 1 << 22
"""Places that are looked at together."""
LARGEST = 1 << 28
"""Places of the largest grid whose rows are looked up."""


@dataclass(frozen=True)
class Steps:
    """Moves of -1, 0 or 1 step in each moving factor, all at once.

    `moving` are the columns that move, `around` says of each whether its ends meet, and `twice` whether the labels of
    an angle count both ends, as dSprites does, whose labels 0 and 39 are the same orientation. Places are float64
    [n, m] in steps from the low end of each moving factor, whole numbers on the grid.
    """

    factors: tuple[Factor, ...]
    moving: tuple[int, ...]
    around: tuple[bool, ...]
    twice: bool

    @cached_property
    def moves(self) -> Numbers:
        """All of them, float64 [3^m, m]."""
        return np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=len(self.moving))))

    @property
    def own(self) -> list[Factor]:
        """The factors that move."""
        return [self.factors[k] for k in self.moving]

    def places(self, latents: Numbers, coin: Numbers) -> Numbers:
        """Where latents float64 [n, k] are, in steps.

        Latents do not tell the two labels of an angle apart whose ends count twice. Each is as likely: a number of
        `coin` [n, m] below 1/2 makes the low end the high one.
        """
        places = np.empty((len(latents), len(self.moving)))
        for at, (k, factor) in enumerate(zip(self.moving, self.own, strict=True)):
            assert factor.step is not None and factor.grid is not None
            place = (latents[:, k] - factor.low) / factor.step
            place = np.where(abs(place - place.round()) < ON_GRID, place.round(), place)
            if self.around[at]:
                place = place % factor.grid
                if self.twice:
                    place = np.where((place == 0) & (coin[:, at] < 0.5), factor.grid, place)
            places[:, at] = place
        return places

    def outcomes(self, places: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
        """Where each move leads, float64 [n, 3^m, m], and whether that is another place, bool [n, 3^m]."""
        moved = places[:, None] + self.moves
        for at, factor in enumerate(self.own):
            assert factor.grid is not None
            column = moved[:, :, at]
            if self.around[at]:
                column %= factor.grid + self.twice
            else:
                np.clip(column, 0, factor.grid - 1, out=column)
        return moved, (moved != places[:, None]).any(2)

    def latents(self, latents: Numbers, moved: Numbers) -> Numbers:
        """Latents float64 [n, k] moved to places [n, m]; those that do not move stay as they are."""
        found = latents.copy()
        for at, (k, factor) in enumerate(zip(self.moving, self.own, strict=True)):
            assert factor.step is not None and factor.grid is not None
            place = moved[:, at] % factor.grid if self.around[at] else moved[:, at]
            found[:, k] = factor.low + place * factor.step
        return found

    def drawn(self, latents: Numbers, unit: Numbers, there: Rows | None = None) -> tuple[Numbers, Whole]:
        """Latents float64 [n, k] after one move each, uniform among those to another place, and rows int64 [n] there.

        `unit` [n, m + 2] are uniform on [0, 1): a move, a row, and a coin for each factor. With rows `there`, moves
        lead only to places that have some; else the rows are -1. ValueError where no move leads anywhere.
        """
        found, rows = np.empty_like(latents), np.full(len(latents), -1)
        tile = max(1, TILE // len(self.moves))
        for start in range(0, len(latents), tile):
            part = slice(start, start + tile)
            places = self.places(latents[part], unit[part, 2:])
            moved, free = self.outcomes(places)
            if there is not None:
                keys = there.keys(latents[part], moved)
                free &= there.count[keys] > 0
            chosen = _one_of(free, unit[part, 0])
            each = np.arange(len(chosen))
            found[part] = self.latents(latents[part], moved[each, chosen])
            if there is not None:
                rows[part] = there.at(keys[each, chosen], unit[part, 1])
        return found, rows


class Rows:
    """The rows of a table by their places on the grid of all factors: discrete ones by their number."""

    def __init__(self, latents: Numbers, steps: Steps) -> None:
        self.steps, self.sizes = steps, [_size(factor) for factor in steps.factors]
        if (volume := math.prod(self.sizes)) > LARGEST:
            raise ValueError(f"a grid of {volume:,} places is too large to look rows up in; write pairing.by=box")
        own = self.keys(latents, None)
        self.count = np.bincount(own, minlength=volume)
        self.order, self.own = np.argsort(own, kind="stable"), own
        self.first = np.cumsum(self.count) - self.count

    def keys(self, latents: Numbers, moved: Numbers | None) -> Whole:
        """The number of the place of each row, int64 [n], or of each move [n, 3^m] from it to places `moved`."""
        parts: list[Whole] = []
        for k, factor in enumerate(self.steps.factors):
            if moved is not None and k in self.steps.moving:
                at = self.steps.moving.index(k)
                parts.append(moved[:, :, at].astype(np.int64) % self.sizes[k])
                continue
            place = (latents[:, k] - factor.low) / (factor.step or 1.0)
            if moved is None and (far := abs(place - place.round()) > 2 * ON_GRID).any():
                said = f"row {int(far.argmax())} has {factor.name}={latents[far.argmax(), k]:g}"
                raise ValueError(f"{said}, which is not on its grid; write pairing.by=box")
            whole = place.round().astype(np.int64)
            whole = whole % self.sizes[k] if factor.kind == "periodic" else np.clip(whole, 0, self.sizes[k] - 1)
            parts.append(whole if moved is None else whole[:, None])
        key = parts[0]
        for size, part in zip(self.sizes[1:], parts[1:], strict=True):
            key = key * size + part
        return key

    def at(self, keys: Whole, unit: Numbers) -> Whole:
        """A row int64 [n] of each place, uniformly if there are several."""
        found: Whole = self.order[self.first[keys] + (unit * self.count[keys]).astype(np.int64)]
        return found

    def social(self) -> NDArray[np.bool_]:
        """Which rows have a row at a neighboring place, bool [n]."""
        taken = (self.count > 0).reshape(self.sizes).astype(np.int32)
        near = taken
        for at, k in enumerate(self.steps.moving):
            if (size := self.sizes[k]) == 1:
                continue
            wide = np.concatenate([near.take([-1], k), near, near.take([0], k)], k)
            if not self.steps.around[at]:
                wide[(slice(None),) * k + ([0, -1],)] = 0
            below, here, above = (wide[(slice(None),) * k + (slice(j, j + size),)] for j in range(3))
            near = below + here + above
        return (near > taken).ravel()[self.own]


def _size(factor: Factor) -> int:
    size = factor.size if factor.kind == "discrete" else factor.grid
    if not size:
        raise ValueError(f"{factor.name} is not on a grid, so that no row can be looked up; write pairing.by=box")
    return size


def _one_of(free: NDArray[np.bool_], unit: Numbers) -> Whole:
    """The number of one True of each row of bool [n, m], by a uniform number of its own."""
    count = free.sum(1)
    if not count.all():
        raise ValueError(f"the latents of row {int((count == 0).argmax())} of a batch have no neighbor")
    found: Whole = np.argmax(np.cumsum(free, 1) > (unit * count).astype(np.int64)[:, None], 1)
    return found


def columns(factors: Sequence[Factor], fixed: Sequence[str]) -> tuple[int, ...]:
    """The columns of latents that can move: those that are no classes and not held fixed."""
    return tuple(k for k, factor in enumerate(factors) if factor.kind != "discrete" and factor.name not in fixed)
