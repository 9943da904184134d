"""The interface of a dataset: a frozen value that says what there is, and opens into rows on a device.

There are two kinds. A `Stored` dataset has a fixed number of rows that it reads. A `Generative` one knows the
latents its observations come from: it draws latents and renders them, as many as are asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from kontrast.datasets import placement
from kontrast.datasets.placement import Place
from kontrast.datasets.stores import Held, Holding
from kontrast.draws import Draws, generator
from kontrast.parts import Part
from kontrast.spaces import Ranges, Space
from kontrast.views import Factor, Split, Things

ROWS = 10_000
"""Rows that a dataset without end shows where no limit is given."""
BLOCK = 1000


class Source(ABC):
    """A split of a dataset, opened: it hands out rows on a device, as `Things`, to training and to examination.

    Training takes a `batch` for each step, in an order that the run's seed and the step alone determine; examination
    takes `chunks`, the same rows each time. A dataset makes one by `open`; it is not made directly.
    """

    dataset: Dataset
    device: torch.device
    place: str
    """Where the rows are, in words."""

    @property
    @abstractmethod
    def count(self) -> int | None:
        """The number of rows, or None where there is no end of them."""

    @abstractmethod
    def batch(self, draws: Draws) -> Things:
        """The rows of one training step, in the random order of the run."""

    @abstractmethod
    def latents_of(self, draws: Draws) -> Tensor:
        """The latents float32 [size, k] of all rows of a training step, those of all processes, on the CPU.

        ValueError where they are not known.
        """

    def expect(self, draws: Draws) -> None:
        """Hear which step comes next: its rows may be prepared in the background. What goes wrong, `batch` raises."""
        return

    @abstractmethod
    def chunks(self, size: int, limit: int | None = None) -> Iterator[Things]:
        """`limit` rows, the same ones each time, spread over the whole split, `size` at a time.

        Without a limit, or with one that leaves none out: all rows in their own order, or 10,000 where there is no
        end. Else the rows are the first of one fixed shuffle, so that those of a smaller limit begin those of a
        larger one.
        """


class Dataset(Part, ABC):
    """Things that can be shown to a network."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one observation: (channels, height, width) of a picture, (dimensions,) of a vector."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels; empty where rows have none."""
        return ()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The known latents; empty where they are not known."""
        return ()

    @property
    def latent_space(self) -> Space:
        """Where the latents live: the ranges of the factors, unless a dataset says otherwise.

        ValueError where they are not known.
        """
        if not self.factors:
            raise ValueError(f"{type(self).__name__} does not know its latents; choose data that do, as data=Sprites")
        return Ranges(
            low=tuple(factor.low for factor in self.factors),
            high=tuple(factor.high for factor in self.factors),
            periodic=tuple(factor.kind == "periodic" for factor in self.factors),
            discrete=tuple(factor.kind == "discrete" for factor in self.factors),
        )

    def listed(self) -> dict[str, list[Any]]:
        """What a reader of a run must know of its rows that the fields do not say, as plain values by name."""
        return {}

    @abstractmethod
    def open(self, split: Split, device: torch.device | str = "cpu", place: Place = "auto") -> Source:
        """Read or prepare a split. FileNotFoundError or ValueError, with one sentence, if that cannot be done.

        `place` says where the rows of a stored dataset shall lie: on the `device`, `pinned` in the host's memory,
        `mapped` from the disk, or nowhere (`streamed`: decoded as they are asked for); "auto" goes by what has room.
        """


class Fault(NamedTuple):
    """Something that is wrong with the data: where, and what."""

    where: str
    what: str


class Stored(Dataset):
    """A dataset of a fixed number of rows that are read from somewhere."""

    @abstractmethod
    def read(self, split: Split) -> Things:
        """All rows of a split, in their own order, on the CPU."""

    def hold(self, split: Split) -> Holding:
        """The same rows before they are read, for a dataset that need not read them all; else as they are read."""
        things = self.read(split)
        return Holding(Held(things.observations), things.index, things.labels, things.latents)

    def faults(self, split: Split) -> list[Fault]:
        """All that is wrong with a split; empty if it can be read."""
        try:
            self.read(split)
        except (OSError, ValueError) as error:
            return [Fault(type(self).__name__, str(error))]
        return []

    def open(self, split: Split, device: torch.device | str = "cpu", place: Place = "auto") -> Table:
        return Table(self, split, torch.device(device), place)


class Table(Source):
    """The rows of a stored dataset: labels and latents on the device, observations in their place.

    Rows have numbers, 0 for the first of the split. `anchors` int64 [m] are those that training steps draw from, None
    for all; `sequence` int64 [n] on the CPU numbers the film of each row, where rows are frames.
    """

    def __init__(self, dataset: Stored, split: Split, device: torch.device, place: Place = "auto") -> None:
        self.dataset, self.split, self.device = dataset, split, device
        held = dataset.hold(split)
        self.shelf = placement.lay(held.store, device, place)
        self.place = f"{len(held.index):,} rows, {placement.size(held.store.bytes)}, {self.shelf.where}"
        self.index, self._known = held.index.to(device), held.index.cpu().sort()
        self.sequence, self.anchors = held.sequence, cast(Tensor | None, None)
        columns = (held.labels, held.latents)
        self.labels, self.latents = (None if column is None else column.to(device) for column in columns)

    @property
    def count(self) -> int:
        return len(self.index if self.anchors is None else self.anchors)

    @property
    def things(self) -> Things:
        """All rows at once."""
        return self.rows(torch.arange(len(self.index)))

    def among(self, rows: Tensor) -> Table:
        """The same rows, of which training steps draw only those of the numbers int64 [m] on the CPU."""
        found = copy(self)
        found.anchors = rows
        return found

    def batch(self, draws: Draws) -> Things:
        epoch, rows = self._drawn(draws)
        return self.rows(rows, epoch)

    def latents_of(self, draws: Draws) -> Tensor:
        if self.latents is None:
            raise ValueError(f"{type(self.dataset).__name__} does not know its latents; choose data that do")
        rows = self._drawn(replace(draws, rank=0, ranks=1))[1]
        return self.latents[rows.to(self.device)].cpu()

    def numbers(self, index: Tensor) -> Tensor:
        """The numbers int64 [m] on the CPU of the rows that have these `index`."""
        known, order = self._known
        return order[torch.searchsorted(known, index.cpu())]

    def expect(self, draws: Draws) -> None:
        self.shelf.expect(self._drawn(draws)[1])

    def chunks(self, size: int, limit: int | None = None) -> Iterator[Things]:
        stop, order = len(self.index), torch.arange(len(self.index))
        if limit is not None and limit < stop:
            # Shuffled, because many data sets are stored class by class: their first rows would be all of one class.
            stop, order = limit, torch.randperm(stop, generator=generator(0, "rows", self.split))
        parts = [order[start : min(start + size, stop)] for start in range(0, stop, size)]
        for number, rows in enumerate(parts):
            for later in parts[number + 1 : number + 2]:
                self.shelf.expect(later)
            yield self.rows(rows)

    def rows(self, numbers: Tensor, epoch: int = 0) -> Things:
        """The rows of these numbers int64 [m] on the CPU."""
        observations, rows = self.shelf.take(numbers), numbers.to(self.device)
        labels, latents = (None if column is None else column[rows] for column in (self.labels, self.latents))
        return Things(observations, self.index[rows], epoch, labels, latents)

    def _drawn(self, draws: Draws) -> tuple[int, Tensor]:
        epoch, rows = draws.rows(self.count)
        return epoch, rows if self.anchors is None else self.anchors[rows]


class Generative(Dataset):
    """A dataset whose latents are known: it draws latents and renders them."""

    @property
    @abstractmethod
    def factors(self) -> tuple[Factor, ...]:
        """The latents, one for each column."""

    @property
    def dependent(self) -> bool:
        """Whether latents depend on each other, so that no law of single ones is that of all."""
        return False

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Latents float32 [n, k] from the marginal law p(z): uniform on the space unless a dataset says otherwise."""
        return self.latent_space.uniform(n, len(self.factors), generator)

    def latents(self, draws: Draws) -> Tensor:
        """The latents float32 [size, k] of a training step, those of all processes."""
        return self.sample(draws.size, draws.generator("latents"))

    @abstractmethod
    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        """The observations of latents [n, k], on the device: x = g(z). The same latents give the same picture."""

    def open(self, split: Split, device: torch.device | str = "cpu", place: Place = "auto") -> World:
        return World(self, split, torch.device(device))


class World(Source):
    """Rows of a generative dataset, rendered when they are asked for. Test rows are drawn apart from training rows."""

    def __init__(self, dataset: Generative, split: Split, device: torch.device) -> None:
        self.dataset: Generative = dataset
        self.split, self.device = split, device
        self.place = f"rendered as they are asked for, on {device}"

    @property
    def count(self) -> None:
        return None

    def batch(self, draws: Draws) -> Things:
        index = draws.step * draws.size + torch.arange(draws.size)
        return self._show(draws.own(self.dataset.latents(draws)), draws.own(index))

    def latents_of(self, draws: Draws) -> Tensor:
        return self.dataset.latents(draws)

    def chunks(self, size: int, limit: int | None = None) -> Iterator[Things]:
        stop = ROWS if limit is None else limit
        # In blocks of one size, each from its own generator, so that row i is the same whatever the limit is.
        draws = (generator(0, "rows", self.split, step=block) for block in range(-(-stop // BLOCK)))
        blocks = [self.dataset.sample(BLOCK, draw) for draw in draws]
        latents = torch.cat(blocks)[:stop] if blocks else self.dataset.sample(0, generator(0))
        for start in range(0, stop, size):
            part = latents[start : start + size]
            yield self._show(part, torch.arange(start, start + len(part)))

    def _show(self, latents: Tensor, index: Tensor) -> Things:
        shown = self.dataset.render(latents, self.device)
        return Things(shown, index.to(self.device), 0, None, latents.to(self.device))
