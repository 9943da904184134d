"""`kontrast report` and `kontrast demo`: what runs and studies found, as pages."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from kontrast import methods, probes
from kontrast.cli.work import choose_probes, keep_scores, split_words
from kontrast.gathering import gather
from kontrast.report import (
    Record,
    answer,
    conclude,
    print_scores,
    write_beside,
    write_page,
)
from kontrast.run import Run
from kontrast.scores import read_scores
from kontrast.studies import is_study
from kontrast.studies.answers import write_answers
from kontrast.training import train

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
    asked = run.examine(probes.Recovery(), limit=DEMO_ROWS)
    keep_scores(run.path, asked.scores, asked.panels)
    print_scores(asked.scores, Console())
    console.print("3/3  report")
    record = gather(run)
    page = write_page(record, run.path)
    print(answer(record))
    print(f"The page: {page}")


def report_command(words: list[str]) -> None:
    """Write the page of a run or of a study into its folder, or that of two runs side by side into a file.

    A run whose last checkpoint was never probed is probed first, unless it stands beside another.
    """
    named, given = split_words(words)
    out = given.pop("out", "")
    studies = [name for name in named if is_study(Path(name))]
    study = len(named) == 1 and bool(studies)
    if len(named) == 2 and studies:
        raise ValueError(
            f"{studies[0]} is a study: kontrast report {studies[0]} writes its page; two runs stand side by side with "
            "kontrast report RUN RUN out=FILE.html"
        )
    if given or len(named) not in (1, 2) or (bool(out) != (len(named) == 2) and not study):
        raise ValueError(
            "write kontrast report RUN, as in kontrast report runs/simclr, kontrast report STUDY, or kontrast report "
            "RUN RUN out=FILE.html"
        )
    if len(named) == 2:
        left, right = (gather(Run(name)) for name in named)
        print(write_beside(left, right, out, names=(named[0], named[1])))
    elif study:
        print(conclude(write_answers(named[0], out or None)))
        print(Path(out or named[0]) / "report.html")
    else:
        record, page = run_page(Run(named[0]))
        print(answer(record))
        print(page)


def run_page(run: Run) -> tuple[Record, Path]:
    """Write the page of a run into its folder: what it says, and its path. It is probed first if it never was."""
    path, data = run.path / "scores.json", run.experiment.data
    probed = {row.step for row in read_scores(path)} if path.exists() else set()
    if (data.classes or data.factors) and probed != {run.checkpoint().step}:
        asked = run.examine(*choose_probes([], {}, run))
        keep_scores(run.path, asked.scores, asked.panels)
    record = gather(run)
    return record, write_page(record, run.path)
