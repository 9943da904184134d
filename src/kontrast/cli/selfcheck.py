"""`kontrast selfcheck`: the golden table of losses, metrics and closed forms."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast.selfcheck import GOLDENS, Outcome, outcomes

WIDTH = 100
"""Columns of the table where it goes into a file."""


def selfcheck_command(words: list[str]) -> None:
    """Compute every golden value, or those whose names contain one of these words, and print the table.

    A RuntimeError if one is off.
    """
    chosen = [golden for golden in GOLDENS if not words or any(word.lower() in golden.name.lower() for word in words)]
    if not chosen:
        raise ValueError(f"no golden value is named {' or '.join(words)}; write kontrast selfcheck for all of them")
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("golden value", no_wrap=True, min_width=max(len(golden.name) for golden in chosen))
    table.add_column("source", no_wrap=True)
    for column, width in (("expected", 9), ("computed", 9), ("within", 6), ("", 6)):
        table.add_column(column, no_wrap=True, justify="right", min_width=width)
    start = time.perf_counter()
    found = []
    with console.status("computing") as status:
        for outcome in outcomes(chosen):
            found.append(outcome)
            table.add_row(*_cells(outcome))
            status.update(f"{len(found)} of {len(chosen)}")
    console.print(table)
    failed = [outcome for outcome in found if not outcome.ok]
    for outcome in filter(lambda each: each.trouble, failed):
        console.print(Text(f"{outcome.golden.name}: {outcome.trouble}", "red"))
    console.print(f"{len(found) - len(failed)} of {len(found)} ok in {time.perf_counter() - start:.1f} s")
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(found)} golden values are off: {failed[0].golden.name}")


def _cells(outcome: Outcome) -> list[Text]:
    golden = outcome.golden
    numbers = [Text(f"{golden.expected:.7g}"), Text(f"{outcome.computed:.7g}"), Text(f"{golden.tolerance:.1g}")]
    verdict = Text("ok", "green") if outcome.ok else Text("FAILED", "bold red")
    return [Text(golden.name), Text(golden.source, "dim"), *numbers, verdict]
