"""Whether a folder holds the run of an experiment, and whether that is over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kontrast.blueprints import read, values
from kontrast.checkpoints import DamagedCheckpoint
from kontrast.experiment import Experiment
from kontrast.run import Run

NAME = "experiment.json"


def begun(folder: Path, experiment: Experiment) -> bool:
    """Whether a folder holds the run of an experiment, as far as it may have come.

    ValueError, with what to do, if it holds another run, one that this version cannot read, or none at all.
    """
    for path in (folder.parent, folder):
        if path.exists() and not path.is_dir():
            raise ValueError(f"{path} is a file, where a folder of runs belongs; remove it, or give another out=")
    there = _there(folder)
    if there is None:
        return False
    here = json.loads(json.dumps(values(experiment)))
    if there == here:
        return True
    try:
        read(there)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{folder} was trained by another version of kontrast, whose {NAME} this one cannot read ({error}); use "
            "that version, or give another out="
        ) from None
    different = [field for field in {**there, **here} if there.get(field) != here.get(field)]
    said = "; ".join(f"{field} is {there.get(field)!r} there and {here.get(field)!r} here" for field in different[:3])
    more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
    raise ValueError(f"{folder} holds another experiment: {said or 'its fields differ'}{more}; give another out=")


def _there(folder: Path) -> dict[str, Any] | None:
    """What experiment.json says; None where nothing was begun."""
    path = folder / NAME
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        kept = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.exists() else []
        if kept:
            raise ValueError(
                f"{folder} holds something that is no run (it has no {NAME}); move it away, and the same command "
                "trains it again, or give another out="
            ) from None
        return None
    except ValueError:
        there = None
    if not isinstance(there, dict):
        raise ValueError(
            f"{path} is damaged; remove {folder}, and the same command trains it again, or give another out="
        )
    return there


def finished(folder: Path, experiment: Experiment) -> Run | None:
    """The run of an experiment if it is over, None if it can begin or go on; ValueError if it is another in there."""
    if not begun(folder, experiment):
        return None
    run = Run(folder)
    try:
        found = run.checkpoint()
    except DamagedCheckpoint:
        return None
    return run if found.step == found.state.get("steps") else None
