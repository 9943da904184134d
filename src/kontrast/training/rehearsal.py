"""What is found out before the first step, on as few rows as will do, and without learning anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.training.failures import is_short

if TYPE_CHECKING:
    from kontrast.training.trainer import Trainer


class Rehearsed(NamedTuple):
    """The size of a feature, and whether gradients reach the answers."""

    features: int
    carried: bool


def check_shares(experiment: Experiment, processes: int) -> int:
    """The rows of a batch that each process has. ValueError if they are not equally many whole micro-batches."""
    rows, rest = divmod(experiment.batch, processes)
    if rest or rows < 1:
        near = max(processes, processes * round(experiment.batch / processes))
        raise ValueError(
            f"{processes} processes cannot share batch={experiment.batch} evenly, which counts the things of all of "
            f"them; write batch={near}"
        )
    micro = experiment.micro
    if micro is not None and micro < rows and rows % micro:
        near = min((d for d in range(1, rows + 1) if rows % d == 0), key=lambda d: abs(d - micro))
        raise ValueError(
            f"each of {processes} processes has {rows} things of the batch, which micro={micro} does not divide; "
            f"write micro={near}"
        )
    return rows


def rehearse(trainer: Trainer) -> Rehearsed:
    """Pass a few rows through the model in evaluation. ValueError where parts do not fit each other."""
    experiment = trainer.experiment
    trainer.model.eval()
    draws = Draws(experiment.seed, 0, _few(experiment))
    try:
        views = experiment.pairing(trainer.source.batch(draws), trainer.source, draws)
        output = trainer.embed(views, 0)
        trainer.model.criterion(output.asked, output.answers, views)
    except (RuntimeError, IndexError, TypeError, ArithmeticError) as error:
        if is_short(error):
            raise
        raise ValueError(f"the parts do not fit each other: {str(error).splitlines()[0]}") from error
    trainer.model.train()
    return Rehearsed(int(output.features.shape[1]), any(answer.requires_grad for answer in output.answers))


def _few(experiment: Experiment) -> int:
    """Eight rows, or twice that, and so on, until the objective takes them."""
    rows = 8
    while rows < experiment.compared:
        try:
            experiment.objective.check_batch(rows, experiment.dim)
            return rows
        except ValueError:
            rows *= 2
    return experiment.compared
