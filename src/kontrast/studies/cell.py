"""One cell of a study: its experiment trained, its run asked, and how that went written down."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from rich.console import Console

from kontrast.keeping import keep_scores
from kontrast.questions import answered
from kontrast.studies.records import Record, read_record, read_study, record_path
from kontrast.studies.study import Cell, Study
from kontrast.text import plain
from kontrast.training import train

WAIT = 60.0
"""Seconds that a cell waits for a process which still holds it, as one of a sweep that was killed saves and leaves."""


class Task(NamedTuple):
    """A cell to perform: the study's folder, the cell's name, and where it runs."""

    folder: Path
    name: str
    threads: int | None = None
    device: str | None = None
    compile: bool = False


def find(study: Study, name: str) -> Cell:
    """The cell of that name; ValueError if the study has none."""
    found = next((cell for cell in study.cells() if cell.name == name), None)
    if found is None:
        raise ValueError(f"the study has no cell {name}")
    return found


def perform(task: Task) -> Record:
    """Train the cell's experiment, or go on with it, ask its run what the study asks, and keep the record.

    Whatever goes wrong is the record's; a signal that asks to leave is raised as by `train`, and the cell then waits.
    """
    study = read_study(task.folder)
    cell, path = find(study, task.name), record_path(task.folder, task.name)
    run, before, started = task.folder / task.name, read_record(task.folder, task.name), time.perf_counter()
    run.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.with_suffix(".lock"), timeout=WAIT):
            Record("running", seconds=before.seconds).write(path)
            state, why = _outcome(study, cell, task)
            spent = before.seconds + time.perf_counter() - started
            record = Record(state, why, study.ask, spent)
            record.write(path)
            return record
    except Timeout:
        return Record("running", f"another process has been at work in {run} for {WAIT:g} seconds")


def _outcome(study: Study, cell: Cell, task: Task) -> tuple[str, str]:
    try:
        _done(study, cell, task)
    except Exception as error:
        if hasattr(error, "status"):  # a signal asked to leave: nothing failed
            Record("waiting", seconds=read_record(task.folder, task.name).seconds).write(
                record_path(task.folder, task.name)
            )
            raise
        traceback.print_exc()
        known = isinstance(error, ArithmeticError | ValueError | MemoryError | RuntimeError | OSError | ImportError)
        said = (str(error) or repr(error)).splitlines()[0]
        return "failed", plain(said if known else f"{type(error).__name__}: {said}", 500)
    return "done", ""


def _done(study: Study, cell: Cell, task: Task) -> None:
    experiment, folder, console = study.experiment(cell), task.folder / cell.name, Console(stderr=True)
    run = train(
        experiment,
        folder,
        resume=(folder / "experiment.json").exists(),
        threads=task.threads,
        device=task.device,
        compile=task.compile,
        console=console,
    )
    questions, where = study.asked(experiment)
    found = answered(run, questions, where, lenient=False, console=console)
    keep_scores(run.path, found.scores, found.panels)


def alone(task: Task) -> None:
    """`perform` in a process of its own: what it prints goes to the log beside its run; it leaves with its parent."""
    log = (task.folder / task.name).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()
    try:
        perform(task)
    except Exception as error:
        raise SystemExit(getattr(error, "status", 1)) from None


def _leave_with(sentinel: int) -> None:
    """Ask this process to save and leave once its parent is gone."""
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
