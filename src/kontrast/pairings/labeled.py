"""Labeled: a picture and what it is."""

from __future__ import annotations

from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.augmentations import Recipe
from kontrast.datasets import Dataset, Source
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views


@chz.chz
class Labeled(Pairing):
    """The second view of a thing is its label, or its continuous latents: supervised learning in the same words.

    Only the first view asks; the answer is taken as it is by the teacher Labels.
    """

    target: Literal["labels", "latents"] = chz.field(default="labels", doc="what the answer is")
    recipe: Recipe | None = parts.field(Recipe, None, doc="augmentations of the picture; None leaves it as it is")

    def check(self, dataset: Dataset) -> None:
        if self.target == "labels" and not dataset.classes:
            raise ValueError(
                f"{type(dataset).__name__} has no labels; write pairing.target=latents or choose labeled data"
            )
        if self.target == "latents" and not self.columns(dataset):
            raise ValueError(f"{type(dataset).__name__} has no continuous latents; write pairing.target=labels")
        if self.recipe is not None and len(dataset.shape) != 3:
            raise ValueError(
                f"{type(dataset).__name__} gives vectors, which cannot be augmented; write pairing.recipe=None"
            )

    def columns(self, dataset: Dataset) -> list[int]:
        """The latents that can be regressed on as they are: the continuous ones."""
        return [k for k, factor in enumerate(dataset.factors) if factor.kind == "continuous"]

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        observations = things.observations
        if self.recipe is not None:
            observations = self.recipe(observations, draws.noise(things.index, things.epoch, "view", 0))
        return Views((observations, self._answer(things, source.dataset)), things.index, asking=(0,), answering=(1,))

    def _answer(self, things: Things, dataset: Dataset) -> Tensor:
        if self.target == "labels":
            assert things.labels is not None
            return things.labels
        assert things.latents is not None
        return things.latents[:, torch.tensor(self.columns(dataset), device=things.latents.device)]
