"""Rows of a table by their latents."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kontrast.parts import choose

if TYPE_CHECKING:
    from pandas import DataFrame

RELATIVE, ABSOLUTE = 1e-5, 1e-8
"""The tolerances of np.isclose: |a - b| <= ABSOLUTE + RELATIVE |b| for a wanted b."""
DENSE = 16
"""From one row in so many on, all rows are looked at instead of those that the first latent leaves."""


class _Column(NamedTuple):
    """A column [n]: its values without repetition, ascending, the number of that of each row, and the rows by it."""

    values: NDArray[np.float64]
    code: NDArray[np.unsignedinteger]
    order: NDArray[np.int32]
    first: NDArray[np.int64]
    """Where the rows of each value begin in `order`, and where the last ones end."""


class Lookup:
    """Looks rows up by any of their latents: `Lookup(table).rows(scale=0.5, x=0)` gives their numbers.

    A latent matches where np.isclose says so. Columns of a `table` that are no numbers are left out. It keeps, of each
    column of n rows, 4 bytes a row for their order and 1 to 4 for their values, and takes n log n to be made.
    ValueError for a table with two columns of one name.
    """

    def __init__(self, table: DataFrame) -> None:
        names = [str(name) for name in table.columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the table has more than one column {twice[0]!r}; give each a name of its own")
        self.count, self.every = len(table), np.arange(len(table), dtype=np.int32)
        self.every.flags.writeable = False
        self.columns = {
            str(name): _indexed(table[name].to_numpy(np.float64))
            for name in table.columns
            if table[name].dtype.kind in "biuf"
        }

    def rows(self, **latents: float) -> NDArray[np.int32]:
        """The numbers int32 [m] of the rows with these latents, ascending: all rows without any. Not to be written to.

        ValueError, with the nearest name, for one that the table lacks, and for a value that is not one number.
        """
        spans: list[tuple[int, _Column, int, int]] = []
        for name, wanted in latents.items():
            column = self.columns[choose(name, self.columns, "column of the table")]
            low, high = _span(column.values, _number(name, wanted))
            if low == high:
                return self.every[:0]
            spans.append((int(column.first[high] - column.first[low]), column, low, high))
        if not spans:
            return self.every
        spans.sort(key=lambda span: span[0])
        if len(spans) > 1 and spans[0][0] * DENSE > self.count:
            return self._among_all(spans)
        _, column, low, high = spans[0]
        found = column.order[column.first[low] : column.first[high]]
        if high - low > 1:
            found = np.sort(found)
        for _, column, low, high in spans[1:]:
            found = found[_within(column, low, high, found)]
        return found

    def _among_all(self, spans: list[tuple[int, _Column, int, int]]) -> NDArray[np.int32]:
        match = _within(*spans[0][1:])
        for span in spans[1:]:
            match &= _within(*span[1:])
        return self.every[match]


def _number(name: str, wanted: Any) -> float:
    if not isinstance(wanted, str | bytes) and np.ndim(wanted) == 0:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return float(wanted)
    raise ValueError(f"{name} is looked up by one number, not by a {type(wanted).__name__}; write rows({name}=0.5)")


def _indexed(values: NDArray[np.float64]) -> _Column:
    unique, code, count = np.unique(values, return_inverse=True, return_counts=True, equal_nan=False)
    small = next(kind for kind in (np.uint8, np.uint16, np.uint32) if len(unique) <= np.iinfo(kind).max)
    order = np.argsort(code.astype(small), kind="stable").astype(np.int32)
    order.flags.writeable = False
    return _Column(unique, code.astype(small), order, np.concatenate([[0], np.cumsum(count)]))


def _span(values: NDArray[np.float64], wanted: float) -> tuple[int, int]:
    """From which to before which of ascending values are close to one; np.isclose decides at the ends."""
    if not np.isfinite(wanted):
        close = np.flatnonzero(values == wanted)
        return (int(close[0]), int(close[-1]) + 1) if len(close) else (0, 0)
    reach = 2 * (ABSOLUTE + RELATIVE * abs(wanted))
    low, high = np.searchsorted(values, [wanted - reach, wanted + reach])
    close = low + np.flatnonzero(np.isclose(values[low:high], wanted, RELATIVE, ABSOLUTE))
    return (int(close[0]), int(close[-1]) + 1) if len(close) else (0, 0)


def _within(column: _Column, low: int, high: int, rows: NDArray[np.int32] | None = None) -> NDArray[np.bool_]:
    """Whether the values of rows, of all without any, are numbered from `low` to before `high`."""
    code = column.code if rows is None else column.code[rows]
    least = code.dtype.type(low)
    if high - low == 1:
        return np.asarray(code == least)
    return np.asarray((code >= least) & (code < high))
