"""A run: the folder in which an experiment was trained, and what can be asked of it."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from kontrast import blueprints, checkpoints, parts
from kontrast.checkpoints import Checkpoint, DamagedCheckpoint
from kontrast.datasets import Dataset
from kontrast.draws import derive
from kontrast.experiment import Experiment
from kontrast.model import Student
from kontrast.passes import Layer, Passes
from kontrast.probes import Probe
from kontrast.scores import Score
from kontrast.views import Features, Split, Things

CHUNK = 500
ESTIMATED = 4000
"""Training rows that an untrained network's batch statistics are estimated on."""
LIMIT = 20_000
"""Rows of a data set without end that probes are given, of each split."""


class Run:
    """A trained experiment in its folder.

    ValueError if the folder holds no run, or one that this version cannot read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "experiment.json").is_file():
            raise ValueError(f"{self.path} is no run: it has no experiment.json; give the out= of a kontrast train")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @functools.cached_property
    def experiment(self) -> Experiment:
        """What was trained."""
        path = self.path / "experiment.json"
        try:
            flat = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path} is damaged: it is not JSON") from None
        return blueprints.read(flat)

    def checkpoint(self, step: int | None = None) -> Checkpoint:
        """The checkpoint of a step; by default the last one that is whole, saying so if a later one is damaged."""
        folder = self.path / "checkpoints"
        if step is not None:
            if step not in checkpoints.steps(folder):
                there = ", ".join(map(str, checkpoints.steps(folder))) or "none"
                raise ValueError(f"{self.path} has no checkpoint of step {step}; there are: {there}")
            return checkpoints.load(folder / f"step-{step:09d}")
        found, damaged = checkpoints.latest(folder)
        if found is None:
            why = f": {damaged[0]}" if damaged else "; train it first"
            raise DamagedCheckpoint(f"{self.path} has no checkpoint that can be read{why}")
        for sentence in damaged:
            warnings.warn(f"{sentence}; using step {found.step} instead", stacklevel=2)
        return found

    def student(self, untrained: bool = False, step: int | None = None) -> Student:
        """The encoder, head and space in evaluation mode.

        Where the experiment keeps an `average` of the weights, it is that.

        `untrained`: with the weights from before the first step, and with the batch statistics that training would have
        estimated, if the network has any: without them the baseline would be a network that nobody uses.
        """
        student = self.experiment.model().student
        if untrained:
            _estimate(student, self.experiment.data.open("train").chunks(CHUNK, ESTIMATED))
        else:
            prefix = "model.student." if self.experiment.average is None else "average."
            tensors = self.checkpoint(step).tensors
            student.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        return student.eval()

    def encode(
        self,
        split: Split,
        layer: Layer = "feature",
        *,
        data: Dataset | None = None,
        untrained: bool = False,
        step: int | None = None,
        limit: int | None = None,
        samples: int = 1,
    ) -> Features:
        """What the frozen encoder makes of a split: its feature, its embedding, or the raw observations as vectors.

        `data` is another data set than the run's own, of the same shape; `step` a checkpoint other than the last.
        `limit` takes so many rows; a data set without end gives 20,000 unless it says otherwise. Embeddings come with
        the `concentration` of their space, if it says how certain a point is.

        With `samples` = S > 1 each row passes S times, with dropout as in training and batch normalization as it was
        learned (Monte Carlo dropout, Gal and Ghahramani 2016, arXiv 1506.02142), and the mean is its value; the same
        call gives the same again. On a Simplex `concentration` is then log d - H(mean q), and `spread` the mutual
        information H(mean q) - mean H(q) of class and weights (BALD, Houlsby et al. 2011, arXiv 1112.5745), in nats.
        Elsewhere, with R the length of the mean of the S unit vectors, `concentration` is the estimate R (d - R^2) /
        (1 - R^2) of a von Mises-Fisher law (Banerjee et al. 2005), where 1 - R^2 counts as 1e-6 or more, and `spread`
        is 1 - R. On VonMisesFisher a unit vector weighs A_d(kappa), the length of the mean of its own law.

        ValueError for a data set of another shape, for a layer that there is none of, and for several passes where
        nothing drops out.
        """
        data = data or self.experiment.data
        parts.choose(layer, get_args(Layer), "layer")
        if data.shape != self.experiment.data.shape:
            raise ValueError(f"the encoder was trained on shape {self.experiment.data.shape}, not {data.shape}")
        if limit is not None and limit < 1:
            raise ValueError(f"there is nothing to encode in {limit} rows; write limit=1000")
        source = data.open(split)
        student = None if layer == "raw" else self.student(untrained, step)
        passes = Passes(student, layer, samples, self.experiment.seed)
        rows = limit if limit is not None or source.count is not None else LIMIT
        chunks = [
            (*(_array(column) for column in passes(things, number)), _array(things.index), *_truth(things))
            for number, things in enumerate(source.chunks(CHUNK, rows))
        ]
        columns = [None if column[0] is None else np.concatenate(column) for column in zip(*chunks, strict=True)]
        values, concentration, spread, index, labels, latents = columns
        assert values is not None
        return Features(values, labels, latents, data.classes, data.factors, concentration, index, spread)

    def probe(
        self, *probes: Probe, baselines: bool = True, step: int | None = None, limit: int | None = None
    ) -> list[Score]:
        """Ask probes of the trained encoder, and with `baselines` of the untrained one and, for labels, of raw pixels.

        Each probe is fitted on the training split and scored on the test split. ValueError, before any encoding, where
        the data lack what a probe needs.
        """
        glimpse = self.encode("test", "raw", limit=CHUNK)
        for probe in probes:
            probe.check(replace(glimpse, values=glimpse.values[:, :1]))
        cache: dict[tuple[str, bool], tuple[Features, Features]] = {}

        def features(layer: Layer, untrained: bool = False) -> tuple[Features, Features]:
            if (layer, untrained) not in cache:
                pair = (
                    self.encode(split, layer, untrained=untrained, step=step, limit=limit)
                    for split in ("train", "test")
                )
                cache[layer, untrained] = (next(pair), next(pair))
            return cache[layer, untrained]

        at = step if step is not None else self.checkpoint().step
        scores: list[Score] = []
        for probe in probes:
            found = probe(*features(probe.layer))
            before = probe(*features(probe.layer, True)).values if baselines else {}
            raw = _raw(probe, features("raw")) if baselines and probe.layer == "feature" else {}
            for metric, value in found.values.items():
                scores.append(
                    Score(
                        probe=type(probe).__name__,
                        metric=metric,
                        value=value,
                        untrained=before.get(metric),
                        raw=raw.get(metric),
                        null=found.null.get(metric),
                        chance=found.chance.get(metric),
                        protocol=f"{found.protocol}; layer: {probe.layer}",
                        step=at,
                    )
                )
        return scores


@torch.no_grad()
def _estimate(student: Student, chunks: Iterator[Things]) -> None:
    """Set the statistics of batch normalization to those of these rows, leaving every weight as it is."""
    layers = [layer for layer in student.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    student.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, "dropout", "untrained"))
        for things in chunks:
            if len(things.index) > 1:
                student(things.observations)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _raw(probe: Probe, features: tuple[Features, Features]) -> dict[str, float]:
    try:
        return probe(*features).values
    except ValueError as error:
        warnings.warn(f"{type(probe).__name__} says nothing of raw observations: {error}", stacklevel=3)
        return {}


Array = np.ndarray[Any, Any]


def _truth(things: Things) -> tuple[Array | None, Array | None]:
    return _array(things.labels), _array(things.latents)


def _array(column: Tensor | None) -> Array | None:
    return None if column is None else column.cpu().numpy()
