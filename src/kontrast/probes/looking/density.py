"""Histograms of samples as curves, for panels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.panels import Curves, Line

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 60


def edges(samples: Mapping[str, NDArray[np.floating[Any]]]) -> NDArray[np.float64]:
    """The edges [b + 1] of equal bins over the range of all samples: 2 n^(1/3) of them (Rice), from 8 to 60."""
    every = np.concatenate([x.astype(np.float64) for x in samples.values()])
    bins = int(np.clip(2 * min(map(len, samples.values())) ** (1 / 3), 8, MOST))
    low, high = float(every.min()), float(every.max())
    margin = 0.0 if high - low > 1e-9 * max(1.0, abs(high)) else 0.5 * max(1.0, abs(high))
    return np.linspace(low - margin, high + margin, bins + 1)


def histograms(
    samples: Mapping[str, NDArray[np.floating[Any]]],
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """The edges [b + 1] of bins that all samples share, and the share [b] of each in each bin."""
    at = edges(samples)
    return at, [np.histogram(x.astype(np.float64), at)[0] / len(x) for x in samples.values()]


def densities(title: str, x: str, samples: Mapping[str, NDArray[np.floating[Any]]], note: str = "") -> Curves:
    """A panel of the densities of some samples over one axis, by name: what area lies over a range is its share."""
    at, shares = histograms(samples)
    width = at[1] - at[0]
    middle = np.concatenate([[at[0] - width / 2], (at[1:] + at[:-1]) / 2, [at[-1] + width / 2]])
    lines = [
        Line(name, tuple(middle.tolist()), (0.0, *(share / width).tolist(), 0.0))
        for name, share in zip(samples, shares, strict=True)
    ]
    return Curves(title, x, "density", tuple(lines), filled=True, note=note)


def overlap(one: NDArray[np.floating[Any]], two: NDArray[np.floating[Any]]) -> float:
    """The share that the histograms of two samples have in common, sum_b min(p_b, q_b): 1 where they are alike."""
    _, (p, q) = histograms({"one": one, "two": two})
    return float(np.minimum(p, q).sum())
