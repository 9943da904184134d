"""Where the cells of a study run: processes of this machine, or jobs of a cluster."""

from __future__ import annotations

import abc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess

import chz
import torch

from kontrast.parts import Part
from kontrast.studies.cell import Task, alone
from kontrast.studies.records import Record, read_record, record_path
from kontrast.training.interrupts import Interrupted, Interrupts

PAUSE = 0.2
"""Seconds between two looks at what is going on."""
GRACE = 60.0
"""Seconds that processes have to save and leave, once asked."""

Look = Callable[[], None]
"""What is called again and again while cells run, to show how it goes."""


class Executor(Part, abc.ABC):
    """Where cells run. Calling it performs every task and comes back when each has a record; `look` is called often.

    Interrupted if a signal asked to leave; what was running has then saved, as far as it could.
    """

    @abc.abstractmethod
    def __call__(self, tasks: Sequence[Task], look: Look) -> None: ...

    @abc.abstractmethod
    def width(self, cells: int) -> int:
        """How many of so many cells run at a time."""


@chz.chz
class Local(Executor):
    """Processes of this machine: one for each GPU, or as many as there are cores, whose threads they share."""

    workers: int = chz.field(default=0, doc="processes at a time; 0: one for each GPU, or else one for each core")
    threads: int = chz.field(default=0, doc="threads of each; 0: the cores divided by the workers")

    @chz.validate
    def _check_counts(self) -> None:
        if self.workers < 0 or self.threads < 0:
            raise ValueError("workers and threads are numbers from 0 on; write executor.workers=2")

    def width(self, cells: int) -> int:
        gpus = torch.cuda.device_count()
        return max(1, min(cells, self.workers or gpus or _cores()))

    def __call__(self, tasks: Sequence[Task], look: Look) -> None:
        width, gpus = self.width(len(tasks)), torch.cuda.device_count()
        threads = self.threads or max(1, _cores() // width)
        waiting = [task if task.threads else task._replace(threads=threads) for task in tasks]
        seats = [f"cuda:{seat % gpus}" if gpus else None for seat in range(width)]
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["kontrast.studies.cell"])
        running: list[_Seated] = []
        with Interrupts() as interrupts:
            while (waiting or running) and not interrupts.asked():
                while waiting and len(running) < width:
                    free = [seat for seat in range(width) if seat not in [each.seat for each in running]]
                    running.append(_start(context, waiting.pop(0), free[0], seats[free[0]]))
                look()
                time.sleep(PAUSE)
                running = [each for each in running if not each.over()]
            if received := interrupts.asked():
                _leave(running, look)
                raise Interrupted(received, "the sweep was asked to stop; the same command goes on with it")
        look()


def _start(context: multiprocessing.context.ForkServerContext, task: Task, seat: int, device: str | None) -> _Seated:
    process = context.Process(target=alone, args=(task if task.device else task._replace(device=device),))
    process.start()
    return _Seated(process, task, seat)


def _leave(running: list[_Seated], look: Look) -> None:
    """Ask processes to save and leave, and end those that do not."""
    for each in running:
        if each.process.pid is not None and each.process.is_alive():
            os.kill(each.process.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while any(not each.over() for each in running) and time.monotonic() < until:
        look()
        time.sleep(PAUSE)
    for each in running:
        if each.process.is_alive():
            each.process.kill()


@dataclass
class _Seated:
    """A process at work on a task."""

    process: ForkServerProcess
    task: Task
    seat: int
    ended: bool = field(default=False)

    def over(self) -> bool:
        """Whether it has ended; if it died without a word, its cell is written down as failed."""
        if self.process.is_alive():
            return False
        if not self.ended:
            self.ended, code = True, self.process.exitcode
            record = read_record(self.task.folder, self.task.name)
            if record.state == "running" and code:
                how = f"of signal {-code}" if code < 0 else f"with status {code}"
                memory = "; it may have lacked memory" if code == -signal.SIGKILL else ""
                why = f"its process ended {how}{memory}, see the log beside it"
                Record("failed", why, seconds=record.seconds).write(record_path(self.task.folder, self.task.name))
            self.process.close()
        return True


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
