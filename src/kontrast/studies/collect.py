"""What a study's folder holds, as results: read from the files of its runs, whoever wrote them and wherever."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

from filelock import FileLock, Timeout

from kontrast.results import Outcome, Results, column
from kontrast.scores import Score, read_scores
from kontrast.studies.records import Record, read_record, read_study
from kontrast.studies.study import Cell, Study

LATE = 0.05
"""The loss of a run is the mean over this last share of its steps."""


def collect(folder: Path | str) -> Results:
    """The results of the study in a folder, as far as they are there. ValueError if it holds none."""
    folder = Path(folder)
    study = read_study(folder)
    outcomes = tuple(outcome(study, cell, folder) for cell in study.cells())
    protocols = {column(score): score.protocol for each in outcomes for score in each.scores}
    return Results(
        title=study.title or folder.name,
        question=study.question,
        axes=study.axes,
        outcomes=outcomes,
        score=study.score,
        baseline=study.compared,
        command=study.command,
        reading=study.reading,
        protocols=protocols,
        environment=next(filter(None, (_json(folder / each.path / "environment.json") for each in outcomes)), {}),
    )


def outcome(study: Study, cell: Cell, folder: Path) -> Outcome:
    """What came of one cell so far."""
    run, record = folder / cell.name, read_record(folder, cell.name)
    state, why, scores = record.state, record.why, tuple[Score, ...]()
    if state == "running" and not _held(run.with_suffix(".lock")):
        state = "waiting"
    rows = metrics(run) if state != "waiting" or run.exists() else []
    if state == "done":
        try:
            scores = (*read_scores(run / "scores.json"), *_trained(rows))
        except (OSError, ValueError) as error:
            state, why = "waiting", f"its scores are gone: {error}"
    step = int(rows[-1].get("step", 0)) if rows else 0
    return Outcome(
        study.levels(cell.setting), cell.seed, cell.name, state, scores, why, step, None, record.seconds or None
    )


def done(folder: Path, study: Study, cell: Cell) -> bool:
    """Whether a cell has come to an end and was asked all that the study asks."""
    record: Record = read_record(folder, cell.name)
    return record.state == "done" and record.ask == study.ask and (folder / cell.name / "scores.json").is_file()


def metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl that can be read."""
    found = []
    try:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            found.append(row)
    return found


def _trained(rows: list[dict[str, Any]]) -> list[Score]:
    """What training itself measured: the loss, and the online probe on held-out rows, at the last step."""
    if not rows:
        return []
    last = rows[-1]
    late = [
        row["loss"] for row in rows if row["step"] > (1 - LATE) * last["step"] and isinstance(row.get("loss"), float)
    ]
    step = int(last["step"])
    found = [
        Score(
            "Online",
            name.partition("/")[2],
            value,
            protocol="the probe that learned along, on held-out rows",
            step=step,
        )
        for name, value in last.items()
        if name.startswith("online/") and isinstance(value, float)
    ]
    said = "the loss in training, mean over the last twentieth of the steps"
    return [*found, *([Score("Training", "loss", mean(late), protocol=said, step=step)] if late else [])]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _held(lock: Path) -> bool:
    """Whether a process is at work under a lock."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
