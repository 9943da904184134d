"""Blocks of factors: which features belong to which, and what crosses from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kontrast.parts import choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLOSE = 1e-6


def check_blocks(blocks: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """A ValueError, in one sentence, unless the blocks name factors, none of them twice, and none is empty."""
    named = [name for block in blocks for name in block]
    for name in named:
        choose(name, names, "factor")
    if len(set(named)) < len(named) or not all(blocks):
        raise ValueError(f"each factor belongs to one block, and none is empty, unlike {blocks}; write blocks.0=x,y")


def equal_blocks(precisions: Sequence[float], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The names whose precisions are equal, as blocks in order of precision."""
    blocks: list[list[str]] = []
    last = None
    for precision, name in sorted(zip(precisions, names, strict=True), key=lambda pair: pair[0]):
        if last is not None and precision - last <= CLOSE * abs(precision):
            blocks[-1].append(name)
        else:
            blocks.append([name])
        last = precision
    return tuple(tuple(block) for block in blocks)


def energy(weight: NDArray[np.float64], blocks: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """The squared norm [m, b] of the part of each row of A [m, k] that is in each block of columns."""
    found: NDArray[np.float64] = np.stack([np.square(weight[:, list(block)]).sum(1) for block in blocks], 1)
    return found


def assign(weight: NDArray[np.float64], blocks: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """The block [m] of each feature: where its row of A [m, k] has most.

    If there are as many features as factors in blocks, blocks get as many as they have factors, at the largest sum.
    """
    from scipy.optimize import linear_sum_assignment

    share = energy(weight, blocks)
    sizes = [len(block) for block in blocks]
    if len(weight) != sum(sizes):
        best: NDArray[np.int64] = share.argmax(1)
        return best
    owner = np.repeat(np.arange(len(blocks)), sizes)
    feature, place = linear_sum_assignment(-share[:, owner])
    found = np.empty(len(weight), dtype=np.int64)
    found[feature] = owner[place]
    return found


def off_block(weight: NDArray[np.float64], blocks: Sequence[Sequence[int]], owner: NDArray[np.int64]) -> float:
    """The share of |A|^2 outside of each feature's own block; 0 if A is 0."""
    share = energy(weight, blocks)
    total = float(share.sum())
    return 1 - float(share[np.arange(len(owner)), owner].sum()) / total if total else 0.0
