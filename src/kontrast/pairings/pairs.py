"""Pairs: rows that a saved table says belong together."""

from __future__ import annotations

import functools
import weakref
from pathlib import Path

import chz
import torch
from torch import Tensor

from kontrast.datasets import Dataset, Generative, Source, Table
from kontrast.draws import Draws
from kontrast.pairings.pair_tables import PairTable
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views

CLOSE = 1e-5
"""How far latents of the table and of the data may differ, as a share of the larger ones of a column."""


@chz.chz
class Pairs(Pairing):
    """The pairs of a table that `kontrast data pairs` saved, in random order, each once in an epoch.

    The table is a CSV or Parquet file whose header has two levels: z and zprime, and below each the number of the row
    in the split, `row`, and its latents. The latents must be those of the data, which is seen to when the data are
    opened. A row that is in several pairs is an anchor as often. Each view asks which candidate is the other; with
    `symmetric=False` the first alone does.
    """

    table: str = chz.field(doc="the table of pairs, a .csv or .parquet file")
    symmetric: bool = chz.field(default=True, doc="whether each view asks about the other, or only the first")

    def check(self, dataset: Dataset) -> None:
        if isinstance(dataset, Generative):
            raise ValueError(
                f"{type(dataset).__name__} has no rows for a table to name; write pairing=Conditional, or render pairs "
                "with kontrast data pairs and render=FOLDER"
            )

    def anchors(self, table: Table) -> Tensor:
        """The first row of each pair."""
        return self.of(table).first

    def of(self, table: Table) -> PairTable:
        """The pairs, as rows of a table. ValueError if they are pairs of other data."""
        known = _checked.setdefault(table, {})
        path = Path(self.table).expanduser()
        if path not in known:
            stamp = path.stat().st_mtime_ns if path.is_file() else 0
            found = _loaded(path, stamp)
            _compare(path, found, table)
            known[path] = found
        return known[path]

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        assert isinstance(source, Table)
        partner = source.shelf.take(self._partners(things, source, draws))
        every = (0, 1) if self.symmetric else (0,)
        return Views((things.observations, partner), things.index, every, (0, 1) if self.symmetric else (1,))

    def _partners(self, things: Things, table: Table, draws: Draws) -> Tensor:
        pairs = self.of(table)
        rows = table.numbers(things.index)
        if table.anchors is pairs.first and draws.size <= len(pairs):
            number = draws.rows(len(pairs))[1]
            if torch.equal(pairs.first[number], rows):
                return pairs.second[number]
        return _any_partner(pairs, rows, draws.noise(things.index.cpu(), things.epoch, "pair").uniform("pair")[:, 0])


def _any_partner(pairs: PairTable, rows: Tensor, share: Tensor) -> Tensor:
    """For rows that no step draws: one of the partners of each, at random by `share` [n] in [0, 1)."""
    first, order = pairs.first.sort(stable=True)
    start, stop = torch.searchsorted(first, rows), torch.searchsorted(first, rows, right=True)
    if (start == stop).any():
        missing = int(rows[start == stop][0])
        raise ValueError(f"row {missing} is the first of no pair in the table; ask for rows that have a partner")
    return pairs.second[order[start + (share.double() * (stop - start)).floor().long()]]


@functools.lru_cache(maxsize=4)
def _loaded(path: Path, stamp: int) -> PairTable:
    return PairTable.load(path)


_checked: weakref.WeakKeyDictionary[Table, dict[Path, PairTable]] = weakref.WeakKeyDictionary()


def _compare(path: Path, pairs: PairTable, table: Table) -> None:
    name, count = f"the {table.split} split of {type(table.dataset).__name__}", len(table.index)
    foreign = f"{path} holds pairs of other data than {name}"
    instead = "draw them anew with kontrast data pairs"
    known = table.latents
    names = () if known is None else tuple(factor.name for factor in table.dataset.factors)
    if pairs.names != names:
        raise ValueError(f"{foreign}: its latents are {', '.join(pairs.names) or 'none'}; {instead}")
    rows = torch.cat([pairs.first, pairs.second])
    if len(wrong := rows[(rows < 0) | (rows >= count)]):
        raise ValueError(f"{foreign}: it names row {int(wrong[0])} of {count:,}; {instead}")
    if known is None:
        return
    latents = known.cpu().float()
    for rows, there in ((pairs.first, pairs.z), (pairs.second, pairs.zprime)):
        room = CLOSE * latents.abs().amax(0).clamp(min=1e-6)
        off = ~((latents[rows] - there).abs() <= room).all(1)
        if off.any():
            raise ValueError(f"{foreign}: the latents of row {int(rows[off][0])} differ; {instead}")
