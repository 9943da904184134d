"""The published sources of an experiment's parts, as their documentation names them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Iterable, Iterator

import chz

from kontrast import methods, parts
from kontrast.experiment import Experiment

NUMBER = r"arXiv[: ]\s*(\d{4}\.\d{4,5})"
NAME = r"[A-Z][\w'’-]*[a-z]"
PAPER = re.compile(
    rf"(?P<who>(?:(?:van den|van der|van|von|de|du) )?{NAME}(?: et al\.?|(?:, {NAME})*,? and {NAME}|(?:, {NAME})+)?),? "
    rf"\(?(?P<year>(?:18|19|20)\d\d)\b(?!\.\d)(?:\)?,? ?\(?{NUMBER})?"
)
"""Who and when, as in "Chen et al. 2020, arXiv 2002.05709", "Liu and Nocedal 1989" and "Oord et al. (2018)"."""
LONE = re.compile(NUMBER)
MOST_TEXT = 20_000


def sources(*experiments: Experiment) -> list[str]:
    """What was published of the parts of experiments, and of their methods: one line for each source.

    A line is "Chen et al. 2020, arXiv 2002.05709: simclr, InfoNCE": who and when, the number where there is one, and
    the parts whose documentation names it. Sources that say no more than a number are listed by it.
    """
    return cited(dict.fromkeys(part for experiment in experiments for part in _parts(experiment)))


def cited(documented: Iterable[object]) -> list[str]:
    """The sources that the documentation of classes or functions names, sorted by name and year."""
    named: dict[tuple[str, str], list[str]] = {}
    for each in documented:
        name = str(getattr(each, "name", "") or getattr(each, "__name__", type(each).__name__))
        for paper in _papers(_words(each)):
            named.setdefault(paper, []).append(name)
    who_of = _authors() if named else {}
    number_of = {who: number for who, number in named if who and number}
    joined: dict[str, list[str]] = {}
    for (who, number), names in named.items():
        number = number or number_of.get(who, "")
        key = ", ".join(filter(None, [who or who_of.get(number, ""), number and f"arXiv {number}"]))
        joined.setdefault(key, []).extend(names)
    return sorted((f"{key}: {', '.join(dict.fromkeys(names))}" for key, names in joined.items()), key=str.lower)


@functools.cache
def _authors() -> dict[str, str]:
    """Who wrote what has a number: as the documentation of any method or part says it first."""
    found: dict[str, str] = {}
    for each in (*methods.known().values(), *parts.known(parts.Part).values()):
        for who, number in _papers(_words(each)):
            if who and number:
                found.setdefault(number, who)
    return found


def _words(part: object) -> str:
    return " ".join((inspect.getdoc(part) or "")[:MOST_TEXT].split())


def _papers(text: str) -> Iterator[tuple[str, str]]:
    """Pairs of who and when, and an arXiv number, either of which may be empty."""
    seen = set[str]()
    for found in PAPER.finditer(text):
        number = found[3] or ""
        seen.add(number)
        first, comma, rest = found["who"].partition(", ")
        who = rest if comma and first.lower() in methods.known() else found["who"]
        yield f"{who} {found['year']}", number
    for lone in LONE.finditer(text):
        if lone[1] not in seen:
            yield "", lone[1]


def _parts(experiment: Experiment) -> Iterator[object]:
    """The method and the classes of all parts, each once."""
    with contextlib.suppress(ValueError):  # a method of one's own has no documentation here
        yield methods.get(experiment.method)
    yield from dict.fromkeys(_under(experiment))


def _under(part: object) -> Iterator[type]:
    if isinstance(part, tuple):
        for each in part:
            yield from _under(each)
    elif chz.is_chz(part):
        if not isinstance(part, Experiment):
            yield type(part)
        for name in chz.chz_fields(part):
            yield from _under(getattr(part, name))
