"""The interface of a pairing: which views belong together."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from kontrast.datasets import Dataset, Place, Source, Table
from kontrast.draws import Draws
from kontrast.parts import Part
from kontrast.views import Split, Things, Views


class Pairing(Part, ABC):
    """A rule that makes views of things."""

    @abstractmethod
    def check(self, dataset: Dataset) -> None:
        """A ValueError, with one sentence that says what to write instead, if this dataset cannot be paired so."""

    @abstractmethod
    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        """Views of n things of a source, those of one step. All randomness comes from `draws`."""

    def anchors(self, table: Table) -> Tensor | None:
        """The numbers int64 [m] of the stored rows that things may be, on the CPU; None for all of them.

        A row that is named twice is drawn twice as often.
        """
        return None

    def open(
        self, dataset: Dataset, split: Split = "train", device: torch.device | str = "cpu", place: Place = "auto"
    ) -> Source:
        """A split whose training steps draw what this pairing can pair; raises what `Dataset.open` does."""
        source = dataset.open(split, device, place)
        rows = self.anchors(source) if isinstance(source, Table) else None
        return source.among(rows) if isinstance(source, Table) and rows is not None else source
