"""The loss at the true latents: what a finite batch gives an encoder that has inverted the data exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import chz
import numpy as np
import torch
from torch import Tensor

from kontrast.datasets import Generative
from kontrast.draws import Draws
from kontrast.objectives import InfoNCE
from kontrast.pairings import Conditional
from kontrast.spaces import Ranges, Sphere
from kontrast.views import Views

ROWS = 8192
"""Things that an estimate is made of, at the least, in 2 to 32 batches."""
WATCHED = 512


class Truth(NamedTuple):
    """The loss at the true latents with its standard error, and the weight that an anchor itself would have.

    `own` is the mean of its share of the denominator, if it is put among the candidates.
    """

    loss: float
    error: float
    own: float


@dataclass(frozen=True)
class Exact:
    """Batches of true latents, scored by the law that pairs are drawn from.

    With `radius` they are scored by the objective itself, as points on a sphere of that radius.
    """

    data: Generative
    pairing: Conditional
    objective: InfoNCE
    batch: int
    seed: int
    radius: float | None = None

    def measure(self, attraction: float | None) -> Truth:
        """The mean over batches. `attraction` is E (s(z, z') - s(z, z)) / t where it is known: it steadies the mean."""
        objective = self.objective
        if self.radius is None:
            objective = chz.replace(objective, similarity=self.pairing.similarity, temperature=self.pairing.temperature)
        count = max(2, min(32, ROWS // self.batch))
        rows = np.array([self._one(objective, step) for step in range(count)])
        loss, near, found, own = rows.T
        if attraction is not None:
            # A positive that is near by chance lowers the loss by as much as it was not found.
            loss = loss + (1 - found.mean()) * (near - attraction)
        return Truth(float(loss.mean()), float(loss.std(ddof=1)) / math.sqrt(count), float(own.mean()))

    def _one(self, objective: InfoNCE, step: int) -> tuple[float, float, float, float]:
        """Of one batch: the loss, the mean (s(z, z') - s(z, z)) / t, and the shares of the positive and of z itself."""
        draws = Draws(self.seed, step, self.batch)
        latents = self.data.sample(self.batch, draws.generator("latents"))
        views = [self._points(z) for z in (latents, self.pairing.partner(latents, self.data.open("train"), draws))]
        asked, answers = ([views[k] for k in which] for which in (self.pairing.asking, self.pairing.answering))
        frame = Views((), torch.arange(self.batch), self.pairing.asking, self.pairing.answering)
        with torch.no_grad():
            loss = float(objective.agree(asked, answers, frame).total)
        score, t = objective.similarity, objective.temperature
        own, near = score.paired(views[0], views[0]) / t, score.paired(*views) / t
        return loss, float((near - own).mean()), *_shares(objective, views, own, near)

    def _points(self, z: Tensor) -> Tensor:
        space = self.data.latent_space
        if self.radius is not None:
            assert isinstance(space, Sphere)
            return z * (self.radius / space.radius)
        if isinstance(space, Ranges):
            low, high = torch.tensor(space.low), torch.tensor(space.high)
            return (z - low) / (high - low)
        return z


def _shares(objective: InfoNCE, views: list[Tensor], own: Tensor, near: Tensor) -> tuple[float, float]:
    """The mean share of the positive, and that of the anchor if it is a candidate, for anchors of the first view."""
    first, second = views
    others = {"anchors": [first], "both": [first, second], "cross": [second]}[objective.candidates]
    own, near = own[:WATCHED], near[:WATCHED]
    logits = [objective.similarity(first[:WATCHED], y) / objective.temperature for y in others]
    logits += {"anchors": [near[:, None]], "both": [], "cross": [own[:, None]]}[objective.candidates]
    whole = torch.cat(logits, 1).logsumexp(1)
    mine = (own - whole).exp()
    without = (
        whole if objective.own and objective.candidates != "cross" else whole + torch.log1p(-mine.clamp(max=1 - 1e-6))
    )
    return float((near - without).exp().mean()), float(mine.mean())
