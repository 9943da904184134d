"""Datasets that can be written to disk, in the layout in which the set that they resemble was published."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from kontrast.views import Split


class Order(NamedTuple):
    """What is asked of a rendering.

    `rows` of each split, none where there is a fixed number of them; the `seed` of what is drawn; `workers`, processes
    that share the work, which change no byte; `tell(done, all)` hears of the progress. Where several machines write
    pictures into one folder, each is given its `shard` (k, n): the k-th of n, from 1 on. `device` is where pictures are
    rendered.
    """

    rows: Mapping[Split, int] = MappingProxyType({})
    seed: int = 0
    workers: int = 1
    tell: Callable[[int, int], None] = lambda done, count: None
    shard: tuple[int, int] = (1, 1)
    device: str = "cpu"


class Writable(ABC):
    """A dataset that writes itself in a published layout, which the loader of the published set then reads."""

    @property
    @abstractmethod
    def reader(self) -> str:
        """The name of the dataset that reads what is written, given the folder as its `root`.

        Where it is "Rendered", that has to be told `of` which dataset the pictures are.
        """

    @abstractmethod
    def write(self, out: Path, order: Order) -> None:
        """Write into a folder `out`, new, empty or begun: what is whole there is left as it is, and the rest goes on.

        ValueError where something else is there already, or the order cannot be met.
        """
