"""The training loop: exact, resumable at every step, and the only place that sets devices, precision and threads."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from kontrast import checkpoints
from kontrast.datasets import Source
from kontrast.draws import Draws
from kontrast.experiment import Experiment, read, values
from kontrast.files import write_json
from kontrast.model import Output
from kontrast.objectives import Loss, agree
from kontrast.run import Run
from kontrast.training import folder
from kontrast.training.interrupts import Interrupted, Interrupts
from kontrast.training.online import OnlineProbe
from kontrast.training.progress import Display
from kontrast.training.records import Records
from kontrast.views import Things

ROWS = 100
"""Rows of metrics in a run, at the most."""
HELD_OUT = 1000
"""Rows that the online probe is scored on."""


class NonFinite(ArithmeticError):
    """The loss or its gradient stopped being a number. The parameters are as they were before that step."""


class Trainer:
    """An experiment in progress: `step` counts the optimizer steps taken."""

    def __init__(self, experiment: Experiment, device: torch.device) -> None:
        self.experiment, self.device, self.step = experiment, device, 0
        self.source: Source = experiment.data.open("train", device)
        count = self.source.count
        if count is not None and count < experiment.batch:
            raise ValueError(
                f"a batch of {experiment.batch} is larger than the {count} rows of the data; write batch={count}"
            )
        self.per_epoch = None if count is None else count // experiment.batch
        self.steps = experiment.length(count)
        self.model = experiment.model().to(device)
        self.learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = experiment.optimizer.build(self.learned)
        features = self._rehearse()
        self.probe: OnlineProbe | None = None
        self.waited = 0.0
        if experiment.online and (experiment.data.classes or experiment.data.factors):
            self.held_out = list(experiment.data.open("test", device).chunks(250, HELD_OUT))
            self.probe = OnlineProbe(experiment.data, features, experiment.seed).to(device)

    def advance(self) -> tuple[Loss, Tensor]:
        """One optimizer step: the loss, and the norm of its gradient. NonFinite before anything changes."""
        experiment = self.experiment
        started = time.perf_counter()
        draws = Draws(experiment.seed, self.step, experiment.batch)
        things = self.source.batch(draws)
        views = experiment.pairing(things, experiment.data, draws)
        self.waited += time.perf_counter() - started
        with self._precision():
            output = self.model(views)
        loss = agree(experiment.objective, output.asked, output.answers, views)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.learned if p.grad is not None])
        if not bool(torch.stack([loss.total.detach(), norm]).isfinite().all()):
            raise NonFinite(_blame(self.step, loss, output, things, self.model))
        factor = experiment.schedule.factor(self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = experiment.optimizer.rate * factor
        self.optimizer.step()
        self.step += 1
        self.model.teacher.follow(self.step, self.steps)
        if self.probe is not None:
            self.probe.learn(output.features, things)
        return loss, norm

    def score(self) -> dict[str, float]:
        """The online probe on held-out rows."""
        if self.probe is None:
            return {}
        self.model.eval()
        result = {self.probe.metric: self.probe.score(self._held_out_features())}
        self.model.train()
        return result

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on, by name."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        parts = [("optimizer", self.optimizer)]
        if self.probe is not None:
            found |= {f"online.{name}": value for name, value in self.probe.state_dict().items()}
            parts.append(("online_optimizer", self.probe.optimizer))
        for prefix, optimizer in parts:
            for number, state in optimizer.state_dict()["state"].items():
                found |= {f"{prefix}.{number}.{name}": value for name, value in state.items() if value is not None}
        return found

    def restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Go on from a checkpoint of the same experiment."""
        self.step = checkpoint.step
        self.model.load_state_dict(_under(checkpoint.tensors, "model."))
        _restore_optimizer(self.optimizer, _under(checkpoint.tensors, "optimizer."))
        if self.probe is not None:
            self.probe.load_state_dict(_under(checkpoint.tensors, "online."))
            _restore_optimizer(self.probe.optimizer, _under(checkpoint.tensors, "online_optimizer."))

    def _rehearse(self) -> int:
        """The size of a feature, after a pass in which nothing is learned: parts that do not fit are found here."""
        experiment = self.experiment
        self.model.eval()
        draws = Draws(experiment.seed, 0, min(experiment.batch, 8))
        try:
            with torch.no_grad(), self._precision():
                views = experiment.pairing(self.source.batch(draws), experiment.data, draws)
                output = self.model(views)
            agree(experiment.objective, output.asked, output.answers, views)
        except (RuntimeError, IndexError, TypeError, ArithmeticError) as error:
            raise ValueError(f"the parts do not fit each other: {str(error).splitlines()[0]}") from error
        self.model.train()
        return int(output.features.shape[1])

    @torch.no_grad()
    def _held_out_features(self) -> Iterator[tuple[Tensor, Things]]:
        for things in self.held_out:
            with self._precision():
                features = self.model.student.features(things.observations)
            yield features, things

    def _precision(self) -> torch.autocast:
        low = self.experiment.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=low)


def train(
    experiment: Experiment,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    device: str | None = None,
    threads: int | None = None,
    save_seconds: float = 60.0,
    console: Console | None = None,
) -> Run:
    """Train an experiment in the folder `out` (default: runs/<method>) and return the run.

    With `resume` it goes on from the last good checkpoint in `out`, bit for bit as if it had never stopped, given the
    same machine, number of threads and version of torch (a difference is said). It saves
    every `save_seconds`, at the end, and when SIGINT, SIGTERM or SIGUSR1 asks it to leave.

    ValueError before anything is written: the experiment cannot run, or `out` is not empty. NonFinite: the loss or
    gradient stopped being finite. Interrupted: a signal came, and what was reached is saved.
    """
    out = Path(out) if out is not None else Path("runs") / experiment.method
    place = _place(device, threads)
    record = _record(experiment)
    with _deterministic(), folder.claimed(out, experiment, resume):
        trainer = Trainer(experiment, place)
        if resume:
            _resume(trainer, out)
        write_json(out / "experiment.json", record)
        folder.describe(out, place)
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
    memory.fill_uninitialized_memory = (
        False  # filling costs 7 % of a step, and nothing here reads what it has not written
    )
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
            f"stopped at step {trainer.step} of {trainer.steps}; resume=True out={out} goes on from there",
        )


def _row(trainer: Trainer, loss: Loss, norm: Tensor, seconds: float, steps: int) -> dict[str, float]:
    experiment = trainer.experiment
    row = {
        "step": trainer.step,
        "epoch": trainer.step / trainer.per_epoch if trainer.per_epoch else 0.0,
        "loss": float(loss.total.detach()),
        **{f"loss/{name}": float(value) for name, value in loss.parts.items()},
        **{f"batch/{name}": float(value) for name, value in loss.measures.items()},
        **trainer.score(),
        "rate": experiment.optimizer.rate * experiment.schedule.factor(trainer.step - 1, trainer.steps),
        "gradient_norm": float(norm),
        "images_per_second": steps * experiment.batch / seconds,
        "waiting": trainer.waited / seconds,
    }
    if not trainer.per_epoch:
        del row["epoch"]
    return row


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


def _resume(trainer: Trainer, out: Path) -> None:
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
        folder.compare(out, trainer.device)
        trainer.restore(checkpoint)


def _seen(trainer: Trainer) -> dict[str, Any]:
    """What a checkpoint says of the data, so that a run does not go on over other data without a word."""
    return {"rows": trainer.source.count, "classes": list(trainer.experiment.data.classes)}


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        number, _, name = path.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _blame(step: int, loss: Loss, output: Output, things: Things, model: torch.nn.Module) -> str:
    bad = torch.stack([~z.isfinite().all(-1) for z in output.asked]).any(0)
    terms = [name for name, value in loss.parts.items() if not bool(value.isfinite().all())]
    where = [name for name, p in model.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())]
    what = (
        f"the loss is {float(loss.total.detach())}" if not bool(loss.total.isfinite()) else "the gradient is not finite"
    )
    said = f"at step {step} {what}"
    if terms:
        said += f" (terms: {', '.join(terms)})"
    if bool(bad.any()):
        said += f", in rows {things.index[bad].tolist()[:8]}"
    elif where:
        said += f", first in {where[0]}"
    return said + "; no parameter was changed: start again with a lower optimizer.rate, or a higher temperature"
