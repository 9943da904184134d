"""Augmentation effects: what a readout of each factor loses where pictures are changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast import parts
from kontrast.augmentations import Recipe
from kontrast.panels import Heat
from kontrast.probes.bootstrap import RESAMPLES
from kontrast.probes.comparisons.indeterminacy import fit
from kontrast.probes.determination import by_factor, intervals, r2, resampled_r2
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_splits, check_values, listed
from kontrast.probes.targets import Targets, check_latents, columns_of, targets
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

Changed = dict[str, "NDArray[np.float64]"]


@chz.chz
class AugmentationEffects(Probe):
    """How much each augmentation, alone, takes from the readout of each factor of a frozen encoder.

    An affine map from features to the columns of each factor (`targets.encode`) is fitted on the pictures of `train` as
    they are. On those of `test` it is scored twice, as they are and changed by one augmentation of `recipe`:

        Delta R^2 = R^2(changed) - R^2(as they are),

    "delta_r2/AUGMENTATION/FACTOR", beside "r2/FACTOR" of pictures as they are. It is 0 where the encoder sees past the
    change, and negative where the factor is read wrong then: because the features move where they should not, or
    because the change is one of the factor itself, as a crop moves x. The 95 % interval is over resampled test rows,
    the same for both terms. What training with an augmentation takes is another question: kontrast effects.

    ValueError: no known latents, every one constant in `test`, features that are not finite, no more than d + 1
    training rows, or no changed pictures encoded.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    recipe: Recipe = parts.field(Recipe, Recipe, doc="the augmentations that are tried, each alone")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the changes and of the intervals")

    @chz.validate
    def _something(self) -> None:
        if not self.recipe.steps():
            raise ValueError("the recipe changes nothing; switch a slot on, as in augmentationeffects.recipe.crop=Crop")
        if min(self.resamples, self.seed) < 0:
            raise ValueError("neither resamples nor seed can be negative; write resamples=200 seed=0")

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)

    def extra(self) -> Mapping[str, Encoding]:
        steps = self.recipe.steps()
        return {
            name: Encoding(change=chz.replace(self.recipe, **dict.fromkeys(set(steps) - {name})), seed=self.seed)
            for name in steps
        }

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = train.values.shape
        if n < d + 2:
            raise ValueError(f"{n} rows cannot fit {d} dimensions and an intercept; train on at least {d + 2} rows")
        there = {name: test.extra[name] for name in self.extra() if name in test.extra}
        if not there:
            raise ValueError("no changed pictures were encoded; ask this probe of a run that was trained on pictures")
        for changed in there.values():
            check_values(changed)
        truth = targets(test)
        read = fit("affine", train.values.astype(np.float64), columns_of(train)[0])
        plain, moved = read(test.values), {name: read(changed.values) for name, changed in there.items()}
        values = self._deltas(truth, r2(truth.columns, plain), {k: r2(truth.columns, p) for k, p in moved.items()})
        interval = {}
        if self.resamples:
            drawn = {name: self._resampled(truth, predicted) for name, predicted in {"": plain, **moved}.items()}
            interval = intervals(self._deltas(truth, drawn.pop(""), drawn))
        protocol = (
            f"least squares with intercept fitted on {n:,} pictures as they are, scored on {len(test):,} as they are "
            f"and changed by {listed(list(there))} alone"
        )
        found = {name: float(value) for name, value in values.items()}
        return Scores(
            found, protocol, interval=interval, panels=(heat(found, interval, tuple(there), tuple(truth.of)),)
        )

    def _resampled(self, truth: Targets, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        return resampled_r2(truth.columns, predicted, self.resamples, self.seed)

    def _deltas(self, truth: Targets, plain: NDArray[np.float64], moved: Changed) -> Changed:
        """The scores [...] by name, of R^2 [..., t] of pictures as they are and of each change."""
        before = by_factor("r2", plain, truth.of)
        found = dict(before)
        for name, columns in moved.items():
            after = by_factor("r2", columns, truth.of)
            found |= {f"delta_r2/{name}/{key.partition('/')[2]}": after[key] - before[key] for key in before}
        return found


def heat(
    values: Mapping[str, float],
    interval: Mapping[str, tuple[float, float]],
    augmentations: tuple[str, ...],
    factors: tuple[str, ...],
    title: str = "What each augmentation takes from each factor",
    note: str = "",
) -> Heat:
    """The map of "delta_r2/AUGMENTATION/FACTOR": augmentations down, factors across."""

    def table(of: Mapping[str, float]) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(of[f"delta_r2/{a}/{f}"] for f in factors) for a in augmentations)

    complete = all(f"delta_r2/{a}/{f}" in interval for a in augmentations for f in factors)
    low = table({name: pair[0] for name, pair in interval.items()}) if complete else ()
    high = table({name: pair[1] for name, pair in interval.items()}) if complete else ()
    return Heat(title, augmentations, factors, table(values), low, high, 0.0, "augmentation", "change of R²", note)
