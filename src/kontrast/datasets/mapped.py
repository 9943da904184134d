"""Pictures that lie in one array on the disk and are read from there, row by row, as they are asked for."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets.stores import Reader, Store

TOGETHER = 512


class Mapped(Store):
    """Rows of an array uint8 [n, h, w], [n, c, h, w], or [n, h, w, c] with `last`, that is mapped from the disk.

    Observations are uint8 [n, c, h, w]: the stored values times `scale`, which is 255 for a set that says 0 and 1.
    `at` int64 [n] are the rows that they are, all of them without it. The array is never read whole by itself.
    """

    def __init__(
        self, array: NDArray[Any], where: str, at: Tensor | None = None, last: bool = False, scale: int = 1
    ) -> None:
        self.array, self.where, self.at, self.last, self.scale = array, where, at, last, scale
        pictures = torch.from_numpy(array)
        if pictures.ndim == 3:
            pictures = pictures[:, None]
        elif last:
            pictures = pictures.permute(0, 3, 1, 2)
        self.pictures = pictures
        self.shape = (len(array) if at is None else len(at), *pictures.shape[1:])

    def select(self, rows: Tensor) -> Mapped:
        return Mapped(self.array, self.where, rows if self.at is None else self.at[rows], self.last, self.scale)

    def memory(self) -> Tensor:
        out = torch.empty(self.shape, dtype=torch.uint8)
        for start in range(0, len(out), TOGETHER):
            part = out[start : start + TOGETHER]
            self._read(torch.arange(start, start + len(part)), part)
        return out

    def mapped(self) -> tuple[Reader, str]:
        return self._read, f"mapped from {self.where}"

    def _read(self, rows: Tensor, out: Tensor) -> None:
        numbers = rows if self.at is None else self.at[rows]
        # A selection of views of the disk: only the pages of these rows are touched.
        torch.index_select(self.pictures, 0, numbers, out=out) if not self.last else out.copy_(self.pictures[numbers])
        if self.scale != 1:
            out.mul_(self.scale)
