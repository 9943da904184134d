"""Augmented: two random changes of one picture."""

from __future__ import annotations

from typing import Literal

import chz
import torch

from kontrast import parts
from kontrast.augmentations import Recipe
from kontrast.datasets import Dataset
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views


@chz.chz
class Augmented(Pairing):
    """Each view is the same picture under its own draw of the recipe (SimCLR, Chen et al. 2020, arXiv 2002.05709).

    Rows belong together by `key`: "index" makes each picture its own class; "label" makes all pictures of a class
    positives of one another (supervised contrastive learning; rows labeled -1 belong to themselves alone).
    """

    recipe: Recipe = parts.field(Recipe, Recipe, doc="the augmentations, in their order")
    key: Literal["index", "label"] = chz.field(default="index", doc="what makes rows belong together")

    def check(self, dataset: Dataset) -> None:
        if len(dataset.shape) != 3:
            raise ValueError(
                f"{type(dataset).__name__} gives vectors, which cannot be augmented like pictures; "
                "write pairing=Conditional, or choose a data set of pictures"
            )
        if self.key == "label" and not dataset.classes:
            raise ValueError(f"{type(dataset).__name__} has no labels to pair by; write pairing.key=index")

    def __call__(self, things: Things, dataset: Dataset, draws: Draws) -> Views:
        views = tuple(
            self.recipe(things.observations, draws.noise(things.index, things.epoch, "view", view)) for view in (0, 1)
        )
        key = things.index
        if self.key == "label":
            assert things.labels is not None
            key = torch.where(things.labels < 0, -1 - things.index, things.labels)
        return Views(views, key)
