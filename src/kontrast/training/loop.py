"""The training loop: exact, resumable at every step, and the only place that sets devices, precision and threads."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from kontrast import checkpoints, tiles
from kontrast.experiment import Experiment, read, values
from kontrast.files import write_json
from kontrast.objectives import Loss
from kontrast.run import Run
from kontrast.training import folder
from kontrast.training.interrupts import Interrupted, Interrupts
from kontrast.training.progress import Display
from kontrast.training.records import Records
from kontrast.training.trainer import NonFinite, Trainer

ROWS = 100
"""Rows of metrics in a run, at the most."""


def train(
    experiment: Experiment,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    device: str | None = None,
    threads: int | None = None,
    save_seconds: float = 60.0,
    compile: bool = False,
    console: Console | None = None,
) -> Run:
    """Train an experiment in the folder `out` (default: runs/<method>) and return the run.

    With `resume` it goes on from the last good checkpoint in `out`, bit for bit as if it had never stopped, given the
    same machine, number of threads and version of torch (a difference is said). It saves every `save_seconds`, at the
    end, and when SIGINT, SIGTERM or SIGUSR1 asks it to leave.

    With `compile` the criterion's sums over pairs are compiled for this machine, which can change their last bits.

    ValueError before anything is written: the experiment cannot run, `out` is not empty, or there is no compiler.
    NonFinite: the loss or gradient stopped being finite. Interrupted: a signal came, and what was reached is saved.
    """
    out = Path(out) if out is not None else Path("runs") / experiment.method
    place = _place(device, threads)
    record = _record(experiment)
    tiling = tiles.compiled() if compile else nullcontext()
    with tiling, _deterministic(), folder.claimed(out, experiment, resume):
        trainer = Trainer(experiment, place)
        if resume:
            _resume(trainer, out, compile)
        write_json(out / "experiment.json", record)
        folder.describe(out, place, compile)
        with (
            Interrupts() as interrupts,
            Records(out, trainer.step) as records,
            Display(trainer.steps, trainer.step, console) as display,
        ):
            _advance(trainer, out, interrupts, records, display, save_seconds)
    return Run(out)


def _place(device: str | None, threads: int | None) -> torch.device:
    if threads is not None:
        if threads < 1:
            raise ValueError(f"a run takes at least one thread, not {threads}; write threads=1")
        torch.set_num_threads(threads)
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {name!r} here ({str(error).splitlines()[0]}); write device=cpu") from None
    return place


def _record(experiment: Experiment) -> dict[str, Any]:
    """The experiment as JSON that surely gives it again."""
    try:
        record = values(experiment)
        same = read(json.loads(json.dumps(record))) == experiment
    except TypeError as error:
        raise ValueError(f"this experiment cannot be written down, so it cannot be repeated: {error}") from None
    if not same:
        raise ValueError(f"this experiment is not what its record says, so it cannot be repeated: {record}")
    return record


@contextmanager
def _deterministic() -> Iterator[None]:
    """Deterministic algorithms where there are any, and a warning where there are none."""
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory costs 7 % of a step, and nothing here reads what it has not written.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before, warn_only=warned)


def _advance(
    trainer: Trainer, out: Path, interrupts: Interrupts, records: Records, display: Display, save_seconds: float
) -> None:
    every = max(1, trainer.steps // ROWS)
    started = marked = saved = time.perf_counter()
    first = before = trainer.step
    while trainer.step < trainer.steps and interrupts.received is None:
        loss, norm = trainer.advance()
        display.advance(trainer.step)
        if trainer.step % every == 0 or trainer.step == trainer.steps:
            now = time.perf_counter()
            row = _row(trainer, loss, norm, now - marked, trainer.step - before)
            records.write(row)
            display.show(row, (now - started) / (trainer.step - first) * (trainer.steps - trainer.step))
            trainer.waited, before, marked = 0.0, trainer.step, time.perf_counter()
        if time.perf_counter() - saved >= save_seconds and trainer.step < trainer.steps:
            _save(trainer, out)
            saved = time.perf_counter()
    _save(trainer, out)
    if trainer.step < trainer.steps and interrupts.received is not None:
        raise Interrupted(
            interrupts.received,
            f"stopped at step {trainer.step} of {trainer.steps}; go on with kontrast train resume=True out={out}",
        )


def _row(trainer: Trainer, loss: Loss, norm: Tensor, seconds: float, steps: int) -> dict[str, float]:
    experiment = trainer.experiment
    return {
        "step": trainer.step,
        **({"epoch": trainer.step / trainer.per_epoch} if trainer.per_epoch else {}),
        "loss": float(loss.total.detach()),
        **{f"loss/{name}": float(value) for name, value in loss.parts.items()},
        **{f"batch/{name}": float(value) for name, value in loss.measures.items()},
        **trainer.score(),
        "rate": experiment.optimizer.rate * experiment.schedule.factor(trainer.step - 1, trainer.steps),
        "gradient_norm": float(norm),
        "images_per_second": steps * experiment.batch / seconds,
        "waiting": trainer.waited / seconds,
    }


def _save(trainer: Trainer, out: Path) -> None:
    tensors = trainer.tensors()
    wrong = [name for name, value in tensors.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if wrong:
        raise NonFinite(
            f"after step {trainer.step} {wrong[0]} is not finite, so this state is not saved; "
            "start again with a lower optimizer.rate"
        )
    mark = checkpoints.fingerprint({name: value for name, value in tensors.items() if name.startswith("model.")})
    state = {"steps": trainer.steps, "fingerprint": mark, **_seen(trainer)}
    checkpoints.save(out / "checkpoints", trainer.step, tensors, state)


def _resume(trainer: Trainer, out: Path, compiled: bool) -> None:
    checkpoint, damaged = checkpoints.latest(out / "checkpoints")
    for sentence in damaged:
        warnings.warn(f"{sentence}; going back to the one before", stacklevel=3)
    if checkpoint is None:
        warnings.warn(f"{out} holds no checkpoint that is whole; starting from the first step", stacklevel=3)
    else:
        for name, here in _seen(trainer).items():
            there = checkpoint.state.get(name)
            if there != here:
                raise ValueError(f"the data changed since the run was stopped: {name} was {there} and is {here}")
        folder.compare(out, trainer.device, compiled)
        trainer.restore(checkpoint)


def _seen(trainer: Trainer) -> dict[str, Any]:
    """What a checkpoint says of the data, so that a run does not go on over other data without a word."""
    return {"rows": trainer.source.count, "classes": list(trainer.experiment.data.classes)}
