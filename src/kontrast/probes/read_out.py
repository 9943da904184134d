"""The trained read-out: one affine map to all factors at once, learned by gradient steps, and how often it is right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import chz
import numpy as np
import torch
from torch import Tensor

from kontrast.optimizers import LARS, Group
from kontrast.probes.bootstrap import RESAMPLES, resampled
from kontrast.probes.determination import intervals, mean_known
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed, moments
from kontrast.probes.targets import Targets, check_latents, columns_of, symmetry_orders, targets
from kontrast.probes.validity import dead_codes, dependent, few_rows, remarks, said
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")

NEAR = 0.1
"""How near to 0 or 1 every column of a discrete factor must be predicted."""
AGREE = 0.01


@chz.chz
class ReadOut(Probe):
    """One affine map from features to all factors at once, trained by LARS: a cross-check of Recovery, and its hits.

    For the target columns y [n, t] of `targets.encode`, one-hot ones among them, it minimizes over W [d, t] and b [t]

        J(W, b) = mean_i (1/t) |W' x_i + b - y_i|^2  +  penalty (|W|_F^2 + |b|^2)

    from batches of `train` by LARS (momentum .9, trust .001, no weight decay, W and b adapted alike, a constant rate).
    It is scored on `test`: "r2/NAME" = 1 - SSE / TSS over all columns of a factor, "r2/mean" their mean; "mse/NAME" in
    squared units of the factor (of cos and sin, or one-hot); and "accuracy/NAME", the share of rows that are hit:
    a factor on a grid to less than half its step, an angle on the circle and up to its symmetry, and a discrete one
    with every column within .1. Factors without a declared grid have no accuracy. "least_squares_r2/mean" and
    "least_squares_accuracy/mean" are of the exact minimum of the same J, by a linear system; where LARS is more than
    .01 short of it in R^2 or accuracy, in any factor, a warning on all its scores says so.

    Chance is what the mean of the training targets scores; the null is of fits to permuted latents. A ValueError as for
    Recovery, but any number of rows will do. The protocol is that of Google Research's "learning latents"; there the
    angle is a number between 0 and 1, whose ends are the same picture, and the rate is .1.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    steps: int = chz.field(default=500, doc="steps of LARS")
    rate: float = chz.field(default=2.0, doc="learning rate")
    batch: int = chz.field(default=512, doc="rows of a batch")
    penalty: float = chz.field(default=1e-4, doc="weight of the squared norm of weights and biases")
    standardize: bool = chz.field(default=True, doc="subtract the training mean of each feature and divide by its std")
    permutations: int = chz.field(default=2, doc="fits to permuted latents that give the null level; 0 for none")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the first weights, the batches and the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if min(self.steps, self.batch) < 1 or not 0 < self.rate < math.inf or not 0 <= self.penalty < math.inf:
            raise ValueError(
                "ReadOut takes steps and a batch of 1 or more, a positive rate and a penalty from 0 on; "
                "write steps=500 batch=512 rate=2 penalty=1e-4"
            )
        if min(self.permutations, self.resamples, self.seed) < 0:
            raise ValueError(
                "neither permutations nor resamples nor seed of ReadOut can be negative; "
                "write permutations=2 resamples=200 seed=0"
            )

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        wanted, truth = columns_of(train)[0], targets(test)
        x, x_test = train.values.astype(np.float64), test.values.astype(np.float64)
        if self.standardize:
            mean, deviation = moments(x)
            x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
        rng = np.random.default_rng(self.seed)
        shuffled = [wanted[rng.permutation(len(x))] for _ in range(self.permutations)]
        made = [x_test @ weight + bias for weight, bias in (self._fit(x, y) for y in (wanted, *shuffled))]
        weight, bias = ridge(x, wanted, self.penalty)
        exact = Tally(test, truth, x_test @ weight + bias)
        tally = Tally(test, truth, made[0])
        values, exactly = tally.scores(), exact.scores()
        null = [Tally(test, truth, each).scores() for each in made[1:]]
        guess = Tally(test, truth, np.broadcast_to(wanted.mean(0), truth.columns.shape)).scores()
        drawn = [each.samples(self.resamples, self.seed) for each in (tally, exact) if self.resamples]
        return Scores(
            values | _least(exactly),
            self._protocol(train, test, truth),
            chance=guess | _least(guess),
            null={name: float(np.mean([row[name] for row in null])) for name in values}
            | self._exact_null(x, shuffled, x_test, test, truth)
            if null
            else {},
            interval=intervals(drawn[0] | _least(drawn[1])) if drawn else {},
            warnings=remarks(
                every=said(few_rows(train, test), dependent(train, test), dead_codes(train, test)),
                **dict.fromkeys(values, _short(values, exactly)),
            ),
        )

    def _exact_null(
        self,
        x: NDArray[np.float64],
        shuffled: list[NDArray[np.float64]],
        x_test: NDArray[np.float64],
        test: Features,
        truth: Targets,
    ) -> dict[str, float]:
        fits = [ridge(x, y, self.penalty) for y in shuffled]
        found = [_least(Tally(test, truth, x_test @ w + b).scores()) for w, b in fits]
        return {name: float(np.mean([row[name] for row in found])) for name in found[0]}

    def _fit(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The weight [d, t] and bias [t] that LARS comes to, from uniform weights of Glorot's range and no bias."""
        rows, wanted = torch.from_numpy(x), torch.from_numpy(y)
        generator = torch.Generator().manual_seed(self.seed)
        (n, d), t = rows.shape, wanted.shape[1]
        reach = math.sqrt(6 / (d + t))
        first = (2 * torch.rand(d, t, generator=generator, dtype=torch.float64) - 1) * reach
        weight, bias = torch.nn.Parameter(first), torch.nn.Parameter(torch.zeros(t, dtype=torch.float64))
        rule = LARS(rate=self.rate, scaling="none", weight_decay=0.0, exclude="nothing", eta=1e-3, momentum=0.9)
        optimizer = rule.build([Group([weight, bias])])
        batch, order, at = min(self.batch, n), torch.empty(0, dtype=torch.int64), n
        for _ in range(self.steps):
            if at + batch > n:
                order, at = torch.randperm(n, generator=generator), 0
            own, at = order[at : at + batch], at + batch
            with torch.no_grad():
                _set_gradients(rows[own], wanted[own], weight, bias, self.penalty)
            optimizer.step()
        return weight.detach().numpy(), bias.detach().numpy()

    def _protocol(self, train: Features, test: Features, truth: Targets) -> str:
        return said(
            f"one affine map of {train.values.shape[1]} features by {self.steps} steps of LARS at rate {self.rate:g}",
            f"batches of {min(self.batch, len(train))}, penalty {self.penalty:g}",
            f"fitted on {len(train):,} rows and scored on {len(test):,}",
            f"features {'standardized by the training rows' if self.standardize else 'as they are'}",
            f"mean over {len(truth.of)} factors",
            f"{listed(truth.flat)} constant in test and left out" if truth.flat else "",
            f"null from {self.permutations} permutations of the training latents" if self.permutations else "",
            f"95 % intervals from {self.resamples} resamples of the test rows" if self.resamples else "",
        )


def _least(scores: dict[str, T]) -> dict[str, T]:
    """Those of the scores of the exact minimum that are shown."""
    return {f"least_squares_{name}": scores[name] for name in ("r2/mean", "accuracy/mean") if name in scores}


def _short(values: dict[str, float], exact: dict[str, float]) -> str:
    """What to say where R^2 or accuracy falls short of the exact minimum: where by most."""
    lacks = {name: exact[name] - value for name, value in values.items() if not name.startswith("mse/")}
    worst = max(lacks, key=lambda name: lacks[name])
    if lacks[worst] <= AGREE:
        return ""
    return f"{worst} of LARS is {lacks[worst]:.3f} short of least squares; raise steps or rate"


def _set_gradients(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, penalty: float) -> None:
    error = (x @ weight + bias - y) * (2 / y.numel())
    weight.grad = x.T @ error + 2 * penalty * weight
    bias.grad = error.sum(0) + 2 * penalty * bias


def ridge(
    x: NDArray[np.float64], y: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The minimum W [d, t], b [t] of mean_i (1/t) |W' x_i + b - y_i|^2 + penalty (|W|^2 + |b|^2)."""
    wide = np.concatenate([x, np.ones((len(x), 1))], 1)
    gram = wide.T @ wide / len(x) + penalty * y.shape[1] * np.eye(wide.shape[1])
    found = np.linalg.lstsq(gram, wide.T @ y / len(x), rcond=None)[0]
    return found[:-1], found[-1]


class Tally:
    """By row of test: the squared error of each target column, its truth, and which factors are hit."""

    def __init__(self, test: Features, truth: Targets, predicted: NDArray[np.float64]) -> None:
        self.names, self.truth = list(truth.of), truth
        self.error = np.square(truth.columns - predicted)
        hit = {name: hits(test, name, predicted) for name in self.names}
        self.hits = {name: row for name, row in hit.items() if row is not None}

    def scores(self) -> dict[str, float]:
        """The score by name."""
        means = self._columns().mean(0)[None]
        return {name: float(row[0]) for name, row in self._named(means).items()}

    def samples(self, resamples: int, seed: int) -> dict[str, NDArray[np.float64]]:
        """Bootstrap samples [b] of the scores by name."""
        return self._named(resampled(self._columns(), resamples, seed))

    def _columns(self) -> NDArray[np.float64]:
        centered = self.truth.columns - self.truth.columns.mean(0)
        shown = [row[:, None].astype(np.float64) for row in self.hits.values()]
        return np.concatenate([self.error, np.square(centered), centered, *shown], 1)

    def _named(self, means: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        t = self.error.shape[1]
        error, total = means[:, :t], means[:, t : 2 * t] - np.square(means[:, 2 * t : 3 * t])
        own, square = self.truth.of, np.square(self.truth.columns - self.truth.columns.mean(0)).mean(0)
        r2: dict[str, NDArray[np.float64]] = {}
        for name in self.names:
            spread = total[:, own[name]].sum(1)
            r2[name] = 1 - error[:, own[name]].sum(1) / np.where(
                spread > 1e-12 * square[own[name]].sum(), spread, np.nan
            )
        found = {f"r2/{name}": row for name, row in r2.items()}
        found["r2/mean"] = mean_known(np.stack(list(r2.values()), 1))
        if self.hits:
            found |= {f"accuracy/{name}": means[:, 3 * t + i] for i, name in enumerate(self.hits)}
            found["accuracy/mean"] = means[:, 3 * t :].mean(1)
        return found | {f"mse/{name}": error[:, own[name]].mean(1) for name in self.names}


def hits(test: Features, name: str, predicted: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Which rows of predicted target columns [n, t] hit the factor `name`; None where it has no grid.

    A number is hit to less than half a step of its grid, an angle so on the circle and up to its symmetry; a discrete
    factor if all its columns are within .1.
    """
    columns, slices = columns_of(test)
    at = [factor.name for factor in test.factors].index(name)
    factor, own = test.factors[at], slices[name]
    if factor.kind == "discrete":
        far: NDArray[np.float64] = np.abs(columns - predicted)[:, own].max(1)
        return far < NEAR
    if factor.step is None:
        return None
    if factor.kind == "continuous":
        close: NDArray[np.bool_] = np.abs(columns - predicted)[:, own.start] < factor.step / 2
        return close
    orders = symmetry_orders(test, at)
    turn = [np.arctan2(part[:, own.start + 1], part[:, own.start]) for part in (predicted, columns)]
    away = np.abs(np.angle(np.exp(1j * (turn[0] - turn[1]))))
    tolerance = orders * (math.pi * factor.step / (factor.high - factor.low))
    on: NDArray[np.bool_] = (away < tolerance) | (orders == 0)
    return on
