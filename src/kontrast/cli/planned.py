"""`kontrast sweep --dry-run`: the cells of a sweep, and about how long they will take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast.studies import Estimate, Executor, Study, estimate
from kontrast.studies.guided import Guided
from kontrast.studies.progress import clock

WIDE = 200
"""Letters in a line where there is no terminal."""


def show_plan(study: Study, out: Path, executor: Executor, again: bool, device: str | None) -> None:
    """Print what a sweep would do. Nothing is written."""
    found = estimate(study, out, executor=executor, again=again, device=device)
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    console.print(_cells(found), soft_wrap=True)
    print(said(found, out))
    if isinstance(study, Guided) and study.samples > len(study.settings):
        more = study.samples - len(study.settings)
        print(f"These are the first settings; {more} more are proposed by what they score, and are not counted here.")
    print("Nothing was written: without --dry-run the same command runs this.")


def _cells(found: Estimate) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    options: dict[str, Any] = {"overflow": "fold"}
    for name in ("setting", "seed", "state", "steps", "folder"):
        table.add_column(name, justify="right" if name in ("seed", "steps") else "left", **options)
    colors = {"done": "green", "failed": "red", "begun": "cyan", "waiting": "default"}
    for row in found.rows:
        steps = f"{row.taken}/{row.length}" if row.state == "begun" else str(row.length)
        state = Text(row.state, colors[row.state])
        table.add_row(Text(row.cell.setting.label), str(row.cell.seed), state, steps, Text(row.cell.name))
    return table


def said(found: Estimate, out: Path) -> str:
    """What a plan comes to, in a few lines."""
    states = [row.state for row in found.rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    steps, todo = sum(row.length for row in found.rows), sum(row.length - row.taken for row in found.todo)
    epochs = f" ({found.epochs:,.4g} epochs)" if found.epochs else ""
    lines = [
        f"{len(states)} cells in {out}: {counts}",
        f"{steps:,} steps in all{epochs}, of which {todo:,} are to be taken",
    ]
    if found.seconds is None:
        return "\n".join(
            [*lines, f"{found.basis[:1].upper()}{found.basis[1:]}." if found.todo else "Nothing is left to run."]
        )
    low, high = map(clock, found.seconds)
    time = f"about {low}" if low == high else f"between about {low} and {high}"
    return "\n".join([*lines, f"{time}, {found.width} at a time: {found.basis}."])
