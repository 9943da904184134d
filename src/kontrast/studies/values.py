"""Several values of one field, as a command line says them: lists, spans, and draws from either."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SPAN = re.compile(rf"(log:)?({NUMBER})\.\.({NUMBER})(?::(\d+))?")
WHOLE = re.compile(r"[+-]?\d+")
MOST = 100_000
"""Whole numbers that a span lists."""
TRIES = 1000
"""Draws for each setting that is wanted, after which those that were found are all."""


@dataclass(frozen=True)
class Listed:
    """Values that are listed, as words."""

    values: tuple[str, ...]

    def draw(self, rng: np.random.Generator) -> str:
        """One of them, each as probable."""
        return self.values[int(rng.integers(len(self.values)))]


@dataclass(frozen=True)
class Span:
    """All numbers from `low` to `high`, uniform, or with `log` uniform in their logarithm."""

    low: float
    high: float
    log: bool = False

    def draw(self, rng: np.random.Generator) -> str:
        """One of them, to three digits."""
        if self.log:
            return f"{math.exp(rng.uniform(math.log(self.low), math.log(self.high))):.3g}"
        return f"{rng.uniform(self.low, self.high):.3g}"


Values = Listed | Span


def read(field: str, text: str) -> Values | None:
    """The values that words stand for; None where they are one value.

    - `a,b,c` lists values; where values have commas themselves each has brackets, as in [4,4],[8,8], and [4,4] alone is
      one value, 4,4.
    - `0..4` are the whole numbers from 0 to 4; `0.1..0.9` all numbers between, and log:1e-4..1e-2 the same evenly in
      their logarithm. A count lists so many of them, evenly: `0.1..0.9:5`, log:1e-4..1e-2:3.

    ValueError for a span that ends before it begins, or reaches 0 in its logarithm, and for a list with a gap in it.
    """
    if span := SPAN.fullmatch(text):
        found = _span(field, text, bool(span[1]), span[2], span[3])
        return found if span[4] is None else _counted(field, text, found, int(span[4]))
    if re.fullmatch(r"\[[^\[\]]*\](,\[[^\[\]]*\])*", text):
        return Listed(tuple(text[1:-1].split("],[")))
    if "," in text and not all(each.strip() for each in text.split(",")):
        raise ValueError(f"{field}={text} has an empty place; write {field}={','.join(filter(None, text.split(',')))}")
    return Listed(tuple(text.split(","))) if "," in text else None


def _counted(field: str, text: str, values: Values, count: int) -> Values:
    """So many numbers of a span, evenly, with both ends."""
    ends = (float(values.values[0]), float(values.values[-1])) if isinstance(values, Listed) else None
    low, high = ends or (values.low, values.high)  # type: ignore[union-attr]
    if not 2 <= count <= MOST or low == high:
        raise ValueError(f"{field}={text} asks for {count} numbers from {low:g} to {high:g}; write at least :2")
    spread = np.geomspace if isinstance(values, Span) and values.log else np.linspace
    return Listed(tuple(f"{value:.6g}" for value in spread(low, high, count)))


def _span(field: str, text: str, log: bool, low: str, high: str) -> Values:
    first, last = float(low), float(high)
    if not (first <= last < math.inf):
        raise ValueError(
            f"{field}={text} is no span; write {field}={high}..{low}, from the least number to the largest"
        )
    if log and first <= 0:
        raise ValueError(f"{field}={text} has no logarithm; begin above 0, as in {field}=log:1e-4..1e-2")
    if first == last:
        return Listed((low,))
    if log or not (WHOLE.fullmatch(low) and WHOLE.fullmatch(high)):
        return Span(first, last, log)
    if int(high) - int(low) >= MOST:
        raise ValueError(f"{field}={text} are too many numbers to list; write {field}={low}.0..{high}.0")
    return Listed(tuple(map(str, range(int(low), int(high) + 1))))


def drawn(varied: Mapping[str, Values], count: int, seed: int) -> list[dict[str, str]]:
    """`count` settings drawn at random, no two equal: those of a smaller count begin those of a larger one.

    Where there are no more settings than that, all of them, in random order.
    """
    rng, found = np.random.default_rng(seed), list[dict[str, str]]()
    sizes = [
        len(dict.fromkeys(values.values)) if isinstance(values, Listed) else math.inf for values in varied.values()
    ]
    most = min(count, math.prod(sizes))
    for _ in range(TRIES * count):
        if len(found) == most:
            break
        setting = {field: values.draw(rng) for field, values in varied.items()}
        if setting not in found:
            found.append(setting)
    return found
