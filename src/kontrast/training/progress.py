"""What one sees while a run trains: two live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

LINES = 20


class Display:
    """Shows step, images/s, share of time spent waiting for data, loss and its parts, online score and time left."""

    def __init__(self, steps: int, start: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.steps = steps
        self.every = max(1, steps // LINES)
        self.shown = start // self.every
        self.progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=32),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
        )
        self.task = self.progress.add_task("", total=steps, completed=start)
        self.text = Text(style="dim")
        self.live = Live(Group(self.progress, self.text), console=self.console) if self.console.is_terminal else None

    def say(self, text: str) -> None:
        """Print a line."""
        # Nobody listens any more: the run goes on all the same. (Of a closed pipe rich makes a SystemExit.)
        with suppress(OSError, SystemExit):
            self.console.print(text, soft_wrap=True, highlight=False)

    def advance(self, step: int) -> None:
        """The run has taken `step` steps."""
        self.progress.update(self.task, completed=step)

    def show(self, row: Mapping[str, float], left: float) -> None:
        """The newest row of metrics, with `left` seconds to go."""
        text = _words(row)
        self.text.plain = text
        due = int(row["step"]) // self.every
        if self.live is None and (due > self.shown or row["step"] == self.steps):
            self.shown = due
            self.say(f"step {int(row['step'])}/{self.steps}  {text}  left {_clock(left)}")

    def __enter__(self) -> Display:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()


def _words(row: Mapping[str, float]) -> str:
    words = [f"loss {row['loss']:.4f}"]
    words += [f"{name.removeprefix('loss/')} {value:.4f}" for name, value in row.items() if name.startswith("loss/")]
    words += [f"{name} {value:.4f}" for name, value in row.items() if name.startswith(("batch/", "online/"))]
    words += [f"{row['images_per_second']:.0f} images/s", f"waiting for data {100 * row['waiting']:.0f}%"]
    return "  ".join(words)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
