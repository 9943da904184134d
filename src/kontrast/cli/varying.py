"""What varies in a sweep, as its command line says it: grids, pairs, single changes, draws, and what is searched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kontrast import parts
from kontrast.results import Results, choice
from kontrast.studies import Axis, Setting, Study, each, grid, paired, settings_of
from kontrast.studies.axes import METHOD, MOST
from kontrast.studies.guided import first_round
from kontrast.studies.values import Listed, Values, drawn, read
from kontrast.words import FIELD, whole_number

VARYING = ("zip", "samples", "search", "search_seed", "at_once")
"""Arguments that say how what varies makes settings."""
EACH = "--each"


class Varied(NamedTuple):
    """The settings of a sweep, and where they are searched, what else a search is told."""

    settings: tuple[Setting, ...]
    searched: dict[str, Any] | None = None


def check_once(words: Sequence[str]) -> None:
    """A ValueError if one field is given twice."""
    fields = [found[1] for word in words if (found := FIELD.fullmatch(word))]
    for field in fields:
        if fields.count(field) > 1:
            raise ValueError(f"{field}= is given twice; write its values together, as in {field}=a,b")


def split(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Values]]:
    """Fields with one value, and those with several."""
    fixed, varied = dict[str, str](), dict[str, Values]()
    for field, text in given.items():
        values = read(field, text)
        if values is None:
            fixed[field] = text
        elif isinstance(values, Listed) and len(values.values) == 1:
            fixed[field] = values.values[0]
        else:
            varied[field] = values
    return fixed, varied


def settings(
    named: Sequence[str], varied: Mapping[str, Values], changes: Mapping[str, str], how: dict[str, str]
) -> Varied:
    """The settings of methods and of fields with several values, as `how` says, of which VARYING is taken.

    A grid of all; with samples= so many draws of the fields, for each method and change alike; and with search= the
    first settings of a search, which draws methods and changes too.
    """
    own = {field: how.pop(field) for field in VARYING if field in how}
    values, pairs = _together(varied, own.get("zip", ""))
    lead = [Axis.of(METHOD, *named)] if len(named) > 1 else []
    alone = [_axis(field, read(field, text) or Listed((text,))) for field, text in changes.items()]
    last = [each(*alone)] if alone else []
    if "search" in own:
        return _searched(values, pairs, [*lead, *last], own)
    if "samples" not in own:
        for field in ("search_seed", "at_once"):
            if field in own:
                raise ValueError(f"{field}= is of settings that are drawn; write samples=20 too, or leave it out")
        known = {axis.name: axis for axis in pairs}
        made = [known.get(name) or _axis(name, found) for name, found in values.items()]
        return Varied(grid(*lead, *made, *last))
    if "at_once" in own:
        raise ValueError("at_once= is of a search; write search=optuna too, or leave it out")
    return Varied(_crossed(grid(*lead, *last), settings_of(_drawn(values, own), pairs)))


def _drawn(values: Mapping[str, Values], own: Mapping[str, str]) -> list[dict[str, str]]:
    if not values:
        raise ValueError("nothing varies that could be drawn; write field=a,b or field=0.1..0.9, or leave out samples=")
    return drawn(values, _samples(own), whole_number("search_seed", own.get("search_seed", "0")))


def _samples(own: Mapping[str, str]) -> int:
    count = whole_number("samples", own.get("samples", "20"))
    if not 1 <= count <= MOST:
        raise ValueError(f"samples={count} cannot be drawn; write a number from 1 to {MOST:,}, as in samples=20")
    return count


def _crossed(outer: Sequence[Setting], inner: Sequence[Setting]) -> tuple[Setting, ...]:
    """Every setting of one kind with every one of another. ValueError where both set one field."""
    for one in outer:
        for name in one.words:
            if name in inner[0].words:
                raise ValueError(f"{name} is drawn and changed by {one.label} too; leave out one of them")
    return tuple(
        Setting({**one.levels, **other.levels}, {**one.words, **other.words}) for one in outer for other in inner
    )


def _searched(values: Mapping[str, Values], pairs: Sequence[Axis], axes: Sequence[Axis], own: dict[str, str]) -> Varied:
    parts.choose(own["search"].lower(), ["optuna"], "search")
    every = {**{axis.name: Listed(tuple(axis.levels)) for axis in axes}, **values}
    if not every:
        raise ValueError("nothing varies that could be searched; write field=a,b or field=log:1e-4..1e-2")
    several = (*axes, *pairs)
    numbers = {
        "samples": _samples(own),
        "search_seed": whole_number("search_seed", own.get("search_seed", "0")),
        "at_once": whole_number("at_once", own.get("at_once", "4")),
    }
    first = first_round(every, several, numbers["samples"], numbers["search_seed"])
    return Varied(first, {"varied": every, "several": several, **numbers})


def _together(varied: Mapping[str, Values], text: str) -> tuple[dict[str, Values], list[Axis]]:
    """What varies with its pairs, as in zip=a+b, in the place of their first field; and the axes that these are."""
    values, pairs = dict(varied), list[Axis]()
    for group in text.split(",") if text else ():
        fields = group.split("+")
        if not values:
            raise ValueError(f"zip={text}: no field has several values; write a=1,2 b=3,4 zip=a+b")
        for field in fields:
            parts.choose(field, values, "field with several values")
        axis = paired(*(_axis(field, values[field]) for field in fields))
        found = dict[str, Values]()
        for name, old in values.items():
            if name == fields[0]:
                found[axis.name] = Listed(tuple(axis.levels))
            elif name not in fields:
                found[name] = old
        values = found
        pairs.append(axis)
    return values, pairs


def _axis(field: str, values: Values) -> Axis:
    if not isinstance(values, Listed):
        raise ValueError(
            f"{field} has no end of values from {values.low:g} to {values.high:g}; say how many, as in "
            f"{field}={'log:' if values.log else ''}{values.low:g}..{values.high:g}:5, or draw them with samples=20"
        )
    return Axis.of(field, *values.values)


def check_size(study: Study) -> None:
    """A ValueError if a study has more cells than anybody means."""
    count = len(study.settings) * len(study.seeds)
    if count > MOST:
        raise ValueError(f"that makes {count:,} cells, more than {MOST:,}; vary less at once, or take fewer seeds")


LISTLIKE = re.compile(r"[,;|]|\.\.|\d-\d")
"""What is in words that were meant as several values."""


def check_lists(study: Study, given: Mapping[str, str]) -> None:
    """A ValueError where a list can be no experiments, but would be one value that has commas; and the other way."""
    if _can_be(study):
        return
    others = {name: text for name, text in study.given.items() if name not in given or not LISTLIKE.search(given[name])}
    plain = replace(study, settings=(Setting({}),), given=others, baseline={})
    if not _can_be(plain):
        return
    for field, text in given.items():
        if not LISTLIKE.search(text):
            continue
        one = replace(plain, settings=(Setting({}, {field: text}),))
        if field in study.given and not _can_be(one):
            raise ValueError(f"{field}={text} cannot be read; write several values with commas, as in {field}=a,b,c")
        if field not in study.given and not text.startswith("[") and _can_be(one):
            raise ValueError(
                f"{field}={text} lists values that cannot be read; if it is one value, write {field}=[{text}], "
                f"and if it is one of several {field}=[{text}],[...]"
            )


def _can_be(study: Study) -> bool:
    """Whether the first cell can be made, as far as that can be told without its data."""
    try:
        study.experiment(next(study.cells()))
    except ValueError:
        return False
    except OSError:
        return True
    return True


def levels(study: Study, text: str) -> dict[str, str]:
    """Levels of a study from words, as in "similarity=Cosine,norm=True". ValueError, with the nearest, for others."""
    found = choice(Results("", "", study.axes, ()), text)
    if text and not found:
        raise ValueError(f"baseline={text} names no level; write baseline={next(iter(study.axes), 'field')}=...")
    return found
