"""Panels: what a probe shows besides its scores, as plain values that one drawing and one JSON form serve.

A probe that has something to look at returns panels; `report` draws each kind in one way. So a new probe brings its
figure without a line of drawing. A number that is not finite is a gap. A ValueError, in one sentence, for a panel whose
numbers are no numbers, or do not fit each other or their names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from kontrast.files import write_whole
from kontrast.text import plain

Numbers = tuple[float, ...]
MOST = 1_000_000  # numbers in one field of a panel


@dataclass(frozen=True)
class Heat:
    """A matrix with named rows and columns: a confusion, importances, the effect of changes on factors.

    `values` [rows][columns]; `low` and `high`, of the same shape or empty, bound the 95 % interval of each. `center` is
    the value that has no color, for numbers that are good or bad on either side of it; None: color grows from 0.
    `reach` is a distance from there that is not worth the full color: only what is farther away has it.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[Numbers, ...]
    low: tuple[Numbers, ...] = ()
    high: tuple[Numbers, ...] = ()
    center: float | None = None
    row: str = ""
    column: str = ""
    note: str = ""
    reach: float = 0.0

    def __post_init__(self) -> None:
        _check_words(self, "title", "row", "column", "note")
        object.__setattr__(self, "reach", _numbers((self.reach,), "reach", self)[0])
        _check_names(self, "rows", "columns")
        for name in ("values", "low", "high"):
            given = getattr(self, name)
            if not _several(given):
                raise ValueError(f"the {name} of {_named(self)} must be rows of numbers, not {_shown(given)}")
            table = tuple(_numbers(row, name, self) for row in given)
            shape = [len(row) for row in table]
            if shape != [len(self.columns)] * len(self.rows) and (table or name == "values"):
                names = f"{len(self.rows)} rows and {len(self.columns)} columns"
                raise ValueError(
                    f"the {name} of {_named(self)} do not fit its {names}: rows of {_shown(shape)} numbers"
                )
            object.__setattr__(self, name, table)
        if self.center is not None:
            object.__setattr__(self, "center", _numbers((self.center,), "center", self)[0])


@dataclass(frozen=True)
class Line:
    """One curve: its name and points, and perhaps the 95 % interval of each."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()

    def __post_init__(self) -> None:
        _check_words(self, "name")
        _check_columns(self, "x", ("y",), ("low", "high"))


@dataclass(frozen=True)
class Curves:
    """Curves over one axis: error against rejection, a spectrum, coverage, a distribution over bins.

    `filled` draws densities, filled down to 0. `diagonal` adds the line y = x. `logarithmic` names the axes that are:
    "", "x", "y" or "xy".
    """

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    logarithmic: str = ""
    filled: bool = False
    diagonal: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        _check_words(self, "title", "x", "y", "note")
        if not _several(self.lines) or not all(isinstance(line, Line) for line in self.lines):
            raise ValueError(f"the lines of {_named(self)} must be values of Line, not {_shown(self.lines)}")
        if self.logarithmic not in ("", "x", "y", "xy") or not {type(self.filled), type(self.diagonal)} <= {bool}:
            raise ValueError(f"logarithmic of {_named(self)} is x, y, xy or empty, filled and diagonal true or false")
        object.__setattr__(self, "lines", tuple(self.lines))


@dataclass(frozen=True)
class Points:
    """A map of rows in the plane, colored by a class number or a value; `names` lists the classes, or is empty."""

    title: str
    x: Numbers
    y: Numbers
    color: Numbers = ()
    names: tuple[str, ...] = ()
    colored_by: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _check_words(self, "title", "colored_by", "note")
        _check_names(self, "names")
        _check_columns(self, "x", ("y",), ("color",))


@dataclass(frozen=True)
class Bars:
    """A value for each of some names, with its 95 % interval, and the lines that it is read against."""

    title: str
    names: tuple[str, ...]
    values: Numbers
    low: Numbers = ()
    high: Numbers = ()
    references: dict[str, float] = field(default_factory=dict)
    y: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _check_words(self, "title", "y", "note")
        _check_names(self, "names")
        _check_columns(self, "names", ("values",), ("low", "high"))
        if not isinstance(self.references, dict) or not all(isinstance(name, str) for name in self.references):
            raise ValueError(f"the references of {_named(self)} must be numbers by name, not {_shown(self.references)}")
        values = _numbers(tuple(self.references.values()), "references", self)
        object.__setattr__(self, "references", dict(zip(self.references, values, strict=True)))


Panel = Heat | Curves | Points | Bars
KINDS: dict[str, type[Panel]] = {kind.__name__: kind for kind in (Heat, Curves, Points, Bars)}


def write_panels(path: Path | str, panels: Iterable[tuple[str, Panel]]) -> None:
    """Write panels, each with the name of the probe that made it, as a JSON list, all or nothing. A gap is null."""
    table = [{"probe": probe, "kind": type(panel).__name__, **_gaps(asdict(panel))} for probe, panel in panels]
    write_whole(Path(path), (json.dumps(table, allow_nan=False) + "\n").encode())


def _gaps(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _gaps(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_gaps(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_panels(path: Path | str) -> list[tuple[str, Panel]]:
    """The panels that `write_panels` wrote; a ValueError if the file holds anything else."""
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_finite, parse_float=_finite)
        if not isinstance(table, list):
            raise ValueError("it is no list")
        return [_read(row, at) for at, row in enumerate(table, start=1)]
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold panels as kontrast writes them: {plain(error, 200)}") from None


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{plain(text, 40)} is no number that panels hold")
    return float(text)


def _read(row: object, at: int) -> tuple[str, Panel]:
    if not isinstance(row, dict) or not isinstance(row.get("probe"), str) or row.get("kind") not in [*KINDS]:
        raise ValueError(f"panel {at} must be an object with a probe and a kind, one of {', '.join(KINDS)}")
    given = {key: value for key, value in row.items() if key not in ("probe", "kind")}
    if isinstance(given.get("lines"), list):
        lines = given["lines"]
        given["lines"] = tuple(Line(**_thawed(line, ())) if isinstance(line, dict) else line for line in lines)
    return row["probe"], KINDS[row["kind"]](**_thawed(given, ("center",)))


def _thawed(row: dict[str, Any], kept: Sequence[str]) -> dict[str, Any]:
    """The fields of a JSON object, lists as tuples and null as the gap it stands for."""

    def value(x: Any) -> Any:
        return tuple(map(value, x)) if isinstance(x, list) else math.nan if x is None else x

    made = {key: x if key in kept else value(x) for key, x in row.items()}
    if isinstance(made.get("references"), dict):
        made["references"] = {key: value(x) for key, x in made["references"].items()}
    return made


def _several(value: object) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__iter__") and not isinstance(value, str | bytes | dict)


def _shown(value: object) -> str:
    return plain(repr(value), 60)


def _named(panel: object) -> str:
    return f"the {type(panel).__name__} {_shown(getattr(panel, 'title', getattr(panel, 'name', '')))}"


def _check_words(panel: object, *names: str) -> None:
    for name in names:
        if not isinstance(getattr(panel, name), str):
            raise ValueError(f"the {name} of a {type(panel).__name__} must be text, not {_shown(getattr(panel, name))}")


def _check_names(panel: object, *names: str) -> None:
    for name in names:
        given = getattr(panel, name)
        if not _several(given) or len(given) > MOST or not all(isinstance(each, str) for each in given):
            raise ValueError(f"the {name} of {_named(panel)} must be a list of texts, not {_shown(given)}")
        object.__setattr__(panel, name, tuple(given))


def _check_columns(panel: object, first: str, others: Sequence[str], optional: Sequence[str]) -> None:
    """The columns of a panel as tuples of floats, all as long as the first one; optional ones may be empty."""
    for name in (first, *others, *optional):
        if name != "names":
            object.__setattr__(panel, name, _numbers(getattr(panel, name), name, panel))
        count, expected = len(getattr(panel, name)), len(getattr(panel, first))
        if count != expected and (count or name not in optional):
            raise ValueError(f"{_named(panel)} has {expected} {first} but {count} {name}; they must be equal")


def _numbers(values: Any, name: str, panel: object) -> Numbers:
    """Numbers as floats, those that are not finite as the one NaN, so that equal panels compare equal."""
    if not _several(values) or len(values) > MOST:
        raise ValueError(f"the {name} of {_named(panel)} must be at most {MOST:,} numbers, not {_shown(values)}")
    found = []
    for x in values:
        if not isinstance(x, Real) or isinstance(x, bool):
            raise ValueError(f"the {name} of {_named(panel)} must be numbers, not {_shown(x)}")
        try:
            found.append(float(x) if math.isfinite(x) else math.nan)
        except OverflowError:
            raise ValueError(f"the {name} of {_named(panel)} hold a number beyond 1e308") from None
    return tuple(found)
