"""A study from its first cell to its answer: checked, run, and gone on with after whatever stopped it."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from kontrast.results import Results
from kontrast.run import Run
from kontrast.studies.cell import Task
from kontrast.studies.collect import collect, done
from kontrast.studies.executors import Executor, Local
from kontrast.studies.finished import finished
from kontrast.studies.progress import Progress
from kontrast.studies.records import claimed, read_record, write_study
from kontrast.studies.study import Cell, Study
from kontrast.training import Trainer


def sweep(
    study: Study,
    out: Path | str,
    *,
    executor: Executor | None = None,
    again: bool = False,
    device: str | None = None,
    compile: bool = False,
    console: Console | None = None,
) -> Results:
    """Run a study in the folder `out`, and give its results.

    Each cell is a run in out/SETTING/seed-N. Cells that are done are taken as they are, and those that were stopped go
    on, so the same call again goes on; one with more settings, seeds or questions adds to what is there. A cell that
    fails is written down with the reason and does not stop the others; it is tried once more only with `again`.

    ValueError before the first cell starts: a cell that means nothing, a folder in which another sweep is at work, or
    one that holds something else. Interrupted: a signal came, and what was reached is saved.
    """
    out, console = Path(out), console or Console(stderr=True)
    with claimed(out, study) as whole:
        todo = check(whole, out, again)
        write_study(out, whole)
        tasks = [Task(out, cell.name, device=device, compile=compile) for cell in todo]
        where = executor or Local()
        if tasks:
            with Progress(out, whole, where.width(len(tasks)), console) as progress:
                where(tasks, progress.look)
    return collect(out)


def check(study: Study, out: Path, again: bool = False) -> list[Cell]:
    """The cells that are to be run. ValueError, before any is, where one means nothing or its folder holds another."""
    todo = [cell for cell in study.cells() if not done(out, study, cell)]
    if not again:
        todo = [cell for cell in todo if read_record(out, cell.name).state != "failed"]
    checked = set[int]()
    for cell in todo:
        experiment = study.experiment(cell)
        over = finished(out / cell.name, experiment)
        if id(cell.setting) not in checked and over is None:
            checked.add(id(cell.setting))
            study.asked(experiment)
            try:
                Trainer(experiment, torch.device("cpu"))
            except ValueError as error:
                raise ValueError(f"the cell {cell.setting.label} cannot run: {error}") from None
    return todo


def runs(study: Study, out: Path) -> dict[tuple[str, ...], dict[int, Run]]:
    """The runs that are done, by the levels of their settings and their seeds."""
    found: dict[tuple[str, ...], dict[int, Run]] = {}
    for cell in study.cells():
        if done(out, study, cell):
            found.setdefault(study.levels(cell.setting), {})[cell.seed] = Run(out / cell.name)
    return found
