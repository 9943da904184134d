"""Scores of settings over their seeds, as figures show them: means with intervals, and what each axis does alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

import numpy as np

from kontrast.report.figures import captions
from kontrast.report.layout import symbol
from kontrast.results import Levels, Results, short
from kontrast.results.compared import compare, main_effects
from kontrast.results.statistics import Difference, Summary, summarize
from kontrast.results.tables import FLOORS
from kontrast.text import plain, shortened

INTERVAL = "Intervals are 95 % of Student's t over seeds."
FEW = "Below three seeds there is no interval."
PAIRED = "Intervals are 95 % of a bootstrap over the seeds' differences."
WORDLESS = {"true", "false", "on", "off", "yes", "no", "none"}
"""Levels that say nothing without the name of their axis, as numbers do."""

K = TypeVar("K")


@dataclass(frozen=True)
class Center:
    """The mean of one number a seed, its 95 % interval of Student's t (NaN below three seeds), and the numbers."""

    value: float
    low: float
    high: float
    each: tuple[float, ...]


def center(values: Mapping[int, float]) -> Center:
    """The mean of values by seed, those that are finite, with its interval."""
    return of(summarize(values))


def of(found: Summary | Difference | None) -> Center:
    """What a summary or a difference says; all NaN where that is nothing."""
    if found is None or found.mean is None:
        return Center(math.nan, math.nan, math.nan, ())
    low, high = (math.nan if end is None else end for end in (found.low, found.high))
    return Center(found.mean, low, high, tuple(found.values.values()))


def shown(results: Results, column: str) -> dict[Levels, Center]:
    """The settings that have a score in a column, with it."""
    found = {each.levels: of(each.summary) for each in compare(results, column, ())}
    return {levels: value for levels, value in found.items() if value.each}


def differences(results: Results, column: str) -> dict[Levels, Center]:
    """What settings have above the baseline, seed by seed; without those that share no seed with it."""
    found = {each.levels: of(each.difference) for each in compare(results, column)}
    return {levels: value for levels, value in found.items() if value.each}


def floor(results: Results, column: str, name: str) -> float | None:
    """The mean over settings of what stands beside a column's scores ("untrained", ...); None where none is known."""
    known = [each.floors[name] for each in compare(results, column, ()) if name in each.floors]
    return fmean(known) if known else None


def varied(results: Results) -> tuple[str, ...]:
    """The axes on which the settings differ, in order."""
    return tuple(name for at, name in enumerate(results.axes) if len({levels[at] for levels in results.settings}) > 1)


def numeric(levels: Sequence[str]) -> tuple[float, ...] | None:
    """The numbers that three or more different levels are; None where any is no finite number."""
    try:
        values = tuple(float(level) for level in levels)
    except ValueError:
        return None
    return values if len(set(values)) > 2 and all(map(math.isfinite, values)) else None


def geometric(values: Sequence[float]) -> bool:
    """Whether positive numbers are spread by factors rather than by steps, so that a logarithmic axis is theirs."""
    found = np.unique(np.asarray(values, dtype=np.float64))
    if len(found) < 3 or found[0] <= 0 or found[-1] < 4 * found[0]:
        return False
    steps, factors = np.diff(found), np.diff(np.log(found))
    return bool(factors.std() / factors.mean() < steps.std() / steps.mean())


def last(axis: str, results: Results, limit: int = 40) -> str:
    """An axis by the last word of its name, or by the whole name where two would be called the same."""
    end = short(axis)
    return plain(axis if sum(short(other) == end for other in results.axes) > 1 else end, limit)


def level_name(results: Results, axis: str, level: str, limit: int = 40) -> str:
    """A level, with its axis before it where it would say nothing alone; no two of an axis are called the same."""
    name = _whole(results, axis, level)
    if len(name) <= limit:
        return name
    every = [*dict.fromkeys((level, *results.axes[axis]))]
    return captions((_whole(results, axis, each) for each in every), limit)[0]


def _whole(results: Results, axis: str, level: str) -> str:
    bare = not level or level.lower() in WORDLESS or _number(level)
    return plain(f"{last(axis, results)} {level}".strip() if bare else level, 2000)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def setting_name(results: Results, levels: Levels, limit: int = 80) -> str:
    """A setting by its levels on the axes that vary: "Cosine · batch 256"."""
    mine = {axis: levels[index_of(results, axis)] for axis in varied(results)}
    name = " · ".join(_whole(results, axis, level) for axis, level in mine.items()) or "the setting"
    if len(name) <= limit:
        return name
    room = _shares(results, [*mine], limit - 3 * (len(mine) - 1))
    return shortened(" · ".join(level_name(results, axis, mine[axis], room[axis]) for axis in mine), limit)


def _shares(results: Results, axes: Sequence[str], limit: int) -> dict[str, int]:
    """Letters for the levels of each axis in a name of so many: those that need fewer leave theirs to others."""
    most = {axis: max(map(len, results.axes[axis])) + len(last(axis, results)) + 1 for axis in axes}
    room = dict[str, int]()
    for at, axis in enumerate(order := sorted(axes, key=lambda axis: most[axis])):
        room[axis] = max(8, min(most[axis], (limit - sum(room.values())) // (len(order) - at)))
    return room


def alone(results: Results, axis: str, column: str) -> dict[str, Center]:
    """How far the mean of each level of an axis, over all other axes, is from that of all levels, seed by seed.

    Empty where there is no choice of the other axes that all levels have, as where settings were drawn at random.
    """
    found = {each.levels[0]: each.summary.values for each in main_effects(results, axis, column)}
    seeds = [seed for seed in next(iter(found.values()), {}) if all(seed in values for values in found.values())]
    if not seeds or len(found) < 2:
        return {}
    middle = {seed: fmean(values[seed] for values in found.values()) for seed in seeds}
    return {level: center({seed: values[seed] - middle[seed] for seed in seeds}) for level, values in found.items()}


def reach(results: Results, axis: str, column: str) -> float:
    """By how much the mean over all other axes differs between the levels of one: its largest less its smallest."""
    values = [x.value for x in alone(results, axis, column).values()]
    return max(values) - min(values) if values else math.nan


def say(column: str) -> str:
    """A column as it is printed: "Linear accuracy", "Recovery R² scale"."""
    probe, _, metric = column.partition(": ")
    name, _, of = metric.partition("/")
    said = symbol(name)
    return plain(" ".join(filter(None, [probe, said if said.lower() != probe.lower() else "", of])), 60)


def index_of(results: Results, axis: str) -> int:
    """Where an axis is in the levels of a setting."""
    return list(results.axes).index(axis)


def floors_of(results: Results, column: str) -> dict[str, float]:
    """What a column is read against, by name: means over settings."""
    known = {name: floor(results, column, key) for key, name in FLOORS.items()}
    return {name: value for name, value in known.items() if value is not None}


def note_of(values: Mapping[Levels, Center]) -> str:
    """How many seeds there are, and what the intervals are."""
    counts = {len(x.each) for x in values.values()}
    several = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(max(counts))
    seeds = f"{several} seed{'s' if max(counts) > 1 else ''} a setting. "
    return seeds + (INTERVAL if min(counts) > 2 else f"{INTERVAL} {FEW}" if max(counts) > 2 else FEW)


def foremost(values: Mapping[K, float], most: int, base: K, way: int) -> list[K]:
    """The names of as many values as there is room for, in their order: where there are more, the best and the base."""
    if len(values) <= most:
        return [*values]
    kept = {*sorted(values, key=lambda name: (name != base, -way * values[name]))[:most]}
    return [name for name in values if name in kept]


def left_out(kept: int, there: int, what: str) -> str:
    """What to say of those that there is no room for; nothing where there are none."""
    return f" Shown: {kept} of {there} {what}, the best and the baseline's." if kept < there else ""
