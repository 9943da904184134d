"""`kontrast probe`: what one run learned, or several that differ by their seeds."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from kontrast import parts
from kontrast.blueprints import values
from kontrast.cli.keeping import keep_scores as keep_scores
from kontrast.cli.questions import EVERY, Asked, asked, usual
from kontrast.cli.words import built, split_words, truth, whole_number
from kontrast.comparing import compare
from kontrast.datasets import Dataset
from kontrast.encoding import Rows
from kontrast.examination import Answer, Found, as_scores, check_fractions, label, rows_hash, told
from kontrast.probes import Probe
from kontrast.probes.probe import listed
from kontrast.report import print_scores
from kontrast.run import Run
from kontrast.scores import Score, over_seeds
from kontrast.tuning import Tuning

SHOWN = 3
"""Names of probes that are left out for one reason; of more than so many the rest is counted."""


class Where(NamedTuple):
    """Of which rows and which checkpoint something is asked."""

    step: int | None
    limit: int | None
    data: Dataset | None
    fractions: tuple[float, ...]
    ceiling: Run | None
    cache: bool
    training: dict[str, Any]


def probe_command(words: list[str]) -> None:
    """Ask probes of runs, print a table, and keep the scores in the folder of each run."""
    named, given = split_words(words)
    runs, names = _runs(named)
    where = whereabouts(given)
    layer = given.pop("layer", None)
    questions = asked(names, given, layer) if names else usual(runs[0].experiment.data, given, layer)
    every = EVERY in (name.lower() for name in names)
    if where.training and not questions.tunings:
        raise ValueError(f"{next(iter(where.training))}= is for tunings, and none is asked for; leave it out")
    if questions.comparisons and len(runs) < 2:
        raise ValueError(
            f"{label(questions.comparisons[0])} compares runs, and {runs[0].path} is one; give two or more"
        )
    for run, tuning in itertools.product(runs, questions.tunings):
        tuning.check(run, where.data, min(where.fractions))
    if not names or every:
        questions = _possible(questions, runs[0], where.data, quiet=not every)
    console, tables = Console(stderr=True), list[list[Score]]()
    for run in runs:
        found = _examined(run, questions, where, every, console)
        path = keep_scores(run.path, found.scores, found.panels)
        if path.name != "scores.json":
            console.print(f"of a checkpoint before the last: kept in {path}", soft_wrap=True, highlight=False)
        tables.append(found.scores)
    rows = over_seeds(tables)
    rows += _compared(runs, questions, where) if questions.comparisons else []
    print_scores(rows, Console())


def _runs(named: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The runs that come first, which differ by their seeds alone, and the names of what to ask of them."""
    if not named:
        raise ValueError("say which run to probe: kontrast probe runs/simclr linear knn")
    first, *rest = named
    count = next((at for at, word in enumerate(rest) if not (Path(word) / "experiment.json").is_file()), len(rest))
    runs = [Run(word) for word in (first, *rest[:count])]
    unlike = [word for word in rest[count:] if "/" in word and "@" not in word]
    if unlike:
        raise ValueError(f"{unlike[0]} is no run: it has no experiment.json; give the out= of a kontrast train")
    one = values(runs[0].experiment)
    for run in runs[1:]:
        other = values(run.experiment)
        differing = [key for key in {**one, **other} if one.get(key) != other.get(key) and key != "seed"]
        if differing:
            shown = ", ".join(f"{key} ({one.get(key)} and {other.get(key)})" for key in differing[:3])
            raise ValueError(
                f"{runs[0].path} and {run.path} differ in {shown}; give runs that differ by their seed alone"
            )
    seeds = [run.experiment.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(
            f"two of these runs have one seed ({', '.join(map(str, seeds))}); give runs of different seeds"
        )
    return runs, list(rest[count:])


def whereabouts(given: dict[str, str]) -> Where:
    """Take from the arguments those that say of what rows something is asked."""
    step, limit = given.pop("checkpoint", "last"), given.pop("limit", None)
    return Where(
        whole_number("checkpoint", step) if step != "last" else None,
        whole_number("limit", limit) if limit is not None else None,
        _data(given),
        check_fractions([_share(text) for text in given.pop("fraction", "1").split(",")]),
        Run(given.pop("ceiling")) if "ceiling" in given else None,
        truth(given.pop("cache", "True"), "cache"),
        {name: _training(name, given.pop(name)) for name in ("device", "threads") if name in given},
    )


def _training(name: str, text: str) -> Any:
    return whole_number(name, text) if name == "threads" else text


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"fraction={text} is no number; write fraction=0.1, or several as fraction=.01,.1,1") from None


def _data(given: dict[str, str]) -> Dataset | None:
    own = {field.partition(".")[2]: given.pop(field) for field in list(given) if field.startswith("data.")}
    name = given.pop("data", None)
    if name is None:
        if own:
            raise ValueError(f"data.{next(iter(own))} needs to know of which data set it is; write data=NAME too")
        return None
    made: Dataset = built(parts.resolve(Dataset, name), own)
    return made


def _possible(questions: Asked, run: Run, data: Dataset | None, quiet: bool) -> Asked:
    """The probes that the data allow; a line for each reason why others are left out."""
    refused = run.refusals(*questions.probes, data=data)
    reasons: dict[str, list[str]] = {}
    for probe, why in refused.items():
        reasons.setdefault(why, []).append(label(probe))
    for why, names in reasons.items():
        if not quiet or len(refused) == len(questions.probes):
            shown = names if len(names) <= SHOWN else [*names[: SHOWN - 1], f"{len(names) - SHOWN + 1} more"]
            warnings.warn(f"{listed(shown)} left out: {why}", stacklevel=2)
    return questions._replace(probes=[probe for probe in questions.probes if probe not in refused])


def _examined(run: Run, questions: Asked, where: Where, lenient: bool, console: Console) -> Found:
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


def _compared(runs: list[Run], questions: Asked, where: Where) -> list[Score]:
    found = compare(
        runs, *questions.comparisons, step=where.step, limit=where.limit, data=where.data, cache=where.cache
    )
    for run in runs:
        step = where.step if where.step is not None else run.checkpoint().step
        keep_scores(run.path, [replace(row, step=step) for row in found.scores], found.panels)
    return found.scores


def choose_probes(names: list[str], options: dict[str, str], run: Run) -> list[Probe]:
    """Probes by name, whatever the case, with `probe.field=value` options; without a name, all that the data allow."""
    if names:
        return asked(names, options, None).probes
    return _possible(usual(run.experiment.data, options, None), run, None, quiet=True).probes
