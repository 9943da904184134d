"""What a command can refuse before anything heavy is imported: within a second, not after torch has come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout


def sweep_ahead(words: Sequence[str]) -> None:
    """A ValueError if another sweep is at work in the folder that the words name."""
    given = [word.removeprefix("out=") for word in words if word.startswith("out=")]
    named = [f"studies/{word}" for word in words[:1] if re.fullmatch(r"\w+", word)]
    for folder in (given or named)[:1]:
        lock = Path(folder, ".lock")
        if "--dry-run" in words or not lock.is_file():
            continue
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            raise ValueError(f"another sweep is at work in {folder}; wait for it, or give another out=") from None
        except OSError:
            continue
