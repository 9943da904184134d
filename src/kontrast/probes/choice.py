"""Choosing a setting of a probe by training rows that were held out, and never by test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def held_out(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which rows of the labels [n] are held out: this share of each class, rounded, but never the whole of one.

    A ValueError if that is no row, as where each class has only one.
    """
    rng, held = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held[rows[: min(round(share * len(rows)), len(rows) - 1)]] = True
    if not held.any():
        raise ValueError(
            f"a share of {share:g} of {len(labels):,} training rows is no row to choose by; give one value"
        )
    return held


def edges(chosen: Mapping[str, tuple[float, Sequence[float]]], natural: Sequence[float] = ()) -> str:
    """Which values, by name, are the least or the largest of those offered, so that better ones may lie beyond; or "".

    Values that are `natural` ends, as 0 of a penalty, have nothing beyond.
    """
    said = [
        f"{name} {value:g} is the {'least' if value == min(offered) else 'largest'} offered"
        for name, (value, offered) in chosen.items()
        if len(offered) > 1 and value in (min(offered), max(offered)) and value not in natural
    ]
    return f"{' and '.join(said)}, so a better one may lie beyond; offer more" if said else ""
