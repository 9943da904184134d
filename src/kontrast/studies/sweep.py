"""A study from its first cell to its answer: checked, run, and gone on with after whatever stopped it."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

import chz
import torch
from rich.console import Console

from kontrast.blueprints import values
from kontrast.encoding import check_layers
from kontrast.examination import label
from kontrast.experiment import Experiment
from kontrast.files import write_json
from kontrast.parts import choose
from kontrast.results import Results
from kontrast.run import Run
from kontrast.studies.cell import GUARD, UNGUARDED, After, Task
from kontrast.studies.collect import collect, done
from kontrast.studies.executors import Executor, Local
from kontrast.studies.finished import begun
from kontrast.studies.progress import Progress
from kontrast.studies.records import Record, claimed, read_record, record_path, write_study
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
    after: After | None = None,
    pages: bool = True,
) -> Results:
    """Run a study in the folder `out`, and give its results.

    Each cell is a run in out/SETTING/seed-N. Cells that are done are taken as they are, and those that were stopped go
    on, so the same call again goes on; one with more settings, seeds or questions adds to what is there. A cell that
    fails is written down with the reason and does not stop the others; it is tried once more only with `again`.
    Once the scores of a run are kept, the process that trained it writes its page, unless `pages` is False, and calls
    `after`, a function of a module, with it.

    Cells run in processes of their own, so a script calls this below `if __name__ == "__main__":`.

    ValueError before the first cell starts: a cell that means nothing, a folder in which another sweep is at work, or
    one that holds something else. Interrupted: a signal came, and what was reached is saved. OSError: the disk is full.
    """
    _check_guarded()
    if executor is not None and not isinstance(executor, Executor):
        raise ValueError(f"an executor is a part, not {executor!r}; write executor=studies.Local(workers=2)")
    out, console = Path(out), console or Console(stderr=True)
    with claimed(out, study) as whole:
        perform_cells(
            whole,
            out,
            executor=executor,
            again=again,
            device=device,
            compile=compile,
            console=console,
            after=after,
            pages=pages,
        )
    return collect(out)


def _check_guarded() -> None:
    """Leave if this process is one of a sweep's, at the script that it reads before it begins with its cell."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        print(f"error: {GUARD}", file=sys.stderr, flush=True)
        os._exit(UNGUARDED)


def perform_cells(
    study: Study,
    out: Path,
    *,
    executor: Executor | None,
    again: bool = False,
    device: str | None,
    compile: bool,
    console: Console,
    after: After | None = None,
    pages: bool = True,
) -> None:
    """Run the cells of a study that are not over, in a folder that this process holds."""
    where = executor or Local()
    where.ready()
    todo = check(study, out, again)
    write_study(out, study)
    if not todo:
        return
    for cell in todo:
        record = read_record(out, cell.name)
        # Of an earlier start, which says nothing of this one, or of scores that are damaged; a job may be running.
        if record.why or record.over(study.ask):
            if record.state == "failed":
                (out / cell.name).with_suffix(".job").unlink(missing_ok=True)
            Record("waiting", seconds=record.seconds).write(record_path(out, cell.name))
    count = len([*study.cells()])
    tasks = [Task(out, cell.name, count, None, device, compile, None, after, pages, study.ask) for cell in todo]
    with Progress(out, study, where.width(tasks), console) as progress:
        where(tasks, progress.look)


def check(study: Study, out: Path, again: bool = False) -> list[Cell]:
    """The cells that are to be run. ValueError, before any is, where one means nothing or its folder holds another."""
    todo, checked = list[Cell](), set[int]()
    for cell in study.cells():
        experiment, over = study.experiment(cell), done(out, study, cell)
        try:
            there = begun(out / cell.name, experiment)
        except OSError as error:
            raise ValueError(f"{out / cell.name} cannot be read ({error}); see that it can") from None
        if over or (not again and read_record(out, cell.name).state == "failed"):
            continue
        todo.append(cell)
        if id(cell.setting) not in checked:
            checked.add(id(cell.setting))
            _check_score(study, experiment)
            try:
                _rehearse(study, experiment, there)
            except (ValueError, OSError, ImportError) as error:
                raise ValueError(f"the cell {cell.setting.label} cannot run: {error}") from None
    return todo


def _check_score(study: Study, experiment: Experiment) -> None:
    """A ValueError if the score that answers the question is of no probe that is asked."""
    asked, said = study.asked(experiment).questions, study.score.partition(":")[0].strip().split(" ")[0]
    names = [label(part).split(" ")[0] for part in (*asked.probes, *asked.tunings)]
    known = dict.fromkeys([*names, "Online", "Training"])
    if said and not any(name.lower().startswith(said.lower()) for name in known):
        near = choose(said, known, "probe asked of these runs")
        raise ValueError(f"score={study.score} is of no probe; write score={near!r}")


def _rehearse(study: Study, experiment: Experiment, begun: bool) -> None:
    """A ValueError if an experiment cannot be trained, or cannot be asked what a study asks."""
    questions, where = study.asked(experiment)
    check_layers(experiment, [probe.layer for probe in questions.probes])
    if not begun:
        # In the format that every device has: this one need not be the one that trains.
        Trainer(chz.replace(experiment, precision="float32"), torch.device("cpu"))
    if questions.probes:
        with tempfile.TemporaryDirectory() as folder:
            write_json(Path(folder, "experiment.json"), values(experiment))
            for sentence in Run(folder).refusals(*questions.probes, data=where.data).values():
                raise ValueError(sentence)


def runs(study: Study, out: Path) -> dict[tuple[str, ...], dict[int, Run]]:
    """The runs that are done, by the levels of their settings and their seeds."""
    found: dict[tuple[str, ...], dict[int, Run]] = {}
    for cell in study.cells():
        if done(out, study, cell):
            found.setdefault(study.levels(cell.setting), {})[cell.seed] = Run(out / cell.name)
    return found
