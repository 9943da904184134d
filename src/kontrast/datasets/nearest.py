"""Exact nearest neighbors among the latents of a stored data set."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from kontrast.datasets.dataset import Table
from kontrast.views import Factor

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

Array = NDArray[np.float64]
LEAF = 32
"""Points in a leaf of a tree; 16 to 64 take about as long."""


@dataclass(frozen=True)
class Near:
    """The neighbors of m points, nearest first: their numbers `rows` int64 [m, k] and distances float64 [m, k].

    Where there are fewer than k, rows are -1 and distances infinite. `hit` bool [m]: whether the row that a point
    leaves out would have been among them.
    """

    rows: Tensor
    distance: Tensor
    hit: Tensor


class Nearest:
    """A search among points [n, k]: exact, by the Euclidean distance of coordinates divided by `unit` [k].

    Coordinates with a `period` above 0 wrap around after it. Those numbered in `exact` do not count as distance: they
    must be the same number, and neighbors are only looked for among such points. ValueError for points that are not
    finite.

    It is scipy's k-d tree (Maneewongvatana and Mount 1999, arXiv cs/9901013), one for each combination of the exact
    coordinates, made when it is first asked for. Its search does not hold up other threads.
    """

    def __init__(
        self, points: Tensor, unit: Sequence[float], period: Sequence[float] = (), exact: Sequence[int] = ()
    ) -> None:
        self.points = points.detach().cpu()
        self._exact = sorted(set(exact))
        self._near = [column for column in range(points.shape[1]) if column not in self._exact]
        self._unit = np.array([unit[column] or 1.0 for column in self._near])
        wraps = np.array([period[column] if period else 0.0 for column in self._near])
        self._box = wraps / self._unit
        whole = _finite(self.points)
        self._places = self._place(whole)
        self._groups, order, ends = _grouped(whole[:, self._exact])
        self._members = np.split(order, ends)
        self._trees: dict[int, cKDTree] = {}
        self._lock = threading.Lock()

    def __call__(self, points: Tensor, count: int = 1, without: Tensor | None = None) -> Near:
        """The `count` nearest of each of the points [m, k]; none is the row whose number `without` int64 [m] says."""
        whole = _finite(points.detach().cpu())
        places = self._place(whole)
        group = np.array([self._groups.get(key.tobytes(), -1) for key in whole[:, self._exact]], dtype=np.int64)
        skip = np.full(len(whole), -1) if without is None else without.cpu().numpy()
        rows = np.full((len(whole), count), -1, dtype=np.int64)
        distance, hit = np.full(rows.shape, np.inf), np.zeros(len(whole), dtype=bool)
        for number in np.unique(group[group >= 0]):
            here = np.flatnonzero(group == number)
            rows[here], distance[here], hit[here] = self._search(int(number), places[here], count, skip[here])
        return Near(*(torch.from_numpy(found) for found in (rows, distance, hit)))

    def social(self) -> Tensor:
        """Which points have another one with the same exact coordinates, bool [n]."""
        found = torch.zeros(len(self.points), dtype=torch.bool)
        for members in self._members:
            found[torch.from_numpy(members)] = len(members) > 1
        return found

    def _search(
        self, number: int, places: Array, count: int, skip: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Array, NDArray[np.bool_]]:
        tree, members = self._tree(number), np.append(self._members[number], -1)
        found, near = (np.array(each) for each in tree.query(places, np.arange(1, count + 1)))
        rows = members[near]
        hit = ((rows == skip[:, None]) & (rows >= 0)).any(1)
        if hit.any():
            # One more is looked for only where it is needed: far points take several times as long as near ones.
            more, further = (np.array(each) for each in tree.query(places[hit], np.arange(1, count + 2)))
            others = members[further]
            own = others == skip[hit][:, None]
            # The row itself may be one of several at the same place, and then not among those found this time.
            own[~own.any(1), -1] = True
            rows[hit], found[hit] = others[~own].reshape(-1, count), more[~own].reshape(-1, count)
        return rows, found, hit

    def _tree(self, number: int) -> cKDTree:
        from scipy.spatial import cKDTree

        with self._lock:
            if number not in self._trees:
                places = self._places[self._members[number]]
                box = self._box if self._box.any() else None
                # Split in the middle, since medians do not divide a grid whose values repeat.
                self._trees[number] = cKDTree(places, leafsize=LEAF, balanced_tree=False, boxsize=box)
            return self._trees[number]

    def _place(self, whole: Array) -> Array:
        places = whole[:, self._near] / self._unit
        if self._box.any():
            around = np.mod(places, np.where(self._box > 0, self._box, 1.0))
            around = np.where(around < self._box, around, 0.0)
            places = np.where(self._box > 0, around, places)
        # A tree needs a coordinate.
        return places if self._near else np.zeros((len(whole), 1))


def _finite(points: Tensor) -> Array:
    whole: Array = points.double().numpy() + 0.0  # no -0.0, whose bytes differ from those of 0.0
    if not np.isfinite(whole).all():
        raise ValueError("there are latents that are not finite numbers, and these have no neighbors; mend the data")
    return whole


def _grouped(columns: Array) -> tuple[dict[bytes, int], NDArray[np.int64], NDArray[np.int64]]:
    """Groups of rows with equal columns [n, e]: their numbers by these values, the rows in order, and where to cut."""
    code = np.zeros(len(columns), dtype=np.int64)
    for column in columns.T:
        values, place = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + place, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    return {columns[order[start]].tobytes(): number for number, start in enumerate(starts)}, order, starts[1:]


_searches: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
_gridded: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
_opened = threading.Lock()


def nearest(table: Table, exact: Sequence[int] | None = None, weights: Sequence[float] = ()) -> Nearest:
    """The search among the rows of a table, made once for it.

    Distances are in units of the range of each factor, times a weight where `weights` has one for each; angles wrap
    around. Columns in `exact` must be equal, else those of classes. ValueError where latents are not known.
    """
    factors, latents = table.dataset.factors, table.latents
    if latents is None or not factors:
        raise ValueError(f"{type(table.dataset).__name__} does not know its latents; choose data that do")
    exact = classes(factors) if exact is None else tuple(exact)
    asked: Hashable = (exact, tuple(weights))
    with _opened:
        if latents not in _searches:
            _searches[latents] = {}
        known: dict[Hashable, Nearest] = _searches[latents]
        if asked not in known:
            widths = [factor.high - factor.low for factor in factors]
            period = [width if f.kind == "periodic" else 0.0 for f, width in zip(factors, widths, strict=True)]
            unit = [width / weight for width, weight in zip(widths, weights or [1.0] * len(widths), strict=True)]
            known[asked] = Nearest(latents, unit, period, exact)
        return known[asked]


def gridded(table: Table) -> tuple[int, ...]:
    """The columns whose latents are in classes, or take no more values than their grid has."""
    latents = table.latents
    assert latents is not None
    if latents not in _gridded:
        columns = enumerate(zip(table.dataset.factors, latents.cpu().T, strict=True))
        # An angle of dSprites has both ends of its range, which its grid counts once.
        _gridded[latents] = tuple(
            k for k, (f, column) in columns if f.kind == "discrete" or (f.grid and len(column.unique()) <= f.grid + 1)
        )
    found: tuple[int, ...] = _gridded[latents]
    return found


def classes(factors: Sequence[Factor]) -> tuple[int, ...]:
    """The columns of discrete factors."""
    return tuple(column for column, factor in enumerate(factors) if factor.kind == "discrete")
