"""A trainer: an experiment in progress, one exact step at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from kontrast import checkpoints
from kontrast.datasets import Source
from kontrast.datasets.placement import Place
from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.model import Output, Student
from kontrast.objectives import Loss
from kontrast.start import Begun
from kontrast.training import accumulation
from kontrast.training.average import Average
from kontrast.training.batch_norm import synchronize
from kontrast.training.compiling import compile_networks
from kontrast.training.distributed import average_gradients, led, rank, ranks, spread
from kontrast.training.failures import NonFinite, OutOfMemory, advice, blame, is_short
from kontrast.training.online import OnlineProbe
from kontrast.training.precision import Precision
from kontrast.training.rehearsal import check_shares, rehearse
from kontrast.training.state import gather_state, restore_state
from kontrast.training.windows import Windows
from kontrast.views import Things, Views

HELD_OUT = 1000
"""Rows that the online probe is scored on."""


class Trainer:
    """An experiment in progress: `step` counts the steps taken, `rate` is the learning rate of the last one.

    Where several processes train together, each has its own `rows` of every batch, and all have the same parameters.
    `views` and `output` are those of the last step, of this process, to look at; None before the first.
    """

    def __init__(
        self,
        experiment: Experiment,
        device: torch.device,
        place: Place = "auto",
        *,
        compile: bool = False,
        begin: bool = True,
    ) -> None:
        self.experiment, self.device, self.step, self.rate = experiment, device, 0, 0.0
        self.rows = check_shares(experiment, ranks())
        self.micro = experiment.micro if experiment.micro is not None and experiment.micro < self.rows else None
        self.source: Source = experiment.pairing.open(experiment.data, "train", device, place)
        count = self.source.count
        if count is not None and count < experiment.batch:
            raise ValueError(
                f"a batch of {experiment.batch} is larger than the {count} rows of the data; write batch={count}"
            )
        self.per_epoch = None if count is None else count // experiment.batch
        self.steps = experiment.length(count)
        # Kernels lie as pictures do, channels last, so that no pass has to turn them.
        self.model = experiment.model().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if experiment.sync and ranks() > 1:
            synchronize(self.model)
        self.begun: Begun | None = None
        if begin:
            self.begin()
        self._build()
        self.views: Views | None = None
        self.output: Output | None = None
        self.waited, self.skipped, self._moving = 0.0, 0, False
        rehearsed = rehearse(self)
        self.carried = rehearsed.carried
        self.probe: OnlineProbe | None = None
        if experiment.online and (experiment.data.classes or experiment.data.factors):
            # The first process alone scores the probe, and all train the same one.
            test = experiment.data.open("test", device, place) if rank() == 0 else None
            self.held_out = [] if test is None else list(test.chunks(250, HELD_OUT))
            self.probe = OnlineProbe(experiment.data, rehearsed.features, experiment.seed).to(device)
        if compile:
            compile_networks(self.model)

    def begin(self) -> None:
        """Take the weights that the experiment starts from, on every process as the first one reads them.

        With begin=False a trainer has not done so: its weights are to be restored.
        """
        start = self.experiment.start
        if start is None:
            return
        self.begun = led(start.read)
        tensors = spread(None if self.begun is None else self.begun.tensors)
        assert tensors is not None
        # A teacher that is a copy of the student starts as one.
        for student in [module for module in self.model.modules() if isinstance(module, Student)]:
            start.place(student, self.experiment.encoder, tensors)

    def _build(self) -> None:
        experiment, model = self.experiment, self.model
        self.learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        start, encoder = experiment.start, experiment.encoder
        blocks = [] if start is None else start.groups(model.student, encoder)
        groups = model.groups(experiment.predictor_schedule, experiment.learned_rate, blocks)
        self.optimizer = experiment.optimizer.build(groups, experiment.batch)
        self.precision = Precision(experiment.precision, self.device)
        self.windows = Windows(self.steps, self.per_epoch)
        self.average = None if experiment.average is None else Average(model.student, experiment.average)
        # What a pass through the network moves, and the second pass of exact accumulation must not move again.
        self.buffers = [*model.student.buffers()]
        if model.predictor is not None:
            self.buffers += model.predictor.buffers()

    def advance(self) -> tuple[Loss, Tensor]:
        """One step: the loss, and the norm of its gradient before any clipping.

        NonFinite and OutOfMemory before a parameter changes (or, where memory lacks in the midst of an update, saying
        so). A step whose gradient overflows in float16 changes nothing and is counted in `skipped`.
        """
        try:
            return self._advance()
        except (RuntimeError, MemoryError) as error:
            if not is_short(error):
                raise
        # Out here nothing holds on to the tensors of the step any more.
        self.views = self.output = None
        self.optimizer.zero_grad(set_to_none=True)
        raise OutOfMemory(advice(self, self._moving))

    def _advance(self) -> tuple[Loss, Tensor]:
        experiment = self.experiment
        self.views = self.output = None
        things, views = self._take()
        self.optimizer.zero_grad(set_to_none=True)
        loss, output = self._differentiate(views)
        self.views, self.output = views, output
        average_gradients(self.learned)
        self.precision.unscale(self.optimizer)
        gradients = [p.grad for p in self.learned if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        sound = self._sound(loss, norm, output, things)
        if experiment.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.learned, experiment.clip, norm)
        losses = self.windows.losses
        experiment.optimizer.set_rates(self.optimizer, experiment.schedule, self.step, self.steps, losses)
        self.rate = experiment.optimizer.peak(experiment.batch) * experiment.schedule.factor(
            self.step, self.steps, losses
        )
        if sound:
            self._moving = True
            self.optimizer.step()
            self._moving = False
        self.precision.adapt()
        self.step += 1
        if sound:
            self._follow()
        else:
            self.skipped += 1
        self.windows.add(loss.total, self.step)
        if self.probe is not None:
            self.probe.learn(output.features, things)
        return loss, norm

    def _take(self) -> tuple[Things, Views]:
        """The rows of this process at this step, and their views. The next ones may be prepared meanwhile."""
        started = time.perf_counter()
        draws = self._draws(self.step)
        things = self.source.batch(draws)
        if self.step + 1 < self.steps:
            self.source.expect(self._draws(self.step + 1))
        views = self.experiment.pairing(things, self.source, draws)
        self.waited += time.perf_counter() - started
        return things, views

    def _draws(self, step: int) -> Draws:
        return Draws(self.experiment.seed, step, self.experiment.batch, rank(), ranks())

    def _sound(self, loss: Loss, norm: Tensor, output: Output, things: Things) -> bool:
        """Whether to take the step; NonFinite if there is no other way than to stop. The one wait for the device."""
        finite, follows = torch.stack([loss.total.detach().float(), norm]).isfinite().tolist()
        if not finite or not (follows or self.precision.skips()):
            raise NonFinite(blame(self.step, loss, output, things, self.model))
        return bool(follows)

    def _follow(self) -> None:
        self.model.teacher.follow(self.step, self.steps)
        if self.average is not None:
            self.average.follow(self.model.student, self.step - self.skipped)

    def score(self) -> dict[str, float]:
        """The online probe on held-out rows; on the first process."""
        if self.probe is None:
            return {}
        self.model.eval()
        with torch.compiler.set_stance("force_eager"):
            result = {self.probe.metric: self.probe.score(self._held_out_features())}
        self.model.train()
        return result

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on, by name."""
        return gather_state(self)

    def restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Go on from a checkpoint of the same experiment."""
        self.step = checkpoint.step
        restore_state(self, checkpoint.tensors)

    def _differentiate(self, views: Views) -> tuple[Loss, Output]:
        """The loss and the output of a batch, with the gradient left in the parameters."""
        criterion, scale = self.model.criterion, self.precision.scale
        if self.micro is None or self.experiment.accumulation == "plain":
            return accumulation.plain(self.embed, criterion, views, self.micro, scale)
        return accumulation.exact(self.embed, criterion, views, self.micro, self.carried, self.buffers, scale)

    def embed(self, views: Views, number: int) -> Output:
        """The model on one micro-batch. What it draws is a function of seed, step and number alone."""
        draws = Draws(self.experiment.seed, self.step, len(views.key))
        with self.precision.autocast(), _drawing(self.device, draws.generator("network", number).initial_seed()):
            output: Output = self.model(views)
        return output

    @torch.no_grad()
    def _held_out_features(self) -> Iterator[tuple[Tensor, Things]]:
        for things in self.held_out:
            with self.precision.autocast():
                features = self.model.student.features(things.observations)
            yield features, things


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
