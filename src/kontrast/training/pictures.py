"""Views as pictures that people can look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.augmentations import Normalize, Recipe
from kontrast.augmentations.pixels import STATISTICS
from kontrast.pairings import Augmented, Pairing
from kontrast.sheets import enlarged, grid
from kontrast.training.records import Records
from kontrast.training.trainer import Trainer
from kontrast.views import Views

SHOWN = 8
"""Things on a sheet of views."""
SIDE = 64
"""About how large they are shown at least, in pixels."""
MOMENTS = 10
"""Sheets of views in a run, after the first."""


class Sheets:
    """Shows the views of a run: a sheet at its first row of metrics, and one whenever a tenth of it is over."""

    def __init__(self, trainer: Trainer, records: Records) -> None:
        self.trainer, self.records, self.shown = trainer, records, -1

    def row(self) -> None:
        """A row of metrics was written: show the views of its step if it is time."""
        moment = self.trainer.step * MOMENTS // self.trainer.steps
        if moment > self.shown and self.trainer.views is not None:
            self.shown = moment
            found = sheet(self.trainer.views, self.trainer.experiment.pairing)
            if found is not None:
                self.records.picture(self.trainer.step, "views", found)


def sheet(views: Views, pairing: Pairing) -> NDArray[np.uint8] | None:
    """Some things of a batch side by side, their views below one another, as they enter the network: [h, w, 3].

    None where views are no pictures. A normalization is undone; small pictures are enlarged, every pixel a square.
    """
    rows = [
        seen(view[:SHOWN], recipe)
        for view, recipe in zip(views.views, recipes(pairing, views), strict=True)
        if drawable(view)
    ]
    if not rows:
        return None
    factor = max(1, round(SIDE / max(max(picture.shape) for row in rows for picture in row)))
    return grid([[enlarged(picture, factor) for picture in row] for row in rows])


def drawable(view: Tensor) -> bool:
    """Whether rows are pictures of one channel or three."""
    return view.ndim == 4 and view.shape[1] in (1, 3)


def recipes(pairing: Pairing, views: Views) -> Sequence[Recipe | None]:
    """The recipe that each view was made by; None for those made by none."""
    count = len(views.views)
    if isinstance(pairing, Augmented) and drawable(views.views[0]):
        found = pairing.recipes(*views.views[0].shape[-2:])
        return found if len(found) == count else [pairing.recipe] * count
    recipe = getattr(pairing, "recipe", None)
    return [recipe if isinstance(recipe, Recipe) else None] * count


@torch.no_grad()
def seen(view: Tensor, recipe: Recipe | None = None) -> list[NDArray[np.uint8]]:
    """Pictures uint8 [h, w, 3] of a view [n, c, h, w]: bytes, or floats in [0, 1].

    A normalization of the recipe is undone; a picture that leaves [0, 1] all the same, as one brought to mean 0 and
    variance 1 does, is shown from its lowest to its highest number.
    """
    if view.dtype != torch.uint8:
        view = _undone(view.detach().float(), recipe)
        low, high = (extreme(view.flatten(1), 1).values[:, None, None, None] for extreme in (torch.min, torch.max))
        outside = (low < -0.02) | (high > 1.02)
        view = torch.where(outside, (view - low) / (high - low).clamp_min(1e-6), view)
        view = (view.clamp(0, 1) * 255).round().to(torch.uint8)
    colored = view.expand(-1, 3, -1, -1) if view.shape[1] == 1 else view
    return [*colored.permute(0, 2, 3, 1).cpu().contiguous().numpy()]


def _undone(view: Tensor, recipe: Recipe | None) -> Tensor:
    last = [*recipe.steps().values()][-1:] if recipe is not None else []
    for part in last:
        if isinstance(part, Normalize):
            mean, std = (part.mean, part.std) if part.of == "given" else STATISTICS[part.of]
            view = view * view.new_tensor(std)[:, None, None] + view.new_tensor(mean)[:, None, None]
    return view
