"""The mutual information of two views, from below."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import chz
import numpy as np
import torch
from torch import Tensor, nn

from kontrast.panels import Curves, Line
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_splits, check_values, moments
from kontrast.views import Features, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[Tensor, Tensor]

CHECKS = 20
"""Times that the bound is taken on rows held apart during a fit."""
CHUNK = 4096
SPLITS: tuple[Split, Split] = ("train", "test")


@chz.chz
class MutualInformation(Probe):
    """Lower bounds of the mutual information I(h1; h2) of the features of two views of one thing, in nats.

    A network T, a multilayer perceptron 2 d -> 512 -> 512 -> 1 with ELU on the features of a pair, is trained to raise

        I(h1; h2) >= mean_i T(h1_i, h2_i) - log mean_ij exp T(h1_i, h2_j)                          "mine"

    (Donsker and Varadhan; MINE, Belghazi et al. 2018, arXiv 1801.04062) on views of training rows, by Adam, with the
    denominator of the gradient a moving average of weight `ema`, as there. Partners j are rows of the batch, shuffled.
    The rate falls to 0 by a cosine, without which the bound is lower and leaps. A quarter of the rows is held apart,
    and the weights with the best bound on it are kept. Both scores are of views of
    the test rows, which nothing was fitted on, with `candidates` - 1 partners j for each i: "mine" as above, and with
    the same T the bound of contrastive predictive coding (van den Oord et al. 2018, arXiv 1807.03748),

        I(h1; h2) >= log K - mean_i -log (exp T(h1_i, h2_i) / mean_k exp T(h1_i, h2_k) / K)          "infonce"

    over K candidates, i's own partner among them, which is never above log K. A bound is of what a network of this size
    found from so many rows: where it is low, information may be there and not have been found; a bound of log of the
    number of rows or more cannot be trusted (McAllester and Stratos 2020, arXiv 1811.04251). Intervals are by the
    bootstrap over rows. The shuffled pairs have none, so chance is 0.

    Features are standardized by the views of the training rows; constant ones are dropped to 0. ValueError for features
    that are not finite, for fewer than eight rows, and without the views. Source of the network and its constants:
    Probabilistic SimCLR, which reports a bound on the batches that it was trained on.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    steps: int = chz.field(default=5000, doc="steps of Adam, at the most")
    epochs: int = chz.field(default=50, doc="passes over the training rows, at the most")
    width: int = chz.field(default=512, doc="units of each of the two hidden layers")
    rate: float = chz.field(default=5e-4, doc="learning rate of Adam, from which it falls")
    batch: int = chz.field(default=256, doc="pairs in a step")
    ema: float = chz.field(default=0.05, doc="weight of a batch in the moving average of the denominator")
    candidates: int = chz.field(default=64, doc="K of the second bound, and partners of each test row in the first")
    seed: int = chz.field(default=0, doc="what the views, the weights and the partners are drawn from")

    @chz.validate
    def _ranges(self) -> None:
        if min(self.steps, self.epochs, self.width) < 1 or self.batch < 2 or self.candidates < 2:
            raise ValueError("MutualInformation needs steps, epochs and width from 1, batch and candidates from 2")
        if not self.rate > 0 or not 0 < self.ema <= 1:
            raise ValueError(f"the rate must be positive and ema in (0, 1], not {self.rate} and {self.ema}")

    def extra(self) -> Mapping[str, Encoding]:
        return {f"{split} {v}": Encoding(split, view=v, seed=self.seed) for split in SPLITS for v in (0, 1)}

    def check(self, features: Features) -> None:
        check_values(features)
        if len(features) < 8:
            raise ValueError(f"mutual information cannot be estimated from {len(features)} rows; encode more of them")

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        (a, b), (c, d) = (_views(test, split) for split in SPLITS)
        moment = [moments(each.astype(np.float64)) for each in (a, b)]
        known, held = (tuple(_tensor(each, *moment[at]) for at, each in enumerate(pair)) for pair in ((a, b), (c, d)))
        critic, steps, curve = self._fit((known[0], known[1]))
        joint, others = _scores(critic, held[0], held[1], min(self.candidates, len(c)), self.seed)
        values, bounds = self._bounds(joint, others)
        protocol = (
            f"critic {2 * a.shape[1]}-{self.width}-{self.width}-1, the best of {steps} steps of Adam at "
            f"{self.rate:g} on {len(a):,} pairs of training views, a quarter held apart to choose it; scored on "
            f"{len(c):,} test pairs with {others.shape[1]} partners each; "
            "95 % intervals over resampled test pairs"
        )
        warnings = {}
        if values["mine"] > math.log(len(c)) - 1:
            warnings["mine"] = (
                f"a bound near the log of the {len(c):,} test rows ({math.log(len(c)):.2f}) cannot be trusted"
            )
        panel = Curves("Bound while the critic learned", "step", "nats, on rows held apart", (Line("bound", *curve),))
        chance = dict.fromkeys(values, 0.0)
        return Scores(values, protocol, chance, interval=bounds, warnings=warnings, panels=(panel,))

    def _bounds(
        self, joint: NDArray[np.float64], others: NDArray[np.float64]
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Both bounds and their intervals, of T at each pair [n] and at its partners [n, K - 1]."""
        top = max(float(joint.max()), float(others.max()))
        weights = np.exp(others - top).mean(1)
        every = np.concatenate([joint[:, None], others], 1)
        highest = every.max(1)
        own = joint - highest - np.log(np.exp(every - highest[:, None]).mean(1))
        columns = np.stack([joint, weights, own], 1)
        tiny = np.finfo(np.float64).tiny

        def bounds(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return means[:, 0] - top - np.log(np.maximum(means[:, 1], tiny)), means[:, 2]

        mine, infonce = bounds(columns.mean(0)[None])
        samples = bounds(resampled(columns, seed=self.seed))
        values = {"mine": float(mine[0]), "infonce": float(infonce[0])}
        return values, {name: interval(sample) for name, sample in zip(values, samples, strict=True)}

    def _fit(self, pair: Pair) -> tuple[nn.Module, int, tuple[tuple[float, ...], tuple[float, ...]]]:
        """The critic with the best bound on a quarter of the rows, the steps taken, and the bound on the way."""
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(pair[0]), generator=generator)
        apart, own = order[: len(order) // 4], order[len(order) // 4 :]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            critic = _critic(2 * pair[0].shape[1], self.width)
        optimizer = torch.optim.Adam(critic.parameters(), lr=self.rate)
        size = min(self.batch, len(own))
        steps = min(self.steps, self.epochs * (len(own) // size))
        every = max(1, steps // CHECKS)
        best, kept, at, found, average = -math.inf, copy.deepcopy(critic.state_dict()), [], [], None
        for step, rows in zip(range(1, steps + 1), _batches(own, size, generator), strict=False):
            x, y = pair[0][rows], pair[1][rows]
            joint, other = critic(torch.cat([x, y], 1)), critic(torch.cat([x, y.roll(1, 0)], 1))
            with torch.no_grad():
                seen = other.logsumexp(0) - math.log(size)
                average = seen if average is None else _mixed(average, seen, self.ema)
            optimizer.param_groups[0]["lr"] = self.rate * (1 + math.cos(math.pi * (step - 1) / steps)) / 2
            optimizer.zero_grad()
            ((other - average).exp().mean() - joint.mean()).backward()
            optimizer.step()
            if step % every == 0 or step == steps:
                bound = _bound(critic, pair[0][apart], pair[1][apart], self.seed)
                at.append(float(step))
                found.append(bound)
                if bound > best:
                    best, kept = bound, copy.deepcopy(critic.state_dict())
        critic.load_state_dict(kept)
        return critic, steps, (tuple(at), tuple(found))


def _critic(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ELU(), nn.Linear(width, width), nn.ELU(), nn.Linear(width, 1), nn.Flatten(0)
    )


def _mixed(average: Tensor, seen: Tensor, weight: float) -> Tensor:
    """The log of a moving average of exp, from the logs of both."""
    if weight == 1:
        return seen
    return torch.logaddexp(average + math.log1p(-weight), seen + math.log(weight))


def _batches(rows: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of rows without end, each row once in a pass, those left over at its end aside."""
    while True:
        order = rows[torch.randperm(len(rows), generator=generator)]
        yield from order[: len(order) // size * size].view(-1, size)


def _views(test: Features, split: Split) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    found = []
    for name in (f"{split} 0", f"{split} 1"):
        if name not in test.extra:
            raise ValueError(
                "MutualInformation is of two views of each row, which are not here; ask a run whose pairing makes two, "
                "by Run.probe or kontrast probe"
            )
        check_values(test.extra[name])
        found.append(test.extra[name].values)
    if found[0].shape != found[1].shape or len(found[0]) < 8:
        raise ValueError(f"views of shapes {found[0].shape} and {found[1].shape} are no pairs of eight rows or more")
    return found[0], found[1]


def _tensor(x: NDArray[Any], mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(((x - mean) / deviation).astype(np.float32))


@torch.no_grad()
def _scores(
    critic: nn.Module, a: Tensor, b: Tensor, candidates: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """T float64 of each pair [n], and of each row with partners of other rows [n, candidates - 1]."""
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))
    a, b = a[order], b[order]
    found = [
        torch.cat(
            [critic(torch.cat([a[i : i + CHUNK], b.roll(k, 0)[i : i + CHUNK]], 1)) for i in range(0, len(a), CHUNK)]
        )
        for k in range(candidates)
    ]
    scores = torch.stack(found, 1).double().numpy()
    return scores[:, 0], scores[:, 1:]


def _bound(critic: nn.Module, a: Tensor, b: Tensor, seed: int) -> float:
    """The Donsker-Varadhan bound on pairs, with eight partners each."""
    joint, others = _scores(critic, a, b, min(9, len(a)), seed)
    top = others.max()
    return float(joint.mean() - top - np.log(np.exp(others - top).mean()))
