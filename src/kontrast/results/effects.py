"""What each axis does, over all choices of the others, as a table."""

from __future__ import annotations

from kontrast.results.compared import main_effects
from kontrast.results.numbers import digits, direction, probability, shown
from kontrast.results.results import Levels, Results, short
from kontrast.results.tables import Cell, Column, Table, interval_text, mean_text, verdict_text


def effects(results: Results, score: str = "", baseline: Levels | None = None) -> Table | None:
    """The levels of each axis, each as the mean over all choices of the other axes; None unless two axes vary.

    Levels are compared with the baseline's level of that axis. Axes whose levels were never seen beside the same
    choices of the others, as in random draws, are left out; None if that leaves none.
    """
    axes = [axis for at, axis in enumerate(results.axes) if len({one[at] for one in results.settings}) > 1]
    if len(axes) < 2 or not results.columns:
        return None
    main, basis = results.chosen(score), results.baseline if baseline is None else baseline
    names, rows = [*results.axes], []
    for axis in axes:
        found = main_effects(results, axis, main, basis[names.index(axis)] if basis else "")
        if not any(one.summary.count for one in found):
            continue
        form = digits(one.summary.mean for one in found)
        apart = digits(one.difference.mean for one in found if one.difference is not None)
        for at, one in enumerate(found):
            rest = one.difference
            cells = [
                short(axis) if at == 0 else "",
                one.levels[0] or "–",
                mean_text(one.summary, form),
                shown(None if rest is None else rest.mean, apart, sign=True),
                interval_text(rest, apart),
                probability(None if rest is None else rest.holm),
                verdict_text(rest, direction(main)),
            ]
            rows.append(tuple(map(Cell, cells)))
    heads = (
        Column("axis", words=True),
        Column("level", words=True),
        Column(main),
        Column("difference", rank=1),
        Column("95 % interval", rank=5),
        Column("p (Holm)", rank=4),
        Column("verdict", words=True, rank=2),
    )
    said = (
        "Each seed counts once, by its mean over those choices of the other axes that have a score at every level. "
        "Holm's correction is over the levels of an axis.",
    )
    return Table("Main effects", heads, tuple(rows), said) if rows else None
