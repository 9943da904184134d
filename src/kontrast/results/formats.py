"""Tables drawn for a terminal, for Markdown and for LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kontrast.results.letters import tex, unknown
from kontrast.results.tables import Cell, Column, Table
from kontrast.text import plain

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 24
"""Letters of a line of a heading in the terminal."""
NARROWEST = 12
SHARE = 32
"""Columns of the terminal for which a name makes others go; beyond them it is cut instead."""
MOST_GONE = 8
GAP = 2


def narrowed(table: Table, width: int) -> Table:
    """A table as wide as a terminal: columns of low rank first have room, then names lose their middle.

    A note says which columns had no room.
    """
    kept = _fitting(table, width)
    heads = [table.heads[at] for at in kept]
    rows = [[row[at] for at in kept] for row in table.rows]
    while (excess := _width(heads, rows) - width) > 0:
        size, at = max(((_column(heads, rows, at), at) for at, head in enumerate(heads) if head.words), default=(0, 0))
        if size <= NARROWEST:
            break
        most = max(NARROWEST, size - min(excess, max(1, size // 8)))
        heads[at] = replace(heads[at], head=cut(heads[at].head, most))
        for row in rows:
            row[at] = replace(row[at], text=cut(row[at].text, most))
    gone = [head.head for at, head in enumerate(table.heads) if at not in kept]
    more = f" and {len(gone) - MOST_GONE} more" if len(gone) > MOST_GONE else ""
    named = ", ".join(gone[:MOST_GONE]) + more
    said = (f"No room for {named}: a wider terminal, columns=NAME,... or format=csv shows them.",) if gone else ()
    return Table(table.title, tuple(heads), tuple(map(tuple, rows)), (*table.notes, *said))


def _fitting(table: Table, width: int) -> list[int]:
    """The columns that fit: those of rank 0 anyway, of others those of the least rank first.

    Names that can be cut take no more than their share.
    """
    wide = [_column(table.heads, table.rows, at) + GAP for at in range(len(table.heads))]
    wide = [min(size, SHARE) if head.words else size for size, head in zip(wide, table.heads, strict=True)]
    kept = [at for at, head in enumerate(table.heads) if head.rank == 0]
    for at in sorted(range(len(wide)), key=lambda at: (table.heads[at].rank, at)):
        if at not in kept and sum(wide[each] for each in kept) + wide[at] - GAP <= width:
            kept.append(at)
    return sorted(kept)


def _column(heads: Sequence[Column], rows: Sequence[Sequence[Cell]], at: int) -> int:
    from rich.cells import cell_len

    return max(cell_len(plain(text)) for text in (*stacked(heads[at].head), *(row[at].text for row in rows)))


def _width(heads: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    return sum(_column(heads, rows, at) + GAP for at in range(len(heads))) - GAP


def stacked(head: str) -> tuple[str, str]:
    """A heading in two lines: above the probe, if it names one, and below the metric."""
    probe, colon, metric = plain(head).partition(": ")
    return (cut(probe, WIDEST), cut(metric, WIDEST)) if colon else ("", cut(probe, WIDEST))


def cut(text: str, width: int) -> str:
    """A text in so many columns of a terminal, without its middle if it is longer."""
    from rich.cells import cell_len, chop_cells

    line = plain(text)
    if cell_len(line) <= width:
        return line
    tail = chop_cells(line[::-1], (width - 1) // 2)[0][::-1]
    return f"{chop_cells(line, width - 1 - cell_len(tail))[0]}…{tail}"


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table to the terminal, as wide as that is. No text of it is read as markup."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    drawn = narrowed(table, console.width)
    wide = [_column(drawn.heads, drawn.rows, at) for at in range(len(drawn.heads))]

    def line(cells: Sequence[tuple[str, str]]) -> Text:
        text = Text()
        for at, (words, style) in enumerate(cells):
            words = plain(words)
            pad = " " * (wide[at] - cell_len(words))
            text.append(" " * GAP if at else "")
            text.append(words + pad if drawn.heads[at].words else pad + words, style=style)
        text.rstrip()
        return text

    if table.title:
        console.print(Text(plain(table.title, 200), style="bold"), soft_wrap=True)
        console.print()
    over, under = zip(*(stacked(head.head) for head in drawn.heads), strict=True)
    for heads in (over, under):
        if any(heads):
            console.print(line([(words, "bold") for words in heads]), soft_wrap=True)
    console.print(Text("─" * min(console.width, sum(wide) + GAP * (len(wide) - 1)), style="dim"), soft_wrap=True)
    for row in drawn.rows:
        console.print(line([(cell.text, "bold" if cell.strong else "") for cell in row]), soft_wrap=True)
    if drawn.notes:
        console.print()
    for note in drawn.notes:
        console.print(Text(plain(note, 1000), style="dim"))


def markdown(table: Table) -> str:
    """The table in Markdown, its notes as a list below. No text of it is read as Markdown or HTML."""
    heads = [_marked(head.head) for head in table.heads]
    rule = ["---" if head.words else "---:" for head in table.heads]
    rows = [[f"**{_marked(cell.text)}**" if cell.strong else _marked(cell.text) for cell in row] for row in table.rows]
    title = f"**{_marked(table.title)}**\n\n" if table.title else ""
    lines = "".join(f"| {' | '.join(cells)} |\n" for cells in [heads, rule, *rows])
    notes = "".join(f"- {_marked(note)}\n" for note in table.notes)
    return title + lines + (f"\n{notes}" if notes else "")


def _marked(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = plain(text, 1000).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]#|!~$])", r"\\\1", text)
    text = re.sub(r"(?i)\b(https?|ftp)://", r"\1&#58;//", text).replace("@", "&#64;")
    return re.sub(r"(?i)\bwww\.", "www&#46;", text)


NUMBER = re.compile(r"(?<![\w.])[-+]\.?\d[\d.]*(e[-+]?\d+)?(?![\w.])")


def _tex_number(text: str) -> str:
    """A cell of numbers, whose signs are set as mathematics."""
    found, end = "", 0
    for match in NUMBER.finditer(text):
        found += f"{tex(text[end : match.start()])}${match[0]}$"
        end = match.end()
    return found + tex(text[end:])


def latex(table: Table) -> str:
    r"""The table for LaTeX, in the rules of booktabs, its notes below as a list in small print.

    It needs \usepackage{booktabs,textcomp}, and \usepackage[T1]{fontenc} for the quotation mark. Greek letters and
    signs of mathematics are commands; letters that pdflatex does not know are named in a comment at the top.
    """
    columns = "".join("l" if head.words else "r" for head in table.heads)
    heads = " & ".join(tex(head.head) for head in table.heads)

    def cell(head: Column, one: Cell) -> str:
        text = tex(one.text) if head.words else _tex_number(one.text)
        return rf"\textbf{{{text}}}" if one.strong else text

    rows = [" & ".join(map(cell, table.heads, row)) + r" \\" for row in table.rows]
    title, notes = tex(table.title), [*map(tex, table.notes)]
    foreign = unknown((title, heads, *rows, *notes))
    lines = [
        *([f"% pdflatex has no {foreign}: use lualatex or xelatex, with a font that has them"] if foreign else []),
        r"% \usepackage{booktabs,textcomp} \usepackage[T1]{fontenc}",
        r"\begin{table}",
        r"\centering",
        *([rf"\caption{{{title}}}"] if title else []),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        rf"{heads} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip\footnotesize {note}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
