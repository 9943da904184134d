"""Which runs tell what augmentations do, checked before any is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import chz
import torch

from kontrast import parts
from kontrast.augmentations import Augmentation, Crop, Recipe, Rotation
from kontrast.augmentations.recipe import SLOTS
from kontrast.experiment import Experiment
from kontrast.lab.plan import FEWEST
from kontrast.pairings import Augmented
from kontrast.probes import Probe
from kontrast.studies.finished import finished
from kontrast.training import Trainer
from kontrast.views import Features

NOTHING = Recipe(crop=None, flip=None, jitter=None, grayscale=None, blur=None)
MILD = chz.replace(NOTHING, crop=Crop(scale=(0.7, 1.0), ratio=(1.0, 1.0)), rotation=Rotation(degrees=(-15.0, 15.0)))
"""The base unless another is given. Views that are identical teach nothing: any code that tells pictures apart will do,
and then a readout finds little. These differ a little in every place, size and angle, so that codes follow them."""
BASE = "base"


@dataclass(frozen=True)
class Trials:
    """Which experiments run: the base, and the base with each augmentation in its slot, with each seed."""

    experiment: Experiment
    augmentations: Mapping[str, Augmentation]
    base: Recipe
    seeds: tuple[int, ...]
    out: Path
    readout: Probe
    limit: int

    @property
    def names(self) -> tuple[str, ...]:
        """The base, and the augmentations."""
        return (BASE, *self.augmentations)

    def folder(self, name: str, seed: int) -> Path:
        """Where a run is."""
        return self.out / f"{name}-{seed}"

    def made(self, name: str, seed: int) -> Experiment:
        """The experiment of a run."""
        recipe = self.base if name == BASE else chz.replace(self.base, **{name: self.augmentations[name]})
        return chz.replace(self.experiment, seed=seed, pairing=chz.replace(self.experiment.pairing, recipe=recipe))

    def check(self) -> None:
        """A ValueError, before anything is trained, if something of this cannot be done."""
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are different numbers from 0 on, not {self.seeds}; write seeds=0,1,2")
        if not self.augmentations:
            raise ValueError("say which augmentations to try; write augmentations=crop,flip,rotation")
        for name in self.augmentations:
            parts.choose(name, SLOTS, "augmentation")
        if self.limit < FEWEST:
            raise ValueError(f"readouts need at least {FEWEST} rows, not {self.limit}; write limit=5000")
        pairing = self.experiment.pairing
        if not isinstance(pairing, Augmented):
            raise ValueError(f"{type(pairing).__name__} augments nothing; name a method of pictures, as simclr")
        if pairing.second is not None or pairing.local is not None:
            raise ValueError(
                "views of several recipes have no one effect; write pairing.second=None pairing.local=None"
            )
        if self.out.is_file():
            raise ValueError(f"{self.out} is a file; give another out=")
        self.readout.check(self._glimpse())
        for name in self.names:
            for seed in self.seeds:
                finished(self.folder(name, seed), self.made(name, seed))
        Trainer(self.made(BASE, self.seeds[0]), torch.device("cpu"))

    def _glimpse(self) -> Features:
        """A few rows with one number each, by which the readout tells whether the data have what it asks for."""
        data = self.experiment.data
        things = next(data.open("test").chunks(FEWEST, FEWEST))
        labels, latents = (None if column is None else column.numpy() for column in (things.labels, things.latents))
        return Features(things.observations.flatten(1)[:, :1].numpy(), labels, latents, data.classes, data.factors)
