"""Results in full precision: one record for each setting and column, as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from kontrast.results.compared import FLOORS, Compared, compare, main_effects
from kontrast.results.numbers import direction
from kontrast.results.results import Levels, Results, column
from kontrast.results.tables import verdict_text

FORMAT = 1
OF_SEEDS = ("values", "differences", "not_a_number", "warnings")
"""What a record says of single seeds, for which there is no room in CSV."""


def records(
    results: Results, score: str = "", baseline: Levels | None = None, columns: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One record for each setting and column, the main column first, with numbers as they are.

    All columns, unless some are named. Where no cell has scores yet there is one record for each setting, without any.
    """
    if not results.columns:
        return [{"setting": dict(zip(results.axes, one, strict=True))} for one in results.settings]
    main = results.chosen(score)
    names = [main, *(map(results.chosen, columns) if columns else results.columns)]
    basis = results.baseline if baseline is None else baseline
    made = []
    for name in dict.fromkeys(names):
        warned = results.warned(name)
        for one in compare(results, name, baseline):
            warnings = {str(seed): text for seed, text in warned.get(one.levels, {}).items()}
            made.append({**_record(results, name, one, basis), "warnings": warnings})
    return made


def _record(results: Results, name: str, one: Compared, basis: Levels) -> dict[str, Any]:
    summary, apart = one.summary, one.difference
    return {
        "setting": dict(zip(results.axes, one.levels, strict=True)),
        "score": name,
        "mean": summary.mean,
        "deviation": summary.deviation,
        "n": summary.count,
        "low": summary.low,
        "high": summary.high,
        "difference": apart and apart.mean,
        "difference_n": apart and len(apart.values),
        "difference_low": apart and apart.low,
        "difference_high": apart and apart.high,
        "p": apart and apart.p,
        "p_holm": apart and apart.holm,
        "verdict": verdict_text(apart, direction(name)) if apart or one.levels == basis else "",
        **{floor: one.floors.get(floor) for floor in FLOORS},
        "values": {str(seed): value for seed, value in summary.values.items()},
        "differences": {} if apart is None else {str(seed): value for seed, value in apart.values.items()},
        "not_a_number": list(summary.lost),
    }


def to_csv(results: Results, score: str = "", baseline: Levels | None = None, columns: Sequence[str] = ()) -> str:
    """Records as CSV: axes by their whole names, then one column for each number. A field without a value is empty.

    An axis that is called as a column is, as n or mean, has "setting" before it. A level is written as it is, also one
    that a spreadsheet would take for a formula.
    """
    made, text = records(results, score, baseline, columns), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    own = [name for name in made[0] if name not in ("setting", *OF_SEEDS)] if made else []
    writer.writerow([*(f"setting {axis}" if axis in own else axis for axis in results.axes), *own])
    for record in made:
        cells = ["" if record[name] is None else record[name] for name in own]
        writer.writerow([*record["setting"].values(), *cells])
    return text.getvalue()


def to_json(results: Results, score: str = "", baseline: Levels | None = None, columns: Sequence[str] = ()) -> str:
    """Everything as JSON: the study, its records with the values of each seed, main effects, and all outcomes.

    A number that is not finite becomes null.
    """
    main = results.chosen(score) if results.columns else ""
    basis = results.baseline if baseline is None else baseline
    axes = [axis for axis, levels in results.axes.items() if len(levels) > 1] if main and len(results.axes) > 1 else []
    at = {axis: number for number, axis in enumerate(results.axes)}
    effects = {
        axis: [_effect(one) for one in main_effects(results, axis, main, basis[at[axis]] if basis else "")]
        for axis in axes
    }
    made = {
        "format": FORMAT,
        "title": results.title,
        "question": results.question,
        "axes": {name: list(levels) for name, levels in results.axes.items()},
        "score": main,
        "baseline": dict(zip(results.axes, basis, strict=True)) if basis else {},
        "records": records(results, score, baseline, columns),
        "main_effects": effects,
        "outcomes": [_outcome(results, at) for at in range(len(results.outcomes))],
        "protocols": dict(results.protocols),
        "reading": results.reading,
        "command": results.command,
        "environment": dict(results.environment),
        "references": list(results.references),
    }
    return json.dumps(_finite(made), indent=1, allow_nan=False) + "\n"


def _effect(one: Compared) -> dict[str, Any]:
    apart = one.difference
    return {
        "level": one.levels[0],
        "mean": one.summary.mean,
        "deviation": one.summary.deviation,
        "n": one.summary.count,
        "difference": apart and apart.mean,
        "difference_low": apart and apart.low,
        "difference_high": apart and apart.high,
        "p": apart and apart.p,
        "p_holm": apart and apart.holm,
    }


def _outcome(results: Results, at: int) -> dict[str, Any]:
    one = results.outcomes[at]
    return {
        "setting": dict(zip(results.axes, one.levels, strict=True)),
        "seed": one.seed,
        "path": one.path,
        "state": one.state,
        "why": one.why,
        "steps": one.steps,
        "length": one.length,
        "seconds": one.seconds,
        "scores": {column(score): score.value for score in one.scores},
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
