"""`kontrast report` and `kontrast demo`: what a run found, as a page."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from kontrast import methods, probes
from kontrast.cli.work import choose_probes, keep_scores, split_words
from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.report import Record, answer, print_scores, read_run, write_page
from kontrast.run import Run
from kontrast.scores import read_scores
from kontrast.training import train

MAPPED = 3000
"""Held-out rows on the map of the embedding."""
PICTURED = 1000
"""Rows among which nearest neighbors are shown."""
PAIRS = 10


DEMO = (
    "data=Sprites",
    "data.size=32",
    "data.shapes=heart",
    "pairing.similarity=Lp",
    "pairing.similarity.p=2",
    "pairing.temperature=0.01",
    "encoder=Conv",
    "encoder.batch_norm=True",
    "head=Projection",
    "head.hidden=256",
    "head.dim=10",
    "space=Euclidean",
    "objective.similarity=Euclidean",
    "objective.temperature=1",
    "objective.learn_temperature=False",
    "objective.candidates=both",
    "optimizer=Adam",
    "optimizer.rate=0.003",
    "learned_rate=1",
    "schedule=WarmupCosine",
    "batch=256",
    "steps=1000",
)
"""Sprites whose latents differ by normal noise must agree, and distance between embeddings is squared Euclidean: the
law of the pairs and the similarity of the objective match, so the theory expects an affine map of the latents."""
DEMO_ROWS = 5000


def demo_command(words: list[str]) -> None:
    """Render sprites, pretrain on pairs drawn from their latents, and say which latents the encoder recovered."""
    named, given = split_words(words)
    out = Path(given.pop("out", "runs/demo"))
    if named:
        raise ValueError(f"the demo takes no names such as {named[0]}; write kontrast demo out=FOLDER")
    experiment = methods.inversion.read([*DEMO, *(f"{field}={value}" for field, value in given.items())])
    console, again = Console(stderr=True), (out / "experiment.json").exists()
    console.print(
        "1/3  train: two sprites whose latents are near must agree; nobody tells the encoder what latents are"
    )
    run = train(experiment, out, resume=again, console=console)
    console.print("2/3  probe: read every latent off the frozen embedding, on sprites it has not seen")
    found = run.examine(probes.Recovery(), limit=DEMO_ROWS)
    keep_scores(run.path, found.scores, found.panels)
    print_scores(found.scores, Console())
    console.print("3/3  report")
    record = gather(run)
    page = write_page(record, run.path)
    print(answer(record))
    print(f"The page: {page}")


def report_command(words: list[str]) -> None:
    """Write report.html and its figures into the folder of a run; probe it first if its last checkpoint never was."""
    named, given = split_words(words)
    if len(named) != 1 or given:
        raise ValueError("write kontrast report RUN, as in kontrast report runs/simclr")
    run = Run(named[0])
    path, data = run.path / "scores.json", run.experiment.data
    probed = {row.step for row in read_scores(path)} if path.exists() else set()
    if (data.classes or data.factors) and probed != {run.checkpoint().step}:
        found = run.examine(*choose_probes([], {}, run))
        keep_scores(run.path, found.scores, found.panels)
    record = gather(run)
    print(answer(record))
    print(write_page(record, run.path))


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
