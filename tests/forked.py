"""Processes that tests stop and kill: copies of one that has imported kontrast, which a new one needs seconds for."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import torch

from kontrast import checkpoints
from kontrast.studies.executors import PRELOADED


class Forked:
    """A process that calls something, with the methods of `subprocess.Popen`.

    It has one thread of torch, and an environment of its own; its hash seed is that of all others of this kind.
    """

    def __init__(self, call, *words, environment=None, **options):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*PRELOADED])
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.out, self.errors = (Path(folder, name) for name in ("out", "errors"))
        given = (call, words, options, dict(os.environ if environment is None else environment))
        self.process = context.Process(target=_called, args=(self.out, self.errors, *given))
        self.process.start()

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        return self.process.exitcode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()

    def wait(self, timeout=None):
        self.process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(str(self.process), timeout)
        return self.returncode

    def said(self):
        """What it has printed so far."""
        return self.out.read_bytes() if self.out.exists() else b""

    def communicate(self, timeout=None):
        """What it printed and what it said of errors, when it has ended."""
        self.wait(timeout)
        return self.said(), self.errors.read_bytes() if self.errors.exists() else b""


def _called(out, errors, call, words, options, environment):
    for number, path in ((1, out), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), number)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    call(*words, **options)


def script(code, *words):
    """Run a program as `python -c` does."""
    sys.argv = ["-c", *words]
    exec(compile(code, "<script>", "exec"), {"__name__": "__main__"})


def run(code, *words, environment=None, timeout=240):
    """Run a program to its end; its status, and what it printed and said of errors as text."""
    process = Forked(script, code, *map(str, words), environment=environment)
    try:
        out, errors = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(list(words), process.returncode, out.decode(), errors.decode())


def save(folder):
    """Save one checkpoint after the other, and print the step of each that is whole."""
    print("ready", flush=True)
    step = 0
    while True:
        step += 1
        checkpoints.save(folder, step, {"x": torch.full((500_000,), float(step))}, {})
        print(step, flush=True)
