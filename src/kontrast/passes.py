"""Passes of observations through a frozen network: one, or several with dropout, whose disagreement says something."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kontrast.directional import resultant, unit
from kontrast.draws import derive
from kontrast.model import Student
from kontrast.spaces import Simplex, VonMisesFisher
from kontrast.views import Things

Layer = Literal["feature", "embedding", "raw"]
Encoded = tuple[Tensor, Tensor | None, Tensor | None]
"""Values [n, d], and what is known of their concentration and spread [n]."""
NARROWEST = 1e-6
"""What 1 - R^2 counts as where the passes agree, which bounds the concentration."""


class Passes:
    """One or several passes of observations through a network up to a layer; without a network, as they are.

    The network is in evaluation mode, except that for several passes its dropout is active from here on. ValueError
    where there is no pass, or several of a network in which nothing drops out.
    """

    def __init__(self, student: Student | None, layer: Layer, samples: int, seed: int) -> None:
        if samples < 1:
            raise ValueError(f"a row passes once or several times, not {samples} times; write samples=16")
        self.student, self.layer, self.samples, self.seed = student, layer, samples, seed
        self.space = student.space if student is not None and layer == "embedding" else None
        if samples > 1:
            whole = () if student is None else (student.encoder if layer == "feature" else student).modules()
            dropping = [part for part in whole if isinstance(part, torch.nn.modules.dropout._DropoutNd) and part.p > 0]
            if not dropping:
                raise ValueError(
                    f"nothing drops out before the {layer} layer of this run, so {samples} passes would be one; "
                    "train with encoder.dropout=0.3, or write samples=1"
                )
            for part in dropping:
                part.train()

    @torch.no_grad()
    def __call__(self, things: Things, chunk: int) -> Encoded:
        """The encoded rows of a chunk, whose number decides what drops out in them."""
        if self.samples > 1:
            return self._averaged(things, chunk)
        values = self._once(things).float()
        return values, None if self.space is None else self.space.concentration(values), None

    def _once(self, things: Things) -> Tensor:
        if self.student is None:
            return things.observations.flatten(1)
        values = self.student.features(things.observations)
        return self.student.embed(values) if self.layer == "embedding" else values

    def _averaged(self, things: Things, chunk: int) -> Encoded:
        total, direction, weight = (torch.zeros((), dtype=torch.float64) for _ in range(3))
        for sample in range(self.samples):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive(self.seed, "dropout", sample, chunk))
                z = self._once(things).double()
            mean, length = self._weighed(z)
            total, direction, weight = total + z, direction + mean, weight + length
        total, direction, weight = (each / self.samples for each in (total, direction, weight))
        if isinstance(self.space, Simplex):
            certain = self.space.concentration(total)
            return total.float(), certain.float(), (weight - certain).clamp_min(0).float()
        length = torch.linalg.vector_norm(direction, dim=-1)
        kappa = length * (z.shape[1] - length.square()) / (1 - length.square()).clamp_min(NARROWEST)
        return total.float(), kappa.float(), (1 - length / weight).clamp_min(0).float()

    def _weighed(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The direction of each row times its length, and that length; on a simplex, the certainty of each row."""
        if isinstance(self.space, Simplex):
            return z, self.space.concentration(z)
        length = z.new_ones(len(z))
        if isinstance(self.space, VonMisesFisher):
            length = resultant(torch.linalg.vector_norm(z, dim=-1), z.shape[1])
        return length[:, None] * unit(z), length
