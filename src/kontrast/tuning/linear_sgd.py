"""Linear evaluation as most papers do it: SGD on augmented pictures, the encoder frozen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import chz
import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from kontrast import checkpoints, parts
from kontrast.augmentations import Recipe
from kontrast.datasets import Source
from kontrast.draws import Draws
from kontrast.model import Student
from kontrast.pairings import Labeled
from kontrast.panels import Heat
from kontrast.probes import Scores
from kontrast.probes.probe import most_frequent
from kontrast.schedules import Plateau, Schedule, WarmupCosine
from kontrast.training.devices import chosen, deterministic
from kontrast.training.progress import Display
from kontrast.tuning.heads import Heads
from kontrast.tuning.judged import Trial, edges, judge
from kontrast.tuning.tuning import Task, Tuning, digest, held_out, named, told

CropFlip = partial(Recipe, jitter=None, grayscale=None, blur=None)
"""A random part of the picture and its mirror image."""
ROWS = 10_000
"""Training rows that the mean and the deviation of features are of, at the most."""
CHUNK = 500


class Chosen(NamedTuple):
    """A classifier on the features as they are, z = W h + b, and which setting it has."""

    weight: Tensor
    bias: Tensor
    rate: float
    decay: float
    trials: list[Trial]
    """What each setting reached on the rows held out; empty where there was nothing to choose."""


@chz.chz
class LinearSGD(Tuning):
    """A linear classifier on the frozen encoder by SGD with augmentation: the linear evaluation of most papers.

    In every epoch each picture is cropped and mirrored anew, the encoder, in evaluation mode and without gradient,
    makes its feature, and linear classifiers for all `rates` and `decays` learn from it at once, by momentum .9 and
    Nesterov's rule. Each is there twice: one never sees the `holdout`, and by those the setting is chosen; the other
    learns from all training rows, and that of the chosen setting is scored on the test rows, as they are. A choice on
    the test rows, as in much published code, would be too good.

    Rates mean the same for any encoder, since features are standardized by the training rows; with standardize=False
    they are taken as they are, for which SimSiam has a rate of 30 and others 0.1. With schedule=Step and epochs=100 the
    rate falls at epochs 60 and 80. Where an encoder is far from indifferent to crops, recipe=None tells more. Scores
    are "accuracy", "accuracy/top5" where there are more than five classes, and "accuracy/validation" of the setting
    that was chosen. Sources: Chen et al. 2020, arXiv 2002.05709; Chen and He 2020, arXiv 2011.10566.
    """

    rates: tuple[float, ...] = chz.field(default=(0.003, 0.01, 0.03, 0.1, 0.3), doc="learning rates to choose from")
    decays: tuple[float, ...] = chz.field(default=(0.0, 1e-4, 1e-3), doc="weight decays to choose from")
    epochs: float = chz.field(default=20.0, doc="passes over the training rows")
    batch: int = chz.field(default=256, doc="rows in a step; fewer where there are fewer")
    schedule: Schedule = parts.field(Schedule, WarmupCosine, doc="the learning rates over the training")
    holdout: float = chz.field(default=0.1, doc="share of the training rows that the setting is chosen on, in (0, 1)")
    standardize: bool = chz.field(default=True, doc="subtract the training mean of each feature and divide by its std")
    recipe: Recipe | None = chz.field(
        default_factory=CropFlip, meta_factory=parts.Named(Recipe, CropFlip), doc="augmentations of the picture"
    )
    seed: int = chz.field(default=0, doc="seed of the order of rows and of what augmentations draw")

    @chz.validate
    def _sound(self) -> None:
        if not self.rates or min(self.rates) <= 0 or len(set(self.rates)) < len(self.rates):
            raise ValueError(f"rates are different positive numbers, not {self.rates}; write rates=0.01,0.03,0.1")
        if not self.decays or min(self.decays) < 0 or len(set(self.decays)) < len(self.decays):
            raise ValueError(f"decays are different numbers from 0 on, not {self.decays}; write decays=0,0.0001")
        if not 0 < self.holdout < 1:
            raise ValueError(f"a share of {self.holdout} of the rows cannot be held out; write holdout=0.1")
        if not 0 < self.epochs < math.inf or self.batch < 1 or self.seed < 0:
            raise ValueError("epochs and batch are positive, and a seed is not negative; write epochs=20 batch=256")
        if isinstance(self.schedule, Plateau):
            raise ValueError("Plateau follows one loss, and there are many here; write schedule=Step")

    @property
    def settings(self) -> list[tuple[float, float]]:
        """All pairs of a rate and a decay."""
        return [*product(self.rates, self.decays)]

    def tune(self, task: Task) -> Scores:
        device = chosen(task.device, task.threads)
        student = task.run.student(task.untrained, task.step).requires_grad_(False).eval().to(device)
        with torch.no_grad(), deterministic():
            found = self._chosen(task, student, device)
            logits, labels = [], []
            for things in task.data.open("test", device).chunks(CHUNK):
                logits.append(student.features(things.observations) @ found.weight.T + found.bias)
                labels.append(things.labels)
        truth = torch.cat([each for each in labels if each is not None]).cpu().numpy()
        scores = judge([torch.cat(logits).cpu().numpy()], truth, task.data.classes, "Classes by a linear classifier")
        return self._complete(task, found, scores, len(truth))

    def _chosen(self, task: Task, student: Student, device: torch.device) -> Chosen:
        """The classifier that was chosen: as it was stored, or trained and stored."""
        # Batch statistics of an untrained encoder are of the run's own data, which may have changed too.
        encoder = [told(task.run.experiment), checkpoints.fingerprint(student.state_dict())]
        folder = task.folder("linearsgd", [told(self), told(task.data), encoder if task.untrained else task.step])
        kept, _ = checkpoints.latest(folder)
        if kept is not None:
            weight, bias = (kept.tensors[name].to(device) for name in ("weight", "bias"))
            trials = [Trial(*each) for each in kept.state["trials"]]
            return Chosen(weight, bias, kept.state["rate"], kept.state["decay"], trials)
        found = self._train(task, student, device)
        asked = {"tuning": told(self), "data": told(task.data), "settings": self.settings}
        choice = {"rate": found.rate, "decay": found.decay, "trials": found.trials}
        head = {"weight": found.weight, "bias": found.bias}
        checkpoints.save(folder, self._steps(len(task.rows)), head, {**asked, **choice})
        return found

    def _steps(self, rows: int) -> int:
        return math.ceil(self.epochs * (rows // min(self.batch, rows)))

    def _train(self, task: Task, student: Student, device: torch.device) -> Chosen:
        source = task.data.open("train", device)
        center, width = self._moments(source, student)
        shape = (len(task.data.classes), len(center))
        held = held_out(task.data, self.holdout)[0] if len(self.settings) > 1 else None
        out = None if held is None else held.rows("test").to(device)
        whole, part = (Heads(self.settings, *shape, device=device) for _ in range(2))
        batch, pairing = min(self.batch, len(task.rows)), Labeled(recipe=self.recipe)
        steps = self._steps(len(task.rows))
        with Display(steps, 0, task.console or Console(quiet=True)) as display:
            for step in range(steps):
                draws, factor = Draws(self.seed, step, batch), self.schedule.factor(step, steps)
                things = source.batch(draws)
                picture, labels = pairing(things, source, draws).views
                features = (student.features(picture) - center) / width
                whole.learn(features, labels, factor)
                if out is not None:
                    seen = ~torch.isin(things.index, out)
                    part.learn(features[seen], labels[seen], factor)
                display.advance(step + 1)
        trials = [] if held is None else _tried(part, held.open("test", device), student, center, width)
        best = max(range(len(trials)), key=lambda k: trials[k].merit, default=0)
        weight = whole.weight[best] / width
        return Chosen(weight, whole.bias[best] - weight @ center, *self.settings[best], trials)

    def _moments(self, source: Source, student: Student) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each feature over training rows as they are; a constant feature is left out."""
        features = torch.cat([student.features(things.observations) for things in source.chunks(CHUNK, ROWS)]).double()
        if not self.standardize:
            return torch.zeros_like(features[0]).float(), torch.ones_like(features[0]).float()
        deviation, mean = torch.std_mean(features, 0, correction=0)
        constant = features.amax(0) == features.amin(0)
        return mean.float(), torch.where(constant, torch.inf, deviation).float()

    def _complete(self, task: Task, found: Chosen, scores: Scores, tested: int) -> Scores:
        warnings: dict[str, str] = {}
        panels = scores.panels
        words = self._protocol(task, found, tested)
        if found.trials:
            held = held_out(task.data, self.holdout)[1]
            scores.values["accuracy/validation"] = max(trial.accuracy for trial in found.trials)
            scores.chance["accuracy/validation"] = most_frequent(held)
            words.append(
                f"rate and decay chosen among {len(self.settings)} settings by the accuracy on {len(held):,} of these "
                "rows, held out from the classifiers that are compared"
            )
            said = edges({"rate": (found.rate, self.rates), "weight decay": (found.decay, self.decays)})
            warnings |= {"accuracy": said} if said else {}
            panels = (*panels, self._grid(found.trials))
        words.append(f"seed {self.seed}")
        return scores._replace(protocol="; ".join(words), warnings=warnings, panels=panels)

    def _grid(self, trials: Sequence[Trial]) -> Heat:
        table = np.array([trial.accuracy for trial in trials]).reshape(len(self.rates), len(self.decays)).T
        return Heat(
            "Accuracy on the rows held out for the choice",
            rows=tuple(f"{decay:g}" for decay in self.decays),
            columns=tuple(f"{rate:g}" for rate in self.rates),
            values=tuple(tuple(map(float, row)) for row in table),
            row="weight decay",
            column="learning rate",
        )

    def _protocol(self, task: Task, found: Chosen, tested: int) -> list[str]:
        what = "untrained encoder" if task.untrained else "frozen encoder"
        rows, batch = task.rows, min(self.batch, len(task.rows))
        steps = self._steps(len(rows))
        return [
            f"linear classifier on the {what}, trained on {len(rows):,} rows (hash {digest(rows)})",
            f"scored on {tested:,}",
            f"SGD at a peak learning rate of {found.rate:g} and weight decay {found.decay:g}, Nesterov's momentum 0.9",
            f"{type(self.schedule).__name__}, {self.epochs:g} epochs of batches of {batch}: {steps:,} steps",
            named(self.recipe),
            f"features {'standardized by the training rows' if self.standardize else 'as they are'}",
        ]


def _tried(heads: Heads, source: Source, student: Student, center: Tensor, width: Tensor) -> list[Trial]:
    """What each classifier reaches on the rows of a source."""
    right, loss, count = torch.zeros_like(heads.rates).double(), torch.zeros_like(heads.rates).double(), 0
    for things in source.chunks(CHUNK):
        assert things.labels is not None
        logits = heads((student.features(things.observations) - center) / width)
        answers = things.labels[:, None].expand(-1, logits.shape[1])
        right += (logits.argmax(2) == answers).sum(0)
        loss += functional.cross_entropy(logits.transpose(1, 2), answers, reduction="none").double().sum(0)
        count += len(logits)
    return [Trial(*each) for each in torch.stack([right, loss], 1).div(count).tolist()]
