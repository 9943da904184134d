"""A golden value: what a quantity is known to be, and how far off it may come out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Golden:
    """One line of the table: a quantity, where its value was published or how it is known, and how it is computed.

    `tolerance` is half a unit in the last published digit for what is computed exactly, and three standard errors for
    what is of random draws.
    """

    name: str
    source: str
    expected: float
    tolerance: float
    compute: Callable[[], float]


@dataclass(frozen=True)
class Outcome:
    """What a golden value came out as; `trouble` says why it could not be computed."""

    golden: Golden
    computed: float
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is within the tolerance."""
        return math.isfinite(self.computed) and abs(self.computed - self.golden.expected) <= self.golden.tolerance


def outcomes(goldens: Iterable[Golden]) -> Iterator[Outcome]:
    """Compute golden values, one after another. One that fails with an exception counts as not met."""
    for golden in goldens:
        try:
            yield Outcome(golden, float(golden.compute()))
        except Exception as error:
            yield Outcome(golden, math.nan, f"{type(error).__name__}: {error}")
