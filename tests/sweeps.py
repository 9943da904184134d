"""Sweeps in processes of their own, which tests can kill: they are copies of one process that has imported all."""

import contextlib
import errno
import multiprocessing
import os
import signal
from multiprocessing import forkserver, reduction
from pathlib import Path

import pytest
from rich.console import Console

from kontrast.studies import Axis, Local, Study, grid, sweep
from kontrast.studies.executors import PRELOADED

FIXED = {
    "data.dim": "2",
    "data.layers": "1",
    "encoder": "Mlp",
    "encoder.widths": "4,4",
    "batch": "32",
    "steps": "40",
    "online": "False",
}
"""An inversion that trains within a fraction of a second."""


def patiently(receive):
    """A server of processes ends when one that asks for another is killed as it does; this one goes on."""

    def received(*given):
        try:
            return receive(*given)
        except EOFError:
            raise OSError(errno.ECONNABORTED, "killed") from None

    return received


reduction.recvfds = patiently(reduction.recvfds)


@contextlib.contextmanager
def server():
    """A server of processes that has imported what sweeps need, and this module."""
    forkserver._forkserver._stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        multiprocessing.get_context("forkserver").set_forkserver_preload([*PRELOADED, "sweeps"])
        yield
    forkserver._forkserver._stop()


def study(*axes, seeds=(0,), **changes):
    """A study of very small experiments."""
    varied = axes or (Axis.of("objective.temperature", 0.5, 1), Axis.of("optimizer.rate", 1e-3, 1e-2))
    asked = {"ask": ("recovery", "limit=200"), "given": FIXED, **changes}
    return Study("", "inversion", grid(*varied), seeds, **asked)


def started(study, out, workers=2):
    """A process that sweeps, whose cells are processes of the same server."""
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_sweep, args=(study, out, workers))
    process.start()
    return process


def _sweep(study, out, workers):
    forkserver._forkserver.ensure_running = lambda: None  # the server that made this process runs
    log = os.open(Path(out).with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sweep(study, out, executor=Local(workers=workers, threads=1), console=Console(stderr=True), pages=False)


def kill(process, cells):
    """Kill a sweep, and with `cells` at the same moment its cells."""
    pids = [process.pid, *(children() if cells else [])]
    for pid in dict.fromkeys(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.join()


def children():
    """The processes that the server made and that are there."""
    server = forkserver._forkserver._forkserver_pid
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
