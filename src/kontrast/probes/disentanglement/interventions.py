"""Interventions from rows that are there: drawing rows in which one factor has one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 1 << 22


class Groups(NamedTuple):
    """Rows by the level of each factor: those of row i for factor k are order[k, start[k, i] : start[k, i] + size]."""

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]

    def drawn(self, factor: NDArray[np.int64], row: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """For each row [...], one with the same level of a factor [...], with replacement."""
        offset = (rng.random(row.shape) * self.size[factor, row]).astype(np.int64)
        found: NDArray[np.int64] = self.order[factor, self.start[factor, row] + offset]
        return found

    def held(self, draws: int, width: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A factor [draws, width], one in each draw and each as likely, and rows whose level of it other rows share.

        A ValueError if a factor has no such rows.
        """
        shared = [np.flatnonzero(size > 1) for size in self.size]
        sizes = np.array([len(rows) for rows in shared])
        if not sizes.all():
            raise ValueError("no two rows share a factor's value, so it cannot be held fixed; encode more rows")
        padded = np.stack([np.resize(rows, sizes.max()) for rows in shared])
        factor = np.repeat(rng.integers(0, len(shared), (draws, 1)), width, 1)
        return factor, padded[factor, (rng.random((draws, width)) * sizes[factor]).astype(np.int64)]


def groups(levels: NDArray[np.int64]) -> Groups:
    """The rows of levels [n, k] by the level of each factor."""
    order = np.argsort(levels, 0, kind="stable").T
    ranked = [column[rows] for column, rows in zip(levels.T, order, strict=True)]
    start = [np.searchsorted(rank, column) for rank, column in zip(ranked, levels.T, strict=True)]
    end = [np.searchsorted(rank, column, side="right") for rank, column in zip(ranked, levels.T, strict=True)]
    return Groups(order, np.stack(start), np.stack(end) - np.stack(start))


def chunks(draws: int, batch: int, features: int) -> list[slice]:
    """Parts of the draws whose features take a bounded share of memory."""
    step = max(1, CHUNK // (batch * features))
    return [slice(low, min(low + step, draws)) for low in range(0, draws, step)]
