"""What a study's folder holds, as results: read from the files of its runs, whoever wrote them and wherever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kontrast.logged import last_row, metrics, trained
from kontrast.results import Outcome, Results, column
from kontrast.runs import held, length_of
from kontrast.scores import Score, read_scores, shared_protocol
from kontrast.studies.records import Record, read_record, read_study
from kontrast.studies.study import Cell, Study


def collect(folder: Path | str) -> Results:
    """The results of the study in a folder, as far as they are there. ValueError if it holds none."""
    folder = Path(folder)
    study = read_study(folder)
    outcomes = tuple(outcome(study, cell, folder) for cell in study.cells())
    said: dict[str, list[str]] = {}
    for score in (score for each in outcomes for score in each.scores):
        said.setdefault(column(score), []).append(score.protocol)
    return Results(
        title=study.title or folder.name,
        question=study.question,
        axes=study.axes,
        outcomes=outcomes,
        score=study.score,
        against=study.against,
        baseline=study.compared,
        command=study.command,
        reading=study.reading,
        protocols={name: shared_protocol(each) for name, each in said.items()},
        environment=next(filter(None, (_json(folder / each.path / "environment.json") for each in outcomes)), {}),
    )


def outcome(study: Study, cell: Cell, folder: Path) -> Outcome:
    """What came of one cell so far."""
    run, record = folder / cell.name, read_record(folder, cell.name)
    state, why, scores, rows = state_of(record, run), record.why, tuple[Score, ...](), list[dict[str, Any]]()
    if state == "done":
        rows = metrics(run)
        try:
            scores = (*read_scores(run / "scores.json"), *trained(rows))
        except (OSError, ValueError) as error:
            state, why = "waiting", f"its scores are gone: {error}"
    last = rows[-1] if rows else last_row(run)
    step, length = int(last.get("step", 0)), steps_of(run, last)
    return Outcome(
        study.levels(cell.setting), cell.seed, cell.name, state, scores, why, step, length, record.seconds or None
    )


def state_of(record: Record, run: Path) -> str:
    """The state that a record says, but that a cell at which no process is at work any more waits."""
    known = record.state in ("done", "failed") or (record.state == "running" and held(run.with_suffix(".lock")))
    return record.state if known else "waiting"


def steps_of(run: Path, last: dict[str, Any]) -> int | None:
    """How many steps a run takes in all; None as long as nothing in its folder says so. `last` is its last row."""
    return length_of(_json(run / "experiment.json"), last)


def done(folder: Path, study: Study, cell: Cell) -> bool:
    """Whether a cell has come to an end and was asked all that the study asks."""
    record: Record = read_record(folder, cell.name)
    if record.state != "done" or not record.over(study.ask):
        return False
    try:
        read_scores(folder / cell.name / "scores.json")
    except (OSError, ValueError):
        return False
    return True


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
