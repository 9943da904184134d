"""A trainer: an experiment in progress, one exact step at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from kontrast import checkpoints
from kontrast.datasets import Source
from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.model import Output
from kontrast.objectives import Loss
from kontrast.training import accumulation
from kontrast.training.online import OnlineProbe
from kontrast.views import Things, Views

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
        groups = self.model.groups(experiment.predictor_schedule, experiment.learned_rate)
        self.optimizer = experiment.optimizer.build(groups)
        # What a pass through the network moves, and the second pass of exact accumulation must not move again.
        self.buffers = [*self.model.student.buffers()]
        if self.model.predictor is not None:
            self.buffers += self.model.predictor.buffers()
        features, self.carried = self._rehearse()
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
        self.optimizer.zero_grad(set_to_none=True)
        loss, output = self._differentiate(views)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.learned if p.grad is not None])
        if not bool(torch.stack([loss.total.detach(), norm]).isfinite().all()):
            raise NonFinite(_blame(self.step, loss, output, things, self.model))
        experiment.optimizer.set_rates(self.optimizer, experiment.schedule, self.step, self.steps)
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

    def _differentiate(self, views: Views) -> tuple[Loss, Output]:
        """The loss and the output of a batch, with the gradient left in the parameters."""
        micro, criterion = self.experiment.micro, self.model.criterion
        if micro in (None, len(views.key)) or self.experiment.accumulation == "plain":
            return accumulation.plain(self._embed, criterion, views, micro)
        return accumulation.exact(self._embed, criterion, views, micro, self.carried, self.buffers)

    def _embed(self, views: Views, number: int) -> Output:
        """The model on one micro-batch. What it draws is a function of seed, step and number alone."""
        draws = Draws(self.experiment.seed, self.step, len(views.key))
        with self._precision(), _drawing(self.device, draws.generator("network", number).initial_seed()):
            output: Output = self.model(views)
        return output

    def _rehearse(self) -> tuple[int, bool]:
        """The size of a feature, and whether gradients reach the answers, after a pass in which nothing is learned.

        Parts that do not fit are found here, on as few rows as the objective takes.
        """
        experiment = self.experiment
        self.model.eval()
        draws = Draws(experiment.seed, 0, self._few())
        try:
            views = experiment.pairing(self.source.batch(draws), experiment.data, draws)
            output = self._embed(views, 0)
            self.model.criterion(output.asked, output.answers, views)
        except (RuntimeError, IndexError, TypeError, ArithmeticError) as error:
            raise ValueError(f"the parts do not fit each other: {str(error).splitlines()[0]}") from error
        self.model.train()
        return int(output.features.shape[1]), any(answer.requires_grad for answer in output.answers)

    def _few(self) -> int:
        """Eight rows, or twice that, and so on, until the objective takes them."""
        experiment, rows = self.experiment, 8
        while rows < experiment.compared:
            try:
                experiment.objective.check_batch(rows, experiment.dim)
                return rows
            except ValueError:
                rows *= 2
        return experiment.compared

    @torch.no_grad()
    def _held_out_features(self) -> Iterator[tuple[Tensor, Things]]:
        for things in self.held_out:
            with self._precision():
                features = self.model.student.features(things.observations)
            yield features, things

    def _precision(self) -> torch.autocast:
        low = self.experiment.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=low)


@contextmanager
def _drawing(device: torch.device, seed: int) -> Iterator[None]:
    """What torch draws from its global state comes from this seed, and the state is then as it was."""
    places = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=places):
        torch.default_generator.manual_seed(seed)
        for place in places:
            index = torch.cuda.current_device() if place.index is None else place.index
            torch.cuda.default_generators[index].manual_seed(seed)
        yield


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
