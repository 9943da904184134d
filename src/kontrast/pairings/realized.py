"""What became of the law of pairs that stored rows show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import Source, Table
from kontrast.draws import Draws
from kontrast.pairings.latent import LatentPairing, Shown
from kontrast.pairings.pair_tables import First, draw_pairs, numbered
from kontrast.pairings.pairing import Pairing
from kontrast.views import Factor

FEW = 2
"""Pairs that a kurtosis needs, and a spread."""


class Spread(NamedTuple):
    """Of one latent: standard deviation and excess kurtosis of z' - z, as drawn and as shown; None if not known.

    Differences of angles go the shorter way around. Excess kurtosis is 0 for a normal law and 3 for Laplace's.
    """

    name: str
    drawn: float | None
    drawn_kurtosis: float | None
    shown: float
    shown_kurtosis: float | None


class Realized(NamedTuple):
    """What n pairs are. `hits` is the share of draws nearest to their own anchor, which gave way to the second nearest.

    `distance` is the mean distance of what is shown from what was drawn, in units of each range. Both are None where
    nothing is looked for, and `same` is the share of pairs of a row with itself.
    """

    spreads: tuple[Spread, ...]
    pairs: int
    hits: float | None
    distance: float | None
    same: float

    def ratio(self) -> float | None:
        """The mean over latents of the standard deviation shown, in units of that drawn; None if not known."""
        ratios = [each.shown / each.drawn for each in self.spreads if each.drawn]
        return float(np.mean(ratios)) if ratios else None


def realized(pairing: Pairing, source: Source, n: int = 10_000, seed: int = 0, first: First = "rows") -> Realized:
    """The law of `n` pairs that training would see, measured on their latents; `first` is that of `draw_pairs`.

    A law that is nominal is known for pairings by latents. ValueError where the latents of rows are not known.
    """
    factors = source.dataset.factors
    if not factors or (isinstance(source, Table) and source.latents is None):
        raise ValueError(f"{type(source.dataset).__name__} does not know its latents; choose data that do")
    if n < FEW:
        raise ValueError(f"the spread of {n} pairs cannot be measured; write rows=1000")
    if isinstance(pairing, LatentPairing) and isinstance(source, Table):
        found = _found(pairing, source, n, seed, first)
        points = pairing.search(source).points
        shown = differences(points[found.anchors], points[found.rows], factors)
        drawn = differences(found.center, found.drawn, factors)
        same = float((found.anchors == found.rows).double().mean())
        return Realized(
            _spreads(factors, drawn, shown), n, float(found.hit.double().mean()), _mean(found.distance), same
        )
    pairs = draw_pairs(pairing, source, n, seed, first)
    shown = differences(pairs.z, pairs.zprime, factors)
    known = shown if isinstance(pairing, LatentPairing) else None
    return Realized(
        _spreads(factors, known, shown), n, None, None, float((pairs.first == pairs.second).double().mean())
    )


def differences(z: Tensor, other: Tensor, factors: Sequence[Factor]) -> NDArray[np.float64]:
    """z' - z [n, k] in the units of the factors, those of angles by the shorter way around."""
    found: NDArray[np.float64] = (other.double() - z.double()).numpy()
    for column, factor in enumerate(factors):
        if factor.kind == "periodic":
            width = factor.high - factor.low
            found[:, column] = (found[:, column] + width / 2) % width - width / 2
    return found


def sentence(pairing: Pairing, source: Source, n: int = 512) -> str | None:
    """What a run says of its pairs: how far those of stored rows are from the law; None where they are of the law."""
    if not isinstance(pairing, LatentPairing) or not isinstance(source, Table):
        return None
    found = realized(pairing, source, n=min(n, source.count))
    ratio, hits = found.ratio(), found.hits or 0.0
    if ratio is None:
        return None
    kurtoses = [(each.drawn_kurtosis, each.shown_kurtosis) for each in found.spreads if each.drawn_kurtosis is not None]
    drawn, shown = (float(np.mean([pair[k] or 0.0 for pair in kurtoses])) if kurtoses else 0.0 for k in (0, 1))
    return (
        f"pairs: nearest rows, whose latents differ {ratio:.2f} times as much as drawn, with excess kurtosis "
        f"{shown:.1f} for {drawn:.1f} (kontrast data pairs says more); {hits:.0%} of the draws were nearest to the "
        "anchor itself"
    )


def _found(pairing: LatentPairing, table: Table, n: int, seed: int, first: First) -> Shown:
    table = numbered(table)
    size, parts = min(n, table.count, 512), []
    for step in range(-(-n // size)):
        draws = Draws(seed, step, size)
        if first == "rows":
            parts.append(pairing.step(table, draws))
        else:
            parts.append(pairing.loose(table, size, draws.generator("pairs")))
    columns = [torch.cat([getattr(part, name) for part in parts])[:n] for name in Shown.__dataclass_fields__]
    return Shown(*columns)


def _spreads(
    factors: Sequence[Factor], drawn: NDArray[np.float64] | None, shown: NDArray[np.float64]
) -> tuple[Spread, ...]:
    found = []
    for column, factor in enumerate(factors):
        nominal, kurtosis = (None, None) if drawn is None else _moments(drawn[:, column])
        found.append(Spread(factor.name, nominal, kurtosis, *_moments(shown[:, column])))
    return tuple(found)


def _mean(distance: Tensor) -> float | None:
    """Of the pairs that show another row than the anchor."""
    found = distance[distance.isfinite()]
    return float(found.mean()) if len(found) else None


def _moments(values: NDArray[np.float64]) -> tuple[float, float | None]:
    """Standard deviation, and excess kurtosis where anything varies."""
    spread = float(values.std())
    if spread <= 1e-9 * max(1.0, float(np.abs(values).max())):
        return 0.0, None
    return spread, float(((values - values.mean()) ** 4).mean() / spread**4 - 3)
