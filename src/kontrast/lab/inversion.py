"""The laboratory at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console

from kontrast.experiment import Experiment
from kontrast.lab.book import Book, Row
from kontrast.lab.plan import Kind, Plan
from kontrast.run import Run
from kontrast.theory import Prediction, check
from kontrast.training import train


@dataclass(frozen=True)
class Inversion:
    """What was found: a row for each seed and encoder, what the theory predicted, and how it was measured."""

    out: Path
    prediction: Prediction
    rows: tuple[Row, ...]
    protocol: str

    def over_seeds(self, encoder: str, column: str) -> tuple[float, float] | None:
        """Mean and standard deviation over seeds (0 for one seed) of a column of `Row`; None where it has no values."""
        found = [getattr(row, column) for row in self.rows if row.encoder == encoder]
        known = [float(value) for value in found if value is not None]
        return (mean(known), stdev(known) if len(known) > 1 else 0.0) if known else None


def invert(
    experiment: Experiment,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    out: Path | str = "runs/lab",
    only: Kind | None = None,
    supervised_steps: int | None = None,
    reseed_data: bool = True,
    limit: int = 10_000,
    threads: int | None = None,
    device: str | None = None,
    compile: bool = False,
    console: Console | None = None,
) -> Inversion:
    """Train an experiment and its supervised ceiling with each seed, and score what they recovered.

    A seed sets that of the run and, with `reseed_data`, that of the data where it has one: the mixing. Runs are in
    out/unsupervised-0, out/supervised-0 and so on. Those that are over are taken as they are and those that were
    stopped go on, so the same call again goes on; out/lab.json has all numbers. `only` leaves out the other kind of
    run, `supervised_steps` gives the ceiling another length, and `limit` is the number of rows that probes are fitted
    on, and scored on. `threads`, `device` and `compile` are those of `train`.

    ValueError before anything is trained: the data do not know their latents, the experiment is supervised already or
    cannot run, a folder holds something else, or a number is out of range. As for `train`: NonFinite, Interrupted.
    """
    plan = Plan(experiment, tuple(seeds), Path(out), only, supervised_steps, reseed_data, limit)
    plan.check()
    book = Book(plan, check(experiment))
    console = console or Console(stderr=True)
    where = {"threads": threads, "device": device, "compile": compile, "console": console}
    for seed in plan.seeds:
        book.add(seed, {kind: _trained(plan, book, kind, seed, where) for kind in plan.kinds})
    return Inversion(plan.out, book.prediction, tuple(book.rows), book.protocol)


def _trained(plan: Plan, book: Book, kind: Kind, seed: int, where: dict[str, Any]) -> Run:
    """A run of the plan, trained or gone on with unless it is over."""
    done, folder = plan.finished(kind, seed), plan.folder(kind, seed)
    where["console"].print(f"seed {seed}: {kind}{', trained already' if done else ''}", highlight=False)
    if done is not None:
        return done
    with book.timed(kind, seed):
        begun = (folder / "experiment.json").exists()
        return train(plan.experiment(kind, seed), folder, resume=begun, **where)
