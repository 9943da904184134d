"""Whether the run of an experiment is over."""

from __future__ import annotations

from pathlib import Path

from kontrast.blueprints import values
from kontrast.checkpoints import DamagedCheckpoint
from kontrast.experiment import Experiment
from kontrast.run import Run


def finished(folder: Path, experiment: Experiment) -> Run | None:
    """The run of an experiment if it is over, None if it can begin or go on; ValueError if it is another in there."""
    if not (folder / "experiment.json").exists():
        if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise ValueError(f"{folder} holds something that is no run; give another out=")
        return None
    run = Run(folder)
    here, there = values(experiment), values(run.experiment)
    for field in (field for field in {**there, **here} if there.get(field) != here.get(field)):
        raise ValueError(
            f"{folder} holds another experiment: {field} is {there.get(field)!r} there and {here.get(field)!r} "
            "here; give another out="
        )
    try:
        found = run.checkpoint()
    except DamagedCheckpoint:
        return None
    return run if found.step == found.state.get("steps") else None
