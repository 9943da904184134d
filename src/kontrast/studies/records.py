"""What a study's folder says: its definition, and beside each run how that went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kontrast.files import write_json
from kontrast.studies.study import Study
from kontrast.training.folder import MOMENT

DEFINITION, LOCK = "study.json", ".lock"
FIXED = ("method", "given")
"""What may not change in a folder. Settings, seeds and questions may be added, and how it is read may change."""
ANSWERS = ("results", "table", "report", "figures", "search")
"""What else lies in a study's folder: files and folders of these names, whatever their ends."""


@dataclass(frozen=True)
class Record:
    """How a cell went: "done", "failed" for the reason `why`, "running", or "waiting" before it begins.

    `ask` is what was asked of the run, and `seconds` what training and asking took by the clock, over all starts.
    """

    state: str = "waiting"
    why: str = ""
    ask: tuple[str, ...] = ()
    seconds: float = 0.0

    def over(self, ask: tuple[str, ...]) -> bool:
        """Whether it says how it went of a cell that is asked this: done with other questions is not over."""
        return self.state == "failed" or (self.state == "done" and self.ask == ask)

    def write(self, path: Path) -> None:
        """Keep it, all or nothing."""
        write_json(path, {"state": self.state, "why": self.why, "ask": list(self.ask), "seconds": self.seconds})


def record_path(folder: Path, name: str) -> Path:
    """The file of a cell's record, beside its run."""
    return folder / f"{name}.json"


def read_record(folder: Path, name: str) -> Record:
    """How a cell went. A file that is not there, or damaged, says that it waits."""
    try:
        found = json.loads(record_path(folder, name).read_text(encoding="utf-8"))
        return Record(str(found["state"]), str(found["why"]), tuple(map(str, found["ask"])), float(found["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Record()


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study."""
    return (folder / DEFINITION).is_file()


def read_study(folder: Path) -> Study:
    """The study of a folder; ValueError if there is none that this version can read."""
    path = folder / DEFINITION
    try:
        return Study.read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ValueError(f"{folder} is no study: it has no {DEFINITION}; give the out= of a kontrast sweep") from None
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be read: {error}; remove that file alone, and the command of the study writes it again"
        ) from None


def write_study(folder: Path, study: Study) -> None:
    """Keep the definition."""
    write_json(folder / DEFINITION, study.record())


@contextmanager
def claimed(folder: Path, study: Study) -> Iterator[Study]:
    """Hold a study's folder for this process: the study with what the folder has of it already.

    ValueError, at once: another sweep is in it, it holds something else, or a study that differs in what must not.
    """
    fresh = not folder.exists()
    _check_own(folder, study)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=MOMENT)
    except Timeout:
        raise ValueError(f"another sweep is at work in {folder}; wait for it, or give another out=") from None
    try:
        yield joined(folder, study)
    finally:
        if folder.is_dir() and [entry.name for entry in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            if fresh:
                folder.rmdir()
        lock.release()


def claimable(folder: Path, study: Study) -> Study:
    """The study as `claimed` gives it, without holding the folder; ValueError where it holds something else."""
    _check_own(folder, study)
    return joined(folder, study)


def _check_own(folder: Path, study: Study) -> None:
    """A ValueError if a folder holds what no sweep of this study wrote; its definition alone may be missing."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give another out=")
    if not folder.exists() or is_study(folder):
        return
    own = {cell.name.partition("/")[0] for cell in study.cells()}
    foreign = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name not in own]
    foreign = [name for name in foreign if name.partition(".")[0] not in ANSWERS]
    if foreign:
        raise ValueError(
            f"{folder} is not empty and holds no {DEFINITION}, but {min(foreign)}, which is no cell of this study; "
            "give another out="
        )


def joined(folder: Path, study: Study) -> Study:
    """A study with the settings and seeds that its folder has besides; ValueError with what differs otherwise."""
    if not is_study(folder):
        return study
    there, here = read_study(folder), study.record()
    for name in FIXED:
        old, new = there.record()[name], here[name]
        if old != new:
            _check_varying(there, study)
            raise ValueError(f"{folder} holds another study: {_difference(name, old, new)}; give another out=")
    if [*there.axes] != [*study.axes]:
        axes = [", ".join(axes) or "nothing" for axes in (there.axes, study.axes)]
        raise ValueError(
            f"{folder} holds another study: it varies {axes[0]} there and {axes[1]} here; give another out="
        )
    _check_equal(there, study)
    own = {setting.label: dict(setting.words) for setting in study.settings}
    for setting in there.settings:
        if (words := own.get(setting.label, dict(setting.words))) != dict(setting.words):
            said = _difference("fields", dict(setting.words), words)
            raise ValueError(f"{folder} holds another study: in {setting.label}, {said}; give another out=")
    return study.joined(there)


def _check_varying(there: Study, study: Study) -> None:
    """A ValueError if a field has one value here that varies in the folder, which only needs another value."""
    for name, value in study.given.items():
        if name in there.axes and name not in there.given:
            also = next((level for level in there.axes[name] if level != value), "...")
            raise ValueError(
                f"{name} varies in this study; write more than one value to add some, as in {name}={also},{value}"
            )


def _check_equal(there: Study, study: Study) -> None:
    """A ValueError if a level is a number that the folder has already, in other words."""
    for name, levels in study.axes.items():
        known = {value: level for level in there.axes[name] if (value := _number(level)) is not None}
        for level in levels:
            value = _number(level)
            if value is not None and known.get(value, level) != level:
                raise ValueError(f"{name}={level} is there already, as {known[value]}; write it like that")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _difference(name: str, old: Any, new: Any) -> str:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return f"{name} is {old!r} there and {new!r} here"
    different = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    said = [f"{key} is {old.get(key, 'left open')} there and {new.get(key, 'left open')} here" for key in different]
    return "; ".join(said)
