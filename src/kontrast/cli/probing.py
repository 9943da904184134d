"""`kontrast probe`: what one run learned, or several that differ by their seeds."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from kontrast.blueprints import values
from kontrast.comparing import compare
from kontrast.datasets import Dataset
from kontrast.examination import label
from kontrast.keeping import keep_scores as keep_scores
from kontrast.probes import Probe
from kontrast.probes.probe import listed
from kontrast.questions import EVERY, Asked, Where, answered, asked, usual, whereabouts
from kontrast.report import print_scores
from kontrast.run import Run
from kontrast.scores import Score, over_seeds
from kontrast.words import split_words

SHOWN = 3
"""Names of probes that are left out for one reason; of more than so many the rest is counted."""


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
        found = answered(run, questions, where, lenient=every, console=console)
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
