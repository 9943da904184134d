"""Two runs side by side on one page: what differs between them first, then what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kontrast.files import write_whole
from kontrast.panels import Curves, Line
from kontrast.report.curves import NAMES, draw_curves, numeric, rolling, title
from kontrast.report.document import inlined, render
from kontrast.report.effects import signed
from kontrast.report.figures import Drawing, style
from kontrast.report.layout import number, symbol
from kontrast.report.maps import maps
from kontrast.report.record import Record, flat
from kontrast.results.numbers import direction
from kontrast.results.tables import FLOORS, MARK
from kontrast.scores import Score
from kontrast.text import plain

MOST_CURVES, MOST_MAPS, MOST_SCORES, MOST_WARNINGS = 9, 2, 400, 24
LEFT, RIGHT = "left", "right"
SINGLE = (
    "Each side is one run, so a difference has no interval over seeds: runs that differ by their seeds alone differ "
    "too. The intervals shown, where there are any, are those of one run over its test rows."
)


def write_beside(left: Record, right: Record, out: Path | str, names: tuple[str, str] = ("", "")) -> Path:
    """Write one HTML file that shows two runs side by side, and return its path.

    `names` tell them apart, as their folders; without them they are called by their titles. The page runs nothing and
    loads nothing: its policy forbids both. ValueError for a file that does not end in .html.
    """
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"the page of two runs is a file such as {out.stem or 'beside'}.html, not {out}")
    with style():
        drawn = _curves(left, right)
        found = [maps(record)[:MOST_MAPS] for record in (left, right)]
    called = [plain(name or record.title, 120) for name, record in zip(names, (left, right), strict=True)]
    differing, alike = _fields(left.experiment, right.experiment)
    places = ({key: x for key, x in record.environment.items() if key != "command"} for record in (left, right))
    unlike, _ = _fields(*places)
    shown: dict[str, Any] = {
        "names": called,
        "titles": [plain(record.title, 120) for record in (left, right)],
        "commands": [plain(record.command, 4000) for record in (left, right)],
        "answer": _answer(differing, left.scores, right.scores),
        "differing": differing,
        "alike": alike,
        "unlike": unlike,
        "scores": _scores(left.scores, right.scores)[:MOST_SCORES],
        "split": _rows(left.scores, right.scores),
        "single": SINGLE,
        "warnings": _warnings(called, left.scores, right.scores),
        "curves": [inlined(each) for each in drawn],
        "maps": [[_renamed(each, side) for each in group] for side, group in zip((LEFT, RIGHT), found, strict=True)],
    }
    write_whole(out, render("beside.html.jinja", **shown).encode())
    return out


def _renamed(drawn: Drawing, side: str) -> dict[str, object]:
    """A drawing under a name that the other run's does not have."""
    return inlined(Drawing(f"{side}-{drawn.name}", drawn.title, drawn.alt, drawn.svg, drawn.png, drawn.note))


Rows = list[tuple[str, str, str]]


def _fields(left: Mapping[str, object], right: Mapping[str, object]) -> tuple[Rows, Rows]:
    """The fields that differ, with both values, and those that are the same. A field that one lacks is a dash."""
    one, two = flat(left), flat(right)
    every = [(plain(key, 80), one.get(key), two.get(key)) for key in dict.fromkeys([*one, *two])]
    said = [(key, "–" if a is None else plain(a), "–" if b is None else plain(b), a == b) for key, a, b in every]
    return [row[:3] for row in said if not row[3]], [row[:3] for row in said if row[3]]


def _scores(left: Sequence[Score], right: Sequence[Score]) -> list[dict[str, str]]:
    """Scores of both with their difference, those that both have first."""
    one, two = ({(row.probe, row.metric): row for row in rows} for rows in (left, right))
    keys = sorted(dict.fromkeys([*one, *two]), key=lambda key: not (key in one and key in two))
    return [_score(key, one.get(key), two.get(key)) for key in keys]


def _score(key: tuple[str, str], left: Score | None, right: Score | None) -> dict[str, str]:
    known = [abs(row.value) for row in (left, right) if row is not None and math.isfinite(row.value)]
    scale, row = max(known, default=0.0), left or right
    assert row is not None
    apart = right.value - left.value if left is not None and right is not None else math.nan
    way = direction(key[1]) * apart
    better = _better(left, right, way, direction(key[1]))
    return {
        "probe": plain(key[0], 60),
        "metric": plain(f"{symbol(row.name)} {plain(row.of, 60)}".strip(), 100),
        "left": _written(left, scale),
        "right": _written(right, scale),
        "left_floors": _floors(left, scale),
        "right_floors": _floors(right, scale),
        "difference": signed(apart) if math.isfinite(apart) else "–",
        "better": better,
        "beaten": "yes" if way and math.isfinite(way) and not better else "",
    }


def _better(left: Score | None, right: Score | None, apart: float, way: int) -> str:
    """The side that is better, if it is above all that is no achievement."""
    row = right if apart > 0 else left if apart < 0 else None
    if row is None or not all(way * row.value > way * x for x in _known(row).values()):
        return ""
    return RIGHT if apart > 0 else LEFT


def _known(row: Score | None) -> dict[str, float]:
    """What is no achievement, by how it is printed, of a score that has it beside."""
    values = {head: getattr(row, name, None) for name, head in FLOORS.items()}
    return {head: x for head, x in values.items() if x is not None and math.isfinite(x)}


def _floors(row: Score | None, scale: float) -> str:
    return ", ".join(f"{head} {number(x, scale)}" for head, x in _known(row).items()).replace("-", "−")


def _warnings(names: Sequence[str], *sides: Sequence[Score]) -> list[str]:
    """What the scores of either run warn of, once for each probe and warning."""
    found = [
        f"{name}, {plain(row.probe, 60)}: {plain(row.warning, 300)}."
        for name, rows in zip(names, sides, strict=True)
        for row in rows
        if row.warning
    ]
    return list(dict.fromkeys(found))[:MOST_WARNINGS]


def _written(row: Score | None, scale: float) -> str:
    if row is None:
        return "–"
    text = number(row.value, scale)
    if row.low is not None and row.high is not None:
        text += f" [{number(row.low, scale)}, {number(row.high, scale)}]"
    return text.replace("-", "−") + (MARK if row.warning else "")


def _rows(left: Sequence[Score], right: Sequence[Score]) -> str:
    """Whether both were scored on the same rows."""
    one, two = ({(row.probe, row.metric): row.split for row in rows} for rows in (left, right))
    pairs = [(split, two[key]) for key, split in one.items() if split and two.get(key)]
    if not pairs:
        return ""
    same = all(a == b for a, b in pairs)
    return "Both were scored on the same rows." if same else "They were not scored on the same rows: compare with care."


def _answer(differing: Rows, left: Sequence[Score], right: Sequence[Score]) -> str:
    what = ", ".join(key for key, _, _ in differing[:4]) + (f" and {len(differing) - 4} more" if differing[4:] else "")
    count = f"{len(differing)} field{'s' if len(differing) != 1 else ''}"
    first = f"They differ in {count}: {what}." if differing else "Their experiments are the same."
    both = [row for row in _scores(left, right) if row["difference"] != "–"]
    if not both:
        return f"{first} No score is of both."
    row = both[0]
    said = f"{row['probe']} {row['metric']}: {row['left']} on the left, {row['right']} on the right"
    return f"{first} {said}, a difference of {row['difference']} between two single runs.{_worth(row)}"


def _worth(row: Mapping[str, str]) -> str:
    """What to know beside two values: what is no achievement, and that a warning stands beside one."""
    left, right = row["left_floors"], row["right_floors"]
    floors = (
        left if left == right else f"{left or 'nothing known'} on the left, {right or 'nothing known'} on the right"
    )
    said = f" Beside them: {floors}." if floors else ""
    said += " The better is not above that." if row["beaten"] else ""
    return said + (" A warning stands beside them (†)." if MARK in row["left"] + row["right"] else "")


def _curves(left: Record, right: Record) -> list[Drawing]:
    """The curves of training that both have, over each other: the loss first, alarms and speeds not at all."""
    one, two = (_series(record.metrics) for record in (left, right))
    order = ["loss", *NAMES]

    def place(key: str) -> tuple[int, int]:
        group, _, part = key.partition("/")
        return (order.index(group) if group in order else len(order), bool(part))

    keys = sorted((key for key in one if key in two), key=place)
    keys = [key for key in keys if key.partition("/")[0] not in ("gradient", "update", "alarm", "images_per_second")]
    drawn = []
    for at, key in enumerate(keys[:MOST_CURVES]):
        lines = tuple(_line(name, found[key]) for name, found in ((LEFT, one), (RIGHT, two)))
        group, _, part = key.partition("/")
        heading = " ".join(filter(None, [title(group), title(part) if part else ""]))
        drawn.append(draw_curves(Curves(heading, "step", "", lines), f"curve-{at}"))
    return drawn


def _line(name: str, points: Sequence[tuple[float, float]]) -> Line:
    """A curve; where it is long, its rolling mean."""
    x, y = np.array(points).T
    return Line(name, tuple(x), tuple(rolling(y) if len(y) >= 100 else y))


def _series(metrics: Sequence[Mapping[str, object]]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for at, row in enumerate(metrics):
        step = row.get("step", at)
        for key, value in row.items():
            if key not in ("step", "epoch") and numeric(value) and numeric(step):
                found.setdefault(key, []).append((float(step), float(value)))  # type: ignore[arg-type]
    return found
