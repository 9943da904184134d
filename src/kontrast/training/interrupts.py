"""Leaving in good order: SIGTERM, SIGINT and SIGUSR1 are noted, and obeyed between two steps."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


class Interrupted(RuntimeError):
    """Training was asked to stop by a signal; what it had reached is saved. `status` is what a shell expects."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number, self.status = number, 128 + number


class Interrupts:
    """While entered, signals are noted in `received` instead of ending the process at once.

    A torchrun that is killed leaves its processes behind: to them that is SIGHUP, once they have another parent. A
    process that was started otherwise may well outlive its parent.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._parent = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None
        self._before: dict[int, Any] = {}

    def asked(self) -> int:
        """The signal that asks to leave; 0 where there is none."""
        if self.received is None and self._parent not in (None, os.getppid()):
            self.received = signal.SIGHUP
        return self.received or 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: a step that hangs is left at once, and the last checkpoint stays
        self.received = number

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
