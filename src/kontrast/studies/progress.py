"""What one sees while a study runs: a live line and the cells at work on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from kontrast.results import Outcome
from kontrast.studies.collect import outcome
from kontrast.studies.study import Study

EVERY = 1.0
"""Seconds between two readings of the folder."""


class Progress:
    """How many cells are done, running, failed and waiting, the time left, and how far those at work are."""

    def __init__(self, folder: Path, study: Study, width: int, console: Console) -> None:
        self.folder, self.study, self.width, self.console = folder, study, width, console
        self.cells = [*study.cells()]
        self.states: dict[str, Outcome] = {}
        self.read = 0.0
        self.text = Text()
        self.live = Live(self.text, console=console, transient=True) if console.is_terminal else None

    def look(self) -> None:
        """Read how it goes, if it is time to, and show what changed."""
        if time.monotonic() - self.read < EVERY:
            return
        self.read = time.monotonic()
        for cell in self.cells:
            before = self.states.get(cell.name)
            if before is not None and before.state in ("done", "failed"):
                continue
            now = outcome(self.study, cell, self.folder)
            self.states[cell.name] = now
            if before is not None and now.state != before.state and now.state in ("done", "failed"):
                self._say(now)
        if self.live is not None:
            self.live.update(Group(Text(self.summary()), *map(_at_work, self._in("running"))))

    def summary(self) -> str:
        """The line that says it all."""
        counts = [f"{len(self._in(state))} {state}" for state in ("done", "running", "waiting", "failed")]
        left = self.left()
        return f"{len(self.cells)} cells: {', '.join(counts)}" + (f", {clock(left)} left" if left is not None else "")

    def left(self) -> float | None:
        """Seconds that the rest will take, by those that are done; None before there is one."""
        known = [each.seconds for each in self._in("done") if each.seconds]
        if not known:
            return None
        rest = len(self._in("waiting")) + 0.5 * len(self._in("running"))
        return rest * sum(known) / len(known) / self.width

    def _in(self, state: str) -> Sequence[Outcome]:
        return [each for each in self.states.values() if each.state == state]

    def _say(self, now: Outcome) -> None:
        spent = f" in {clock(now.seconds)}" if now.seconds else ""
        said = f"{now.state} {now.path}{spent}{': ' + now.why if now.why else ''}   {self.summary()}"
        with suppress(OSError, SystemExit):
            self.console.print(said, soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> Progress:
        if self.live is not None:
            self.live.start()
        self.look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.read = 0.0
        self.look()
        if self.live is not None:
            self.live.stop()


def _at_work(one: Outcome) -> Text:
    return Text(f"  {one.path}  step {one.steps}", style="dim")


def clock(seconds: float) -> str:
    """A time as 0:05, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
