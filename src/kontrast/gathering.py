"""Everything that the page of a run shows, gathered from the run."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast import methods
from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.report import Record, read_run
from kontrast.run import Run

MAPPED = 3000
"""Held-out rows on the map of the embedding."""
PICTURED = 1000
"""Rows among which nearest neighbors are shown."""
PAIRS = 10


def gather(run: Run) -> Record:
    """Everything that a run's page shows."""
    experiment = run.experiment
    features = run.encode("test", "embedding", limit=MAPPED)
    shown = next(experiment.data.open("test").chunks(PICTURED, MAPPED)).observations
    return read_run(
        run.path,
        title=f"{experiment.method} on {type(experiment.data).__name__}",
        command=command(experiment, run.path),
        embedding=features.values,
        labels=features.labels,
        classes=features.classes,
        latents=features.latents,
        factors=features.factors,
        pictures=_pictures(shown),
        pairs=_pairs(experiment),
    )


def command(experiment: Experiment, out: Path) -> str:
    """The command line that trains this experiment again."""
    try:
        words = methods.words(experiment)
    except ValueError:
        return f"kontrast train resume=True out={shlex.quote(str(out))}"
    return shlex.join(["kontrast", "train", *words, f"out={out}"])


def _pairs(experiment: Experiment) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    draws = Draws(experiment.seed, 0, experiment.batch)
    source = experiment.pairing.open(experiment.data)
    views = experiment.pairing(source.batch(draws), source, draws).views
    if len(views) < 2 or views[0].shape != views[1].shape:
        return None
    return _pictures(views[0][:PAIRS]), _pictures(views[1][:PAIRS])


def _pictures(observations: Tensor) -> NDArray[np.uint8]:
    """uint8 [n, h, w, c] of pictures, and vectors as they are."""
    if observations.ndim == 2:
        return observations.numpy()
    if observations.dtype != torch.uint8:
        observations = (observations.clamp(0, 1) * 255).round().to(torch.uint8)
    return observations.permute(0, 2, 3, 1).numpy()
