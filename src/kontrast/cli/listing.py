"""`kontrast runs`: all runs below folders, side by side."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace

from kontrast import parts
from kontrast.cli.answering import words_of
from kontrast.cli.listed import USUAL, as_csv, as_json, chosen, ordered, score_named, scores_of
from kontrast.logged import metrics, trained
from kontrast.results import Cell, Column, Table, direction, markdown, print_table
from kontrast.results.numbers import BLANK, digits, shown
from kontrast.runs import STATES, Listed, below
from kontrast.words import split_words

FORMATS = ("text", "csv", "json", "markdown")
OPTIONS = ("sort", "columns", "format", "only")
LOGGED = ("training", "online")
"""How scores begin that training logged, for which the whole log of a run is read."""
FEW = 6
"""Fields and scores that a table shows unless they are asked for; it says how many more there are."""
MOST_NAMES, MOST_FAULTS = 6, 20


def runs_command(words: list[str]) -> None:
    """Print all runs below folders, by default those below runs."""
    named, given = split_words(words)
    for name in given:
        parts.choose(name, OPTIONS, "option of kontrast runs")
    form = parts.choose(given.get("format", "text"), FORMATS, "format")
    only = [parts.choose(word, STATES, "state of a run") for word in words_of(given.get("only", ""))]
    found = [run for run in below(*(named or ["runs"])) if not only or run.state in only]
    by, columns = given.get("sort", "path"), words_of(given.get("columns", ""))
    if any(name.lower().startswith(LOGGED) for name in (by, *columns)):
        found = [replace(run, scores=(*run.scores, *trained(metrics(run.path)))) for run in found]
    found = ordered(found, by)
    by = "" if by in USUAL else score_named(found, by)
    if form in ("csv", "json"):
        print((as_csv if form == "csv" else as_json)(found, columns), end="")
    elif form == "markdown":
        print(markdown(as_table(found, columns, by)), end="")
    else:
        print_table(as_table(found, columns, by))


def as_table(found: Sequence[Listed], columns: Sequence[str] = (), by: str = "") -> Table:
    """Runs as a table: path, state, the fields in which they differ, steps, age and scores, with faults below.

    A score that they are sorted `by` is the first of the scores, and the last column to go where there is little room.
    """
    if not found:
        return Table("", (Column("run", words=True),), (), ("There is no run here.",))
    fields, scores = chosen(found, columns)
    scores = [*dict.fromkeys([by, *scores] if by else scores)]
    few = len(fields) + len(scores) if columns else FEW
    top, paths = _paths(found)
    made: list[tuple[Column, list[Cell]]] = [
        (Column("run", words=True), [Cell(path) for path in paths]),
        (Column("state", words=True), [Cell(run.state) for run in found]),
    ]
    ends = [name.rpartition(".")[2] for name in fields]
    for at, (name, end) in enumerate(list(zip(fields, ends, strict=True))[:few]):
        cells = [Cell(said(run.experiment.get(name))) for run in found]
        rank = 1 if columns or name in ("method", "data") else 4 + 2 * at
        made.append((Column(end if ends.count(end) == 1 else name, words=True, rank=rank), cells))
    made.append((Column("step", rank=3), [Cell(_steps(run)) for run in found]))
    made.append((Column("age", rank=11), [Cell(age(run.time)) for run in found]))
    for at, name in enumerate(scores[:few]):
        rank = 0 if name == by else 1 if columns else 2 if at == 0 else 5 + 2 * at
        made.append((Column(name, rank=rank), _values(found, name)))
    rows = tuple(zip(*(cells for _, cells in made), strict=True))
    notes = [*_counts(found, top), *_left([*fields[few:], *scores[few:]]), *_faults(found, top)]
    return Table("", tuple(head for head, _ in made), rows, tuple(notes))


def _paths(found: Sequence[Listed]) -> tuple[str, list[str]]:
    """The folder that all runs are below, and their paths below it."""
    paths = [str(run.path) for run in found]
    if len(paths) < 2 or len({os.path.isabs(path) for path in paths}) > 1:
        return "", paths
    top = os.path.commonpath([os.path.dirname(path) for path in paths]) if all(map(os.path.dirname, paths)) else ""
    return top, [os.path.relpath(path, top) if top else path for path in paths]


def _values(found: Sequence[Listed], name: str) -> list[Cell]:
    """The scores of runs in one column, the best strong."""
    values, way = [scores_of(run).get(name) for run in found], direction(name)
    form = digits(values)
    known = [value * way for value in values if value is not None and math.isfinite(value)]
    best = max(known) if way and len(known) > 1 else None
    return [
        Cell(shown(value, form), best is not None and value is not None and value * way == best) for value in values
    ]


def _steps(run: Listed) -> str:
    if run.length is None:
        return f"{run.step:,} of ?" if run.experiment else BLANK
    return f"{run.step:,}" if run.step == run.length else f"{run.step:,} of {run.length:,}"


def age(then: float, now: float | None = None) -> str:
    """How long ago something was, in its largest unit: "3 h"."""
    if then <= 0:
        return BLANK
    seconds = max(0.0, (time.time() if now is None else now) - then)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def said(value: object) -> str:
    """A value of a field as one would write it; a dash for none."""
    if isinstance(value, list):
        return ",".join(map(said, value))
    return BLANK if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _counts(found: Sequence[Listed], top: str) -> list[str]:
    """How many runs there are in which state, and what all of them share."""
    counted = {state: sum(run.state == state for run in found) for state in STATES}
    each = ", ".join(f"{count} {state}" for state, count in counted.items() if count)
    notes = [f"{len(found)} run{'s' if len(found) > 1 else ''}{f' below {top}' if top else ''}: {each}."]
    whole = [run.experiment for run in found if run.experiment]
    same = {name: value for name, value in (whole[0] if whole else {}).items() if "." not in name and value is not None}
    told = [f"{name}={said(v)}" for name, v in same.items() if all(one.get(name) == v for one in whole)]
    return [*notes, f"{'All have' if len(whole) > 1 else 'It has'} {', '.join(told)}."] if told else notes


def _left(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return [f"Not shown: {', '.join(names[:MOST_NAMES])}{more}; columns=NAME,... chooses fields and scores."]


def _faults(found: Sequence[Listed], top: str) -> list[str]:
    faulty = [run for run in found if run.fault]
    notes = [f"{os.path.relpath(run.path, top) if top else run.path}: {run.fault}" for run in faulty[:MOST_FAULTS]]
    more = len(faulty) - MOST_FAULTS
    return [*notes, f"And {more} more with a fault; format=json has them all."] if more > 0 else notes
