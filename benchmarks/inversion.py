"""CPU seconds until the latents are recovered, beside the published recipe: `benchmarks/inversion.py`.

Ten latents through three mixing layers. Each case is trained by the preset `inversion` and by `cl_ica`, the published
configuration, on the same mixing and with the same objective and fast loss, so that only the recipe differs. The score
is held out (fitted on 4,096 rows, taken on 4,096 others), and the time it takes is not counted. The published recipe is
stopped after --budget seconds; where it has not arrived by then, the ratio is a lower bound.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
import torch

from kontrast import methods
from kontrast.probes import MCC, Probe, Recovery
from kontrast.training import Trainer
from kontrast.views import Features

ROWS = 4096
GOALS = (0.95, 0.99)


class Case(NamedTuple):
    """A pair of laws: what is measured, the words of the world, those of our objective, and the source's."""

    metric: str
    world: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


CASES = {
    "box, Normal(.05), p = 2": Case(
        "r2/mean",
        ("data.space=Box", "pairing.similarity=Euclidean", "pairing.temperature=0.005"),
        ("space=Box", "objective.similarity=Euclidean", "objective.own=True"),
        (),
    ),
    "sphere, vMF(10), cosine": Case(
        "r2/mean",
        ("data.space=Sphere", "pairing.similarity=Cosine", "pairing.temperature=0.1"),
        (),
        ("space=Sphere", "objective.similarity=Dot"),
    ),
    "box, Laplace(.05), p = 1": Case(
        "mcc/pearson",
        ("data.space=Box", "pairing.similarity=Lp", "pairing.similarity.p=1", "pairing.temperature=0.05"),
        ("space=Box", "objective.similarity=Lp", "objective.similarity.p=1", "objective.own=True"),
        ("objective.similarity.p=1",),
    ),
}


def score(trainer: Trainer, metric: str) -> float:
    """The held-out score of the embedding as it is now."""
    found = []
    trainer.model.eval()
    for split in ("train", "test"):
        chunks = [*trainer.experiment.data.open(split).chunks(1024, ROWS)]
        with torch.no_grad():
            values = [trainer.model.student(things.observations).numpy() for things in chunks]
        latents = [things.latents.numpy() for things in chunks]
        found.append(
            Features(np.concatenate(values), latents=np.concatenate(latents), factors=trainer.experiment.data.factors)
        )
    trainer.model.train()
    probe: Probe = Recovery(permutations=0) if metric.startswith("r2") else MCC(permutations=0)
    return probe(*found).values[metric]


class Course(NamedTuple):
    """How a run went: CPU seconds to each goal (None: not reached), the last score, steps, and seconds of training."""

    reached: dict[float, float | None]
    last: float
    steps: int
    seconds: float


def course(method: str, words: tuple[str, ...], metric: str, every: int, budget: float) -> Course:
    trainer = Trainer(methods.get(method).read([*words, "online=False"]), torch.device("cpu"))
    reached: dict[float, float | None] = dict.fromkeys(GOALS)
    seconds, last = 0.0, score(trainer, metric)
    while trainer.step < trainer.steps and seconds < budget:
        started = time.process_time()
        for _ in range(min(every, trainer.steps - trainer.step)):
            trainer.advance()
        seconds += time.process_time() - started
        last = score(trainer, metric)
        for goal in GOALS:
            if last >= goal and reached[goal] is None:
                reached[goal] = seconds
    return Course(reached, last, trainer.step, seconds)


def line(name: str, run: Course) -> str:
    times = "".join("        -" if t is None else f"{t:>9.1f}" for t in run.reached.values())
    return f"  {name:<22}{times}{run.last:>9.4f}{run.steps:>8,}{1000 * run.seconds / run.steps:>9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU seconds until the latents are recovered.")
    parser.add_argument("--seeds", type=int, default=3, help="mixings and initializations of our recipe")
    parser.add_argument("--steps", type=int, default=2000, help="length of our recipe")
    parser.add_argument("--budget", type=float, default=120.0, help="CPU seconds of the published recipe; 0: leave out")
    parser.add_argument("--batch", type=int, default=6144, help="batch of the published recipe")
    parser.add_argument("--first", type=int, default=100, help="number of the first seed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name, case in CASES.items():
        print(f"{name}: {case.metric}, held out\n{'':<24}   to .95   to .99      end   steps  ms/step")
        ours = []
        for seed in range(given.first, given.first + given.seeds):
            words = (*case.world, *case.ours, f"steps={given.steps}", f"seed={seed}", f"data.seed={seed}")
            ours.append(course("inversion", words, case.metric, 50, float("inf")))
            print(line(f"inversion, seed {seed}", ours[-1]), flush=True)
        if given.budget > 0:
            words = (*case.world, *case.theirs, f"batch={given.batch}", f"data.seed={given.first}")
            theirs = course("cl_ica", words, case.metric, 10, given.budget)
            print(line("published recipe", theirs))
            for goal in GOALS:
                mine = [run.reached[goal] for run in ours]
                if None not in mine:
                    mean = sum(t for t in mine if t is not None) / len(mine)
                    there = theirs.reached[goal]
                    ratio = (there or theirs.seconds) / mean
                    print(f"  to {goal}: {'' if there else 'more than '}{ratio:.0f} times sooner (mean of our seeds)")
        print()


if __name__ == "__main__":
    main()
