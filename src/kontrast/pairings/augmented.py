"""Augmented: random changes of one picture."""

from __future__ import annotations

from typing import Literal

import chz
import numpy as np
import torch

from kontrast import parts
from kontrast.augmentations import Crop, Recipe
from kontrast.datasets import Dataset, Source
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views

SMALL_SCALE = (0.05, 0.14)
SIDES = (0, 32, 96, 224)
SMALL_SIDES = (0, 24, 58, 96)
"""Sides of small views, in pixels, that are usual beside pictures of SIDES; in between they are interpolated."""

UNLABELED = "{} has no labels to pair by; write pairing.key=index"


@chz.chz
class Augmented(Pairing):
    """Each view is the same picture under its own draw of the recipe (SimCLR, Chen et al. 2020, arXiv 2002.05709).

    Rows belong together by `key`: "index" makes each picture its own class; "label" makes all pictures of a class
    positives of one another (supervised contrastive learning; rows labeled -1 belong to themselves alone).

    Views need not be made alike. `second` is the recipe of the second view alone (Grill et al. 2020, arXiv 2006.07733).
    After `large` views come `small` ones, of smaller parts of the picture at a smaller size: "multi-crop" (Caron et al.
    2020, arXiv 2006.09882). All views ask; they also answer, or the large ones do alone.
    """

    recipe: Recipe = parts.field(Recipe, Recipe, doc="the augmentations, in their order")
    second: Recipe | None = parts.field(Recipe, None, doc="the recipe of the second view; None: as the others")
    large: int = chz.field(default=2, doc="views by the recipe")
    small: int = chz.field(default=0, doc="further views, of small parts of the picture: multi-crop")
    local: Recipe | None = parts.field(
        Recipe, None, doc="the recipe of small views; None: the recipe, with a crop of 5 to 14 % at a smaller size"
    )
    answering: Literal["all", "large"] = chz.field(default="all", doc="which views are answers to the others")
    key: Literal["index", "label"] = chz.field(default="index", doc="what makes rows belong together")

    @chz.validate
    def _counts(self) -> None:
        if self.large < 1 or self.small < 0 or self.large + self.small < 2:
            raise ValueError(
                f"a picture needs at least one large view and two views in all, not {self.large} large and "
                f"{self.small} small ones; write pairing.large=2 pairing.small=0"
            )
        if self.second is not None and self.large < 2:
            raise ValueError("there is no second large view to have a recipe; write pairing.second=None or large=2")
        if self.answering not in ("all", "large"):
            raise ValueError(
                f"answers come from all views or the large ones, not {self.answering!r}; write all or large"
            )
        crop = self.recipe.crop
        if self.small and self.local is None and not isinstance(crop, Crop | None):
            raise ValueError(
                f"small views take a Crop, and the recipe has {type(crop).__name__} in its place; say what they are, "
                "as in pairing.local.crop.scale=0.05,0.14 pairing.local.crop.size=24"
            )

    def check(self, dataset: Dataset) -> None:
        if len(dataset.shape) != 3:
            raise ValueError(
                f"{type(dataset).__name__} gives vectors, which cannot be augmented like pictures; "
                "write pairing=Conditional, or choose a data set of pictures"
            )
        if self.key == "label" and not _labeled(dataset):
            raise ValueError(UNLABELED.format(type(dataset).__name__))

    def recipes(self, height: int, width: int) -> tuple[Recipe, ...]:
        """The recipe of each view of pictures of height x width pixels: first of the large, then of the small ones."""
        large = [self.recipe] * self.large
        if self.second is not None:
            large[1] = self.second
        return (*large, *[self.local or smaller(self.recipe, min(height, width))] * self.small)

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        recipes = self.recipes(*things.observations.shape[-2:])
        views = tuple(
            recipe(things.observations, draws.noise(things.index, things.epoch, "view", view))
            for view, recipe in enumerate(recipes)
        )
        key = things.index
        if self.key == "label":
            if things.labels is None:
                raise ValueError(UNLABELED.format(type(source.dataset).__name__))
            key = torch.where(things.labels < 0, -1 - things.index, things.labels)
        every = tuple(range(len(views)))
        return Views(views, key, every, every if self.answering == "all" else every[: self.large])


def smaller(recipe: Recipe, side: int) -> Recipe:
    """A recipe with a crop of 5 to 14 % of the area, for small views of pictures whose shorter side is `side` pixels.

    Small views of 32, 96 and 224 pixels have 24, 58 and 96; those of a recipe that gives its crop a size, likewise.
    Where the recipe has no crop and its order no place for one, it comes first.
    """
    crop = recipe.crop if isinstance(recipe.crop, Crop) else Crop()
    size = max(1, round(float(np.interp(crop.size or side, SIDES, SMALL_SIDES))))
    order = recipe.order if "crop" in recipe.order else ("crop", *recipe.order)
    return chz.replace(recipe, crop=chz.replace(crop, scale=SMALL_SCALE, size=size), order=order)


def _labeled(dataset: Dataset) -> bool:
    """Whether rows have labels; where the data that would say so are not here, the first row that is read tells."""
    try:
        return bool(dataset.classes)
    except FileNotFoundError:
        return True
