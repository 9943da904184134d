"""What a run logged while it trained: the rows of its metrics.jsonl, and scores made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from kontrast.scores import Score

LATE = 0.05
"""The loss of a run is the mean over this last share of its steps."""
TAIL = 65_536
"""Bytes at the end of metrics.jsonl in which its last row is looked for."""


def metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl that can be read."""
    try:
        return _rows((run / "metrics.jsonl").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


def last_row(run: Path) -> dict[str, Any]:
    """The last row of a run's metrics.jsonl, from its end alone; empty where there is none."""
    try:
        with (run / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            rows = _rows(file.read().decode(errors="replace"))
    except OSError:
        return {}
    return rows[-1] if rows else {}


def _rows(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            found.append(row)
    return found


def trained(rows: Sequence[dict[str, Any]]) -> list[Score]:
    """What training itself measured: the loss, and the online probe on held-out rows, at the last step."""
    if not rows:
        return []
    last = rows[-1]
    late = [
        row["loss"] for row in rows if row["step"] > (1 - LATE) * last["step"] and isinstance(row.get("loss"), float)
    ]
    step = int(last["step"])
    found = [
        Score(
            "Online",
            name.partition("/")[2],
            value,
            protocol="the probe that learned along, on held-out rows",
            step=step,
        )
        for name, value in last.items()
        if name.startswith("online/") and isinstance(value, float)
    ]
    said = "the loss in training, mean over the last twentieth of the steps"
    return [*found, *([Score("Training", "loss", mean(late), protocol=said, step=step)] if late else [])]
