"""How far a known change of the picture moves its representation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.augmentations import Augmentation, Flip, Recipe
from kontrast.augmentations.recipe import SLOTS, slot
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.looking.density import densities
from kontrast.probes.looking.pair_similarity import cosine, partners
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


def alone(change: Augmentation) -> Recipe:
    """The recipe of one change and nothing else; a recipe as it is. A ValueError for a change that no slot is for."""
    if isinstance(change, Recipe):
        return change
    for name, cls in SLOTS.items():
        if isinstance(change, cls):
            return chz.replace(Recipe(), **(dict.fromkeys(SLOTS) | {name: change}))
    kinds = ", ".join(dict.fromkeys(cls.__name__ for cls in SLOTS.values()))
    raise ValueError(f"{type(change).__name__} has no slot in a recipe; choose one of {kinds}")


@chz.chz
class Change(Probe):
    """How much the representation of a test row changes under a known augmentation, by default the mirror image.

    With h(x) the features of a row and h(x') those of the row changed by `change`, of d coordinates each, the scores
    are the means over rows of the L1 norm |h(x) - h(x')|_1, of the L2 norm |h(x) - h(x')|_2, and of the cosine; and
    "l1/relative", "l2/relative" are the first two over the mean distance between different rows, whom a shuffle drawn
    from `seed` makes pairs: 0 where the representation is invariant, and about 1 where the changed row is as far away
    as any other. "cosine/others" is the cosine of different rows.

    Where all rows are one point the relative values are 0, with a warning. ValueError for features that are not finite,
    for fewer than two rows, and without the changed rows. Source: Probabilistic SimCLR, for the flip.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    change: Augmentation = slot(partial(Flip, p=1.0), "what is done to each row: one augmentation, or a recipe")
    seed: int = chz.field(default=0, doc="what the change, and the pairs of different rows, are drawn from")

    @chz.validate
    def _slotted(self) -> None:
        alone(self.change)

    def extra(self) -> Mapping[str, Encoding]:
        return {"changed": Encoding(change=alone(self.change), seed=self.seed)}

    def check(self, features: Features) -> None:
        check_values(features)
        if len(features) < 2:
            raise ValueError(
                "a change is measured against the distance of two rows, and there is one; encode more of them"
            )

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        if "changed" not in test.extra:
            raise ValueError(
                "Change compares rows with rows that were changed; ask it by Run.probe, which changes them"
            )
        check_values(test.extra["changed"])
        before, after = (each.values.astype(np.float64) for each in (test, test.extra["changed"]))
        if before.shape != after.shape:
            raise ValueError(f"the changed rows are of shape {after.shape}, not {before.shape} as the rows themselves")
        other = before[partners(len(before), self.seed)]
        moved, apart = _distances(before, after), _distances(before, other)
        values, bounds = _compared(moved, apart, self.seed)
        one = "all rows are one point, so that no distance is known to compare with"
        warnings = {} if apart["l2"].any() else {f"{name}/relative": one for name in ("l1", "l2")}
        what = " and ".join(alone(self.change).steps()) or "no change"
        protocol = f"{len(before):,} rows before and after {what}, and as many pairs of different rows, shuffled"
        samples = {f"after {what}": moved["l2"], "to another row": apart["l2"]}
        panel = densities(f"Distance after {what}", "Euclidean distance", samples)
        return Scores(values, protocol, interval=bounds, warnings=warnings, panels=(panel,))


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    apart = a - b
    return {"l1": np.abs(apart).sum(1), "l2": np.linalg.norm(apart, axis=1), "cosine": cosine(a, b)}


def _compared(
    moved: dict[str, NDArray[np.float64]], apart: dict[str, NDArray[np.float64]], seed: int
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Means of both, ratios of the distances, and the intervals of each."""
    means = resampled(np.stack([*moved.values(), *apart.values()], 1), seed=seed).T
    values: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    for at, name in enumerate(("l1", "l2")):
        own, far = float(moved[name].mean()), float(apart[name].mean())
        values |= {name: own, f"{name}/relative": own / far if far else 0.0}
        ratio = means[at] / np.where(means[at + 3] > 0, means[at + 3], 1) if far else np.zeros(2)
        bounds |= {name: interval(means[at]), f"{name}/relative": interval(ratio)}
    values |= {"cosine": float(moved["cosine"].mean()), "cosine/others": float(apart["cosine"].mean())}
    return values, bounds | {"cosine": interval(means[2]), "cosine/others": interval(means[5])}
