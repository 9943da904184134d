"""The interface of a pairing: which views belong together."""

from __future__ import annotations

from abc import ABC, abstractmethod

from kontrast.datasets import Dataset
from kontrast.draws import Draws
from kontrast.parts import Part
from kontrast.views import Things, Views


class Pairing(Part, ABC):
    """A rule that makes views of things."""

    @abstractmethod
    def check(self, dataset: Dataset) -> None:
        """A ValueError, with one sentence that says what to write instead, if this dataset cannot be paired so."""

    @abstractmethod
    def __call__(self, things: Things, dataset: Dataset, draws: Draws) -> Views:
        """Views of the n things of one step. All randomness comes from `draws`."""
