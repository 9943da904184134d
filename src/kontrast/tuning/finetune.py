"""Fine-tuning: the encoder of a run goes on learning, from labels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import stdev
from typing import Any

import chz
import torch
from rich.console import Console
from torch.nn import functional

from kontrast import parts
from kontrast.augmentations import Recipe
from kontrast.blueprints import values
from kontrast.checkpoints import DamagedCheckpoint
from kontrast.datasets import Stored
from kontrast.experiment import Experiment
from kontrast.heads import Linear
from kontrast.objectives import CrossEntropy
from kontrast.optimizers import SGD, Optimizer
from kontrast.pairings import Labeled
from kontrast.probes import Scores
from kontrast.probes.probe import most_frequent
from kontrast.run import Run
from kontrast.schedules import Schedule, WarmupCosine
from kontrast.spaces import Euclidean
from kontrast.start import Start
from kontrast.teachers import Labels
from kontrast.training import train
from kontrast.tuning.judged import Trial, edges, judge
from kontrast.tuning.tuning import Task, Tuning, digest, held_out, named

CropFlip = partial(Recipe, jitter=None, grayscale=None, blur=None)
"""A random part of the picture and its mirror image."""
Nesterov = partial(SGD, rate=0.1, momentum=0.9, nesterov=True)
"""The optimizer of fine-tuning."""


@chz.chz
class FineTune(Tuning):
    """A linear layer on the encoder, and both trained on labels: semi-supervised evaluation, and transfer.

    The rows of a fraction are chosen once. (Code that draws a new tenth of the rows in every epoch, as some does, has
    shown all labels after a few.) Pictures are cropped and mirrored. The network starts with the run's encoder and a
    linear layer; its `baseline` is the same network from random weights on the same rows, trained in all its parts.

    With `block` = k the blocks up to k are frozen, as the fine_tune_after_block of SimCLR has it, -1 being all
    trained (Chen et al. 2020, arXiv 2006.10029); with `decay` < 1 earlier blocks learn at lower rates. With several
    `rates` a part of the training rows is held out, each rate is tried on the rest, and the one that names most of
    those held out is taken for all of the training rows; the test rows take no part in that. Over several `seeds`
    scores are means.

    Scores are "accuracy", "accuracy/top5" where there are more than five classes, and "accuracy/validation" of the rate
    that was chosen. Each training is a run of its own in a folder of its own, that can be probed and reported.
    """

    block: str | int | None = chz.field(
        default=None, doc="last block that is frozen, as stem, block3 or encoder; None: the whole encoder trains"
    )
    epochs: float = chz.field(default=30.0, doc="passes over the training rows")
    batch: int = chz.field(default=64, doc="rows in a step; fewer where there are fewer")
    optimizer: Optimizer = chz.field(
        default_factory=Nesterov,
        meta_factory=parts.Named(Optimizer, Nesterov),
        doc="how the weights follow the gradient",
    )
    rates: tuple[float, ...] = chz.field(
        default=(), doc="learning rates to choose from on rows held out of training; none: that of the optimizer"
    )
    holdout: float = chz.field(default=0.2, doc="share of the training rows that a rate is chosen on, in (0, 1)")
    schedule: Schedule = parts.field(Schedule, WarmupCosine, doc="the learning rate over the training")
    decay: float = chz.field(default=1.0, doc="rate of a block as a share of that of the block after it, in (0, 1]")
    zero_head: bool = chz.field(default=True, doc="begin with a linear layer of zeros: chance, whatever the features")
    recipe: Recipe | None = chz.field(
        default_factory=CropFlip, meta_factory=parts.Named(Recipe, CropFlip), doc="augmentations of the picture"
    )
    seeds: tuple[int, ...] = chz.field(default=(0,), doc="seeds of the trainings, whose scores are averaged")

    @chz.validate
    def _sound(self) -> None:
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are different numbers from 0 on, not {self.seeds}; write seeds=0,1,2")
        if any(rate <= 0 for rate in self.rates) or len(set(self.rates)) < len(self.rates):
            raise ValueError(f"rates are different positive numbers, not {self.rates}; write rates=0.005,0.02,0.08")
        if not 0 < self.holdout < 1:
            raise ValueError(f"a share of {self.holdout} of the rows cannot be held out; write holdout=0.2")
        Start(run="-", frozen=None if self.block in (-1, "-1") else self.block, decay=self.decay)

    def tune(self, task: Task) -> Scores:
        rate, trials = self.optimizer.rate, dict[float, Trial]()
        if self.rates:
            held, _ = held_out(task.data, self.holdout)
            trials = {each: _tried(self._trained(task, held, each, self.seeds[0])) for each in self.rates}
            rate = max(self.rates, key=lambda each: trials[each].merit)
        runs = [self._trained(task, task.data, rate, seed) for seed in self.seeds]
        return self._scored(task, runs, rate, trials)

    def experiment(self, task: Task, data: Stored, rate: float, seed: int) -> Experiment:
        """One of the trainings."""
        rows, own = len(data.hold("train").index), task.run.experiment
        frozen = None if self.block in (-1, "-1") else self.block
        options: dict[str, Any] = {"frozen": frozen, "decay": self.decay, "zero_head": self.zero_head}
        start = None if task.untrained else Start(run=str(task.run.path), checkpoint=task.step, **options)
        return Experiment(
            method="supervised",
            data=data,
            pairing=Labeled(target="labels", recipe=self.recipe),
            encoder=own.encoder,
            head=Linear(),
            space=Euclidean(),
            teacher=Labels(),
            objective=CrossEntropy(),
            optimizer=chz.replace(self.optimizer, rate=rate),
            schedule=self.schedule,
            start=start,
            batch=min(self.batch, rows),
            epochs=float(self.epochs),
            seed=seed,
            precision=own.precision,
            online=False,
        )

    def _trained(self, task: Task, data: Stored, rate: float, seed: int) -> Run:
        """A finished training: what is there already, or what was interrupted and goes on, or a new one."""
        experiment = self.experiment(task, data, rate, seed)
        # The weights are known by their fingerprint, wherever their run has gone.
        said = {name: value for name, value in values(experiment).items() if name != "start.run"}
        folder = task.folder("scratch" if task.untrained else "finetune", said)
        begun = (folder / "experiment.json").exists()
        if begun and (run := _finished(folder)) is not None:
            return run
        quiet = task.console or Console(quiet=True)
        made = Run(folder).experiment if begun else experiment
        return train(made, folder, resume=begun, device=task.device, threads=task.threads, console=quiet)

    def _scored(self, task: Task, runs: list[Run], rate: float, trials: Mapping[float, Trial]) -> Scores:
        tests = [run.encode("test", "embedding") for run in runs]
        labels, classes = tests[0].labels, task.data.classes
        assert labels is not None
        found = judge([test.values for test in tests], labels, classes, "Classes after fine-tuning")
        each = [float((test.values.argmax(1) == labels).mean()) for test in tests]
        words, warnings = self._protocol(task, runs[0], len(labels)), {}
        if trials:
            held = held_out(task.data, self.holdout)[1]
            found.values["accuracy/validation"] = trials[rate].accuracy
            found.chance["accuracy/validation"] = most_frequent(held)
            tried = ", ".join(f"{lr:g} ({trial.accuracy:.4f})" for lr, trial in trials.items())
            words.append(f"rate chosen by the accuracy on {len(held):,} of these rows, held out: {tried}")
            if said := edges({"rate": (rate, self.rates)}):
                warnings["accuracy"] = said
        words.append(f"{'mean of seeds' if each[1:] else 'seed'} {', '.join(map(str, self.seeds))}")
        if each[1:]:
            words[-1] += f", whose accuracies have a standard deviation of {stdev(each):.4f}"
        return found._replace(protocol="; ".join(words), warnings=warnings)

    def _protocol(self, task: Task, run: Run, tested: int) -> list[str]:
        experiment, state = run.experiment, run.checkpoint().state
        frozen = "" if experiment.start is None or experiment.start.frozen is None else experiment.start.frozen
        what = "trained from random weights" if task.untrained else "fine-tuned"
        momentum = getattr(self.optimizer, "momentum", 0.0)
        slower = f" and {self.decay:g} times as much with each block before" if self.decay < 1 else ""
        return [
            f"linear layer on the encoder, {what} on {len(task.rows):,} rows (hash {digest(task.rows)}), "
            f"scored on {tested:,}",
            f"frozen up to {frozen}" if frozen else "all weights trained",
            f"{type(self.optimizer).__name__} with {experiment.optimizer.describe(experiment.batch)}"
            + (f", momentum {momentum:g}" if momentum else "")
            + ("" if task.untrained else slower),
            f"{type(self.schedule).__name__}, {self.epochs:g} epochs of batches of {experiment.batch}: "
            f"{state['steps']:,} steps",
            named(self.recipe),
        ]


def _tried(run: Run) -> Trial:
    """What a training reached on its test rows."""
    test = run.encode("test", "embedding")
    assert test.labels is not None
    logits, labels = torch.from_numpy(test.values).double(), torch.from_numpy(test.labels)
    right = (logits.argmax(1) == labels).double().mean()
    return Trial(float(right), float(functional.cross_entropy(logits, labels)))


def _finished(folder: Path) -> Run | None:
    """The run in a folder if it is over."""
    run = Run(folder)
    try:
        found = run.checkpoint()
    except DamagedCheckpoint:
        return None
    return run if found.step == found.state.get("steps") else None
