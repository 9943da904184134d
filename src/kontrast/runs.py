"""All runs below folders, from the small files that they keep: what was trained, how far it came, what it scored."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chz
from filelock import FileLock, Timeout

from kontrast import checkpoints, parts
from kontrast.experiment import Experiment
from kontrast.logged import last_row
from kontrast.scores import Score, read_scores

STATES = ("done", "running", "stopped", "failed", "damaged", "foreign")
OWN = ("checkpoints", "features", "figures")
"""Folders of a run that hold no other run."""


@dataclass(frozen=True)
class Listed:
    """One run: its folder, what it is, and how it stands.

    `state` is "done", "running" (a process holds its lock), "stopped" before its end, "failed" by the record that a
    study keeps beside it, "damaged", or "foreign" if this version does not know what it trains; `fault` says what is
    wrong. `experiment` are its fields, flat. It stands at `step` of `length`, which is None as long as it is unknown,
    and was last written to at `time`, in seconds since 1970.
    """

    path: Path
    state: str
    fault: str = ""
    experiment: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    length: int | None = None
    time: float = 0.0
    scores: Sequence[Score] = ()


def below(*folders: Path | str) -> list[Listed]:
    """All runs in and below some folders, at any depth, in the order of their paths; each is listed once.

    Links are followed, and never in a circle. A run that cannot be read is listed with its fault. ValueError for a
    folder that is not there.
    """
    seen: set[tuple[int, int]] = set()
    found: list[Listed] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder; give one with runs below it, as in kontrast runs runs")
        found += [listed(path) for path in _runs(folder, seen)]
    return found


def _runs(top: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Folders with an experiment, or what is left of one, none twice."""
    for path, folders, files in os.walk(top, followlinks=True):
        try:
            status = os.stat(path)
        except OSError:
            folders.clear()
            continue
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        run = "experiment.json" in files or ("metrics.jsonl" in files and "checkpoints" in folders)
        folders[:] = sorted(name for name in folders if not (run and name in OWN))
        if run:
            yield Path(path)


def listed(path: Path) -> Listed:
    """How the run in a folder stands. Never an error: what is wrong is its fault."""
    faults: list[str] = []
    experiment = _experiment(path, faults)
    last, scores = last_row(path), _scores(path, faults)
    broken = bool(faults)
    foreign = "" if broken or not experiment else unknown(experiment)
    step, length = _step(path, faults), length_of(experiment, last)
    logged = _count(last.get("step"))
    if length is not None and logged >= length and not step and not faults:
        faults.append("it has no checkpoint; train it again with resume=True")
    ended, why = _record(path)
    state = "done" if length is not None and step >= length else "stopped"
    if (not ended or state == "stopped") and held(path / ".lock"):
        state, step, faults = "running", max(step, logged), []
    elif faults:
        state = "damaged"
    elif foreign:
        state = "foreign"
    elif ended:
        state = "failed"
    said = "; ".join(faults) or foreign or (why if state == "failed" else "")
    return Listed(path, state, said, experiment, step, length, _time(path), tuple(scores))


def _experiment(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        found = json.loads((path / "experiment.json").read_bytes())
    except FileNotFoundError:
        faults.append("experiment.json is missing")
    except (OSError, ValueError, RecursionError):
        faults.append("experiment.json is damaged")
    else:
        if isinstance(found, dict) and found and "method" in found:
            return {str(name): value for name, value in found.items()}
        faults.append("experiment.json is damaged")
    return {}


def _scores(path: Path, faults: list[str]) -> list[Score]:
    try:
        return read_scores(path / "scores.json")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        faults.append("scores.json is damaged")
        return []


def _step(path: Path, faults: list[str]) -> int:
    """The step of the last checkpoint whose files are as long as they were written; 0 if there is none."""
    try:
        steps = checkpoints.steps(path / "checkpoints")
    except OSError:
        steps = []
    for step in reversed(steps):
        if _whole(path / "checkpoints" / f"step-{step:09d}"):
            return step
        faults.append(f"the checkpoint of step {step} is damaged")
    return 0


def _whole(folder: Path) -> bool:
    try:
        files = json.loads((folder / "manifest.json").read_bytes())["files"]
        return all((folder / name).stat().st_size == files[name]["size"] for name in checkpoints.FILES)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def length_of(experiment: Mapping[str, Any], last: Mapping[str, Any]) -> int | None:
    """The steps of a run: as given, or from its epochs and what an epoch was so far."""
    if isinstance(steps := experiment.get("steps"), int):
        return steps
    epochs, epoch, step = experiment.get("epochs"), last.get("epoch"), last.get("step")
    try:
        if all(isinstance(x, int | float) and math.isfinite(x) and x > 0 for x in (epochs, epoch, step)):
            return math.ceil(float(epochs or 0) * round(float(step or 0) / float(epoch or 1)))
    except OverflowError:
        pass
    return None


def _record(path: Path) -> tuple[bool, str]:
    """Whether the record that a study keeps beside a run says that it failed, and why."""
    try:
        found = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False, ""
    failed = isinstance(found, dict) and found.get("state") == "failed"
    return failed, str(found.get("why", "")) if failed else ""


def held(lock: Path) -> bool:
    """Whether a process is at work under a lock."""
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _time(path: Path) -> float:
    """When a run was last written to."""
    found = []
    for name in ("experiment.json", "metrics.jsonl", "scores.json", "checkpoints"):
        try:
            found.append((path / name).stat().st_mtime)
        except OSError:
            continue
    return max(found, default=0.0)


def unknown(experiment: Mapping[str, Any]) -> str:
    """What this version of kontrast does not know of an experiment; "" if it knows all names."""
    classes: dict[str, type] = {"": Experiment}
    for path in sorted(experiment, key=lambda path: path.count(".")):
        owner, _, name = path.rpartition(".")
        fields = _fields(classes[owner]) if owner in classes else {}
        if name not in fields:
            return f"this version of kontrast knows no field {path!r} of an experiment"
        family, value = fields[name], experiment[path]
        if family is not None and value is not None:
            part = _known(family).get(str(value))
            if part is None:
                return f"this version of kontrast knows no {family.__name__.lower()} {value!r}"
            classes[path] = part
    return ""


@functools.cache
def _fields(cls: type) -> dict[str, type | None]:
    """The fields of a part, each with the family of the parts that it holds, if it does."""
    found = {name: each.meta_factory for name, each in chz.chz_fields(cls).items()}
    return {name: made.family if isinstance(made, parts.Named) else None for name, made in found.items()}


_known = functools.cache(parts.known)
