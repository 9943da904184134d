"""Cells as jobs of a cluster: what runs in one, which job a cell has, and whether that is still queued or running."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from kontrast.files import write_json
from kontrast.runs import held
from kontrast.studies.cell import Task, perform
from kontrast.studies.records import read_record, record_path
from kontrast.training.interrupts import Interrupted

FRESH = 60.0
"""Seconds that a job may be in no queue after it was submitted."""


class Job(NamedTuple):
    """A job of a cell, by its id; `handle` is what submitit has of it, if it was submitted here."""

    task: Task
    id: str
    handle: Any = None


class Cell:
    """A task as submitit calls it: a job that has to go saves what it reached, and goes on as another."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self) -> str:
        with requeuing():
            return perform(self.task).state

    def checkpoint(self) -> Any:
        """The job that goes on: the same again."""
        return submitit().helpers.DelayedSubmission(self)


def submitit() -> Any:
    """The library; ModuleNotFoundError with what to write where it is not there."""
    try:
        import submitit as found
    except ModuleNotFoundError:
        raise ModuleNotFoundError("jobs of a cluster need submitit; write pip install 'kontrast[slurm]'") from None
    return found


@contextmanager
def requeuing() -> Iterator[None]:
    """Have submitit's signal that a job has to go wait for the end of a step in training, and for nothing else.

    Training leaves after the step it is at once SIGUSR1 came, and has then saved; submitit's own handler is called
    after that, or at once outside training, and puts the job into the queue again.
    """
    number = signal.Signals[f"SIG{submitit().JobEnvironment.USR_SIG}"]
    own, before = signal.getsignal(number), signal.getsignal(signal.SIGUSR1)
    if not callable(own):  # no job, but a call in this process
        yield
        return

    def requeue(_: int = 0, frame: FrameType | None = None) -> None:
        own(number, frame)

    signal.signal(signal.SIGUSR1, requeue)
    if number != signal.SIGUSR1:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGUSR1))
    try:
        yield
    except Interrupted as error:
        if error.number == signal.SIGUSR1:
            requeue()
        raise
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.signal(number, own)


def remember(job: Job, cluster: str) -> None:
    """Keep the job of a cell beside its run."""
    write_json(_path(job.task), {"job": job.id, "cluster": cluster})


def remembered(tasks: Sequence[Task], cluster: str) -> list[Job]:
    """The jobs that these cells had on a cluster, of those that had one and whose record is not of that job's end."""
    found = []
    for task in tasks:
        try:
            if _ended(task):
                continue
            said = json.loads(_path(task).read_text(encoding="utf-8"))
            if said["cluster"] == cluster:
                found.append(Job(task, str(said["job"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def alive(jobs: Sequence[Job], cluster: str) -> list[Job]:
    """Those of some jobs that are queued or running. Where the queue cannot be asked, all that may be."""
    if cluster == "local":
        return [job for job in jobs if _runs(job)]
    queued = _queued() if jobs else set()
    return [job for job in jobs if queued is None or job.id in queued or _at_work(job)]


def is_open(job: Job) -> bool:
    """Whether the cell of a job has no record yet that says how it went."""
    return not read_record(job.task.folder, job.task.name).over(job.task.ask)


def said_of(job: Job) -> str:
    """What the cluster's accounting says of a job that is gone, as " (TIMEOUT)"; nothing where it says nothing."""
    with suppress(Exception):
        state = str(job.handle.state if job.handle is not None else submitit().SlurmJob(".", job.id).state)
        return "" if state.upper() in ("UNKNOWN", "FINISHED") else f" ({state})"
    return ""


def _ended(task: Task) -> bool:
    """Whether the record of a cell says how it went since its job was submitted."""
    record = record_path(task.folder, task.name)
    over = read_record(task.folder, task.name).state in ("done", "failed")
    return over and record.stat().st_mtime >= _path(task).stat().st_mtime


def _path(task: Task) -> Path:
    return (task.folder / task.name).with_suffix(".job")


def _at_work(job: Job) -> bool:
    """Whether the cell is held, or its job so new that a queue need not have it."""
    if held((job.task.folder / job.task.name).with_suffix(".lock")):
        return True
    with suppress(OSError):
        return time.time() - _path(job.task).stat().st_mtime < FRESH
    return False


def _runs(job: Job) -> bool:
    """Whether the process is there that a job on this machine is."""
    if job.handle is not None:
        return not job.handle.done()
    try:
        words = Path(f"/proc/{int(job.id)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return held((job.task.folder / job.task.name).with_suffix(".lock"))
    return b"submitit" in words


def _queued() -> set[str] | None:
    """The ids of all of this user's jobs in SLURM's queue; None where it cannot be asked."""
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--user={getpass.getuser()}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError, KeyError):
        return None
    return {line.strip() for line in found.stdout.splitlines()}
