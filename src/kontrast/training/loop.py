"""The training loop: exact, resumable at every step, and the only place that sets devices, precision and threads."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from torch import Tensor

from kontrast import checkpoints
from kontrast.checkpoints import Checkpoint
from kontrast.datasets.placement import Place
from kontrast.experiment import Experiment
from kontrast.files import write_json
from kontrast.objectives import Loss
from kontrast.run import Run
from kontrast.training import devices, folder, processes, trackers
from kontrast.training.compiling import compiling
from kontrast.training.distributed import agreed, led, rank, spread, told
from kontrast.training.failures import NonFinite, OutOfMemory, is_short
from kontrast.training.heading import heading
from kontrast.training.interrupts import Interrupted, Interrupts
from kontrast.training.pictures import Sheets
from kontrast.training.progress import Display
from kontrast.training.records import Records
from kontrast.training.trainer import Trainer
from kontrast.training.watch import Watch

ROWS = 100
"""Rows of metrics in a run, at the most."""


class Reports(NamedTuple):
    """Where the first process says how the run goes."""

    display: Display
    records: Records
    watch: Watch
    sheets: Sheets


def train(
    experiment: Experiment,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    device: str | None = None,
    threads: int | None = None,
    place: Place = "auto",
    save_seconds: float = 60.0,
    wait_seconds: float = processes.PATIENCE,
    compile: bool = False,
    track: str = "",
    console: Console | None = None,
) -> Run:
    """Train an experiment in the folder `out` (default: runs/<method>) and return the run.

    With `resume` it goes on from the last good checkpoint in `out`, bit for bit as if it had never stopped, given the
    same machine, number of threads and processes, and version of torch (a difference is said). It saves every
    `save_seconds`, at the end, and when SIGINT, SIGTERM or SIGUSR1 asks it to leave.

    Several processes started by torchrun or srun train as one: each has its own share of every batch on a device of its
    own, the first alone writes and prints, a signal to any stops all after the same step, and where one is not heard of
    for `wait_seconds` the others end. The number of processes may change when a run goes on, which leaves what is
    learned as it was, but for batch normalization with `micro` or sync=False, as Experiment says.

    torchrun itself passes SIGTERM and SIGINT on. SIGUSR1 it passes on with `torchrun
    --signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1`, and without that it is killed by it. It waits 30 s, or
    `--shutdown-timeout`, for the processes to save. Where torchrun is gone, they save and leave.

    What it says of itself goes to metrics.jsonl and TensorBoard, and to the trackers that `track` names, with commas
    between: "wandb", "trackio". `place` says where the rows of the data lie: on the "device", "pinned" in memory,
    "mapped" from the disk, "streamed", or where there is room ("auto").

    With `compile` networks, augmentations and the criterion's sums over pairs are compiled for this machine, which can
    change their last bits.

    ValueError before anything is written: the experiment cannot run, `out` is not empty, a number of seconds makes no
    sense, or there is no compiler. NonFinite: the loss or gradient stopped being finite. OutOfMemory: a step, or saving
    it, did not fit. Interrupted: a signal came, and what was reached is saved. Lost: another process is gone.
    """
    _check(save_seconds, wait_seconds)
    out = Path(out) if out is not None else Path("runs") / experiment.method
    seat, shown = processes.seat(), trackers.chosen(track)
    chosen = devices.chosen(device, threads, seat)
    record = folder.recorded(experiment)
    with processes.together(seat, chosen, wait_seconds), devices.deterministic(), ExitStack() as stack:
        stack.enter_context(compiling(compile))
        led(lambda: stack.enter_context(folder.claimed(out, experiment, resume)))
        trainer = Trainer(experiment, chosen, place, compile=compile, begin=not resume)
        if resume:
            _resume(trainer, out, compile)
        if rank() == 0:
            _describe(trainer, out, record, compile)
        with Interrupts() as interrupts, _reporting(trainer, out, shown, record, console) as reports:
            _advance(trainer, out, interrupts, reports, save_seconds)
        # So that no process reads what the first has not written.
        agreed(0)
    return Run(out)


def _check(save_seconds: float, wait_seconds: float) -> None:
    if not save_seconds >= 0:
        raise ValueError(f"save_seconds is a number of seconds from 0 on, not {save_seconds}; write save_seconds=60")
    if not 0 < wait_seconds < float("inf"):
        raise ValueError(f"wait_seconds is a positive number of seconds, not {wait_seconds}; write wait_seconds=600")


def _describe(trainer: Trainer, out: Path, record: dict[str, Any], compiled: bool) -> None:
    """Write what the run is, where it takes place, and which rows it is shown."""
    write_json(out / "experiment.json", record)
    folder.describe(out, trainer.device, compiled, trainer.source.place)
    rows = trainer.experiment.data.listed()
    if rows:
        write_json(out / "rows.json", rows)
    if trainer.begun is not None:
        write_json(out / "start.json", trainer.begun.record())


@contextmanager
def _reporting(
    trainer: Trainer, out: Path, shown: Any, record: dict[str, Any], console: Console | None
) -> Iterator[Reports | None]:
    """On the first process, where it says how it goes; None on the others."""
    if rank() > 0:
        yield None
        return
    with (
        Display(trainer.steps, trainer.step, console) as display,
        Records(out, trainer.step, shown, record, display.say) as records,
    ):
        for line in heading(trainer):
            display.say(line)
        yield Reports(display, records, Watch(trainer, display.say), Sheets(trainer, records))


def _advance(trainer: Trainer, out: Path, interrupts: Interrupts, reports: Reports | None, save_seconds: float) -> None:
    every = max(1, trainer.steps // ROWS)
    started = marked = saved = time.perf_counter()
    first = before = trainer.step
    (received,) = agreed(interrupts.asked())
    while trainer.step < trainer.steps and not received:
        due = (trainer.step + 1) % every == 0 or trainer.step + 1 == trainer.steps
        if due and reports is not None:
            reports.watch.before()
        loss, norm = trainer.advance()
        if reports is not None:
            reports.display.advance(trainer.step)
        if due and reports is not None:
            now = time.perf_counter()
            row = {**_row(trainer, loss, norm, now - marked, trainer.step - before), **reports.watch.row()}
            reports.records.write(row)
            reports.sheets.row()
            reports.display.show(row, (now - started) / (trainer.step - first) * (trainer.steps - trainer.step))
            trainer.waited, before, marked = 0.0, trainer.step, time.perf_counter()
        late = rank() == 0 and time.perf_counter() - saved >= save_seconds
        received, save = agreed(interrupts.asked(), late)
        if save and trainer.step < trainer.steps:
            _save(trainer, out)
            saved = time.perf_counter()
    _save(trainer, out)
    if trainer.step < trainer.steps and received:
        raise Interrupted(
            received,
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
        "rate": trainer.rate,
        "gradient_norm": float(norm),
        **({"skipped": trainer.skipped} if experiment.precision == "float16" else {}),
        "images_per_second": steps * experiment.batch / seconds,
        "waiting": trainer.waited / seconds,
    }


def _save(trainer: Trainer, out: Path) -> None:
    try:
        _store(trainer, out)
    except (RuntimeError, MemoryError) as error:
        if not is_short(error):
            raise
        raise OutOfMemory(
            f"after step {trainer.step} the memory did not suffice to save it; the checkpoint before it, if any, is "
            f"untouched: make room and go on from there with kontrast train resume=True out={out}"
        ) from error


def _store(trainer: Trainer, out: Path) -> None:
    tensors = trainer.tensors()
    wrong = [name for name, value in tensors.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if wrong:
        raise NonFinite(
            f"after step {trainer.step} {wrong[0]} is not finite, so this state is not saved; "
            "start again with a lower optimizer.rate"
        )
    if rank() > 0:
        return
    mark = checkpoints.fingerprint({name: value for name, value in tensors.items() if name.startswith("model.")})
    state = {"steps": trainer.steps, "fingerprint": mark, **_seen(trainer)}
    checkpoints.save(out / "checkpoints", trainer.step, tensors, state)


def _resume(trainer: Trainer, out: Path, compiled: bool) -> None:
    """Put every process where the last good checkpoint is, as the first process reads it."""
    found = led(lambda: _checkpoint(trainer, out, compiled))
    step, tensors = told(str(found.step) if found else ""), spread(found.tensors if found else None)
    if tensors is not None:
        trainer.restore(Checkpoint(int(step), tensors, {}, out))
    else:
        trainer.begin()


def _checkpoint(trainer: Trainer, out: Path, compiled: bool) -> Checkpoint | None:
    checkpoint, damaged = checkpoints.latest(out / "checkpoints")
    for sentence in damaged:
        warnings.warn(f"{sentence}; going back to the one before", stacklevel=6)
    if checkpoint is None:
        warnings.warn(f"{out} holds no checkpoint that is whole; starting from the first step", stacklevel=6)
        return None
    for name, here in _seen(trainer).items():
        there = checkpoint.state.get(name)
        if there != here:
            raise ValueError(f"the data changed since the run was stopped: {name} was {there} and is {here}")
    folder.compare(out, trainer.device, compiled)
    return checkpoint


def _seen(trainer: Trainer) -> dict[str, Any]:
    """What a checkpoint says of the data, so that a run does not go on over other data without a word."""
    return {"rows": trainer.source.count, "classes": list(trainer.experiment.data.classes)}
