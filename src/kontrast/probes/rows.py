"""Rows of features about a center and at a length of their own, made only where they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART = 256
"""Rows that are made at a time: few enough to stay in the cache."""
LEAST = 1e-300


class Rows(NamedTuple):
    """The rows (values_i - center) factor_i for values [n, d], of whatever precision, center [d] and factor [n]."""

    values: NDArray[np.floating[Any]]
    center: NDArray[np.float64]
    factor: NDArray[np.float64]

    def at(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Some of the rows, float64 [m, d]."""
        made: NDArray[np.float64] = self.values[rows] - self.center
        made *= self.factor[rows, None]
        return made


def parts(rows: int) -> list[slice]:
    """All rows, some at a time."""
    return [slice(start, min(start + PART, rows)) for start in range(0, rows, PART)]


def unit(values: NDArray[np.floating[Any]]) -> Rows:
    """Rows of values [n, d] at length 1; one of zeros (nothing above 1e-300) stays so."""
    factor = np.zeros(len(values))
    for part in parts(len(values)):
        x = values[part].astype(np.float64)
        size = np.maximum(x.max(1), -x.min(1))
        known = size > LEAST
        x[known] /= size[known, None]
        factor[part][known] = 1 / size[known] / np.sqrt(np.einsum("nd,nd->n", x[known], x[known]))
    return Rows(values, np.zeros(values.shape[1]), factor)


def spread(train: NDArray[np.floating[Any]], test: NDArray[np.floating[Any]]) -> tuple[Rows, Rows]:
    """Rows of both about the mean of train, in units that make the mean squared distance of two rows of train 2."""
    size = max((float(np.abs(train[part]).max()) for part in parts(len(train))), default=0.0) or 1.0
    center = sum((train[part] / size).astype(np.float64).sum(0) for part in parts(len(train))) / len(train)
    square = sum(float(np.square(train[part] / size - center).sum()) for part in parts(len(train)))
    factor = 1 / size / (np.sqrt(square / len(train)) or 1.0)
    first, second = (Rows(x, center * size, np.full(len(x), factor)) for x in (train, test))
    return first, second
