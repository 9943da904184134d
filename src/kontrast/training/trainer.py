"""A trainer: an experiment in progress, one exact step at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from kontrast import checkpoints
from kontrast.datasets import Source
from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.model import Output
from kontrast.objectives import Loss, agree
from kontrast.training.online import OnlineProbe
from kontrast.views import Things

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
