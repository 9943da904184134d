"""What a study comes to: one line made of its numbers, and a few more that keep it honest."""

from __future__ import annotations

import math
from statistics import fmean

from kontrast.report.effects import signed
from kontrast.report.seeds import last, level_name, reach, say, setting_name, varied
from kontrast.results import Results
from kontrast.results.compared import Compared, compare, main_effects
from kontrast.results.numbers import ROUNDING, digits, direction, probability, shown
from kontrast.results.statistics import FEWEST
from kontrast.text import plain

FLOORS = {"untrained": "an untrained encoder has", "raw": "the raw input has", "chance": "chance is"}


def conclude(results: Results) -> str:
    """The answer in one line: which setting is best by the main score, and by how much over the baseline."""
    results = results.settled()
    every = _rows(results)
    rows, family = _full(every), _family(every)
    if not rows:
        return f"No cell has a score yet: {_states(results)}."
    column, way = results.chosen(), direction(results.chosen())
    if len(every) == 1:
        name = setting_name(results, rows[0].levels)
        return f"{say(column)} is {_value(rows[0])} with {name}{_against(rows[0], way)}."
    if not way:
        low, high = rows[-1], rows[0]
        ends = [f"{_value(one)} with {setting_name(results, one.levels)}" for one in (low, high)]
        return f"{say(column)} goes from {ends[0]} to {ends[1]}."
    base = next((one for one in every if one.levels == results.baseline), None)
    equals = [one for one in rows if not _above(one, rows[0])]
    if len(equals) == len(rows) > 1:
        return (
            f"{say(column)} is {_value(rows[0])} with every setting{_against(rows[0], way)}: nothing tells them apart."
        )
    if base is not None and base in equals:
        second = next(one for one in [*rows, *every] if one is not base)
        no = "No setting has" if second in rows else "No setting of as many seeds has"
        return (
            f"{no} a better {say(column)} than the baseline {setting_name(results, base.levels)}: "
            f"{_value(base)}{_against(base, way)}. The next, {setting_name(results, second.levels)}, "
            f"{_apart(second, way, 'it', family)}."
        )
    return _best(results, every, equals, base)


def _best(results: Results, every: list[Compared], equals: list[Compared], base: Compared | None) -> str:
    """The best settings, which are several only where they are equal, beside a baseline that is none of them."""
    best, way = equals[0], direction(results.chosen())
    name = " and ".join(setting_name(results, one.levels) for one in equals[:2])
    name += f" and {len(equals) - 2} more" if len(equals) > 2 else ""
    if len(_full(every)) < len(every):
        name += f", of those with {best.summary.count} seeds"
    first = f"{say(results.chosen())} is best with {name}: {_value(best)}{_against(best, way)}"
    if base is None:
        return f"{first}. There is no score of a baseline to compare it with."
    called = f"the baseline {setting_name(results, base.levels)} ({_value(base)})"
    return f"{first}. {'It' if len(equals) == 1 else 'The first'} {_apart(best, way, called, _family(every))}."


def besides(results: Results) -> list[str]:
    """What to know beside the answer: how much each axis matters, how few seeds there are, what failed."""
    named, results = results.score, results.settled()
    rows, said, count = _rows(results), list[str](), results.counted()
    wanted, _, metric = named.lower().partition(": ")
    probe, _, measured = results.score.lower().partition(": ")
    if named and results.columns and not (probe.startswith(wanted) and measured.startswith(metric)):
        said.append(f"No column is called {plain(named, 80)}; {say(results.score)} stands for it.")
    missing = [name for name in results.against if results.columns and not results.find(name)]
    said += [f"No column is called {plain(name, 80)}, so that nothing is drawn against it." for name in missing]
    if rows:
        said += [_few(results, rows), _ahead(results, rows)]
    if lost := sum(len(one.summary.lost) for one in compare(results)) if results.columns else 0:
        said.append(f"{lost} of the scores {'is no number' if lost == 1 else 'are no numbers'} and left out.")
    if count["failed"]:
        verb = "cell failed and is" if count["failed"] == 1 else "cells failed and are"
        said.append(f"{count['failed']} of {len(results.outcomes)} {verb} left out of every mean.")
    if rows and (count["running"] or count["waiting"]):
        said.append(f"The study is not finished: {_states(results)}.")
    return [text for text in (_axes(results) if rows else "", " ".join(filter(None, said))) if text]


def _rows(results: Results) -> list[Compared]:
    """The settings with a score, from the best to the worst; from the highest where neither is better."""
    if not results.columns:
        return []
    way = direction(results.chosen()) or 1
    known = [one for one in compare(results) if one.summary.mean is not None]
    return sorted(known, key=lambda one: -way * (one.summary.mean or 0.0))


def _full(rows: list[Compared]) -> list[Compared]:
    """Those over the most seeds: where others failed or are not over yet, those that are left may be the lucky ones."""
    most = max((one.summary.count for one in rows), default=0)
    return [one for one in rows if one.summary.count == most]


def _above(one: Compared, other: Compared) -> float:
    """How much higher a setting's mean is than another's; nothing where only sums were rounded."""
    apart = (one.summary.mean or 0.0) - (other.summary.mean or 0.0)
    return 0.0 if abs(apart) <= ROUNDING else apart


def _family(rows: list[Compared]) -> int:
    return sum(one.difference is not None and one.difference.holm is not None for one in rows)


def _form(one: Compared) -> str:
    return digits([one.summary.mean, *one.floors.values()])


def _value(one: Compared) -> str:
    return shown(one.summary.mean, _form(one)).replace("-", "−")


def _against(one: Compared, way: int) -> str:
    """What is no achievement, beside the score; and a plain word where the score is no better."""
    known = {key: one.floors[key] for key in FLOORS if key in one.floors}
    if not known or one.summary.mean is None:
        return ""
    each = [f"{FLOORS[key]} {shown(x, _form(one))}" for key, x in known.items()]
    listed = " and ".join(filter(None, [", ".join(each[:-1]), each[-1]]))
    lost = any(way and not way * one.summary.mean > way * x for x in known.values())
    return f", where {listed}{', so that it is no achievement' if lost else ''}".replace("-", "−")


def _apart(one: Compared, way: int, whom: str, family: int) -> str:
    """How a setting differs from what it is compared with, and whether a test says so."""
    found = one.difference
    if found is None or found.mean is None:
        return f"shares no seed with {whom}"
    form = digits(found.values.values())
    text = f"differs from {whom} by {signed(found.mean, form)}"
    count = len(found.values)
    if found.holm is None:
        return f"{text} over {count} seed{'s' if count > 1 else ''}, too few to tell it from chance"
    ends = ", ".join(signed(end, form) for end in (found.low, found.high) if end is not None)
    p = probability(found.holm)
    p = p if p.startswith("<") else f"=\u00a0{p}"
    among = f" over {family} comparisons" if family > 1 else ""
    test = f"[{ends}] over {count} seeds, p\u00a0{p} by Holm{among}"
    verdict = {"better": "better", "worse": "worse"}.get(found.verdict(way), "not told apart")
    return f"{text} {test}: {verdict}"


def _axes(results: Results) -> str:
    """How much each axis moves the main score, beside what seeds alone move it."""
    axes, column = varied(results), results.chosen()
    moved = {axis: reach(results, axis, column) for axis in axes} if len(axes) > 1 else {}
    known = sorted(((x, axis) for axis, x in moved.items() if math.isfinite(x)), key=lambda each: -each[0])
    if not known:
        return ""
    spreads = [one.summary.deviation for one in compare(results) if one.summary.deviation is not None]
    form = digits([x for x, _ in known])
    each = [f"{last(axis, results)} by {shown(x, form)}" for x, axis in known]
    noise = math.sqrt(fmean(x * x for x in spreads)) if spreads else math.nan
    seeds = f"; seeds alone have a standard deviation of {shown(noise, form)}" if math.isfinite(noise) else ""
    moves = f"The choice of each axis moves {say(column)}: {', '.join(each)}{seeds}."
    return f"{moves} {_widest(results, known[0][1])}".strip()


def _widest(results: Results, axis: str) -> str:
    """The best level of an axis beside that of the baseline, over all other axes."""
    way = direction(results.chosen())
    levels = [one for one in main_effects(results, axis) if one.summary.mean is not None]
    tested = [one for one in levels if one.difference is not None and one.difference.holm is not None]
    if not tested or not way:
        return ""
    best = max(tested, key=lambda one: way * (one.summary.mean or 0.0))
    base = next(one for one in levels if one.difference is None)
    names = [level_name(results, axis, one.levels[0]) for one in (best, base)]
    return f"Over all else, {names[0]} {_apart(best, way, names[1], len(tested))}."


def _few(results: Results, rows: list[Compared]) -> str:
    """How few seeds there are, and which settings are ahead over fewer than others have."""
    least, most = min(one.summary.count for one in rows), max(one.summary.count for one in rows)
    if most == 1:
        return "With one seed a setting, nothing here can be told from chance."
    if most < FEWEST:
        return f"With {most} seeds a setting there is neither interval nor test."
    if least == most:
        return ""
    way, best = direction(results.chosen()), _full(rows)[0]
    ahead = [one for one in rows if one.summary.count < most and way * _above(one, best) > 0]
    each = [f"{setting_name(results, one.levels)} has {_value(one)} over {one.summary.count}" for one in ahead[:3]]
    said = f"Settings have {least} to {most} seeds, and only those of {most} are ranked"
    return f"{said}{'; ' if each else ''}{', '.join(each)}."


def _ahead(results: Results, rows: list[Compared]) -> str:
    """How far the best is ahead of the next, where the baseline is neither."""
    rows = _full(rows)
    if len(rows) < 3 or not direction(results.chosen()) or results.baseline in (rows[0].levels, rows[1].levels):
        return ""
    if not _above(rows[0], rows[1]):
        return ""
    return f"The next is {setting_name(results, rows[1].levels)}, {_value(rows[1])}."


def _states(results: Results) -> str:
    listed = [f"{count} {state}" for state, count in results.counted().items() if count]
    return ", ".join(listed) or "there is none"
