"""Which columns are no candidates of a row."""

from __future__ import annotations

import torch
from torch import Tensor


class Exclusion:
    """The pairs to leave out: `exclude` int64 [n, k] holds columns for each row (-1: none)."""

    def __init__(self, exclude: Tensor | None, columns: int, side: int) -> None:
        self.side, self.parts = side, () if exclude is None else torch.split(exclude, side)
        self.hit: list[list[bool]] | None = None
        if exclude is not None and exclude.device.type == "cpu":
            row = torch.arange(len(exclude))[:, None].expand_as(exclude) // side
            hit = torch.zeros(len(self.parts), columns // side + 1, dtype=torch.bool)
            hit[row[exclude >= 0], exclude[exclude >= 0] // side] = True
            self.hit = hit.tolist()

    def apply(self, block: Tensor, i: int, j: int, value: float) -> None:
        """Write the value into block i, j for each pair that is left out."""
        if not self.parts or (self.hit is not None and not self.hit[i][j]):
            return
        for column in (self.parts[i] - j * self.side).T:
            inside = ((column >= 0) & (column < block.shape[1]))[:, None]
            place = torch.where(inside, column[:, None], 0)
            block.scatter_(1, place, torch.where(inside, value, block.gather(1, place)))


def mutual(exclude: Tensor | None, n: int, device: torch.device) -> Tensor:
    """Whether j is left out for i as often as i is for j."""
    if exclude is None:
        return torch.tensor(True, device=device)
    row = torch.arange(n, device=device)[:, None]
    some = exclude >= 0
    one, other = (
        torch.where(some, pair, -1).flatten().sort().values for pair in (row * n + exclude, exclude * n + row)
    )
    return (one == other).all()
