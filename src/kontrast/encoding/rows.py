"""The rows that are encoded: where they come from, what tells them apart, and what of them is shown to the network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from kontrast.datasets import Dataset, Subset
from kontrast.datasets.dataset import Source
from kontrast.draws import Draws
from kontrast.pairings import Labeled, Pairing
from kontrast.probes import Encoding
from kontrast.views import Split, Things

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 500
LIMIT = 20_000
"""Rows of a data set without end that are encoded, of each split."""


def origin(data: Dataset, split: Split) -> str:
    """A name for the rows that the `index` of a split counts: those of the data set that a Subset takes them from."""
    if isinstance(data, Subset):
        return origin(data.of, "train" if data.test == "held" else split)
    return f"{type(data).__name__}/{split}/{hashlib.sha256(repr(data).encode()).hexdigest()[:16]}"


def digests(observations: Tensor) -> NDArray[np.uint64]:
    """A hash [n] of the bytes of each observation (BLAKE2b, 64 bits)."""
    rows = observations.detach().cpu().contiguous().flatten(1).numpy()
    found = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    return np.frombuffer(found, "<u8").astype(np.uint64)


@dataclass
class Rows:
    """The rows of a data set that are encoded: at most `limit` of each split, and views of them by a pairing.

    Where data have no end, there are 20,000 of each split unless `limit` says otherwise. Opened splits are kept.
    """

    data: Dataset
    pairing: Pairing
    limit: int | None = None
    _opened: dict[tuple[Dataset, Split], Source] = field(default_factory=dict, repr=False)

    def source(self, data: Dataset, split: Split) -> Source:
        """A split of a data set, opened once."""
        if (data, split) not in self._opened:
            self._opened[data, split] = data.open(split)
        return self._opened[data, split]

    def plain(self, request: Encoding) -> Encoding:
        """A request in the form that all that mean the same have: with its data, and a seed only where it draws."""
        draws = request.change is not None or request.view is not None or request.samples > 1
        return replace(request, data=request.data or self.data, seed=request.seed if draws else 0)

    def count(self, request: Encoding) -> int:
        """How many rows a request in plain form has: of other data no more than of these."""
        data = request.data or self.data
        rows = self._count(data, request.split)
        return rows if data == self.data else min(rows, self._count(self.data, request.split))

    def _count(self, data: Dataset, split: Split) -> int:
        count = self.source(data, split).count
        limit = LIMIT if self.limit is None and count is None else self.limit
        return min(limit, count) if limit is not None and count is not None else limit or count or 0

    def chunks(self, request: Encoding) -> Iterator[Things]:
        """The rows of a request in plain form, 500 at a time."""
        return self.source(request.data or self.data, request.split).chunks(CHUNK, self.count(request))

    def shown(self, request: Encoding, things: Things, number: int) -> Tensor:
        """What a network is shown of the rows of a chunk: the observations, changed, or a view of them.

        All that is drawn is a function of the seed of the request and of the row, or for views of the chunk.
        """
        data, seen = request.data or self.data, things.observations
        draws = Draws(request.seed, number, len(things.index))
        if request.view is not None:
            seen = self._view(request.view, things, self.source(data, request.split), draws)
        if request.change is None:
            return seen
        if seen.ndim != 4:
            raise ValueError(
                f"{type(data).__name__} gives vectors, which cannot be changed as pictures are; ask this of pictures"
            )
        return request.change(seen, draws.noise(things.index, 0, "change"))

    def _view(self, view: int, things: Things, source: Source, draws: Draws) -> Tensor:
        self.pairing.check(source.dataset)
        views = self.pairing(things, source, draws).views
        there = 1 if isinstance(self.pairing, Labeled) else len(views)
        if not 0 <= view < there:
            name = type(self.pairing).__name__
            raise ValueError(f"pairing={name} makes {there} views of a thing, counted from 0, so none is view {view}")
        return views[view]
