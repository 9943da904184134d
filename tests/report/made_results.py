"""Made-up studies that look like real ones: of names, of numbers, of three axes, of random draws."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from kontrast.results import Levels, Outcome, Results
from kontrast.scores import Score

FACTORS = ("shape", "scale", "orientation", "position x", "position y")
READING = "Read a row against the baseline: an interval that leaves out 0 says that the setting does something."
ENVIRONMENT = {"kontrast": "0.1.0.dev0", "torch": "2.13.0", "device": "cpu", "threads": 1}
REFERENCES = (
    "Chen et al. 2020, arXiv 2002.05709: InfoNCE, simclr",
    "Zimmermann et al. 2021, arXiv 2102.08850: Euclidean",
    "Liu and Nocedal 1989: Linear",
)


def moved(levels: Levels, sizes: Sequence[float]) -> float:
    """A fixed effect of each level, larger for the axes whose size is."""
    seeds = [zlib.crc32(f"{at}{level}".encode()) / 2**32 for at, level in enumerate(levels)]
    return sum(size * (2 * x - 1) for size, x in zip(sizes, seeds, strict=True))


def study(
    axes: Mapping[str, Levels],
    sizes: Sequence[float],
    seeds: int = 3,
    *,
    factors: bool = False,
    baseline: Levels = (),
    settings: Sequence[Levels] | None = None,
    noise: float = 0.006,
    failed: int = 0,
    **given: object,
) -> Results:
    """Results of a grid, or of some settings, with effects of the given sizes."""
    rng = np.random.default_rng(0)
    settings = list(itertools.product(*axes.values())) if settings is None else settings
    outcomes = []
    for levels in settings:
        for seed in range(seeds):
            shift = moved(levels, sizes)
            linear = 0.84 + shift + noise * rng.normal()
            scores = [
                Score("Linear", "accuracy", linear, 0.712, chance=0.1, raw=0.801, seed=seed, protocol="logistic"),
                Score("KNN", "accuracy", linear - 0.05 + 0.6 * noise * rng.normal() - shift / 3, 0.65, chance=0.1),
            ]
            if factors:
                each = [0.93, 0.55, 0.71, 0.98, 0.97]
                values = [x + shift * (2 - i) / 2 + noise * rng.normal() for i, x in enumerate(each)]
                scores += [Score("Recovery", f"r2/{f}", x, 0.3) for f, x in zip(FACTORS, values, strict=True)]
            path = "-".join(level.lower() for level in levels)[:40]
            outcomes.append(Outcome(levels, seed, f"{path}/seed-{seed}", "done", tuple(scores), seconds=120.0))
    for at in range(failed):
        old = outcomes[-1 - 3 * at]
        outcomes[-1 - 3 * at] = Outcome(
            old.levels, old.seed, old.path, "failed", why="the loss is not finite at step 40"
        )
    made: dict = {
        "title": "A study",
        "question": "What makes an embedding linearly separable?",
        "score": "Linear: accuracy",
        "baseline": baseline or tuple(outcomes[0].levels),
        "command": "kontrast sweep simclr objective.temperature=.1,.5 seed=0..2 out=studies/x",
        "reading": READING,
        "protocols": {"Linear: accuracy": "logistic regression by L-BFGS on 10,000 rows; scored on 2,000 others"},
        "environment": ENVIRONMENT,
        "references": REFERENCES,
    }
    return Results(axes=axes, outcomes=tuple(outcomes), **(made | given))


def similarities(**given) -> Results:
    levels = ("Cosine", "Euclidean", "Mahalanobis", "Dot", "Laplace")
    return study({"objective.similarity": levels}, [0.05], factors=True, **given)


def temperatures(**given) -> Results:
    axes = {"objective.temperature": ("0.05", "0.1", "0.2", "0.5", "1", "2"), "batch": ("64", "128", "256", "512")}
    made = study(axes, [0.004, 0.02], **given)
    bent = []
    for outcome in made.outcomes:
        bend = -0.06 * abs(math.log(float(outcome.levels[0]) / 0.3)) ** 1.5
        scores = [Score(**(vars(score) | {"value": score.value + bend})) for score in outcome.scores]
        bent.append(Outcome(**(vars(outcome) | {"scores": tuple(scores)})))
    return Results(**(vars(made) | {"outcomes": tuple(bent)}))


def grid(**given) -> Results:
    """Three similarities, with and without a norm, and seven augmentations."""
    axes = {
        "objective.similarity": ("Cosine", "Euclidean", "Mahalanobis"),
        "norm": ("on", "off"),
        "augmentations": ("none", "crop", "flip", "rotate", "blur", "noise", "all"),
    }
    return study(axes, [0.02, 0.01, 0.06], factors=True, **given)


def changes(**given) -> Results:
    levels = ("nothing", "pairing.crop=None", "pairing.flip=None", "pairing.jitter=None", "pairing.blur=None")
    return study({"change": levels}, [0.04], factors=True, **given)


def draws(**given) -> Results:
    rng = np.random.default_rng(1)
    settings = [(f"{10 ** rng.uniform(-4, -2):.3g}", f"{rng.uniform(0.05, 1):.3g}") for _ in range(14)]
    axes = {
        name: tuple(dict.fromkeys(levels[at] for levels in settings))
        for at, name in enumerate(("optimizer.rate", "objective.temperature"))
    }
    return study(axes, [0.03, 0.03], 2, settings=settings, **given)
