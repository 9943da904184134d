"""Temporal: two frames of one film that are near in time."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast.datasets import Dataset, Source, Stored, Table
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views

ADVICE = "write data=Masks or data=KITTIMasks, or pairing=Augmented"


@chz.chz
class Temporal(Pairing):
    """The second view is a later frame of the same sequence (Klindt et al. 2020, arXiv 2007.10930).

    Every frame t = 0, ..., T - 2 of a sequence of T frames is the first of a pair equally often; the second is frame
    t + g. With `clipped` g = min(u, T - 1 - t) for u uniform on 1, ..., max_gap, as in the published code: near the end
    the last frame comes more often than its share and gaps are smaller than nominal. Else g is uniform on those of
    1, ..., max_gap that fit, so that no gap is cut. The two are the same for max_gap=1.

    The first view asks which candidate is the other, as in the published code (Zimmermann et al. 2021, arXiv
    2102.08850); with `symmetric` each asks about the other. A ValueError for data that are no sequences.
    """

    max_gap: int = chz.field(default=1, doc="frames between the two at most, at least 1")
    clipped: bool = chz.field(default=True, doc="whether gaps are cut at the end of a sequence, or drawn to fit")
    symmetric: bool = chz.field(default=False, doc="whether each view asks about the other, or only the first")

    @chz.validate
    def _positive(self) -> None:
        if self.max_gap < 1:
            raise ValueError(f"the frames of a pair are at least one apart, not {self.max_gap}; write max_gap=1")

    def check(self, dataset: Dataset) -> None:
        if not isinstance(dataset, Stored):
            raise ValueError(f"{type(dataset).__name__} has no films, whose frames follow each other in time; {ADVICE}")

    def anchors(self, table: Table) -> Tensor:
        """All frames but the last one of each sequence."""
        sequence = _sequence(table)
        starts = (sequence[1:] == sequence[:-1]).nonzero()[:, 0]
        if not len(starts):
            raise ValueError(f"no sequence of {type(table.dataset).__name__} has two frames to pair; {ADVICE}")
        return starts

    def partner(self, numbers: Tensor, things: Things, table: Table, draws: Draws) -> Tensor:
        """The numbers int64 [n] of the rows that are paired with the rows of these `numbers` int64 [n], on the CPU."""
        sequence = _sequence(table)
        gaps = torch.arange(1, self.max_gap + 1)
        ahead = (numbers[:, None] + gaps).clamp(max=len(sequence) - 1)
        # Rows of one sequence follow each other, so that as many gaps fit as lead into the same one.
        fits = ((sequence[ahead] == sequence[numbers][:, None]) & (numbers[:, None] + gaps < len(sequence))).sum(1)
        share = draws.noise(things.index, things.epoch, "gap").uniform("gap")[:, 0].double().cpu()
        room = torch.full_like(fits, self.max_gap) if self.clipped else fits
        return numbers + torch.minimum(1 + (share * room).floor().long(), fits)

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        assert isinstance(source, Table)
        partner = self.partner(source.numbers(things.index), things, source, draws)
        every = (0, 1) if self.symmetric else (0,)
        answering = (0, 1) if self.symmetric else (1,)
        return Views((things.observations, source.shelf.take(partner)), things.index, every, answering)


def _sequence(table: Table) -> Tensor:
    if table.sequence is None:
        raise ValueError(
            f"{type(table.dataset).__name__} has no films, whose frames follow each other in time; {ADVICE}"
        )
    return table.sequence
