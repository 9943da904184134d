"""Scores: what probes found, with everything that is needed to read them; and scores.json, where a run keeps them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kontrast.files import write_whole
from kontrast.text import plain


@dataclass(frozen=True)
class Score:
    """One number a probe found, with everything that is needed to read it.

    `metric` is `name` or `name/of_what`, as in "accuracy" and "r2/scale". `value` is the trained encoder's score;
    beside it, where known, the same probe on the `untrained` encoder, on the `raw` observations, and with the truth
    permuted (`null`), and what guessing gives (`chance`). Over several `seeds` the value is their mean and
    `deviation` their standard deviation. `step` is that of the checkpoint that was probed.
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

    @property
    def name(self) -> str:
        """What is measured: "r2" of "r2/scale"."""
        return self.metric.partition("/")[0]

    @property
    def of(self) -> str:
        """What it is measured of: "scale" of "r2/scale", and "" where the metric names nothing."""
        return self.metric.partition("/")[2]


def write_scores(path: Path | str, rows: Iterable[Score]) -> None:
    """Write scores as a JSON list, one object for each, all or nothing. A number that is not finite becomes null."""

    def value(x: object) -> object:
        return None if isinstance(x, float) and not math.isfinite(x) else x

    table = [{key: value(x) for key, x in asdict(row).items()} for row in rows]
    write_whole(Path(path), (json.dumps(table, indent=1) + "\n").encode())


def read_scores(path: Path | str) -> list[Score]:
    """The rows that `write_scores` wrote; a ValueError if the file holds anything else."""
    table = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(table, list):
        raise ValueError(f"{path} must hold a list of scores")
    return [_score(row, f"score {at} of {path}") for at, row in enumerate(table, start=1)]


def _score(row: object, where: str) -> Score:
    names = {field.name for field in fields(Score)}
    if not isinstance(row, dict) or not {"probe", "metric", "value"} <= set(row) <= names:
        raise ValueError(f"{where} must be an object with probe, metric, value and no fields but {sorted(names)}")
    for key, value in row.items():
        text, whole = key in ("probe", "metric", "protocol"), key == "seeds"
        kind: Any = str if text else int if whole else (int, type(None)) if key == "step" else (int, float, type(None))
        if not isinstance(value, kind) or isinstance(value, bool) or (type(value) is int and abs(value) > 1e300):
            raise ValueError(f"{where}: {key} must be {'text' if text else 'a number'}, not {plain(repr(value), 60)}")
    return Score(**{**row, "value": math.nan if row["value"] is None else row["value"]})
