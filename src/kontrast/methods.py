"""Methods: one short function per paper, which fills in the parts of an experiment.

Every preset is sized for a laptop's processor; the paper's own sizes are a few words on the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kontrast import (
    datasets,
    encoders,
    heads,
    objectives,
    optimizers,
    pairings,
    parts,
    schedules,
    similarities,
    spaces,
    teachers,
)
from kontrast.experiment import EXCLUSIVE, Experiment, blueprint, check_family, layered, make, values

Values = Mapping[str, Any]


class Method:
    """A named way to fill in an experiment. Calling it gives the experiment, with the fields given changed.

    Fields of parts are written with dots: `simclr(**{"objective.temperature": 0.2})`.
    """

    def __init__(self, fill: Callable[[], Values]) -> None:
        self.name = fill.__name__
        self.values = fill()
        self.__doc__ = fill.__doc__

    def __call__(self, **changes: Any) -> Experiment:
        for name, value in changes.items():
            check_family(name, value)
        return make(layered(self.values, self.name, changes, "arguments"))

    def read(self, arguments: Sequence[str]) -> Experiment:
        """The experiment with `field=value` arguments over this preset."""
        return make(blueprint(self.values, self.name, arguments))


@Method
def simclr() -> Values:
    """Two augmentations of a picture must find each other among a batch (Chen et al. 2020, arXiv 2002.05709)."""
    return {
        "data": datasets.FashionMNIST,
        "pairing": pairings.Augmented,
        "encoder": encoders.Conv,
        "encoder.batch_norm": True,
        "head": heads.Projection,
        "head.hidden": 256,
        "head.dim": 128,
        "space": spaces.Sphere,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Cosine,
        "objective.temperature": 0.5,
        "optimizer": optimizers.AdamW,
        "optimizer.rate": 2e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 256,
        "epochs": 10.0,
    }


@Method
def inversion() -> Values:
    """Observations whose latents are near must agree, which recovers the latents up to rotation (arXiv 2102.08850)."""
    return {
        "data": datasets.Mixing,
        "data.space": spaces.Sphere,
        "pairing": pairings.Conditional,
        "pairing.similarity": similarities.Cosine,
        "pairing.temperature": 0.1,
        "encoder": encoders.ResidualMlp,
        "head": heads.Linear,
        "space": spaces.Sphere,
        "teacher": teachers.Shared,
        "objective": objectives.InfoNCE,
        "objective.similarity": similarities.Cosine,
        "objective.temperature": 0.1,
        "optimizer": optimizers.Adam,
        "optimizer.rate": 2e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 512,
        "steps": 3000,
    }


@Method
def supervised() -> Values:
    """The label is the answer: the ceiling that encoders without labels are held against."""
    return {
        "data": datasets.FashionMNIST,
        "pairing": pairings.Labeled,
        "pairing.target": "labels",
        "encoder": encoders.Conv,
        "encoder.batch_norm": True,
        "head": heads.Linear,
        "space": spaces.Euclidean,
        "teacher": teachers.Labels,
        "objective": objectives.CrossEntropy,
        "optimizer": optimizers.AdamW,
        "optimizer.rate": 2e-3,
        "schedule": schedules.WarmupCosine,
        "batch": 256,
        "epochs": 10.0,
    }


def known() -> dict[str, Method]:
    """Every method by name."""
    return {name: value for name, value in sorted(globals().items()) if isinstance(value, Method)}


def get(name: str) -> Method:
    """The method called `name`; ValueError with the nearest name otherwise."""
    return known()[parts.choose(name, known(), "method")]


def words(experiment: Experiment) -> list[str]:
    """The fewest words after `kontrast train` that give this experiment: its method, and what the preset has not."""
    found = known().get(experiment.method)
    if found is None:
        raise ValueError(f"no command line gives an experiment of the method {experiment.method!r}; set it in Python")
    said = [
        f"{path}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for path, value in values(experiment).items()
        if path != "method" and not (path in EXCLUSIVE and value is None)
    ]
    if not _reads(found, said, experiment):
        raise ValueError("no command line gives this experiment: it holds a value that cannot be written as a word")
    for word in reversed(said):
        fewer = [other for other in said if other != word]
        said = fewer if _reads(found, fewer, experiment) else said
    return [experiment.method, *said]


def _reads(method: Method, said: list[str], experiment: Experiment) -> bool:
    try:
        return method.read(said) == experiment
    except ValueError:
        return False
