"""The interface of a tuning: what a run's encoder is worth as the start of a supervised training."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chz
import numpy as np
import torch
from rich.console import Console

from kontrast.augmentations import Augmentation, Recipe
from kontrast.datasets import Dataset, Stored, Subset
from kontrast.encoding import CHUNK, digests, origin
from kontrast.parts import Part
from kontrast.probes import Scores
from kontrast.probes.probe import check_apart
from kontrast.run import Run
from kontrast.views import Features, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Task:
    """What a tuning is given: an encoder, labeled rows to learn from and to be scored on, and a folder to write into.

    The encoder is that of `run` at the checkpoint `step`, whose parameters have the fingerprint `mark`, or the
    `untrained` one. `data` are the rows as they are used: a fraction is a Subset already; `content` is a hash of the
    training rows themselves, of which rows for a choice are a part: numbers, observations and labels.
    """

    run: Run
    out: Path
    data: Stored
    step: int
    mark: str
    content: str
    untrained: bool = False
    device: str | None = None
    threads: int | None = None
    console: Console | None = None

    @property
    def rows(self) -> torch.Tensor:
        """The numbers of the training rows, int64 [n], in the whole training split."""
        return self.data.hold("train").index

    def folder(self, name: str, values: Any) -> Path:
        """A folder for what these plain values determine together with the encoder and the training rows.

        Its name says how many rows.
        """
        said = json.dumps([values, "" if self.untrained else self.mark, self.content], sort_keys=True)
        return self.out / f"{name}-{len(self.rows)}-{hashlib.sha256(said.encode()).hexdigest()[:10]}"


@chz.chz
class Tuning(Part, ABC):
    """A supervised training that starts from a run's encoder, and its score on held-out rows.

    Called with a run, it trains below the folder `out` and gives scores as probes do; `baseline` does the same without
    what the encoder has learned. What is finished there is not trained again, and what was interrupted goes on, as far
    as it is a run; other settings, rows, pictures, labels or weights go to other folders.
    """

    def __call__(
        self,
        run: Run,
        out: Path | str,
        *,
        data: Dataset | None = None,
        fraction: float = 1.0,
        step: int | None = None,
        device: str | None = None,
        threads: int | None = None,
        console: Console | None = None,
    ) -> Scores:
        """Tune on the training rows of `data` (None: the run's own), and score on its test rows.

        `fraction` of the training rows is a balanced choice that is the same for every method and seed; `step` is a
        checkpoint other than the last. ValueError, before anything is trained, where the data lack what it needs, or
        where test rows overlap training rows.
        """
        return self.tune(self._task(run, out, data, fraction, step, device, threads, console))

    def baseline(
        self,
        run: Run,
        out: Path | str,
        *,
        data: Dataset | None = None,
        fraction: float = 1.0,
        step: int | None = None,
        device: str | None = None,
        threads: int | None = None,
        console: Console | None = None,
    ) -> Scores:
        """The same of an encoder that has learned nothing: same rows, budget and choices."""
        task = self._task(run, out, data, fraction, step, device, threads, console)
        return self.tune(replace(task, untrained=True))

    @abstractmethod
    def tune(self, task: Task) -> Scores:
        """Train and score. Nothing of the test rows takes part in the training, nor in any choice."""

    def check(self, run: Run, data: Dataset | None = None, fraction: float = 1.0) -> Stored:
        """The rows of a tuning. A ValueError, in one sentence, if it cannot learn from them with this run's encoder."""
        data, shape = data or run.experiment.data, run.experiment.data.shape
        name = type(data).__name__
        if not isinstance(data, Stored) or not data.classes:
            raise ValueError(f"{name} has no labels, which {type(self).__name__} learns from; give data with labels")
        if data.shape != shape:
            raise ValueError(f"the encoder was trained on shape {shape}, and {name} has {data.shape}; give other data")
        found = data if fraction == 1 else Subset(of=data, fraction=fraction)
        splits: tuple[Split, ...] = ("train", "test")
        for split in splits:
            labels = found.hold(split).labels
            if labels is None or not len(labels) or bool((labels < 0).any()):
                raise ValueError(
                    f"{name} has rows without a label in its {split} split, which {type(self).__name__} cannot learn "
                    "from; give data that has none, as data=STL10 data.part=train"
                )
        return found

    def _task(
        self,
        run: Run,
        out: Path | str,
        data: Dataset | None,
        fraction: float,
        step: int | None,
        device: str | None,
        threads: int | None,
        console: Console | None,
    ) -> Task:
        rows, found = self.check(run, data, fraction), run.checkpoint(step)
        train, test = (_looked(rows, split) for split in ("train", "test"))
        check_apart(train, test)
        mark, content = found.state["fingerprint"], _content(train)
        return Task(run, Path(out), rows, found.step, mark, content, False, device, threads, console)


def _looked(data: Stored, split: Split) -> Features:
    """What tells the rows of a split apart, without any feature of them."""
    things = [(each.index, digests(each.observations)) for each in data.open(split).chunks(CHUNK)]
    index, held = torch.cat([each for each, _ in things]).cpu().numpy(), data.hold(split)
    return Features(
        np.empty((len(index), 0)),
        None if held.labels is None else held.labels.numpy(),
        None if held.latents is None else held.latents.numpy(),
        data.classes,
        data.factors,
        index=index,
        digest=np.concatenate([each for _, each in things]),
        origin=origin(data, split),
    )


def _content(rows: Features) -> str:
    assert rows.index is not None and rows.digest is not None and rows.labels is not None
    columns = (rows.index.astype(np.int64), rows.digest, rows.labels.astype(np.int64))
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def held_out(data: Stored, share: float) -> tuple[Subset, NDArray[np.int64]]:
    """Training rows without a share of them, which are its test rows, and the labels of these.

    ValueError if none is held out.
    """
    found = Subset(of=data, holdout=share, test="held")
    labels = found.hold("test").labels
    if labels is None or not len(labels):
        count = len(data.hold("train").index)
        raise ValueError(f"a share of {share} of {count:,} training rows is none to choose on; write a larger holdout")
    return found, labels.numpy()


def told(part: Any) -> dict[str, Any]:
    """A part as plain values, by the paths of its fields."""
    flat = chz.beta_to_blueprint_values(part)
    return {path: value.__name__ if isinstance(value, type) else value for path, value in flat.items()}


def digest(rows: torch.Tensor) -> str:
    """A short hash of row numbers, by which two lists of rows are told apart."""
    return hashlib.sha256(rows.to(torch.int64).numpy().tobytes()).hexdigest()[:12]


def named(recipe: Augmentation | None) -> str:
    """The changes of a recipe in words."""
    if recipe is None:
        return "no augmentation"
    return " and ".join(recipe.steps()) if isinstance(recipe, Recipe) else type(recipe).__name__
