"""What a sweep would do, before it does it: its cells, how many steps they take, and about how long."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch

from kontrast.experiment import Experiment
from kontrast.studies.cell import Task
from kontrast.studies.collect import done, outcome
from kontrast.studies.executors import Executor, Local
from kontrast.studies.records import claimable, read_record
from kontrast.studies.study import Cell, Study
from kontrast.studies.sweep import check
from kontrast.training import Trainer
from kontrast.training.devices import chosen

MEASURED = 3
"""Settings of which steps are measured."""
SECONDS, STEPS = 2.0, 10
"""What is measured of each: so many steps after the first, or as many as that time takes."""


class Row(NamedTuple):
    """A cell: its state ("done", "failed", "begun" or "waiting"), and how many of its steps are taken."""

    cell: Cell
    state: str
    taken: int
    length: int


@dataclass(frozen=True)
class Estimate:
    """The cells of a study, and the seconds that those to be run will take: at least, and at most.

    `basis` says what that was told by. None where nothing is to be run, or none of the settings tried trains.
    """

    rows: Sequence[Row]
    seconds: tuple[float, float] | None
    basis: str
    width: int
    epochs: float

    @property
    def todo(self) -> list[Row]:
        """The cells that are to be run."""
        return [row for row in self.rows if row.state in ("waiting", "begun")]


def estimate(
    study: Study, out: Path | str, *, executor: Executor | None = None, again: bool = False, device: str | None = None
) -> Estimate:
    """What a sweep of a study in `out` would do. Nothing is written; ValueError as for `sweep`.

    Time is that of the cells which are done, for their own settings and in proportion to steps and batch for others.
    Before there are any, a few steps of three settings at most are taken here, and the others lie between the least and
    the most of these, for each row of a batch; how long probes take is then not known and not counted.
    """
    out, where = Path(out), executor or Local()
    whole = claimable(out, study)
    where.ready()
    names = {cell.name for cell in check(whole, out, again)}
    lengths = _Lengths()
    rows = [_row(whole, out, cell, cell.name in names, lengths) for cell in whole.cells()]
    tasks = [Task(out, row.cell.name, len(rows), device=device) for row in rows if row.cell.name in names]
    epochs = sum(row.length / per for row in rows if (per := lengths.per_epoch(whole.experiment(row.cell))))
    if not tasks:
        return Estimate(rows, None, "", 0, epochs)
    width = where.width(tasks)
    paces = _of_cells(whole, out, rows)
    basis = "by the cells that are done, with their probes"
    if not paces:
        threads = where.share(tasks) if isinstance(where, Local) else None
        paces = _measured(whole, [row.cell for row in rows if row.cell.name in names], device, threads)
        if not paces:
            return Estimate(rows, None, "no time can be told: the settings that were tried do not train", width, epochs)
        basis = f"by a few steps of {len(paces)} setting{'s' * (len(paces) > 1)}, taken on this machine; "
        basis += "how long probes take is not known, and comes on top"
    return Estimate(rows, _total(whole, rows, names, paces, width), basis, width, epochs)


def _row(study: Study, out: Path, cell: Cell, todo: bool, lengths: _Lengths) -> Row:
    if not todo:
        state = "done" if done(out, study, cell) else "failed"
        taken = 0
    else:
        taken = outcome(study, cell, out).steps
        state = "begun" if (out / cell.name / "experiment.json").exists() else "waiting"
    length = lengths(study.experiment(cell))
    return Row(cell, state, length if state == "done" else min(taken, length), length)


class _Lengths:
    """The steps of experiments; the rows of equal data are counted once."""

    def __init__(self) -> None:
        self.counts: dict[str, int | None] = {}

    def count(self, experiment: Experiment) -> int | None:
        key = f"{experiment.data!r} {experiment.pairing!r}"
        if key not in self.counts:
            self.counts[key] = experiment.pairing.open(experiment.data, "train", torch.device("cpu"), "auto").count
        return self.counts[key]

    def __call__(self, experiment: Experiment) -> int:
        return experiment.steps if experiment.steps is not None else experiment.length(self.count(experiment))

    def per_epoch(self, experiment: Experiment) -> int:
        """Steps of an epoch; 0 where there are none."""
        return (self.count(experiment) or 0) // experiment.batch


def _of_cells(study: Study, out: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Seconds that each row of a batch takes, by the label of settings that have cells which are done."""
    found: dict[str, list[float]] = {}
    for row in rows:
        seconds = read_record(out, row.cell.name).seconds
        if row.state == "done" and seconds and row.length:
            experiment = study.experiment(row.cell)
            found.setdefault(row.cell.setting.label, []).append(seconds / row.length / experiment.batch)
    return {label: mean(paces) for label, paces in found.items()}


def _measured(study: Study, cells: Sequence[Cell], device: str | None, threads: int | None) -> dict[str, float]:
    """The same of a few steps, for settings with the smallest, a middle and the largest batch."""
    first = {cell.setting.label: cell for cell in reversed(cells)}
    some = sorted(first.values(), key=lambda cell: study.experiment(cell).batch)
    picked = {some[at].setting.label: some[at] for at in (0, len(some) // 2, len(some) - 1)}
    before = torch.get_num_threads()
    try:
        where = chosen(device, threads)
        found = {label: _pace(study.experiment(cell), where) for label, cell in [*picked.items()][:MEASURED]}
        return {label: pace for label, pace in found.items() if pace is not None}
    finally:
        torch.set_num_threads(before)


def _pace(experiment: Experiment, device: torch.device) -> float | None:
    """The seconds for each row of a batch; None where training fails, as the cell will say once it is run."""
    try:
        return _taken(Trainer(experiment, device))
    except (ArithmeticError, RuntimeError, MemoryError):
        return None


def _taken(trainer: Trainer) -> float:
    started, taken, first = time.perf_counter(), 0, True
    for _ in range(min(STEPS + 1, trainer.steps)):
        loss, _norm = trainer.advance()
        float(loss.total.detach())  # a GPU has then done what it was given
        if first:
            first, started = trainer.steps == 1, time.perf_counter()
        taken += 1
        if time.perf_counter() - started > SECONDS:
            break
    return (time.perf_counter() - started) / max(1, taken - 1) / trainer.experiment.batch


def _total(
    study: Study, rows: Sequence[Row], names: set[str], paces: Mapping[str, float], width: int
) -> tuple[float, float]:
    """Seconds of all cells to be run, so many at a time, at least and at most."""
    low, high, longest = 0.0, 0.0, [0.0, 0.0]
    for row in rows:
        if row.cell.name in names:
            images = (row.length - row.taken) * study.experiment(row.cell).batch
            own = paces.get(row.cell.setting.label)
            least, most = (own, own) if own is not None else (min(paces.values()), max(paces.values()))
            low, high = low + images * least, high + images * most
            longest = [max(longest[0], images * least), max(longest[1], images * most)]
    return max(low / width, longest[0]), max(high / width, longest[1])
