"""Scores: what probes found, with everything that is needed to read them; and scores.json, where a run keeps them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from kontrast.files import write_whole
from kontrast.text import plain

INTERVAL = re.compile(r"(95 % )?intervals? (from|over|by|of)\b")
"""How the part of a protocol begins that says what the interval of one run is over."""
NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.,]*\w)")
"""A number of a protocol, and no part of a name."""
MOST_PARTS = 4


@dataclass(frozen=True)
class Score:
    """One number a probe found, with everything that is needed to read it.

    `metric` is `name` or `name/of_what`, as in "accuracy" and "r2/scale". `value` is the trained encoder's score;
    beside it, where known, the same probe on the `untrained` encoder, on the `raw` observations, and with the truth
    permuted (`null`), what guessing gives (`chance`), and what the same network reaches that was told the truth in
    training (`ceiling`). Over several `seeds` the value is their mean and `deviation` their standard deviation. `low`
    and `high` bound the 95 % interval that the protocol names. `step` is that of the checkpoint that was probed, `seed`
    that of its experiment, and `split` a hash of the rows it was fitted and scored on. `warning` says where the number
    leaves the domain in which it means what it is named.
    """

    probe: str
    metric: str
    value: float
    untrained: float | None = None
    null: float | None = None
    raw: float | None = None
    chance: float | None = None
    protocol: str = ""
    seeds: int = 1
    deviation: float | None = None
    step: int | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    seed: int | None = None
    split: str = ""
    warning: str = ""

    @property
    def name(self) -> str:
        """What is measured: "r2" of "r2/scale"."""
        return self.metric.partition("/")[0]

    @property
    def of(self) -> str:
        """What it is measured of: "scale" of "r2/scale", and "" where the metric names nothing."""
        return self.metric.partition("/")[2]


def over_seeds(runs: Sequence[Sequence[Score]]) -> list[Score]:
    """Scores of runs that differ by their seeds alone as one table: means, with their standard deviations.

    `low` and `high` are then the 95 % interval of Student's t around the mean of three runs or more, m +- t s / sqrt(n)
    with n - 1 degrees of freedom, which may leave the range of the score; of two there is none. Other columns are means
    of what is known. The protocol is what those of the runs share, without what they say of the interval of one run.
    What not all runs have is left out.
    """
    tables = [{(row.probe, row.metric): row for row in rows} for rows in runs]
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    return [_merged([table[key] for table in tables]) for key in shared] if len(tables) > 1 else [*runs[0]]


def _merged(rows: list[Score]) -> Score:
    first, count, values = rows[0], len(rows), [row.value for row in rows]
    center, spread = mean(values), stdev(values)
    seeds = ", ".join(str(row.seed) for row in rows)
    protocol, half = f"mean over seeds {seeds}, of which there are too few for an interval", None
    if count > 2:
        from scipy.stats import t

        half = float(t.ppf(0.975, count - 1)) * spread / math.sqrt(count)
        protocol = f"mean over seeds {seeds}, with the 95 % interval of Student's t over {count} seeds"
    own = shared_protocol(
        "; ".join(part for part in row.protocol.split("; ") if part and not INTERVAL.match(part)) for row in rows
    )

    def column(name: str) -> float | None:
        known = [value for row in rows if (value := getattr(row, name)) is not None]
        return mean(known) if known else None

    return replace(
        first,
        value=center,
        deviation=spread,
        seeds=count,
        low=None if half is None else center - half,
        high=None if half is None else center + half,
        protocol="; ".join(filter(None, [protocol, own])),
        step=first.step if len({row.step for row in rows}) == 1 else None,
        seed=None,
        split=first.split if len({row.split for row in rows}) == 1 else "",
        warning="; ".join(dict.fromkeys(row.warning for row in rows if row.warning)),
        untrained=column("untrained"),
        null=column("null"),
        raw=column("raw"),
        chance=column("chance"),
        ceiling=column("ceiling"),
    )


def shared_protocol(protocols: Iterable[str]) -> str:
    """One protocol for scores of several runs: what all of them say, then what only some do.

    Numbers that differ are a range: "converged after 155 L-BFGS steps" and "converged after 182 L-BFGS steps" are
    together "converged after 155 to 182 L-BFGS steps". Protocols that share nothing are counted, and the first said.
    """
    known = [*dict.fromkeys(filter(None, protocols))]
    if len(known) < 2:
        return "".join(known)
    tables = [_shapes(text) for text in known]
    every: dict[tuple[str, int], list[str]] = {}
    for table in tables:
        for shape, part in table.items():
            every.setdefault(shape, []).append(part)
    same = [_ranged(parts) for parts in every.values() if len(parts) == len(known)]
    some = [_ranged(parts) for parts in every.values() if len(parts) < len(known)]
    if not same:
        return f"{len(known)} protocols, the first: {known[0]}"
    more = f" and {len(some) - MOST_PARTS} more" if len(some) > MOST_PARTS else ""
    return "; ".join([*same, *([f"not of all runs: {' / '.join(some[:MOST_PARTS])}{more}"] if some else [])])


def _shapes(text: str) -> dict[tuple[str, int], str]:
    """The parts of a protocol by what they say beside their numbers, and by how many before them say the same."""
    found: dict[tuple[str, int], str] = {}
    for part in text.split("; "):
        shape = NUMBER.sub("#", part)
        found[shape, sum(other == shape for other, _ in found)] = part
    return found


def _ranged(parts: Sequence[str]) -> str:
    """Texts that differ in their numbers alone as one, each number that differs from its least to its largest."""
    found = zip(*map(NUMBER.findall, parts), strict=True)
    columns = iter([sorted(set(each), key=lambda text: float(text.replace(",", ""))) for each in found])

    def said(_: re.Match[str]) -> str:
        numbers = next(columns)
        return numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"

    return NUMBER.sub(said, parts[0])


def write_scores(path: Path | str, rows: Iterable[Score]) -> None:
    """Write scores as a JSON list, one object for each, all or nothing. A number that is not finite becomes null."""

    def value(x: object) -> object:
        return None if isinstance(x, float) and not math.isfinite(x) else x

    table = [{key: value(x) for key, x in asdict(row).items()} for row in rows]
    write_whole(Path(path), (json.dumps(table, indent=1) + "\n").encode())


def read_scores(path: Path | str) -> list[Score]:
    """The rows that `write_scores` wrote; a ValueError if the file is damaged or holds anything else."""
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read ({plain(error, 120)}): remove that file, and kontrast probe {Path(path).parent} "
            "writes it anew"
        ) from None
    if not isinstance(table, list):
        raise ValueError(f"{path} must hold a list of scores")
    return [_score(row, f"score {at} of {path}") for at, row in enumerate(table, start=1)]


def _score(row: object, where: str) -> Score:
    names = {field.name for field in fields(Score)}
    if not isinstance(row, dict) or not {"probe", "metric", "value"} <= set(row) <= names:
        raise ValueError(f"{where} must be an object with probe, metric, value and no fields but {sorted(names)}")
    for key, value in row.items():
        text, whole = key in ("probe", "metric", "protocol", "split", "warning"), key == "seeds"
        count = key in ("step", "seed")
        kind: Any = str if text else int if whole else (int, type(None)) if count else (int, float, type(None))
        if not isinstance(value, kind) or isinstance(value, bool) or (type(value) is int and abs(value) > 1e300):
            raise ValueError(f"{where}: {key} must be {'text' if text else 'a number'}, not {plain(repr(value), 60)}")
    return Score(**{**row, "value": math.nan if row["value"] is None else row["value"]})
