"""Asking a run: its probes in one pass, and its tunings one after the other."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console

from kontrast.encoding import Rows
from kontrast.examination import Answer, Found, as_scores, label, rows_hash, told
from kontrast.questions.asked import Asked
from kontrast.questions.where import Where
from kontrast.run import Run
from kontrast.tuning import Tuning


def answered(run: Run, questions: Asked, where: Where, *, lenient: bool, console: Console) -> Found:
    """What a run answers to probes and tunings: scores and panels. With `lenient` a probe that fails is left out."""
    found = Found([], [])
    if questions.probes:
        found = run.examine(
            *questions.probes,
            step=where.step,
            limit=where.limit,
            data=where.data,
            fraction=where.fractions,
            ceiling=where.ceiling,
            cache=where.cache,
            lenient=lenient,
        )
    for tuning in questions.tunings:
        for fraction in where.fractions:
            tuned = _tuned(run, tuning, fraction, where, console)
            found = Found([*found.scores, *tuned.scores], [*found.panels, *tuned.panels])
    return found


def _tuned(run: Run, tuning: Tuning, fraction: float, where: Where, console: Console) -> Found:
    """What a tuning of the run, and of its untrained encoder, found; they train in folders below that of the run."""
    other = where.data if where.data not in (None, run.experiment.data) else None
    name, step = label(tuning, fraction, other), where.step if where.step is not None else run.checkpoint().step
    out = run.path / "tuning" / re.sub(r"[^A-Za-z0-9_.=,-]+", "_", label(tuning))
    options: dict[str, Any] = {"data": where.data, "fraction": fraction, "step": step, "console": console}
    said, before = (start(run, out, **options, **where.training) for start in (tuning, tuning.baseline))
    said = said._replace(protocol="; ".join([said.protocol, *told(other, None)]))
    split = rows_hash(Rows(where.data or run.experiment.data, run.experiment.pairing), fraction)
    beside = {"untrained": Answer(before, split)}
    scores = as_scores(name, Answer(said, split), step, run.experiment.seed, beside)
    return Found(scores, [(name, panel) for panel in said.panels])
