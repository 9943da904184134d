"""Passes of observations through a frozen network: one, or several with dropout, whose disagreement says something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kontrast.directional import resultant, unit
from kontrast.draws import derive
from kontrast.model import Student
from kontrast.spaces import Simplex, Space, VonMisesFisher
from kontrast.views import Things

Layer = Literal["feature", "embedding", "raw"]
Encoded = tuple[Tensor, Tensor | None, Tensor | None]
"""Values [n, d], and what is known of their concentration and spread [n]."""
NARROWEST = 1e-6
"""What 1 - R^2 counts as where the passes agree, which bounds the concentration."""


def flat(output: Tensor) -> Tensor:
    """What a block gave, as vectors [n, d] of all its numbers."""
    return output.flatten(1)


class Passes:
    """One or several passes of observations through a network up to some layers; without a network, as they are.

    `layer` is one of "feature", "embedding" and "raw" or one of `blocks`, which has the modules of each block by its
    name; or a sequence of them, for all of which an observation passes once. `average` makes vectors of what a block
    gives. The network is in evaluation mode, except that for several passes its dropout is active from here on.
    ValueError where there is no pass, or several of a network in which nothing drops out.
    """

    def __init__(
        self,
        student: Student | None,
        layer: str | Sequence[str],
        samples: int,
        seed: int,
        blocks: Mapping[str, Sequence[nn.Module]] | None = None,
        average: Callable[[Tensor], Tensor] = flat,
    ) -> None:
        if samples < 1:
            raise ValueError(f"a row passes once or several times, not {samples} times; write samples=16")
        self.layers = (layer,) if isinstance(layer, str) else tuple(layer)
        self.student, self.samples, self.seed = student, samples, seed
        self.blocks, self.average = {} if blocks is None else blocks, average
        if samples > 1:
            for name in self.layers:
                self._drop(name)

    def _drop(self, layer: str) -> None:
        """Let drop out what does so before a layer."""
        dropping = [
            part
            for module in self._before(layer)
            for part in module.modules()
            if isinstance(part, torch.nn.modules.dropout._DropoutNd) and part.p > 0
        ]
        if not dropping:
            raise ValueError(
                f"nothing drops out before the {layer} layer of this run, so {self.samples} passes would be one; "
                "train with encoder.dropout=0.3, or write samples=1"
            )
        for part in dropping:
            part.train()

    def _before(self, layer: str) -> list[nn.Module]:
        if self.student is None or layer == "raw":
            return []
        if layer in self.blocks:
            names = list(self.blocks)
            return [module for name in names[: names.index(layer) + 1] for module in self.blocks[name]]
        return [self.student.encoder if layer == "feature" else self.student]

    def __call__(self, things: Things, chunk: int) -> Encoded:
        """The encoded rows of a chunk at the first of the layers."""
        return self.every(things, chunk)[self.layers[0]]

    @torch.no_grad()
    def every(self, things: Things, chunk: int) -> dict[str, Encoded]:
        """The encoded rows of a chunk by layer; the number of the chunk decides what drops out in them."""
        if self.samples > 1:
            return self._averaged(things, chunk)
        found = self._once(things)
        return {layer: self._plain(layer, values.float()) for layer, values in found.items()}

    def _plain(self, layer: str, values: Tensor) -> Encoded:
        space = self._space(layer)
        return values, None if space is None else space.concentration(values), None

    def _space(self, layer: str) -> Space | None:
        return self.student.space if self.student is not None and layer == "embedding" else None

    def _once(self, things: Things) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        if "raw" in self.layers or self.student is None:
            found["raw"] = things.observations.flatten(1)
        if self.student is not None and set(self.layers) - {"raw"}:
            with self._heard(found):
                found["feature"] = self.student.features(things.observations)
            if "embedding" in self.layers:
                found["embedding"] = self.student.embed(found["feature"])
        return {layer: found["raw" if self.student is None else layer] for layer in self.layers}

    @contextmanager
    def _heard(self, found: dict[str, Tensor]) -> Iterator[None]:
        """Keep what the last module of each block that is asked for gives, as vectors."""

        def keeping(layer: str) -> Callable[[nn.Module, Any, Any], None]:
            def keep(_: nn.Module, given: Any, output: Any) -> None:
                if not isinstance(output, Tensor):
                    raise ValueError(f"{layer} of this encoder gives no array of numbers; ask another layer")
                found[layer] = self.average(output)

            return keep

        asked = [layer for layer in self.layers if layer in self.blocks]
        hooks = [self.blocks[layer][-1].register_forward_hook(keeping(layer)) for layer in asked]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _averaged(self, things: Things, chunk: int) -> dict[str, Encoded]:
        means = {layer: _Mean(self._space(layer)) for layer in self.layers}
        for sample in range(self.samples):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive(self.seed, "dropout", sample, chunk))
                for layer, values in self._once(things).items():
                    means[layer].add(values.double())
        return {layer: mean.of(self.samples) for layer, mean in means.items()}


class _Mean:
    """The mean over passes of rows [n, d] in a space, and how far the passes agree."""

    def __init__(self, space: Space | None) -> None:
        self.space = space
        self.total, self.direction, self.weight = (torch.zeros((), dtype=torch.float64) for _ in range(3))

    def add(self, z: Tensor) -> None:
        mean, length = self._weighed(z)
        self.total, self.direction, self.weight = self.total + z, self.direction + mean, self.weight + length

    def of(self, samples: int) -> Encoded:
        """The mean, the concentration and the spread of so many passes."""
        total, direction, weight = (each / samples for each in (self.total, self.direction, self.weight))
        if isinstance(self.space, Simplex):
            certain = self.space.concentration(total)
            return total.float(), certain.float(), (weight - certain).clamp_min(0).float()
        length = torch.linalg.vector_norm(direction, dim=-1)
        kappa = length * (total.shape[1] - length.square()) / (1 - length.square()).clamp_min(NARROWEST)
        return total.float(), kappa.float(), (1 - length / weight).clamp_min(0).float()

    def _weighed(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The direction of each row times its length, and that length; on a simplex, the certainty of each row."""
        if isinstance(self.space, Simplex):
            return z, self.space.concentration(z)
        length = z.new_ones(len(z))
        if isinstance(self.space, VonMisesFisher):
            length = resultant(torch.linalg.vector_norm(z, dim=-1), z.shape[1])
        return length[:, None] * unit(z), length
