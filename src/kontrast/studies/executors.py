"""Where the cells of a study run: processes of this machine, or jobs of a cluster."""

from __future__ import annotations

import abc
import errno
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess

import chz
import torch

from kontrast.parts import Part
from kontrast.runs import held
from kontrast.studies.cell import FULL, GUARD, UNGUARDED, Task, alone
from kontrast.studies.records import Record, read_record, record_path
from kontrast.training.interrupts import Interrupted, Interrupts

PAUSE = 0.1
"""Seconds between two looks at what is going on."""
GRACE = 60.0
"""Seconds that processes have to save and leave, once asked."""

PRELOADED = ("kontrast.studies.cell", "torch.utils.tensorboard", "torch._dynamo")
"""What all cells need, imported once: they start as copies of the process that has it."""

Look = Callable[[], None]
"""What is called again and again while cells run, to show how it goes."""


class Executor(Part, abc.ABC):
    """Where cells run. Calling it performs every task and comes back when each has a record; `look` is called often.

    Interrupted if a signal asked to leave; what was running has then saved, as far as it could.
    """

    @abc.abstractmethod
    def __call__(self, tasks: Sequence[Task], look: Look) -> None: ...

    @abc.abstractmethod
    def width(self, tasks: Sequence[Task]) -> int:
        """How many of these tasks run at a time."""

    def ready(self) -> None:
        """A ValueError or ModuleNotFoundError, before anything is checked, if it cannot run anything here."""


@chz.chz
class Local(Executor):
    """Processes of this machine: one for each GPU, or as many as there are cores, whose threads they share.

    Each process of a machine with GPUs sees one of them alone, by CUDA_VISIBLE_DEVICES; where that is set already, the
    GPUs it names are those that there are. More workers than GPUs share them in turn. With device=cpu no GPU is used,
    and with device=cuda:1 all use that one, one after the other unless `workers` says otherwise.

    Threads are those of the machine divided by the cells that run at a time when the study begins, so that a study
    which goes on with its last cells still calculates as it began.
    """

    workers: int = chz.field(default=0, doc="processes at a time; 0: one for each GPU, or else one for each core")
    threads: int = chz.field(default=0, doc="threads of each; 0: the cores divided by the workers")

    @chz.validate
    def _check_counts(self) -> None:
        if self.workers < 0 or self.threads < 0:
            raise ValueError("workers and threads are numbers from 0 on; write executor.workers=2")

    def width(self, tasks: Sequence[Task]) -> int:
        return self._width(len(tasks), _device(tasks))

    def _width(self, cells: int, device: str | None) -> int:
        one = 1 if device not in (None, "cpu", "cuda") else 0
        return max(1, min(cells, self.workers or one or len(gpus(device)) or cores()))

    def share(self, tasks: Sequence[Task]) -> int:
        """The threads of each process."""
        cells = max([len(tasks), *(task.cells for task in tasks)])
        return self.threads or max(1, cores() // self._width(cells, _device(tasks)))

    def __call__(self, tasks: Sequence[Task], look: Look) -> None:
        there, threads = gpus(_device(tasks)), self.share(tasks)
        seats = [there[seat % len(there)] if there else None for seat in range(self.width(tasks))]
        waiting = [task if task.threads else task._replace(threads=threads) for task in tasks]
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*PRELOADED])
        running: list[_Seated] = []
        with Interrupts() as interrupts:
            try:
                while (waiting or running) and not interrupts.asked():
                    _fill(context, waiting, running, seats)
                    look()
                    time.sleep(PAUSE)
                    running[:] = [each for each in running if not each.over()]
            finally:
                _leave(running, look)
            if received := interrupts.asked():
                raise Interrupted(received, "the sweep was asked to stop; the same command goes on with it")
        look()


def _device(tasks: Sequence[Task]) -> str | None:
    return tasks[0].device if tasks else None


def _fill(context: ForkServerContext, waiting: list[Task], running: list[_Seated], seats: Sequence[str | None]) -> None:
    """Start tasks on the seats that are free."""
    taken = {each.seat for each in running}
    for seat in range(len(seats)):
        if seat not in taken and waiting:
            process = context.Process(target=alone, args=(waiting[0]._replace(gpu=seats[seat]),))
            process.start()
            running.append(_Seated(process, waiting.pop(0), seat))


def _leave(running: list[_Seated], look: Look) -> None:
    """Ask processes to save and leave, and end those that do not, or at once if that is interrupted."""
    until = time.monotonic() + GRACE
    try:
        while running and time.monotonic() < until:
            for each in running:
                each.ask()
            for _ in range(10):
                with suppress(OSError, ValueError):
                    look()
                time.sleep(PAUSE)
                running[:] = [each for each in running if not each.over()]
                if not running:
                    break
    finally:
        for each in running:
            each.end()


@dataclass
class _Seated:
    """A process at work on a task."""

    process: ForkServerProcess
    task: Task
    seat: int
    ended: bool = False
    leaving: bool = False

    def over(self) -> bool:
        """Whether it has ended; if it died without a word, its cell is written down as failed.

        OSError if it left because the disk is full: the others would too.
        """
        if self.ended or self.process.is_alive():
            return self.ended
        self.ended, code = True, self.process.exitcode or 0
        self.process.close()
        if code == UNGUARDED:
            raise ValueError(f"{GUARD}; no cell has begun")
        if code == FULL and not self.leaving:
            folder = self.task.folder
            raise OSError(errno.ENOSPC, "the disk is full; make room, and the same command goes on", str(folder))
        if code and not self.leaving:
            how = f"of signal {-code}" if code < 0 else f"with status {code}"
            lost(
                self.task, f"its process ended {how}{'; it may have lacked memory' if code == -signal.SIGKILL else ''}"
            )
        return True

    def ask(self) -> None:
        """Ask it to save and leave."""
        self.leaving = True
        if not self.ended and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def end(self) -> None:
        """End it, whatever it does."""
        if not self.ended:
            self.process.kill()
            self.process.join()
            self.ended = True
            self.process.close()


def lost(task: Task, why: str) -> None:
    """Write a cell down as failed whose process or job is gone without saying how it went."""
    record = read_record(task.folder, task.name)
    silent = not record.over(task.ask) and not (record.state == "waiting" and record.why)
    if silent and not held((task.folder / task.name).with_suffix(".lock")):
        said = f"{why}, see the log beside it"
        Record("failed", said, seconds=record.seconds).write(record_path(task.folder, task.name))


def gpus(device: str | None = None) -> list[str]:
    """What CUDA_VISIBLE_DEVICES says for each GPU that processes of this one can have; none with another device."""
    if device not in (None, "cuda"):
        return []
    count = torch.cuda.device_count()
    given = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    named = [word for word in given if word]
    return named[:count] if named else [str(number) for number in range(count)]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
