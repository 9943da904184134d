"""What one sees while a study runs: a panel with a bar and the cells at work on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kontrast.logged import last_row
from kontrast.studies.collect import state_of, steps_of
from kontrast.studies.records import Record, read_record
from kontrast.studies.study import Study

EVERY = 1.0
"""Seconds between two readings of the folder, at least."""
SHARE = 0.05
"""The share of the time that reading may take."""
BEAT = 60.0
"""Seconds between two lines that say how it goes, where there is no terminal."""
MOST = 12
"""Cells at work that are shown."""
ROOMY = 90
"""Letters in a line from which on bars and losses have room."""
COLORS = {"done": "green", "failed": "red", "running": "cyan", "waiting": "bright_black"}
STATES = ("done", "running", "waiting", "failed")


@dataclass
class Seen:
    """What was seen of a cell: its state, and how far it was when it was first seen at work, and last."""

    name: str
    state: str = "waiting"
    why: str = ""
    seconds: float = 0.0
    first: int = 0
    since: float = 0.0
    step: int = 0
    at: float = 0.0
    length: int | None = None
    loss: float | None = None

    def left(self, now: float) -> float | None:
        """Seconds that its training still takes, at the pace since it was first seen; None before that is known."""
        if self.length is None or self.step <= self.first or self.at <= self.since:
            return None
        pace = (self.at - self.since) / (self.step - self.first)
        return max(0.0, pace * (self.length - self.step) - (now - self.at))


class Progress:
    """How many cells are done, running, failed and waiting, the time left, and how far those at work are."""

    def __init__(self, folder: Path, study: Study, width: int, console: Console) -> None:
        self.folder, self.study, self.width, self.console = folder, study, width, console
        self.cells = [Seen(cell.name) for cell in study.cells()]
        self.begun, self.due, self.spoken = time.monotonic(), 0.0, time.monotonic()
        self.title = study.title or folder.name
        for seen in self.cells:
            record = read_record(folder, seen.name)
            seen.state, seen.seconds = (record.state if record.over(study.ask) else "waiting"), record.seconds
        self.before = sum(seen.state in ("done", "failed") for seen in self.cells)
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def look(self) -> None:
        """Read how it goes, if it is time to, and show what changed."""
        started = time.monotonic()
        if started < self.due:
            return
        for seen in self.cells:
            if seen.state not in ("done", "failed"):
                self._read(seen)
        if self.live is not None:
            self.live.update(self.panel(), refresh=True)
        elif started - self.spoken >= BEAT:
            self._say(Text(self.summary()))
        self.due = started + max(EVERY, (time.monotonic() - started) / SHARE)

    def _read(self, seen: Seen) -> None:
        run, record = self.folder / seen.name, read_record(self.folder, seen.name)
        state = state_of(record, run)
        if state == "done" and not record.over(self.study.ask):
            state = "waiting"  # it was asked something else, before
        if state in ("running", "done"):
            self._follow(seen, run)
        if state != seen.state:
            seen.state, seen.why, seen.seconds = state, record.why, record.seconds
            if state in ("done", "failed"):
                self._over(seen, record)

    def _follow(self, seen: Seen, run: Path) -> None:
        row = last_row(run)
        step, loss = int(row.get("step", 0)), row.get("loss")
        if seen.state != "running":
            seen.first = seen.step = step
            seen.since = seen.at = time.monotonic()
        elif step != seen.step:
            seen.step, seen.at = step, time.monotonic()
        seen.loss = loss if isinstance(loss, float) else None
        seen.length = seen.length or steps_of(run, row)

    def counts(self) -> dict[str, int]:
        """How many cells are in each state."""
        return {state: sum(seen.state == state for seen in self.cells) for state in STATES}

    def summary(self) -> str:
        """The line that says it all."""
        counts, left = self.counts(), self.left()
        said = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state] or state == "done")
        return f"{len(self.cells)} cells: {said}" + (f", about {clock(left)} left" if left is not None else "")

    def left(self) -> float | None:
        """Seconds that the rest will take, by those that are done and the pace of those at work; None before that."""
        now, counts = time.monotonic(), self.counts()
        known = [seen.seconds for seen in self.cells if seen.state == "done" and seen.seconds]
        going = [seen.left(now) for seen in self._in("running")]
        whole = [
            (seen.at - seen.since) / (seen.step - seen.first) * seen.length
            for seen in self._in("running")
            if seen.length and seen.step > seen.first
        ]
        mean = sum(known) / len(known) if known else sum(whole) / len(whole) if whole else None
        if mean is None:
            return None
        rest = [0.5 * mean if each is None else each for each in going]
        return max((sum(rest) + counts["waiting"] * mean) / self.width, max(rest, default=0.0))

    def panel(self) -> Panel:
        """What a terminal shows."""
        running = self._in("running")
        inside = self.console.width - 4
        table, roomy = Table.grid(padding=(0, 2)), inside >= ROOMY
        for justify in ("left", "right", "left", "right", "right") if roomy else ("left", "right", "right"):
            table.add_column(justify=justify, no_wrap=True)
        for seen in running[:MOST]:
            name, steps, bar, loss, left = _row(seen, inside - (54 if roomy else 24))
            table.add_row(*((name, steps, bar, loss, left) if roomy else (name, steps, left)))
        more = [Text(f"and {len(running) - MOST} more at work", "dim")] if len(running) > MOST else []
        spent = Text(f"{clock(time.monotonic() - self.begun)} so far", "dim")
        lines: list[RenderableType] = [
            _bar(self.counts(), inside),
            self._colored(),
            *([table] if running else []),
            *more,
        ]
        return Panel(Group(*lines), title=Text(self.title), title_align="left", subtitle=spent, subtitle_align="right")

    def _colored(self) -> Text:
        """The summary, with each state in the color that it has in the bar."""
        said = Text(self.summary())
        for state, color in COLORS.items():
            said.highlight_regex(rf"\d+ {state}", color)
        return said

    def _in(self, state: str) -> Sequence[Seen]:
        return [seen for seen in self.cells if seen.state == state]

    def _over(self, seen: Seen, record: Record) -> None:
        spent = f" in {clock(record.seconds)}" if record.seconds else ""
        said = Text(f"{seen.state:<6} ", COLORS[seen.state]) + Text(f"{seen.name}{spent}")
        said += Text(f": {record.why}" if record.why else f"   {self.summary()}" if self.live is None else "")
        self._say(said)

    def _say(self, said: Text) -> None:
        self.spoken = time.monotonic()
        with suppress(OSError, SystemExit):
            self.console.print(said, soft_wrap=True, highlight=False)

    def __enter__(self) -> Progress:
        if self.live is not None:
            self.live.start()
        else:
            self._say(Text(self.summary()))
        self.look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.due = 0.0
            self.look()
        if self.live is not None:
            self.live.stop()
        self._say(Text(self.summary()))


def _row(seen: Seen, wide: int) -> tuple[Text, Text, Text, Text, Text]:
    left = seen.left(time.monotonic())
    if seen.length is None:
        bar, steps = Text(""), Text(f"step {seen.step}")
    else:
        bar = _bar({"running": seen.step, "waiting": seen.length - seen.step}, 16)
        steps = Text("being asked") if seen.step >= seen.length else Text(f"{seen.step}/{seen.length}")
    name = seen.name if len(seen.name) <= wide else f"{seen.name[: max(1, wide - 12)]}…{seen.name[-10:]}"
    loss = Text(f"loss {seen.loss:.3f}" if seen.loss is not None else "", "dim")
    return Text(name, "bold"), steps, bar, loss, Text(f"{clock(left)}" if left else "", "dim")


def _bar(counts: dict[str, int], wide: int) -> Text:
    """A bar with a piece for each state, of which there is at least one letter where there is any."""
    whole, bar = max(1, sum(counts.values())), Text()
    sizes = {state: max(1, round(wide * counts[state] / whole)) if counts.get(state) else 0 for state in COLORS}
    largest = max(sizes, key=lambda state: sizes[state])
    sizes[largest] = max(1, sizes[largest] + wide - sum(sizes.values()))
    for state, size in sizes.items():
        bar.append("━" * size, COLORS[state])
    return bar


def clock(seconds: float) -> str:
    """A time as 0:05, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
