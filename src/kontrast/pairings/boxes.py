"""Rows of a table whose latents are within a box about those of another, which grows until someone is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]

APART = 1e9
"""How far apart, in half sides of the box, are latents that must be equal and are not."""


class Boxes:
    """Latents float64 [n, k] in a k-d tree, whose columns are in half sides `half` [k] of the box.

    A column whose half side is 0 is one in which rows must be equal. A `period` [k] is the width of the range of a
    column whose ends meet, and 0 elsewhere; such a column begins at `low`.
    """

    def __init__(self, latents: Numbers, low: Numbers, half: Numbers, period: Numbers, growth: float) -> None:
        from scipy.spatial import cKDTree

        free = half > 0
        self.equal = ~free
        self.unit, self.low, self.growth = np.where(free, half, 1 / APART), low, growth
        self.period = np.where(free, period, 0.0) / self.unit
        self.points = self._scaled(latents)
        self.tree = cKDTree(self.points, boxsize=self.period)
        self.longest = self.points.max(0) - self.points.min(0) if len(latents) else np.zeros(len(half))
        self.most = float(np.where(free, self.longest, 0.0).max()) * growth + 1

    def _scaled(self, latents: Numbers) -> Numbers:
        points = (latents - self.low) / self.unit
        around = self.period > 0
        points[:, around] %= self.period[around]
        return np.where(around & (points >= self.period), 0.0, points)

    def social(self) -> NDArray[np.bool_]:
        """Which rows are not alone with what must be equal, bool [n]."""
        must = self.points[:, self.equal]
        _, group, count = np.unique(must, axis=0, return_inverse=True, return_counts=True)
        return np.asarray(count[group.ravel()] > 1)

    def candidates(self, rows: Whole) -> list[Whole]:
        """Of each row, the others within its box: |z_k - z'_k| < half_k for all k; in ascending order."""
        return [found for found, _ in self._within(rows, 1.0)]

    def drawn(self, rows: Whole, unit: Numbers) -> Whole:
        """Of each row another, uniform by `unit` [n] among those in its box, or in the first of its larger ones.

        A box that is empty grows by the factor `growth`. ValueError where a row is alone in the largest.
        """
        chosen, left, radius = np.full(len(rows), -1), np.arange(len(rows)), 1.0
        while len(left):
            if radius > self.most:
                raise ValueError(f"row {int(rows[left[0]])} has no other row that shares what must be equal")
            found = self._within(rows[left], radius)
            for at, (others, _) in zip(left, found, strict=True):
                if len(others):
                    chosen[at] = others[int(unit[at] * len(others))]
            left, radius = left[chosen[left] < 0], radius * self.growth
        return chosen

    def _within(self, rows: Whole, radius: float) -> list[tuple[Whole, Numbers]]:
        inside = []
        near = self.tree.query_ball_point(self.points[rows], radius, p=np.inf, return_sorted=True)
        for row, others in zip(rows, near, strict=True):
            found = np.array(others, np.int64)
            away = self._away(self.points[found], self.points[row])
            keep = (away < radius) & (found != row)
            inside.append((found[keep], away[keep]))
        return inside

    def _away(self, points: Numbers, point: Numbers) -> Numbers:
        away = abs(points - point)
        away = np.where(self.period > 0, np.minimum(away, self.period - away), away)
        return np.asarray(away.max(1, initial=0.0))
