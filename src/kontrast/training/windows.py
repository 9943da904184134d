"""The mean losses of a run so far, which schedules may look at."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kontrast.training.distributed import told

WINDOWS = 100
"""Windows of a run that has no epochs."""


class Windows:
    """The mean loss of each window of a run: of an epoch, or of a hundredth of it where there are none."""

    def __init__(self, steps: int, per_epoch: int | None) -> None:
        self.length = per_epoch or max(1, steps // WINDOWS)
        self.losses: list[float] = []
        self.sum: Tensor | None = None

    def add(self, loss: Tensor, step: int) -> None:
        """Take in the loss of a step, the `step`-th of the run. It is read at the end of a window only."""
        loss = loss.detach().float()
        self.sum = loss if self.sum is None else self.sum + loss
        if step % self.length == 0:
            # What the first process found, so that the rates of all have the same bits.
            self.losses.append(float(told(repr(float(self.sum) / self.length))))
            self.sum = None

    def tensors(self) -> dict[str, Tensor]:
        """What a later step depends on, by name."""
        found = {"closed": torch.tensor(self.losses, dtype=torch.float64)} if self.losses else {}
        return found if self.sum is None else {**found, "open": self.sum}

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on with what `tensors` gave."""
        self.losses = tensors["closed"].tolist() if "closed" in tensors else []
        self.sum = tensors["open"].to(device) if "open" in tensors else None
