"""A study's answer as a table: settings down, scores across, and what is needed to read them below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kontrast.results.compared import Compared, compare
from kontrast.results.notes import notes
from kontrast.results.numbers import BLANK, digits, direction, probability, shown
from kontrast.results.results import Levels, Results, short
from kontrast.results.statistics import Difference, Summary

FLOORS = {"untrained": "untrained", "raw": "raw input", "chance": "chance"}
"""What stands beside the main column where it is not the same for all settings."""
MARK = " †"
"""What stands behind a mean of scores of which any has a warning."""


@dataclass(frozen=True)
class Cell:
    """One cell: its `text`, as every format shows it, and whether it is `strong`, which each format draws its own way.

    Strong is the best mean of a column, the largest or the least by what its score says is better, among the settings
    with the most seeds; a column whose score has no better side has none.
    """

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """A heading. `words` columns hold names and not numbers; of wide tables those of the largest `rank` go first."""

    head: str
    words: bool = False
    rank: int = 0


@dataclass(frozen=True)
class Table:
    """Headings, rows of cells, and what is said below, before it is drawn in any format."""

    title: str
    heads: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.heads) for row in self.rows):
            raise ValueError(f"each row of a table has a cell for each of its {len(self.heads)} headings")


def table(results: Results, score: str = "", baseline: Levels | None = None, columns: Sequence[str] = ()) -> Table:
    """Results as a table: axes, then the main column with differences to the baseline, then other scores.

    `score` is the main column, by default that of the study, and `baseline` a setting other than the study's. Other
    columns are those named, or the first metric of each probe. ValueError for a column that there is none of.
    """
    if not results.columns:
        return _without(results)
    main = results.chosen(score)
    found = compare(results, main, baseline)
    made = [*_axes(results), *_main(results, main, found), *_others(results, main, columns)]
    made = [(head, cells) for head, cells in made if head.words or any(cell.text != BLANK for cell in cells)]
    rows = zip(*(cells for _, cells in made), strict=True)
    basis = results.baseline if baseline is None else baseline
    return Table(results.title, tuple(head for head, _ in made), tuple(rows), notes(results, main, found, basis))


def named_axes(results: Results) -> dict[str, str]:
    """The axes that differ, by how they are headed: by the last word, unless two end in the same."""
    names = [name for at, name in enumerate(results.axes) if len({one[at] for one in results.settings}) > 1]
    names = names or [*results.axes]
    ends = [short(name) for name in names]
    return {name: end if ends.count(end) == 1 else name for name, end in zip(names, ends, strict=True)}


def first_columns(results: Results) -> tuple[str, ...]:
    """The first metric of each probe, or its mean where it is one of many things."""
    return leading(results.columns)


def leading(columns: Sequence[str]) -> tuple[str, ...]:
    """The first column of each probe, or, of one thing of several as "Recovery: r2/scale", that of their mean."""
    first: dict[str, str] = {}
    for name in columns:
        first.setdefault(name.partition(": ")[0], name)
    means = {name: f"{name.partition('/')[0]}/mean" for name in first.values()}
    return tuple(means[name] if means[name] in columns else name for name in first.values())


Made = list[tuple[Column, list[Cell]]]


def _axes(results: Results) -> Made:
    at = {name: number for number, name in enumerate(results.axes)}
    return [
        (Column(head, words=True), [Cell(levels[at[name]] or BLANK) for levels in results.settings])
        for name, head in named_axes(results).items()
    ]


def _main(results: Results, name: str, found: Sequence[Compared]) -> Made:
    """The main column, its differences to the baseline, the state of unfinished settings, and the floors."""
    made: Made = [(Column(name), _means(results, name, found))]
    states = [_state(results, one.levels) for one in found]
    for at, (cell, state) in enumerate(zip(made[0][1], states, strict=True)):
        if state and cell.text == BLANK:
            made[0][1][at] = Cell(state)
    if any(one.difference is not None for one in found):
        apart = [one.difference for one in found]
        form = digits(one.mean for one in apart if one is not None)
        verdicts = [verdict_text(one, direction(name)) for one in apart]
        made += [
            (
                Column("difference", rank=1),
                [Cell(shown(None if one is None else one.mean, form, sign=True)) for one in apart],
            ),
            (Column("95 % interval", rank=5), [Cell(interval_text(one, form)) for one in apart]),
            (Column("p (Holm)", rank=4), [Cell(probability(None if one is None else one.holm)) for one in apart]),
            (Column("verdict", words=True, rank=2), [Cell(verdict) for verdict in verdicts]),
        ]
    if any(states):
        made.append((Column("cells", words=True, rank=3), [Cell(state or "done") for state in states]))
    for floor, head in FLOORS.items():
        values = [one.floors.get(floor) for one in found]
        if len({*values}) > 1:
            form = digits([*values, *(one.summary.mean for one in found)])
            made.append((Column(head, rank=6), [Cell(shown(value, form)) for value in values]))
    return made


def _others(results: Results, main: str, columns: Sequence[str]) -> Made:
    names = [results.chosen(name) for name in columns] if columns else [*first_columns(results)]
    others = [name for name in dict.fromkeys(names) if name != main]
    return [
        (Column(name, rank=1 if columns else 7 + at), _means(results, name, compare(results, name, ())))
        for at, name in enumerate(others)
    ]


def _means(results: Results, name: str, found: Sequence[Compared]) -> list[Cell]:
    """Means with their deviations and counts, the best of those over the most seeds strong."""
    form = digits(one.summary.mean for one in found)
    warned = results.warned(name)
    texts = [mean_text(one.summary, form) + (MARK if one.levels in warned else "") for one in found]
    way, most = direction(name), max(one.summary.count for one in found)
    known = [None if one.summary.count < most else one.summary.mean for one in found]
    best = max((value * way for value in known if value is not None), default=None)
    told = best is not None and way != 0 and sum(one.summary.count > 0 for one in found) > 1
    return [
        Cell(text, told and value is not None and value * way == best) for text, value in zip(texts, known, strict=True)
    ]


def mean_text(summary: Summary, form: str) -> str:
    """A mean, its deviation, and how many seeds it is of: "0.872 ± 0.002 (3)"."""
    if summary.mean is None:
        return "not a number" if summary.lost else BLANK
    spread = "" if summary.deviation is None else f" ± {shown(summary.deviation, form)}"
    return f"{shown(summary.mean, form)}{spread} ({summary.count})"


def verdict_text(one: Difference | None, way: int) -> str:
    """What is said of a setting beside the baseline, or of that itself."""
    if one is None:
        return "baseline"
    return one.verdict(way) if one.values else "no shared seed"


def interval_text(one: Difference | None, form: str) -> str:
    """The interval of a difference, with the signs of its ends."""
    if one is None or one.low is None or one.high is None:
        return BLANK
    return f"[{shown(one.low, form, sign=True)}, {shown(one.high, form, sign=True)}]"


def _state(results: Results, levels: Levels) -> str:
    """What came of the cells of a setting, where they are not all done."""
    seeds = {one.seed for one in results.outcomes}
    states = [one.state for one in results.outcomes if one.levels == levels]
    states += ["missing"] * (len(seeds) - len(states))
    counted = {state: states.count(state) for state in dict.fromkeys(states) if state != "done"}
    return ", ".join(f"{count} {state}" for state, count in counted.items())


def _without(results: Results) -> Table:
    """The settings of a study without any score, and their cells."""
    made = _axes(results)
    states = [Cell(_state(results, levels) or "done") for levels in results.settings]
    made.append((Column("cells", words=True), states))
    rows = tuple(zip(*(cells for _, cells in made), strict=True))
    said = ("No cell of this study has scores yet.", *notes(results, "", (), ()))
    return Table(results.title, tuple(head for head, _ in made), rows, said)
