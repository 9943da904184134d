"""Scores as a table: one layout, shown in the terminal, in Markdown and on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kontrast.scores import Score
from kontrast.text import plain

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = {"value": "trained", "untrained": "untrained", "raw": "raw input", "null": "null", "chance": "chance"}
MEANING = {
    "value": "this encoder, frozen",
    "untrained": "the same network before its first step",
    "raw": "the same probe on the observations themselves",
    "null": "the same probe with the truth permuted",
    "chance": "what guessing gives",
}
SYMBOLS = {"r2": "R²", "mcc": "MCC", "nmse": "NMSE", "mse": "MSE", "knn": "kNN", "dci": "DCI", "mig": "MIG"}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Line:
    """One row of the table: what is measured, of what, a cell of text for each column, and how far the first strays."""

    name: str
    of: str
    cells: tuple[str, ...]
    deviation: str
    mark: str


@dataclass(frozen=True)
class Section:
    """The rows of one probe. `mark` points at the footnote that all of them share, if they do."""

    probe: str
    mark: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Layout:
    """A table of scores before it is drawn: the columns that have values, the sections, and the footnotes."""

    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[tuple[str, str], ...]


def symbol(name: str) -> str:
    """A metric's name as it is printed: "R²" for "r2"."""
    return SYMBOLS.get(name, plain(name, 60).replace("_", " "))


def number(value: float | None, scale: float | None = None) -> str:
    """A number with three digits after the point, fewer where it is large, and a power of ten where it is tiny.

    `scale` is the magnitude that decides; a row's cells share one, so that they can be compared.
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    size = abs(value) if scale is None else scale
    if size >= 1e5 or 0 < size < 5e-4:
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    digits = 3 if size < 10 else 2 if size < 100 else 1
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def layout(rows: Sequence[Score]) -> Layout:
    """The table of some scores: a section for each probe, in the order given, and rows of one metric together."""
    columns = tuple(key for key in COLUMNS if any(getattr(row, key) is not None for row in rows))
    notes = list(dict.fromkeys(note for row in rows if (note := _note(row))))
    marks = {note: str(at).translate(SUPERSCRIPTS) for at, note in enumerate(notes, start=1)} | {"": ""}
    sections = []
    for probe in dict.fromkeys(row.probe for row in rows):
        mine = [row for row in rows if row.probe == probe]
        order = list(dict.fromkeys(row.name for row in mine))
        mine.sort(key=lambda row: (order.index(row.name), bool(row.of), row.of not in ("mean", "median")))
        shared = {_note(row) for row in mine}
        own = marks[shared.pop()] if len(shared) == 1 else ""
        lines = [_line(row, columns, "" if own else marks[_note(row)]) for row in mine]
        sections.append(Section(plain(probe, 60), own, tuple(lines)))
    return Layout(columns, tuple(sections), tuple((marks[note], note) for note in notes))


def _note(row: Score) -> str:
    several = f"mean ± standard deviation over {row.seeds} seeds" if row.seeds > 1 else ""
    return "; ".join(part for part in (plain(row.protocol, 600), several) if part)


def _line(row: Score, columns: Sequence[str], mark: str) -> Line:
    found = [getattr(row, key) for key in columns]
    scale = max((abs(x) for x in found if x is not None and math.isfinite(x)), default=0.0)
    cells = tuple(number(x, scale) for x in found)
    deviation = "" if row.deviation is None else f"± {number(row.deviation, scale)}"
    return Line(symbol(row.name), plain(row.of, 60), cells, deviation, mark)


def print_scores(rows: Sequence[Score], console: Console | None = None) -> None:
    """Print the table to the terminal, its protocols below it as footnotes. No text of a score is read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if not rows:
        console.print(Text("There are no scores yet."))
        return
    table, made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0)), layout(rows)
    lines = [line for section in made.sections for line in section.lines]
    value = max(len(COLUMNS["value"]), *(len(line.cells[0]) for line in lines))
    table.add_column("")
    table.add_column(f"{COLUMNS['value']:>{value}}", no_wrap=True, style="bold")
    for key in made.columns[1:]:
        table.add_column(COLUMNS[key], justify="right", no_wrap=True)
    for section in made.sections:
        table.add_row(Text(f"{section.probe} {section.mark}", style="bold"))
        for line in section.lines:
            label = Text.assemble("  ", (line.name, "dim" if line.of else ""), " ", line.of, " ", line.mark)
            first = f"{line.cells[0]:>{value}} {line.deviation}".rstrip()
            table.add_row(label, Text(first), *(Text(cell) for cell in line.cells[1:]))
    console.print(table)
    for mark, note in made.notes:
        console.print(Text(f"{mark} {note}", style="dim"))


def markdown(rows: Sequence[Score]) -> str:
    """The table in Markdown, its protocols below it as footnotes. No text of a score is read as Markdown or HTML."""
    if not rows:
        return "There are no scores yet.\n"
    made = layout(rows)
    heads = ["probe", "metric", *(COLUMNS[key] for key in made.columns)]
    lines = [heads, ["---", "---", *("---:" for _ in made.columns)]]
    for section in made.sections:
        for at, line in enumerate(section.lines):
            probe = f"{_escape(section.probe)} {section.mark}".strip() if at == 0 else ""
            label = _escape(f"{line.name} {line.of} {line.mark}".strip())
            lines.append([probe, label, f"**{line.cells[0]}** {line.deviation}".strip(), *line.cells[1:]])
    table = "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
    notes = "".join(f"\n{mark} {_escape(note)}\n" for mark, note in made.notes)
    return table + notes


def _escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|!~$])", r"\\\1", text)
