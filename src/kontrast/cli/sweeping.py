"""`kontrast sweep`: a grid of experiments in one command, gone on with after whatever stopped it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from kontrast import methods, parts
from kontrast.questions import families
from kontrast.studies import Axis, Executor, Study, each, grid, paired, settings_of, sweep
from kontrast.studies.axes import METHOD
from kontrast.studies.library import is_named, load
from kontrast.studies.values import Listed, Values, drawn, read
from kontrast.words import built, split_words, truth, whole_number

USAGE = "kontrast sweep METHOD field=a,b,c seed=0..2 out=studies/NAME"
TEXTS = ("question", "score", "title")
ASKING = ("fraction", "limit", "layer")


def sweep_command(words: list[str]) -> None:
    """Run every cell of a grid, or of a study by its name or file, and print the table that answers it."""
    study, given = read_sweep(words)
    out = Path(given.pop("out", f"studies/{study.title or study.method}"))
    where: dict[str, Any] = {"device": given.pop("device", None)}
    where |= {name: truth(given.pop(name, "False"), name) for name in ("again", "compile")}
    where["executor"] = _executor(given)
    if given:
        raise ValueError(f"{next(iter(given))}= is nothing a sweep knows; {USAGE}")
    sweep(study, out, console=Console(stderr=True), **where)


def _executor(given: dict[str, str]) -> Executor:
    name = given.pop("executor", "local")
    known = {one.lower(): cls for one, cls in parts.known(Executor).items()}
    own = {field.partition(".")[2]: given.pop(field) for field in list(given) if field.startswith("executor.")}
    made: Executor = built(known[parts.choose(name.lower(), known, "executor")], own)
    return made


def read_sweep(words: Sequence[str]) -> tuple[Study, dict[str, str]]:
    """The study that words say, and those of its arguments that say where and how."""
    ahead, behind = _flagged(words)
    named, given = split_words(ahead)
    unnamed, changes = split_words(behind)
    if len(named) != 1 or unnamed:
        raise ValueError(f"say what to sweep, one method or study: {USAGE}")
    for field in [field for field in changes if _is_how(field)]:
        given[field] = changes.pop(field)
    how = {field: given.pop(field) for field in list(given) if _is_how(field)}
    command = shlex.join(["kontrast", "sweep", *words])
    if is_named(named[0]):
        if changes:
            raise ValueError("a study has its own cells; leave out --each")
        return _over(load(named[0]), given, how, command), how
    texts = {name: given.pop(name) for name in TEXTS if name in given}
    ask = _asking(given)
    seeds = _seeds(given.pop("seed", "0..2"))
    method, *more = (methods.get(name).name for name in named[0].split(","))
    axes = [Axis.of(METHOD, method, *more)] if more else []
    fixed, varied = _split(given)
    settings = _settings(axes, varied, changes, how)
    baseline = _levels(how.pop("baseline", ""))
    texts = {"question": "", **texts}
    return Study(
        method=method, settings=settings, seeds=seeds, given=fixed, ask=ask, command=command, baseline=baseline, **texts
    ), how


def _over(study: Study, given: dict[str, str], how: dict[str, str], command: str) -> Study:
    """A study with what the command line says instead: seeds, questions, texts, and fields that all cells share."""
    changes: dict[str, Any] = {name: given.pop(name) for name in TEXTS if name in given}
    if "baseline" in how:
        changes["baseline"] = _levels(how.pop("baseline"))
    if "seed" in given:
        changes["seeds"] = _seeds(given.pop("seed"))
    if ask := _asking(given):
        own = {word.partition("=")[0] for word in ask if "=" in word}
        replaced = any("=" not in word for word in ask)
        kept = [word for word in study.ask if word.partition("=")[0] not in own and (not replaced or "=" in word)]
        changes["ask"] = (*kept, *ask)
    for field, text in given.items():
        if read(field, text) is not None:
            raise ValueError(f"{field}={text}: a study has its own cells; give one value, or sweep a method")
    return replace(study, given={**study.given, **given}, command=command, **changes)


HOW = (
    "out",
    "executor",
    "device",
    "again",
    "compile",
    "dry_run",
    "zip",
    "samples",
    "search",
    "search_seed",
    "baseline",
)
"""Arguments that say how and where."""
EACH = "--each"


def _is_how(field: str) -> bool:
    return field in HOW or field.startswith("executor.")


def _flagged(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words before and after --each; other flags as arguments, so that --executor slurm is executor=slurm."""
    flat, rest = list[str](), [*words]
    while rest:
        word = rest.pop(0)
        if word == "--dry-run":
            flat.append("dry_run=True")
        elif word.startswith("--executor"):
            name, equals, value = word.removeprefix("--").partition("=")
            if not equals and not rest:
                raise ValueError("say which executor: --executor local")
            flat.append(f"{name}={value if equals else rest.pop(0)}")
        elif word.startswith("--") and word != EACH:
            raise ValueError(f"a sweep knows no {word}; it knows {EACH}, --dry-run and --executor")
        else:
            flat.append(word)
    if flat.count(EACH) > 1:
        raise ValueError("say --each once, with all changes behind it")
    at = flat.index(EACH) if EACH in flat else len(flat)
    return flat[:at], flat[at + 1 :]


def _asking(given: dict[str, str]) -> tuple[str, ...]:
    """What is asked: names of probes, their options, and of what rows."""
    names = given.pop("ask", "").replace(",", " ").split()
    own = [field for field in given if field in ASKING or field.partition(".")[0].lower() in families()]
    return (*names, *(f"{field}={given.pop(field)}" for field in own))


def _seeds(text: str) -> tuple[int, ...]:
    found = read("seed", text)
    words = (text,) if found is None else found.values if isinstance(found, Listed) else ()
    if not words:
        raise ValueError(f"seed={text} are no whole numbers; write seed=0..4")
    return tuple(whole_number("seed", word) for word in words)


def _split(given: dict[str, str]) -> tuple[dict[str, str], dict[str, Values]]:
    """Fields with one value, and those with several."""
    fixed, varied = dict[str, str](), dict[str, Values]()
    for field, text in given.items():
        values = read(field, text)
        if values is None:
            fixed[field] = text
        elif isinstance(values, Listed) and len(values.values) == 1:
            fixed[field] = values.values[0]
        else:
            varied[field] = values
    return fixed, varied


def _settings(axes: list[Axis], varied: dict[str, Values], changes: dict[str, str], how: dict[str, str]) -> Any:
    samples, together = how.pop("samples", None), how.pop("zip", "")
    if samples is not None:
        seed = whole_number("search_seed", how.pop("search_seed", "0"))
        return settings_of(drawn(varied, whole_number("samples", samples), seed))
    made = {field: _axis(field, values) for field, values in varied.items()}
    for group in filter(None, together.split(",")):
        fields = group.split("+")
        for field in fields:
            parts.choose(field, made, "field with several values")
        made[group] = paired(*(made.pop(field) for field in fields))
    alone = [_axis(field, read(field, text) or Listed((text,))) for field, text in changes.items()]
    return grid(*axes, *made.values(), *([each(*alone)] if alone else []))


def _axis(field: str, values: Values) -> Axis:
    if not isinstance(values, Listed):
        raise ValueError(
            f"{field} has no end of values from {values.low:g} to {values.high:g}; say how many, as in "
            f"{field}={values.low:g}..{values.high:g}:5, or draw them with samples=20"
        )
    return Axis.of(field, *values.values)


def _levels(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
