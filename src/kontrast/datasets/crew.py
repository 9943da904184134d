"""Processes that share work: they end with the one that started them, and it hears of all that goes wrong in them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

KINDS: tuple[type[Exception], ...] = (ModuleNotFoundError, MemoryError, OSError, ValueError)
"""What a process raises that is raised again where it was started; anything else is a RuntimeError there."""


def together(work: Callable[..., Iterator[int]], shares: Sequence[tuple[Any, ...]]) -> Iterator[int]:
    """Call `work(*share)` in a process for each share, and give the numbers that they yield as they come.

    Processes are spawned, so that `work` is a function of a module and shares can be pickled. What one raises is raised
    here and ends the others, as leaving the iteration does. OSError if one is ended from outside.
    """
    working: dict[Connection, SpawnProcess] = {}
    try:
        for _ in shares:
            _start(work, working)
        for connection, share in zip([*working], shares, strict=True):
            with contextlib.suppress(BrokenPipeError):  # it has ended, which is heard below
                connection.send(share)
        while working:
            ready = wait([*working])
            for connection in [each for each in working if each in ready]:
                yield _heard(connection, working)
    finally:
        for process in working.values():
            process.terminate()
        for process in working.values():
            process.join()


def _start(work: Callable[..., Iterator[int]], working: dict[Connection, SpawnProcess]) -> None:
    """Start a process that waits for its share.

    The share is sent when this side of the pipe alone is open, for otherwise sending to a process that has ended would
    wait forever. Ctrl-C is for the process that started it, and stays blocked in this one.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(work, there), daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
        working[here] = process
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        there.close()


def _heard(connection: Connection, working: dict[Connection, SpawnProcess]) -> int:
    """The number that a process says, 0 if it is done; what went wrong in it is raised."""
    try:
        said = connection.recv()
    except (EOFError, ConnectionResetError):
        process = working.pop(connection)
        process.join()
        if process.exitcode:
            how = f"signal {-process.exitcode}" if process.exitcode < 0 else f"status {process.exitcode}"
            raise OSError(
                f"a process that shared the work ended with {how}; the same again goes on from there"
            ) from None
        return 0
    if isinstance(said, int):
        return said
    name, sentence = said
    raise next((kind for kind in KINDS if kind.__name__ == name), RuntimeError)(sentence)


def _serve(work: Callable[..., Iterator[int]], connection: Connection) -> None:
    """What each process does."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        for number in work(*connection.recv()):
            connection.send(number)
    except Exception as error:
        kind = next((kind for kind in KINDS if isinstance(error, kind)), RuntimeError)
        sentence = str(error) if kind is not RuntimeError else f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):  # nobody listens where the parent is gone
            connection.send((kind.__name__, sentence))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
