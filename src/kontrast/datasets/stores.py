"""The rows of a stored dataset before it is decided where they shall lie: what can be read, mapped or made anew."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kontrast.views import Things

Reader = Callable[[Tensor, Tensor], object]
"""Writes the rows of given numbers, int64 [n] on the CPU, into a tensor [n, ...] on the CPU."""


class Store(ABC):
    """The observations of a split, before it is decided where they shall lie."""

    shape: tuple[int, ...]
    """Of all of them: (rows, ...)."""
    dtype: torch.dtype = torch.uint8

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return math.prod(self.shape) * self.dtype.itemsize

    @abstractmethod
    def memory(self) -> Tensor:
        """All of them, in memory."""

    @abstractmethod
    def select(self, rows: Tensor) -> Store:
        """Some of them, by their numbers."""

    def mapped(self) -> tuple[Reader, str] | None:
        """What reads rows from where they lie, without taking memory, and where that is; None if there is no room."""
        return None

    def streamed(self) -> Reader | None:
        """What makes rows anew each time; None if that cannot be done."""
        return None


class Held(Store):
    """Observations that are in memory already."""

    def __init__(self, observations: Tensor) -> None:
        self.observations, self.shape, self.dtype = observations, tuple(observations.shape), observations.dtype

    def memory(self) -> Tensor:
        return self.observations

    def select(self, rows: Tensor) -> Held:
        return Held(self.observations[rows])

    def mapped(self) -> tuple[Reader, str]:
        return lambda rows, out: torch.index_select(self.observations, 0, rows, out=out), "in memory"


@dataclass(frozen=True)
class Holding:
    """A split of a stored dataset, before its observations have a place: all columns, on the CPU.

    `sequence` int64 [n] numbers the film that each row is a frame of, where rows are frames: those of one film follow
    each other, in the order of time.
    """

    store: Store
    index: Tensor
    labels: Tensor | None = None
    latents: Tensor | None = None
    sequence: Tensor | None = None

    def select(self, rows: Tensor) -> Holding:
        """Some of the rows, by their numbers int64 [m]; they keep their `index`."""
        columns = (None if column is None else column[rows] for column in (self.labels, self.latents, self.sequence))
        return Holding(self.store.select(rows), self.index[rows], *columns)

    def things(self) -> Things:
        """All rows, read into memory."""
        return Things(self.store.memory(), self.index, 0, self.labels, self.latents)
