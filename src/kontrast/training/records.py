"""What a run says of itself while it trains: metrics.jsonl, and the trackers that show it."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kontrast.training.trackers import TensorBoard, Tracker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Records:
    """Appends rows to metrics.jsonl and hands them to TensorBoard and to the trackers asked for.

    A resumed run first drops what came after `step`. A tracker that fails is said once and left out from then on: it
    never ends a run, and metrics.jsonl has every row all the same.
    """

    def __init__(
        self,
        out: Path,
        step: int,
        track: Sequence[type[Tracker]] = (),
        config: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.say = say
        self.path = out / "metrics.jsonl"
        self._keep_until(step)
        self.file = self.path.open("a", buffering=1)
        self.trackers: list[Tracker] = []
        wanted: list[type[Tracker]] = [TensorBoard, *track]
        for tracker in wanted:
            try:
                self.trackers.append(tracker(out, step, config or {}))
            except Exception as error:
                self._left_out(tracker, error)

    def write(self, row: Mapping[str, float]) -> None:
        """One row; `step` counts the optimizer steps taken. What is not finite, which JSON cannot say, is left out."""
        finite = {name: value for name, value in row.items() if math.isfinite(value)}
        self.file.write(json.dumps(finite, allow_nan=False) + "\n")
        self._tell(lambda tracker: tracker.row(finite))

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """A picture [h, w, 3] after so many steps, which trackers show and metrics.jsonl has not."""
        self._tell(lambda tracker: tracker.picture(step, name, picture))

    def _tell(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in [*self.trackers]:
            try:
                tell(tracker)
            except Exception as error:
                self.trackers.remove(tracker)
                self._left_out(type(tracker), error)

    def _left_out(self, tracker: type[Tracker], error: Exception) -> None:
        why = (str(error) or type(error).__name__).splitlines()[0]
        self.say(f"{tracker.__name__} failed and is left out from here on; metrics.jsonl has every row ({why})")

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
        self._tell(lambda tracker: tracker.close())
