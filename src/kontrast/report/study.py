"""The page of a study: its question, the answer, the table and the figures, in one file without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kontrast.files import write_whole
from kontrast.report.document import address, check_folder, inlined, linked, render, write_figures
from kontrast.report.figures import style
from kontrast.report.record import flat
from kontrast.report.seeds import say, setting_name
from kontrast.report.studied import figures
from kontrast.report.verdict import besides, conclude
from kontrast.results import Levels, Outcome, Results
from kontrast.results.effects import effects
from kontrast.results.tables import Cell, Column, table
from kontrast.text import plain

MOST_ROWS, MOST_FAILED, MOST_PROTOCOLS = 400, 50, 60
LONG = 2000
"""Letters of a text of the study's own."""
STATES = "cells"
"""The column of a table that the links to runs stand for here."""
ELSEWHERE = ("Again: ", "Machine: ", "Failed: ")
"""How notes of a table begin that the page says in a place of its own."""


def write_study(results: Results, folder: Path | str) -> Path:
    """Write report.html into a study's folder, and its figures as SVG and PNG into `figures`; the path of the page.

    Runs are linked where their folders are there: to the page of each, or the folder of one that has none. The same
    results and folders give the same bytes. The page runs nothing and loads nothing: its policy forbids both.
    """
    folder, found = Path(folder), results.settled()
    check_folder(folder)
    with style():
        drawings = figures(found)
    write_figures(folder, drawings)
    page = folder / "report.html"
    text = render(
        "study.html.jinja",
        figures=[inlined(drawn) for drawn in drawings],
        **_shown(found, [*besides(results), *_warned(found)], folder),
    )
    write_whole(page, text.encode())
    return page


def _shown(results: Results, beside: list[str], folder: Path) -> dict[str, Any]:
    title = plain(results.title, 120) or "A study"
    counted, score = results.counted(), results.chosen() if results.columns else ""
    unfinished = len(results.outcomes) > counted["done"]
    failed = [_cell(results, each, folder) for each in results.failures()]
    return {
        "title": title,
        "question": plain(results.question, 300) or title,
        "answer": conclude(results),
        "besides": beside,
        "command": "\n".join(plain(line, 4000) for line in results.command.splitlines()),
        "progress": [(state, count) for state, count in counted.items() if count] if unfinished else [],
        "progress_title": "Progress" if counted["running"] or counted["waiting"] else "Cells that failed",
        "total": len(results.outcomes),
        "failed": failed[:MOST_FAILED],
        "unfailed": len(failed[MOST_FAILED:]),
        "reading": [plain(each, LONG) for each in results.reading.split("\n\n") if each.strip()],
        "references": [linked(each) for each in results.references],
        "protocols": _protocols(results),
        "environment": {plain(key, 60): plain(value, 400) for key, value in flat(results.environment).items()},
        "score": say(score) if score else "",
        "effects": _effects(results),
        **_table(results, folder),
    }


def _warned(results: Results) -> list[str]:
    """That scores which the answer is made of have warnings, where some do; what these are is below the table."""
    if not results.columns:
        return []
    scored = [len(results.of(levels)) for levels in results.settings]
    count = sum(map(len, results.warned().values()))
    said = f"{count} of {sum(scored)} runs warn{'s' if count == 1 else ''} of this score (†): why is below the table."
    return [said] if count else []


def _cell(results: Results, outcome: Outcome, folder: Path) -> dict[str, Any]:
    return {
        "name": setting_name(results, outcome.levels, 120),
        "seed": outcome.seed,
        "why": plain(outcome.why, 600) or "no reason is known",
        "state": plain(outcome.state, 20),
        "address": address(folder, outcome.path),
    }


def _table(results: Results, folder: Path) -> dict[str, Any]:
    """The table with its runs. What the page says elsewhere is no note."""
    made = table(results)
    cells: dict[Levels, list[dict[str, Any]]] = {}
    for outcome in sorted(results.outcomes, key=lambda each: each.seed):
        cells.setdefault(outcome.levels, []).append(_cell(results, outcome, folder))
    rows: list[dict[str, Any]] = [
        {
            "cells": [_said(cell, head) for cell, head in zip(row, made.heads, strict=True) if head.head != STATES],
            "runs": cells[levels],
            "baseline": levels == results.baseline,
        }
        for levels, row in zip(results.settings, made.rows, strict=True)
    ]
    own = plain(results.question, 600)
    notes = [plain(note, 900) for note in made.notes if note != own and not note.startswith(ELSEWHERE)]
    if len(rows) > MOST_ROWS:
        notes.insert(0, f"The first {MOST_ROWS} of {len(rows)} settings; table.csv has them all.")
    heads = [{"head": _head(head.head), "words": head.words} for head in made.heads if head.head != STATES]
    return {
        "heads": heads,
        "rows": rows[:MOST_ROWS],
        "notes": notes,
        "runs": any(run["address"] or run["state"] != "done" for row in rows for run in row["runs"]),
    }


def _effects(results: Results) -> dict[str, Any] | None:
    """The table of what each axis does alone, where several vary."""
    made = effects(results)
    if made is None:
        return None
    rows = [[_said(cell, head) for cell, head in zip(row, made.heads, strict=True)] for row in made.rows]
    heads = [{"head": _head(head.head), "words": head.words} for head in made.heads]
    return {"title": made.title, "heads": heads, "rows": rows[:MOST_ROWS], "notes": made.notes}


def _said(cell: Cell, head: Column) -> dict[str, Any]:
    text = plain(cell.text, 120)
    return {"text": text if head.words else text.replace("-", "−"), "strong": cell.strong}


def _head(text: str) -> str:
    """A heading; that of a score as it is printed."""
    return say(text) if ": " in text else plain(text, 60)


def _protocols(results: Results) -> list[tuple[str, str]]:
    """Protocols with the columns that share them."""
    shared: dict[str, list[str]] = {}
    for name, text in results.protocols.items():
        if text:
            shared.setdefault(plain(text, LONG), []).append(say(name))
    found = []
    for text, names in list(shared.items())[:MOST_PROTOCOLS]:
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        found.append((", ".join(names[:6]) + more, text))
    return found
