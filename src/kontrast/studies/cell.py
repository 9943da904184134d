"""One cell of a study: its experiment trained, its run asked, and how that went written down."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from rich.console import Console

from kontrast.gathering import gather
from kontrast.keeping import keep_scores
from kontrast.panels import read_panels
from kontrast.questions import answered
from kontrast.report import write_page
from kontrast.run import Run
from kontrast.scores import read_scores
from kontrast.studies.collect import done
from kontrast.studies.records import Record, read_record, read_study, record_path
from kontrast.studies.study import Cell, Study
from kontrast.text import plain
from kontrast.training import train

WAIT = 300.0
"""Seconds that a cell waits for a process which still holds it, as one of a sweep that was killed saves and leaves."""
FULL = 74
"""The exit status of a process that found the disk full."""
UNGUARDED = 70
"""That of one that read a script which sweeps as soon as it is read."""
GUARD = 'a script sweeps below if __name__ == "__main__":, for each process of a sweep reads the script too'
KNOWN = (ArithmeticError, ValueError, MemoryError, RuntimeError, OSError, ImportError)
"""Errors whose message says it all; others are named by their class too."""

After = Callable[[Run], object]


class Task(NamedTuple):
    """A cell to perform: the study's folder, the cell's name, and where it runs.

    `cells` counts those of the study, `ask` is what it asks, and `gpu` what CUDA_VISIBLE_DEVICES says in a process of
    its own. Once the scores of its run are kept, with `pages` the run's page is written, and `after`, a function of a
    module, is called with the run; if either fails that is said, and no more.
    """

    folder: Path
    name: str
    cells: int = 1
    threads: int | None = None
    device: str | None = None
    compile: bool = False
    gpu: str | None = None
    after: After | None = None
    pages: bool = False
    ask: tuple[str, ...] = ()


class Busy(RuntimeError):
    """Another process holds a cell."""


def find(study: Study, name: str) -> Cell:
    """The cell of that name; ValueError if the study has none."""
    found = next((cell for cell in study.cells() if cell.name == name), None)
    if found is None:
        raise ValueError(f"the study has no cell {name}")
    return found


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def perform(task: Task) -> Record:
    """Train the cell's experiment, or go on with it, ask its run what the study asks, and keep the record.

    Whatever goes wrong is the record's, but what is not the cell's fault: a signal that asks to leave is raised as by
    `train`, and a full disk as it is; the cell then waits. Busy where another process holds it for five minutes.
    """
    study = read_study(task.folder)
    cell, run = find(study, task.name), task.folder / task.name
    run.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.with_suffix(".lock"), timeout=WAIT):
            if done(task.folder, study, cell):
                return read_record(task.folder, task.name)
            return _recorded(study, cell, task)
    except Timeout:
        raise Busy(f"another process has been at work in {run} for {WAIT:g} seconds; wait for it") from None


def _recorded(study: Study, cell: Cell, task: Task) -> Record:
    path, before, started = record_path(task.folder, cell.name), read_record(task.folder, cell.name), time.monotonic()
    Record("running", seconds=before.seconds).write(path)

    def kept(state: str, why: str = "") -> Record:
        record = Record(state, plain(why, 500), study.ask, before.seconds + time.monotonic() - started)
        record.write(path)
        return record

    try:
        _done(study, cell, task)
    except BaseException as error:
        said = (str(error) or repr(error)).splitlines()[0]
        if not isinstance(error, Exception) or hasattr(error, "status") or is_full(error):
            with suppress(OSError):
                kept("waiting", "the disk is full" if is_full(error) else f"it was stopped: {said}")
            raise
        traceback.print_exc()
        return kept("failed", said if isinstance(error, KNOWN) else f"{type(error).__name__}: {said}")
    return kept("done")


def _done(study: Study, cell: Cell, task: Task) -> None:
    experiment, folder, console = study.experiment(cell), task.folder / cell.name, Console(stderr=True)
    resume = (folder / "experiment.json").exists()
    if not resume and folder.is_dir():
        _sweep(folder)
    run = train(
        experiment,
        folder,
        resume=resume,
        threads=task.threads,
        device=task.device,
        compile=task.compile,
        console=console,
    )
    _forget_damaged(run.path)
    questions, where = study.asked(experiment)
    found = answered(run, questions, where, lenient=False, console=console)
    keep_scores(run.path, found.scores, found.panels)
    for what, follows in (("the page", _write_page if task.pages else None), ("what follows the scores", task.after)):
        if follows is None:
            continue
        try:
            follows(run)
        except Exception as error:
            if is_full(error) or hasattr(error, "status"):
                raise
            traceback.print_exc()
            warnings.warn(f"{what} of {folder} failed ({type(error).__name__}: {error})", stacklevel=2)


def _forget_damaged(run: Path) -> None:
    """Remove scores and panels that cannot be read: the run is asked again, and they are written anew."""
    for name, read in (("scores.json", read_scores), ("panels.json", read_panels)):
        try:
            read(run / name)
        except FileNotFoundError:
            continue
        except ValueError:
            (run / name).unlink()


def _write_page(run: Run) -> None:
    write_page(gather(run), run.path)


def _sweep(folder: Path) -> None:
    """Remove the beginnings of files that a process left which was killed before it had begun."""
    for stray in folder.glob(".*.json.*"):
        stray.unlink()


def alone(task: Task) -> None:
    """`perform` in a process of its own: what it prints goes to the log beside its run; it leaves with its parent."""
    if task.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = task.gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all, and the sweep asks its cells itself
    log = (task.folder / task.name).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()
    try:
        with _limited(task.threads):
            perform(task)
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(FULL if is_full(error) else getattr(error, "status", 1)) from None


def _limited(threads: int | None) -> Any:
    """Have the libraries that probes calculate with take so many threads; torch is told by training."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads)


def _leave_with(sentinel: int) -> None:
    """Ask this process to save and leave once its parent is gone, and again should it go on to something else."""
    connection.wait([sentinel])
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1.0)
