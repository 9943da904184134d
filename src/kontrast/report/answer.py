"""The one-line answer at the top of a report: what was recovered, and against what."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from kontrast.report.layout import symbol
from kontrast.report.record import Record
from kontrast.scores import Score
from kontrast.text import plain

RECOVERED = 0.9
SUMMARIES = ("accuracy", "r2", "mcc")
LADDER = {
    "identity": "Recovers the factors as they are",
    "permutation": "Recovers the factors up to their order and sign",
    "scale": "Recovers the factors up to their order and scale",
    "monotone": "Recovers the factors up to their order and a monotone map of each",
    "orthogonal": "Recovers the factors up to a rotation",
    "block": "Recovers the factors up to a map of each block",
    "affine": "Recovers the factors up to an affine map",
    "nonlinear": "Recovers the factors up to a nonlinear map",
    "nothing": "No recovery that chance would not give",
}


def recovered(row: Score) -> bool:
    """Whether a score counts as recovery: it goes nine tenths of the way from its floor to 1.

    The floor is the larger of the null and chance, and 0 where neither is known: (value - floor) / (1 - floor) >= .9.
    """
    floor = max([0.0, *(x for x in (row.null, row.chance) if x is not None and x < 1)])
    return (row.value - floor) / (1 - floor) >= RECOVERED


def factor_rows(record: Record) -> dict[str, list[Score]]:
    """The scores of single factors, by probe, in the order of the factors."""
    names = [factor.name for factor in record.factors]
    found: dict[str, list[Score]] = {}
    for row in record.scores:
        if row.of in names:
            found.setdefault(row.probe, []).append(row)
    return {probe: sorted(rows, key=lambda row: names.index(row.of)) for probe, rows in found.items()}


def answer(record: Record) -> str:
    """What the run shows, in one or two short sentences that name the floor beside every number."""
    raw = "raw pixels" if record.pictures is not None and record.pictures.ndim > 2 else "raw input"
    verdict = _verdict(record)
    by_probe = [own for rows in factor_rows(record).values() if (own := [x for x in rows if x.name in SUMMARIES])]
    if by_probe:
        rows = _first_each(by_probe[0])
        return f"{verdict} {_recovery(rows)} {_mean(record, rows, raw)}".strip()
    if verdict:
        return verdict
    first = next((row for name in SUMMARIES for row in record.scores if row.name == name and not row.of), None)
    first = first or next(iter(record.scores), None)
    if first is None:
        return "Trained, but not probed yet: there is no score to answer with."
    probe = plain(first.probe, 60)
    return _against(f"{probe}: {symbol(first.name)} {plain(first.of, 60)}".strip(), first, raw)


def _verdict(record: Record) -> str:
    """The strongest class of maps up to which the factors are recovered, where a probe said it in its protocol."""
    for row in record.scores:
        for part in row.protocol.split("; "):
            found = re.fullmatch(r"verdict (\w+): (.{1,200})", plain(part, 300))
            if found and found[1] in LADDER:
                return f"{LADDER[found[1]]}: {found[2].replace('R^2', 'R²')}."
    return ""


def _first_each(rows: Sequence[Score]) -> list[Score]:
    """One score for each factor: that of the metric which was given first."""
    first: dict[str, Score] = {}
    for row in rows:
        first.setdefault(row.of, row)
    return list(first.values())


def _recovery(rows: Sequence[Score]) -> str:
    yes = [plain(row.of, 40) for row in rows if recovered(row)]
    no = [plain(row.of, 40) for row in rows if not recovered(row)]
    if not yes:
        return f"Recovers none of {len(rows)} factors."
    if not no:
        return f"Recovers all {len(rows)} factors." if len(rows) > 1 else f"Recovers {yes[0]}."
    return f"Recovers {len(yes)} of {len(rows)} factors: {_listed(yes)}, but not {_listed(no)}."


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = list(names[:most]) + ([f"{len(names) - most} more"] if len(names) > most else [])
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def _mean(record: Record, rows: Sequence[Score], raw: str) -> str:
    """The mean over factors of the commonest metric: as the probe reported it, or of the rows."""
    names = [row.name for row in rows]
    name = max(names, key=names.count)
    mine = [row for row in rows if row.name == name]
    for row in record.scores:
        if row.probe == rows[0].probe and row.metric == f"{name}/mean":
            return _against(f"Mean {symbol(name)}", row, raw)

    def mean(key: str) -> float | None:
        values = [getattr(row, key) for row in mine]
        return None if None in values else sum(values) / len(values)

    value = mean("value")
    assert value is not None
    over = Score("", name, value, mean("untrained"), mean("null"), mean("raw"), mean("chance"))
    return _against(f"Mean {symbol(name)}" if len(mine) > 1 else symbol(name), over, raw)


def _against(what: str, row: Score, raw: str) -> str:
    """A score and its floors; and a plain word where training gained nothing over them."""
    floors = (
        (row.untrained, "untrained", "an untrained encoder"),
        (row.raw, f"on {raw}", raw),
        (row.chance if row.untrained is None else None, "chance", "chance"),
    )
    known = [(value, short, long) for value, short, long in floors if value is not None and math.isfinite(value)]
    listed = _listed([f"{value:.2f} {short}" for value, short, _ in known])
    beaten = [long for value, _, long in known if row.name in SUMMARIES and not row.value > value]
    text = f"{what} {row.value:.2f}" + (f" against {listed}" if listed else "")
    return text + (f": no better than {' or '.join(beaten)}." if beaten else ".")
