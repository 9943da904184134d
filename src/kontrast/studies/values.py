"""Several values of one field, as a command line says them: lists, spans, and draws from either."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SPAN = re.compile(rf"(log:)?({NUMBER})\.\.({NUMBER})(?::(\d+))?")
WHOLE = re.compile(r"[+-]?\d+")
BRACKETED = re.compile(r"\[[^\[\]]*\](,\[[^\[\]]*\])*")
MOST = 100_000
"""Numbers that a span lists."""
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
            return self.word(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        return self.word(rng.uniform(self.low, self.high))

    def word(self, value: float) -> str:
        """A number of the span as a word: to three digits, or to as many more as keep it within."""
        value = min(max(value, self.low), self.high)
        said = (f"{value:.{digits}g}" for digits in range(3, 17))
        return next((word for word in said if self.low <= float(word) <= self.high), repr(value))


Values = Listed | Span


def read(field: str, text: str) -> Values | None:
    """The values that words stand for; None where they are one value.

    - `a,b,c` lists values; where values have commas themselves each has brackets, as in [4,4],[8,8], and [4,4] alone is
      one value, 4,4.
    - `0..4` are the whole numbers from 0 to 4; `0.1..0.9` all numbers between, and log:1e-4..1e-2 the same evenly in
      their logarithm. A count lists so many of them, evenly: `0.1..0.9:5`, log:1e-4..1e-2:3.

    ValueError, with what to write: for a span that ends before it begins, or reaches 0 in its logarithm, and for a list
    with a gap in it, with brackets around some values alone, or with one value twice, as 0.1 and 0.10 are.
    """
    if span := SPAN.fullmatch(text):
        ends = _ends(field, text, span)
        return _between(field, text, ends) if span[4] is None else _counted(field, text, ends, int(span[4]))
    if BRACKETED.fullmatch(text):
        return Listed(_different(field, text[1:-1].split("],[")))
    if text.startswith("[") or ("," in text and re.search(r",\s*\[", text)):
        raise ValueError(f"{field}={text} has brackets around some values alone; write {field}=[4,4],[8]")
    if "," not in text:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise ValueError(f"{field}={text} has an empty place; write {field}={','.join(filter(None, words)) or 'a,b'}")
    return Listed(_different(field, words, f"; one value with commas is {field}=[{text}]"))


def _different(field: str, words: list[str], hint: str = "") -> tuple[str, ...]:
    """Values of which no two are equal, also as numbers."""
    seen: dict[str | float, str] = {}
    for word in words:
        value = float(word) if re.fullmatch(NUMBER, word) else word
        if value in seen:
            said = f"{word} twice" if seen[value] == word else f"{seen[value]} and {word}, which are equal"
            raise ValueError(f"{field} has {said}; leave out one of them{hint}")
        seen[value] = word
    return tuple(words)


def _ends(field: str, text: str, span: re.Match[str]) -> tuple[str, str, bool]:
    """The words of both ends, and whether the logarithm counts."""
    log, low, high = bool(span[1]), span[2], span[3]
    first, last = float(low), float(high)
    if not math.isfinite(first) or not math.isfinite(last):
        raise ValueError(f"{field}={text} has no end; write numbers under 1e308")
    if first > last:
        said = f"{'log:' if log else ''}{high}..{low}"
        raise ValueError(f"{field}={text} is no span; write {field}={said}, from the least number to the largest")
    if log and first <= 0:
        raise ValueError(f"{field}={text} has no logarithm; begin above 0, as in {field}=log:1e-4..1e-2")
    return low, high, log


def _counted(field: str, text: str, ends: tuple[str, str, bool], count: int) -> Values:
    """So many numbers of a span, evenly, with both ends as they were written."""
    low, high, log = float(ends[0]), float(ends[1]), ends[2]
    if not 2 <= count <= MOST or low == high:
        raise ValueError(f"{field}={text} asks for {count} numbers from {low:g} to {high:g}; write at least :2")
    inner = (np.geomspace if log else np.linspace)(low, high, count)[1:-1]
    return Listed(_different(field, [ends[0], *map(_number, inner), ends[1]]))


def _number(value: float) -> str:
    """A number to six digits; a whole one without a point or a power, so that it can be a count."""
    near = float(f"{value:.6g}")
    return str(int(near)) if near.is_integer() and abs(near) < 1e15 else f"{value:.6g}"


def _between(field: str, text: str, ends: tuple[str, str, bool]) -> Values:
    low, high, log = ends
    if float(low) == float(high):
        return Listed((low,))
    if log or not (WHOLE.fullmatch(low) and WHOLE.fullmatch(high)):
        return Span(float(low), float(high), log)
    if int(high) - int(low) >= MOST:
        raise ValueError(f"{field}={text} are too many numbers to list; write {field}={low}.0..{high}.0")
    return Listed(tuple(map(str, range(int(low), int(high) + 1))))


def size(varied: Mapping[str, Values]) -> float:
    """How many settings there are of values; infinite where one of them is a span."""
    return math.prod(len(values.values) if isinstance(values, Listed) else math.inf for values in varied.values())


def drawn(varied: Mapping[str, Values], count: int, seed: int) -> list[dict[str, str]]:
    """`count` settings drawn at random, no two equal: those of a smaller count begin those of a larger one.

    Where there are no more settings than that, all of them, in random order.
    """
    return list(itertools.islice(draws(varied, seed, count), count))


def draws(varied: Mapping[str, Values], seed: int, count: int) -> Iterator[dict[str, str]]:
    """Settings drawn at random, no two equal, until there are no more, or 1000 draws for each of `count` were made."""
    rng, found = np.random.default_rng(seed), set[tuple[str, ...]]()
    most = size(varied)
    for _ in range(TRIES * count):
        if len(found) == most:
            return
        setting = {field: values.draw(rng) for field, values in varied.items()}
        if tuple(setting.values()) not in found:
            found.add(tuple(setting.values()))
            yield setting
