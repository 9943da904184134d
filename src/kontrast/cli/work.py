"""`kontrast train` and `kontrast probe`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chz
from chz.blueprint import Castable
from rich.console import Console

from kontrast import methods, parts
from kontrast.blueprints import make
from kontrast.parts import Part
from kontrast.probes import Probe
from kontrast.report import print_scores
from kontrast.run import Run
from kontrast.scores import Score, read_scores, write_scores
from kontrast.training import train
from kontrast.training.distributed import rank

WHERE = {
    "out": str,
    "device": str,
    "threads": int,
    "save_seconds": float,
    "wait_seconds": float,
    "place": str,
    "track": str,
}
"""Arguments of `train` that say where and how, not what: no part of the experiment."""


FIELD = re.compile(r"((?:\.\.\.)?\w+(?:\.\w+)*)=(.*)", re.DOTALL)


def split_words(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words as they are, and field=value arguments by field. A path with an equals sign is a word, as in ./a=b."""
    found = [(word, FIELD.fullmatch(word)) for word in words]
    return [word for word, field in found if not field], {field[1]: field[2] for _, field in found if field}


def truth(text: str, field: str) -> bool:
    """True or False, as a command line says it."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError(f"{field}={text} is neither True nor False; write {field}=True")
    return words[text.lower()]


def train_command(words: list[str]) -> None:
    """Train METHOD, or go on with the run in out= where resume=True and no method is named."""
    named, given = split_words(words)
    resume = truth(given.pop("resume", "False"), "resume")
    where: dict[str, Any] = {"compile": truth(given.pop("compile", "False"), "compile")}
    for field in list(given):
        if field in WHERE:
            where[field] = _number(field, given.pop(field))
    if len(named) > 1:
        raise ValueError(f"train takes one method, not {' '.join(named)}; write options as field=value")
    arguments = [f"{field}={value}" for field, value in given.items()]
    if named:
        experiment = methods.get(named[0]).read(arguments)
    elif resume and "out" in where and not arguments:
        experiment = Run(where["out"]).experiment
    else:
        raise ValueError(f"say what to train: kontrast train METHOD, one of {', '.join(methods.known())}")
    console = Console(stderr=True)
    run = train(experiment, resume=resume, console=console, **where)
    if rank() > 0:
        return
    found = run.checkpoint()
    print(f"{run.path}: step {found.step}, parameters {found.state['fingerprint'][:16]}")
    print(f"next: kontrast probe {run.path}    kontrast report {run.path}")


def _number(field: str, text: str) -> Any:
    try:
        return WHERE[field](text)
    except ValueError:
        raise ValueError(f"{field}={text} is no number; write {field}=2") from None


def probe_command(words: list[str]) -> None:
    """Ask probes of a run, print a table, and keep the scores in the run's folder."""
    named, given = split_words(words)
    if not named:
        raise ValueError("say which run to probe: kontrast probe runs/simclr linear knn")
    run = Run(named[0])
    step = whole_number("checkpoint", given.pop("checkpoint")) if given.get("checkpoint", "last") != "last" else None
    given.pop("checkpoint", None)
    limit = whole_number("limit", given.pop("limit")) if "limit" in given else None
    rows = run.probe(*choose_probes(named[1:], given, run), step=step, limit=limit)
    keep_scores(run.path, rows)
    print_scores(rows, Console())


def whole_number(field: str, text: str) -> int:
    """A number from 0 on, as a command line says it."""
    if not text.isdecimal() or not text.isascii():
        raise ValueError(f"{field}={text} is no whole number; write {field}=10")
    return int(text)


def built(cls: type[Part], given: Mapping[str, str]) -> Any:
    """A part from fields as a command line says them; ValueError where a field is unknown, missing or cannot be read.

    Fields of the parts that it holds have dots, as in of.root.
    """
    names = chz.chz_fields(cls)
    for field in given:
        if not names:
            raise ValueError(f"there is no field of {cls.__name__}, which has no options; leave out {field}=")
        parts.choose(field.split(".")[0] or field, names, f"field of {cls.__name__}")
    plan: chz.Blueprint[Any] = chz.Blueprint(cls).apply({field: Castable(text) for field, text in given.items()})
    try:
        return make(plan)
    except ValueError as error:
        if missing := re.search(r"Missing required arguments for parameter\(s\): (.+)", str(error)):
            raise ValueError(f"{cls.__name__} needs {missing[1]}; write {missing[1].split(', ')[0]}=...") from None
        raise


def choose_probes(names: list[str], options: dict[str, str], run: Run) -> list[Probe]:
    """Probes by name, whatever the case, with `probe.field=value` options; without a name, all that the data allow."""
    known = {name.lower(): cls for name, cls in parts.known(Probe).items()}
    if not names:
        names = ["linear", "knn"] if run.experiment.data.classes else []
        names += ["recovery", "mcc"] if run.experiment.data.factors else []
    if not names:
        raise ValueError(
            f"{type(run.experiment.data).__name__} has neither labels nor latents, so there is nothing to probe"
        )
    chosen = [parts.choose(name.lower(), known, "probe") for name in names]
    for field in options:
        if field.partition(".")[0].lower() not in chosen:
            raise ValueError(f"{field} belongs to no probe asked for; write options as {chosen[0]}.field=value")
    made: list[Probe] = []
    for name in chosen:
        own = {f.partition(".")[2]: v for f, v in options.items() if f.partition(".")[0].lower() == name}
        made.append(built(known[name], own))
    return made


def keep_scores(folder: Path, rows: list[Score]) -> None:
    """Write scores.json: these rows, and those of other probes of the same checkpoint that were there."""
    path = folder / "scores.json"
    probed, at = {row.probe for row in rows}, {row.step for row in rows}
    there = read_scores(path) if path.exists() else []
    before = [row for row in there if row.probe not in probed and row.step in at]
    write_scores(path, [*before, *rows])
