"""What the laboratory will train, checked before it trains anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import chz
import torch

from kontrast import parts
from kontrast.datasets import Generative
from kontrast.experiment import Experiment
from kontrast.heads import Identity, Linear
from kontrast.objectives import MeanSquaredError, Supervised
from kontrast.pairings import Labeled
from kontrast.run import Run
from kontrast.spaces import Euclidean
from kontrast.studies.finished import finished
from kontrast.teachers import Labels
from kontrast.training import Trainer

Kind = Literal["unsupervised", "supervised"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FEWEST = 100


def supervised(experiment: Experiment, steps: int | None = None) -> Experiment:
    """The ceiling of an experiment: its data, encoder, optimizer and batches, and the latents as answers."""
    head = Linear() if isinstance(experiment.head, Identity) else chz.replace(experiment.head, dim=None)
    length = {} if steps is None else {"steps": steps, "epochs": None}
    return chz.replace(
        experiment,
        pairing=Labeled(target="latents"),
        head=head,
        space=Euclidean(),
        predictor=None,
        predictor_schedule=None,
        teacher=Labels(),
        objective=MeanSquaredError(),
        **length,
    )


@dataclass(frozen=True)
class Plan:
    """Which experiments run with which seeds, and where."""

    base: Experiment
    seeds: tuple[int, ...]
    out: Path
    only: Kind | None = None
    supervised_steps: int | None = None
    reseed_data: bool = True
    limit: int = 10_000

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of runs."""
        return KINDS if self.only is None else (self.only,)

    @property
    def encoders(self) -> list[str]:
        """The rows of the table; observations as they are make one if they are vectors."""
        identity = ["identity"] if len(self.base.data.shape) == 1 else []
        return [*identity, "untrained", *(kind for kind in reversed(KINDS) if kind in self.kinds)]

    def folder(self, kind: Kind, seed: int) -> Path:
        """Where a run is."""
        return self.out / f"{kind}-{seed}"

    def experiment(self, kind: Kind, seed: int) -> Experiment:
        """The experiment of a run."""
        data = self.base.data
        if self.reseed_data and "seed" in chz.chz_fields(type(data)):
            data = chz.replace(data, seed=seed)
        made = chz.replace(self.base, seed=seed, data=data)
        return made if kind == "unsupervised" else supervised(made, self.supervised_steps)

    def check(self) -> None:
        """A ValueError, before anything is trained, if something of this cannot be done."""
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are different numbers from 0 on, not {self.seeds}; write seeds=0,1,2")
        if self.only is not None:
            parts.choose(self.only, KINDS, "kind of run")
        if self.limit < FEWEST:
            raise ValueError(f"probes need at least {FEWEST} rows, not {self.limit}; write limit=10000")
        if self.supervised_steps is not None and self.supervised_steps < 1:
            raise ValueError(f"supervised_steps is a number of steps, not {self.supervised_steps}; leave it out")
        if not isinstance(self.base.data, Generative):
            raise ValueError(f"{type(self.base.data).__name__} does not know its latents; write data=Mixing")
        if isinstance(self.base.objective, Supervised):
            raise ValueError("the laboratory makes the supervised run itself; name a method without labels: inversion")
        if self.out.is_file():
            raise ValueError(f"{self.out} is a file; give another out=")
        for kind in self.kinds:
            for seed in self.seeds:
                self.finished(kind, seed)
            # The parts meet here for the first time: what does not fit is found before hours are spent.
            Trainer(self.experiment(kind, self.seeds[0]), torch.device("cpu"))

    def finished(self, kind: Kind, seed: int) -> Run | None:
        """The run if it is over, None if it can begin or go on; ValueError if its folder holds something else."""
        return finished(self.folder(kind, seed), self.experiment(kind, seed))
