"""Pairs that are drawn by their latents, and shown by rendering them or by the stored rows that are nearest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kontrast.datasets import Generative, Nearest, Source, Table
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views


@dataclass(frozen=True)
class Shown:
    """Pairs of stored rows, and the draws that they stand for.

    `anchors` and `rows` int64 [m] are the numbers of the two rows; `center` and `drawn` [m, k] the latents z and z';
    `distance` float64 [m] is how far the latents of `rows` are from z', and `hit` bool [m] says where the anchor itself
    was nearest, and gave way to the second nearest.
    """

    anchors: Tensor
    rows: Tensor
    center: Tensor
    drawn: Tensor
    distance: Tensor
    hit: Tensor


class LatentPairing(Pairing, ABC):
    """Pairs by a law of latents: z' is drawn given z, for the rows of all processes of a step.

    Where the dataset is generative the second view is rendered, so the law of the pairs is the nominal one. Where it
    is stored, the second view is the stored row that is nearest to z', the anchor itself left out while there is
    another; then the law is another one, which `realized` measures.
    """

    @property
    @abstractmethod
    def asking(self) -> tuple[int, ...]:
        """The views that ask."""

    @property
    @abstractmethod
    def answering(self) -> tuple[int, ...]:
        """The views that answer."""

    @abstractmethod
    def draw(self, latents: Tensor, source: Source, generator: torch.Generator) -> Tensor:
        """Latents z' [n, k] given z [n, k], on the CPU."""

    @abstractmethod
    def search(self, table: Table) -> Nearest:
        """Where the stored row of a draw is looked for."""

    def partner(self, latents: Tensor, source: Source, draws: Draws) -> Tensor:
        """Latents z' [n, k] on the CPU, one for each of the latents z [n, k] of this process."""
        generator = draws.generator("partner")
        if draws.ranks == 1:
            return self.draw(latents.cpu(), source, generator)
        # Drawn for the rows of all processes: how often one is drawn again decides what the next ones get.
        return draws.own(self.draw(source.latents_of(draws), source, generator))

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        if isinstance(source, Table):
            second = source.shelf.take(self._shown(things, source, draws).rows)
        else:
            dataset = source.dataset
            assert isinstance(dataset, Generative) and things.latents is not None
            second = dataset.render(self.partner(things.latents, source, draws), things.observations.device)
        return Views((things.observations, second), things.index, self.asking, self.answering)

    def show(self, table: Table, anchors: Tensor, center: Tensor, drawn: Tensor) -> Shown:
        """The stored rows nearest to draws z' [m, k], none of them its own anchor while there is another row."""
        found = self.search(table)(drawn, without=anchors)
        rows = torch.where(found.rows[:, 0] < 0, anchors, found.rows[:, 0])
        return Shown(anchors, rows, center, drawn, found.distance[:, 0], found.hit)

    def step(self, table: Table, draws: Draws) -> Shown:
        """The pairs of a training step that are those of this process."""
        points = self.search(table).points
        center = points[numbers(table, replace(draws, rank=0, ranks=1))]
        drawn = self.draw(center, table, draws.generator("partner"))
        return self.show(table, numbers(table, draws), draws.own(center), draws.own(drawn))

    def loose(self, table: Table, count: int, generator: torch.Generator) -> Shown:
        """Pairs as the code of Zimmermann et al. draws them: z is uniform, and its nearest row the anchor.

        So the anchor is beside the z that z' is drawn around.
        """
        search, dataset = self.search(table), table.dataset
        center = dataset.latent_space.uniform(count, len(dataset.factors), generator)
        anchors = search(center).rows[:, 0]
        if (anchors < 0).any():
            raise ValueError("some combinations of classes are in no row, so z cannot be drawn; write first=rows")
        return self.show(table, anchors, center, self.draw(center, table, generator))

    def _shown(self, things: Things, table: Table, draws: Draws) -> Shown:
        rows = table.numbers(things.index)
        center = self.search(table).points[rows]
        return self.show(table, rows, center, self.partner(center, table, draws))


def numbers(table: Table, draws: Draws) -> Tensor:
    """The numbers int64 [size / ranks] of the stored rows of a step, on the CPU."""
    rows = draws.rows(table.count)[1]
    return rows if table.anchors is None else table.anchors[rows]
