"""Part of a dataset: a share of the labels, and a share of the rows held out for validation."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal

import chz
import numpy as np
import torch
from torch import Tensor

from kontrast.datasets.dataset import Fault, Stored
from kontrast.datasets.digits import Digits
from kontrast.datasets.stores import Holding
from kontrast.draws import generator
from kontrast.parts import field
from kontrast.views import Factor, Split, Things


@chz.chz
class Subset(Stored):
    """Some rows of another dataset, chosen once by `seed` and the same for every method: label fractions, validation.

    First floor(holdout n) of the n training rows are held out: the shares of the classes stay what they are, as far as
    whole numbers allow. Of the m rows that are left, floor(fraction m) are the training split: with `balanced`, equally
    many of each class, but for one more of some and where a class has no more; else at random. The rows of a smaller
    fraction are among those of a larger one, and the rows held out do not depend on the fraction.

    Rows keep the order and the `index` that they have in `of`. The test split is that of `of`, or the rows held out. A
    ValueError where rows without a label should be balanced, or where nothing is left.
    """

    of: Stored = field(Stored, Digits, doc="the whole dataset")
    fraction: float = chz.field(default=1.0, doc="share of the training rows that are used, above 0 and up to 1")
    balanced: bool = chz.field(default=True, doc="as many rows of each class, as far as that goes; else at random")
    holdout: float = chz.field(default=0.0, doc="share of the training rows that are left out of training, below 1")
    test: Literal["own", "held"] = chz.field(
        default="own", doc="the test split: own, the dataset's own, or held, the training rows that are held out"
    )
    seed: int = chz.field(default=0, doc="seed of the choice, whatever the seed of the run is")

    @chz.validate
    def _sensible(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"a fraction of {self.fraction} of the rows cannot be; write fraction=0.1")
        if not 0 <= self.holdout < 1:
            raise ValueError(f"a share of {self.holdout} of the rows cannot be held out; write holdout=0.2")
        if self.test not in ("own", "held"):
            raise ValueError(f"the test split is own or held, not {self.test!r}; write test=own")
        if self.test == "held" and not self.holdout:
            raise ValueError("no rows are held out to test on; write holdout=0.2, or test=own")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.of.shape

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of.classes

    @property
    def factors(self) -> tuple[Factor, ...]:
        return self.of.factors

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def hold(self, split: Split) -> Holding:
        whole = self.of.hold(self._source(split))
        if self._source(split) == "test" or (self.fraction == 1 and not self.holdout):
            return whole
        rest, held = self._divide(whole.labels, len(whole.index))
        return whole.select(held if split == "test" else self._fraction(whole.labels, rest))

    def faults(self, split: Split) -> list[Fault]:
        return self.of.faults(self._source(split))

    def rows(self, split: Split) -> Tensor:
        """The `index` of each row of a split, int64 [n]: numbers in the split of `of` that they come from."""
        return self.hold(split).index

    def listed(self) -> dict[str, list[Any]]:
        """The rows of each split that is not a whole split of `of`, beside what `of` lists."""
        splits: tuple[Split, ...] = ("train", "test") if self.test == "held" else ("train",)
        some = {f"rows of {split}": self.rows(split).tolist() for split in splits if self.fraction < 1 or self.holdout}
        return {**self.of.listed(), **some}

    def _source(self, split: Split) -> Split:
        return "train" if self.test == "held" else split

    def _divide(self, labels: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
        """The training rows and the held out ones, both in ascending order."""
        order = _order(labels, count, generator(self.seed, "held out rows"), by_share=True)
        held = _share(self.holdout, count)
        return order[held:].sort().values, order[:held].sort().values

    def _fraction(self, labels: Tensor | None, rest: Tensor) -> Tensor:
        """The training rows that are used, in ascending order."""
        if self.fraction == 1:
            return rest
        if self.balanced and (labels is None or bool((labels[rest] < 0).any())):
            raise ValueError(f"{type(self.of).__name__} has training rows without a label; write balanced=False")
        order = _order(
            labels[rest] if self.balanced and labels is not None else None,
            len(rest),
            generator(self.seed, "rows of a fraction"),
        )
        count = _share(self.fraction, len(rest))
        if not count:
            raise ValueError(f"a fraction of {self.fraction} of {len(rest):,} rows is none; write a larger fraction")
        return rest[order[:count]].sort().values


def _share(share: float, count: int) -> int:
    """floor(share count), of the number as it is written: 0.29 of 100 rows are 29."""
    return math.floor(Fraction(repr(share)) * count)


def _order(labels: Tensor | None, count: int, draw: torch.Generator, by_share: bool = False) -> Tensor:
    """A random order of rows of which every beginning has the classes equally often, or by their shares of all rows.

    Row number r of a class of size s, in the random order within it, comes at r, or at (r + 1/2) / s.
    """
    shuffled = torch.randperm(count, generator=draw)
    if labels is None:
        return shuffled
    _, groups, sizes = np.unique(labels[shuffled].numpy(), return_inverse=True, return_counts=True)
    by_class = groups.argsort(kind="stable")
    rank = np.empty(count)
    rank[by_class] = np.arange(count) - (sizes.cumsum() - sizes)[groups[by_class]]
    key = torch.from_numpy((rank + 0.5) / sizes[groups] if by_share else rank)
    # Ties are broken at random, else the classes of larger number would come last.
    mixed = torch.randperm(count, generator=draw)
    return shuffled[mixed[key[mixed].argsort(stable=True)]]
