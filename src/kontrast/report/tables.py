"""Scores as a table: one layout, shown in the terminal and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kontrast.report.layout import COLUMNS, INTERVAL, Layout, Line, layout
from kontrast.scores import Score

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MOST_SHORT = 16
"""Columns of a terminal that the names of metrics have at the least."""


def print_scores(rows: Sequence[Score], console: Console | None = None) -> None:
    """Print the table to the terminal, its protocols below it as footnotes. No text of a score is read as markup.

    Where the terminal is too narrow for it, intervals are left out first, and then the ends of names.
    """
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    if not rows:
        console.print(Text("There are no scores yet."))
        return
    made = layout(rows)
    lines = [line for section in made.sections for line in section.lines]
    spreads = [line.spread for line in lines]
    room = _room(made, spreads)
    narrow = any("[" in spread for spread in spreads) and sum(room) > console.width
    if narrow:
        room = _room(made, [spread.partition("[")[0].strip() for spread in spreads])
    room = [max(MOST_SHORT, min(room[0], console.width - sum(room[1:]))), *room[1:]]
    heads = [f"{'':{room[0]}}", f"{COLUMNS['value']:>{room[1]}}{'':{room[2]}}"] if made.columns else []
    heads += [f"{COLUMNS[key]:>{wide}}" for key, wide in zip(made.columns[1:], room[3:], strict=True)]
    console.print(Text("".join(heads).rstrip(), style="bold"), soft_wrap=True)
    for section in made.sections:
        console.print(Text(f"{section.probe} {section.mark}".rstrip(), style="bold"), soft_wrap=True)
        for line in section.lines:
            console.print(_printed(line, room, narrow), soft_wrap=True)
    for group in made.below:
        console.print(Text(f"{group.probe} {group.said}; each is in scores.json"))
    if any("[" in spread for spread in spreads):
        console.print(Text("Intervals are in scores.json." if narrow else f"[low, high]: {INTERVAL}", style="dim"))
    for mark, warning in made.warnings:
        console.print(Text(f"{mark} {warning}", style="yellow"))
    for mark, note in made.notes:
        console.print(Text(f"{mark} {note}", style="dim"))


def _room(made: Layout, spreads: Sequence[str]) -> list[int]:
    """The widths of a table in the terminal: labels, values, how far they stray, and each of the other columns."""
    from rich.cells import cell_len

    lines = [line for section in made.sections for line in section.lines]
    label = max((cell_len(_label(line)) for line in lines), default=0) + 4
    value = max(map(len, [COLUMNS["value"], *(line.cells[0] for line in lines)]))
    spread = max((len(spread) + 1 for spread in spreads if spread), default=0)
    others = [
        max(map(len, [COLUMNS[key], *(line.cells[at] for line in lines)])) + 2
        for at, key in enumerate(made.columns[1:], start=1)
    ]
    return [label, value, spread, *others]


def _label(line: Line) -> str:
    return " ".join(filter(None, [line.name, line.of, line.mark]))


def _printed(line: Line, room: Sequence[int], narrow: bool) -> Text:
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    label, spread = f"  {_label(line)}", line.spread.partition("[")[0].strip() if narrow else line.spread
    shown = set_cell_size(label if cell_len(label) <= room[0] else f"{label[: room[0] - 2]}…", room[0])
    text = Text(shown)
    if line.of:
        text.stylize("dim", 2, 2 + len(line.name))
    text.append(f"{line.cells[0]:>{room[1]}}", style="bold")
    rest = f" {spread}".rstrip().ljust(room[2]) + "".join(
        f"{cell:>{wide}}" for cell, wide in zip(line.cells[1:], room[3:], strict=True)
    )
    text.append(rest.rstrip())
    return text


def markdown(rows: Sequence[Score]) -> str:
    """The table in Markdown, its protocols below it as footnotes. No text of a score is read as Markdown or HTML."""
    if not rows:
        return "There are no scores yet.\n"
    made = layout(rows)
    heads = ["probe", "metric", *(COLUMNS[key] for key in made.columns)]
    rule = ["---", "---", *("---:" for _ in made.columns)]
    table = [heads, rule, *(cells for part in made.sections for cells in _cells(part.probe, part.mark, part.lines))]
    text = _drawn(table)
    for group in made.below:
        text += f"\n{_escape(f'{group.probe} {group.said}')}\n\n"
        text += _drawn([heads, rule, *_cells(group.probe, "", group.lines)])
    if any(row.low is not None for row in rows):
        text += f"\n\\[low, high\\]: {INTERVAL}\n"
    return text + "".join(f"\n{mark} {_escape(note)}\n" for mark, note in (*made.warnings, *made.notes))


def _cells(probe: str, mark: str, lines: Sequence[Line]) -> list[list[str]]:
    """The rows of a Markdown table for one probe."""
    found = []
    for at, line in enumerate(lines):
        name = f"{_escape(probe)} {mark}".strip() if at == 0 else ""
        label = _escape(f"{line.name} {line.of} {line.mark}".strip())
        found.append([name, label, f"**{line.cells[0]}** {_escape(line.spread)}".strip(), *line.cells[1:]])
    return found


def _drawn(rows: Sequence[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(cells) + " |\n" for cells in rows)


def _escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|!~$])", r"\\\1", text)
