"""Scores as a table before it is drawn: its columns, rows, marks and footnotes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kontrast.scores import Score
from kontrast.text import plain

COLUMNS = {
    "value": "trained",
    "ceiling": "ceiling",
    "untrained": "untrained",
    "raw": "raw input",
    "null": "null",
    "chance": "chance",
}
MEANING = {
    "value": "this encoder, frozen",
    "ceiling": "the same network where it was told the truth in training",
    "untrained": "the same network before its first step",
    "raw": "the same probe on the observations themselves",
    "null": "the same probe with the truth permuted",
    "chance": "what guessing gives",
}
INTERVAL = "95 % interval, over resampled test rows unless the note says otherwise"
SYMBOLS = {
    "auroc": "AUROC",
    "rauroc": "R-AUROC",
    "aurc": "AURC",
    "ece": "ECE",
    "nll": "NLL",
    "r2": "R²",
    "mcc": "MCC",
    "nmse": "NMSE",
    "mse": "MSE",
    "knn": "kNN",
    "dci": "DCI",
    "mig": "MIG",
}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
DAGGERS = "†‡§¶"
MOST_ROWS, MOST_GROUP = 30, 6
"""Rows up to which a table is shown whole; beyond them, a metric of more things than these goes below it."""
WHOLE = ("", "mean", "median")


@dataclass(frozen=True)
class Line:
    """One row of the table: what is measured, of what, a cell of text for each column, and how far the first strays."""

    name: str
    of: str
    cells: tuple[str, ...]
    spread: str
    mark: str


@dataclass(frozen=True)
class Section:
    """The rows of one probe. `mark` points at the footnote that all of them share, if they do."""

    probe: str
    mark: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Group:
    """The rows of one metric of many things, as of each class, below the table; `said` is what they come to."""

    probe: str
    name: str
    said: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Layout:
    """A table of scores before it is drawn: the columns that have values, the sections, what is below, the footnotes.

    The marks of `warnings` and of `notes` are those of the rows that they are about.
    """

    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...] = ()
    below: tuple[Group, ...] = ()


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
    """The table of some scores: a section for each probe, in the order given, and rows of one metric together.

    Where there are more than thirty, metrics of more than six things (the accuracy of each class) are below.
    """
    columns = tuple(key for key in COLUMNS if any(getattr(row, key) is not None for row in rows))
    notes = list(dict.fromkeys(note for row in rows if (note := _note(row))))
    marks = {note: str(at).translate(SUPERSCRIPTS) for at, note in enumerate(notes, start=1)} | {"": ""}
    warned = list(dict.fromkeys(plain(row.warning, 400) for row in rows if row.warning))
    daggers = {text: _dagger(at) for at, text in enumerate(warned)} | {"": ""}
    sections, below = [], []
    for probe in dict.fromkeys(row.probe for row in rows):
        mine = [row for row in rows if row.probe == probe]
        order = list(dict.fromkeys(row.name for row in mine))
        mine.sort(key=lambda row: (order.index(row.name), bool(row.of), row.of not in WHOLE))
        shared = {_note(row) for row in mine}
        own = marks[shared.pop()] if len(shared) == 1 else ""
        warning = {plain(row.warning, 400) for row in mine}
        alarm = daggers[warning.pop()] if len(warning) == 1 else ""
        lines = [(row, _line(row, columns, _mark(row, {} if own else marks, {} if alarm else daggers))) for row in mine]
        many = {name for name in order if _things(mine, name) > MOST_GROUP} if len(rows) > MOST_ROWS else set()
        short = tuple(line for row, line in lines if row.name not in many or row.of in WHOLE)
        if short:
            sections.append(Section(plain(probe, 60), own + alarm, short))
        for name in (name for name in order if name in many):
            each = [(row, line) for row, line in lines if row.name == name and row.of not in WHOLE]
            said = _range(name, [row for row, _ in each])
            below.append(Group(plain(probe, 60), symbol(name), said, tuple(line for _, line in each)))
    named = tuple((daggers[text], text) for text in warned)
    return Layout(columns, tuple(sections), tuple((marks[note], note) for note in notes), named, tuple(below))


def _mark(row: Score, marks: Mapping[str, str], daggers: Mapping[str, str]) -> str:
    return marks.get(_note(row), "") + daggers.get(plain(row.warning, 400), "")


def _dagger(at: int) -> str:
    return DAGGERS[at] if at < len(DAGGERS) else f"†{str(at + 1).translate(SUPERSCRIPTS)}"


def _things(rows: Sequence[Score], name: str) -> int:
    return sum(row.name == name and row.of not in WHOLE for row in rows)


def _range(name: str, rows: Sequence[Score]) -> str:
    """What the values of many things come to, in words."""
    known = sorted((row for row in rows if math.isfinite(row.value)), key=lambda row: row.value)
    what = f"{symbol(name)} of {len(rows)}"
    if not known:
        return f"{what}: no number"
    ends = [f"{number(row.value)} ({plain(row.of, 40)})" for row in (known[0], known[-1])]
    return f"{what}: {ends[0]} to {ends[1]}, median {number(known[len(known) // 2].value)}"


def _note(row: Score) -> str:
    several = f"mean ± standard deviation over {row.seeds} seeds" if row.seeds > 1 else ""
    return "; ".join(part for part in (plain(row.protocol, 600), several) if part)


def _line(row: Score, columns: Sequence[str], mark: str) -> Line:
    found = [getattr(row, key) for key in columns]
    scale = max((abs(x) for x in found if x is not None and math.isfinite(x)), default=0.0)
    cells = tuple(number(x, scale) for x in found)
    parts = [] if row.deviation is None else [f"± {number(row.deviation, scale)}"]
    if row.low is not None and row.high is not None:
        parts.append(f"[{_bare(row.low, scale)}, {_bare(row.high, scale)}]")
    return Line(symbol(row.name), plain(row.of, 60), cells, " ".join(parts), mark)


def _bare(value: float, scale: float) -> str:
    """A bound of an interval, without the zero before the point."""
    text = number(value, scale)
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
