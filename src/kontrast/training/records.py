"""What a run says of itself while it trains: metrics.jsonl and TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Records:
    """Appends rows to metrics.jsonl and to TensorBoard's events. A resumed run first drops what came after `step`."""

    def __init__(self, out: Path, step: int) -> None:
        self.out, self.step = out, step
        self.path = out / "metrics.jsonl"
        self._keep_until(step)
        self.file = self.path.open("a", buffering=1)
        self._events: SummaryWriter | None = None

    def write(self, row: Mapping[str, float]) -> None:
        """One row; `step` counts the optimizer steps taken."""
        self.file.write(json.dumps(row) + "\n")
        if self._events is None:
            # Imported at the first row, not at the start: it takes longer than anything else a run waits for.
            from torch.utils.tensorboard import SummaryWriter

            resumed = self.step or any(self.out.glob("events.*"))
            self._events = SummaryWriter(str(self.out), purge_step=self.step + 1 if resumed else None)
        for name, value in row.items():
            if name != "step":
                self._events.add_scalar(name, value, int(row["step"]))

    def _keep_until(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            taken = row.get("step", 0) if isinstance(row, dict) else None
            if isinstance(taken, int) and taken <= step:
                kept.append(line + "\n")
        partial = self.path.with_name(".metrics.jsonl.partial")
        partial.write_text("".join(kept))
        partial.rename(self.path)

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if self._events is not None:
            self._events.close()
