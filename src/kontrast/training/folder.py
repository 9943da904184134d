"""The folder of a run while it is being written: who may write, what is there already, and what was recorded."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from kontrast.blueprints import read, values
from kontrast.experiment import Experiment
from kontrast.files import write_json
from kontrast.training.devices import formats
from kontrast.training.distributed import ranks

LOCK = ".lock"
MOMENT = 0.5
"""Seconds to wait for one who only looks whether the folder is held."""


def recorded(experiment: Experiment) -> dict[str, Any]:
    """The experiment as JSON that surely gives it again. ValueError if it cannot be written down."""
    try:
        record = values(experiment)
        same = read(json.loads(json.dumps(record))) == experiment
    except TypeError as error:
        raise ValueError(f"this experiment cannot be written down, so it cannot be repeated: {error}") from None
    if not same:
        raise ValueError(f"this experiment is not what its record says, so it cannot be repeated: {record}")
    return record


@contextmanager
def claimed(out: Path, experiment: Experiment, resume: bool) -> Iterator[None]:
    """Hold the run folder for this process, after making sure that nothing in it would be lost.

    ValueError: the folder holds something and `resume` is not asked for; it holds another experiment; or another
    process is writing into it.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give another out=")
    if not resume and out.is_dir() and any(entry.name != LOCK for entry in out.iterdir()):
        raise ValueError(f"{out} is not empty; give another out=, or resume=True to go on with the run in it")
    if resume:
        _same(out, experiment)
    fresh = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=MOMENT)
    except Timeout:
        raise ValueError(f"another process is writing into {out}; wait for it, or give another out=") from None
    try:
        yield
    finally:
        lock.release()
        if fresh and [entry.name for entry in out.iterdir()] == [LOCK]:
            (out / LOCK).unlink()
            out.rmdir()


def _same(out: Path, experiment: Experiment) -> None:
    path = out / "experiment.json"
    if not path.exists():
        if out.is_dir() and any(entry.name != LOCK for entry in out.iterdir()):
            raise ValueError(f"{out} holds something that is no run (it has no experiment.json); give another out=")
        return
    try:
        there = json.loads(path.read_text())
    except ValueError:
        raise ValueError(f"{path} is damaged, so the run in it cannot be resumed; give another out=") from None
    here = json.loads(json.dumps(values(experiment)))
    different = [
        f"{field} is {there.get(field)!r} there and {here.get(field)!r} here"
        for field in sorted({*there, *here})
        if there.get(field) != here.get(field)
    ]
    if different:
        raise ValueError(f"{out} holds another experiment: {'; '.join(different)}")


def describe(out: Path, device: torch.device, compiled: bool, data: str) -> None:
    """Write environment.json, once: a resumed run keeps what it was begun with. `data` says where the rows are."""
    if not (out / "environment.json").exists():
        write_json(out / "environment.json", {**environment(device, compiled), "data": data})


def compare(out: Path, device: torch.device, compiled: bool) -> None:
    """Warn where a run goes on under conditions that can change the last bits of its numbers."""
    try:
        there, here = json.loads((out / "environment.json").read_text()), environment(device, compiled)
        pairs = {name: (there[name], here[name]) for name in ("threads", "device", "processor")}
        pairs["compiled"] = (there.get("compiled", False), here["compiled"])
        pairs["processes"] = (there.get("processes", 1), here["processes"])
        pairs["torch"] = (there["packages"]["torch"], here["packages"]["torch"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for name, (old, new) in pairs.items():
        if old != new:
            said = f"{out} was begun with {name} {old} and goes on with {new}: the last bits may differ"
            warnings.warn(said, stacklevel=4)


def environment(device: torch.device, compiled: bool) -> dict[str, Any]:
    """Where a run takes place: versions, machine, processes, the command, and whether it was compiled.

    `formats` are the low precisions that the device calculates with in hardware.
    """
    packages = ("kontrast", "torch", "numpy", "scipy", "scikit-learn")
    return {
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": ranks(),
        "compiled": compiled,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "formats": formats(device),
    }


def _program() -> str:
    """What was called: python -m kontrast is called by the name of its folder."""
    path = Path(sys.argv[0])
    return path.parent.name if path.name == "__main__.py" else path.name


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
