"""What to show of several runs: the fields in which they differ and their scores; and all of it as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kontrast import parts
from kontrast.results import column, direction, leading
from kontrast.runs import Listed

USUAL = ("path", "age")
"""What runs are sorted by other than scores."""
FIRST = ("method", "data", "seed", "objective", "encoder", "batch", "epochs", "steps", "space", "head", "pairing")
"""Fields that are shown before others, if runs differ in them."""


def ordered(found: Sequence[Listed], by: str) -> list[Listed]:
    """Runs by path, by age, the youngest first, or by a score, the best first and those without it last."""
    if by == "age":
        return sorted(found, key=lambda run: -run.time)
    if by == "path":
        return list(found)
    name = score_named(found, by)
    way = direction(name) or 1

    def key(run: Listed) -> tuple[bool, float]:
        value = scores_of(run).get(name)
        return (True, 0.0) if value is None or not math.isfinite(value) else (False, -way * value)

    return sorted(found, key=key)


def scores_of(run: Listed) -> dict[str, float]:
    """The scores of a run by their columns."""
    return {column(score): score.value for score in run.scores}


def score_names(found: Sequence[Listed]) -> list[str]:
    """The columns of all scores: first those that most runs have."""
    counted: dict[str, int] = {}
    for run in found:
        for name in scores_of(run):
            counted[name] = counted.get(name, 0) + 1
    return sorted(counted, key=lambda name: -counted[name])


def score_named(found: Sequence[Listed], name: str) -> str:
    """The column of a name: whole, its beginning, or its metric. ValueError, with the nearest, for none of them."""
    names, wanted = score_names(found), name.lower()
    if not names:
        raise ValueError(f"none of these runs has scores, so there is no {name!r}; write kontrast probe RUN")
    tests: tuple[Callable[[str], bool], ...] = (
        lambda each: each == wanted,
        lambda each: each.startswith(wanted),
        lambda each: each.partition(": ")[2].startswith(wanted),
    )
    for test in tests:
        if near := [each for each in names if test(each.lower())]:
            return near[0]
    metrics = [each.partition(": ")[2] for each in names]
    return parts.choose(name, dict.fromkeys([*names, *metrics, *USUAL]), "score")


def differing(found: Sequence[Listed]) -> list[str]:
    """The fields in which runs differ: first those that matter most, then those of the experiment, then of its parts.

    A field that only some runs have, because the part it belongs to is another in the rest, counts where it differs
    among those that have it.
    """
    values: dict[str, set[str]] = {}
    for run in found:
        for name, value in run.experiment.items():
            values.setdefault(name, set()).add(json.dumps(value, default=str))
    names = [name for name, each in values.items() if len(each) > 1]
    rank = {name: at for at, name in enumerate(FIRST)}
    return sorted(names, key=lambda name: (rank.get(name, len(FIRST)), name.count(".")))


def chosen(found: Sequence[Listed], columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The fields and the scores to show: those named, or those that differ and the first metric of each probe.

    ValueError, with the nearest, for a name of none.
    """
    if not columns:
        return differing(found), list(leading(score_names(found)))
    known = list(dict.fromkeys(name for run in found for name in run.experiment))
    fields, scores = list[str](), list[str]()
    for name in columns:
        if own := [each for each in known if name in (each, each.rpartition(".")[2])]:
            fields += [name] if name in own else own
            continue
        try:
            scores.append(score_named(found, name))
        except ValueError:
            parts.choose(name, [*score_names(found), *known], "field or score")
            raise
    return fields, scores


def as_csv(found: Sequence[Listed], columns: Sequence[str] = ()) -> str:
    """Runs as CSV, in full precision: one row each, with the fields in which they differ and all scores."""
    fields, scores = _whole(found, columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "state", "step", "length", "time", *fields, *scores, "fault"])
    for run in found:
        values, own = scores_of(run), [run.experiment.get(name, "") for name in fields]
        length = "" if run.length is None else run.length
        cells = [str(run.path), run.state, run.step, length, run.time, *map(_cell, own)]
        writer.writerow([*cells, *(values.get(name, "") for name in scores), run.fault])
    return text.getvalue()


def as_json(found: Sequence[Listed], columns: Sequence[str] = ()) -> str:
    """Runs as JSON: a list with one object for each. A number that is not finite becomes null."""
    fields, scores = _whole(found, columns)

    def one(run: Listed) -> Mapping[str, Any]:
        values = scores_of(run)
        return {
            "path": str(run.path),
            "state": run.state,
            "fault": run.fault,
            "step": run.step,
            "length": run.length,
            "time": run.time,
            "experiment": {name: _plain(v) for name, v in run.experiment.items() if not columns or name in fields},
            "scores": {name: _plain(values[name]) for name in scores if name in values},
        }

    return json.dumps([one(run) for run in found], indent=1, default=str, allow_nan=False) + "\n"


def _whole(found: Sequence[Listed], columns: Sequence[str]) -> tuple[list[str], list[str]]:
    fields, scores = chosen(found, columns)
    return fields, scores if columns else score_names(found)


def _cell(value: object) -> object:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
