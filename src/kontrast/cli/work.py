"""`kontrast train`, and what its words have in common with those of other commands."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from kontrast import methods
from kontrast.cli.probing import choose_probes as choose_probes
from kontrast.cli.probing import keep_scores as keep_scores
from kontrast.run import Run
from kontrast.training import train
from kontrast.training.distributed import rank
from kontrast.words import built as built
from kontrast.words import split_words as split_words
from kontrast.words import truth as truth
from kontrast.words import whole_number as whole_number

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
