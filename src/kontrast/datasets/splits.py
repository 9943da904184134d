"""Splits: which rows of a set that has none of its own are for training and which for testing."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kontrast.draws import generator
from kontrast.views import Split


def divided(count: int, test: float, seed: int, same: Tensor | None = None) -> dict[Split, Tensor]:
    """The rows int64 [n] of both splits, ascending: floor(test count) drawn without replacement are for testing.

    `same` int64 [count] has one number for all rows that show the same thing: those never come apart. (Where only such
    pairs are left over, one row fewer is for testing.) A function of these values and nothing else. ValueError for a
    share that is not in [0, 1), or a seed below 0.
    """
    if not 0 <= test < 1:
        raise ValueError(f"the share of rows for testing is at least 0 and below 1, not {test}; write test=0.1")
    if seed < 0:
        raise ValueError(f"a seed is 0 or larger, not {seed}; write seed=0")
    order = torch.randperm(count, generator=generator(seed, "split", "rows"))
    held = math.floor(test * count + 1e-9)  # 0.29 * 100 is a little less than 29
    if same is None:
        chosen = torch.zeros(count, dtype=torch.bool)
        chosen[order[:held]] = True
    else:
        chosen = _together(order, held, same)
    return {"test": chosen.nonzero()[:, 0], "train": (~chosen).nonzero()[:, 0]}


def _together(order: Tensor, held: int, same: Tensor) -> Tensor:
    """Which rows bool [count] are for testing: whole groups, each in the place that its first row drew.

    Not the earliest place of its rows, which would take large groups more often than single rows.
    """
    groups, sizes = torch.unique(same, return_inverse=True, return_counts=True)[1:]
    rows = torch.arange(len(order))
    first = torch.full((len(sizes),), len(order)).scatter_reduce_(0, groups, rows, "amin")
    place = torch.empty_like(order)
    place[order] = rows
    turn = place[first].argsort()
    taken = torch.zeros(len(sizes), dtype=torch.bool)
    fits = sizes[turn].cumsum(0) <= held
    taken[turn[fits]] = True
    rest = turn[~fits]
    left = held - int(sizes[taken].sum())
    if left and len(more := rest[sizes[rest] <= left]):
        taken[more[0]] = True  # the one place left goes to the next that comes alone
    return taken[groups]
