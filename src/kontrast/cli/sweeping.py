"""`kontrast sweep`: a grid of experiments in one command, gone on with after whatever stopped it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from kontrast import methods, parts
from kontrast.cli.answering import settled
from kontrast.cli.planned import show_plan
from kontrast.cli.varying import EACH, VARYING, check_lists, check_once, check_size, levels, settings, split
from kontrast.probes import Comparison
from kontrast.questions import families
from kontrast.report import conclude
from kontrast.results import effects, print_table, table
from kontrast.studies import Executor, Study, sweep
from kontrast.studies.answers import write_answers
from kontrast.studies.guided import Guided, search
from kontrast.studies.library import is_named, known, load
from kontrast.studies.values import Listed, read
from kontrast.words import built, split_words, truth, whole_number

USAGE = "kontrast sweep METHOD field=a,b,c seed=0..2 out=studies/NAME"
TEXTS = ("question", "score", "title")
ASKING = ("fraction", "limit", "layer")


def sweep_command(words: list[str]) -> None:
    """Run every cell of a grid, or of a study by its name or file, and print the table that answers it."""
    study, given = read_sweep(words)
    named = re.sub(r"[^\w.-]+", "-", study.title).strip(".-")
    out = Path(given.pop("out", f"studies/{named or study.method}"))
    where: dict[str, Any] = {"device": given.pop("device", None)}
    where |= {name: truth(given.pop(name, "False"), name) for name in ("again", "compile")}
    where["executor"] = read_executor(given)
    where["pages"] = truth(given.pop("pages", "True"), "pages")
    dry = truth(given.pop("dry_run", "False"), "dry_run")
    if given:
        raise ValueError(f"{next(iter(given))}= is nothing a sweep knows; {USAGE}")
    if dry:
        return show_plan(study, out, where["executor"], where["again"], where["device"])
    console = Console(stderr=True)
    if isinstance(study, Guided):
        search(study, out, console=console, **where)
    else:
        sweep(study, out, console=console, **where)
    return show(out)


def show(out: Path) -> None:
    """Write the answers of a study into its folder and print them. RuntimeError where cells failed."""
    results = write_answers(out)
    if results.columns:
        tabled = settled(results)
        for each in filter(None, (table(tabled), effects(tabled))):
            print_table(each)
        print(f"\n{conclude(results)}")
    print(f"The page: {out / 'report.html'}")
    failed = [*results.failures()]
    for one in failed:
        print(f"failed {one.path}: {one.why}", file=sys.stderr)
    if failed:
        total = len(results.outcomes)
        raise RuntimeError(f"{len(failed)} of {total} cells failed; again=True tries them once more")
    left = [one for one in results.outcomes if one.state != "done"]
    for one in left:
        print(f"not over {one.path}: {one.why or 'another process is at work in it'}", file=sys.stderr)
    if left:
        raise RuntimeError(f"{len(left)} of {len(results.outcomes)} cells are not over; the same command goes on")


def read_executor(given: dict[str, str]) -> Executor:
    """Take the executor from the arguments, with its own fields."""
    name = given.pop("executor", "local")
    known = {one.lower(): cls for one, cls in parts.known(Executor).items()}
    own = {field.partition(".")[2]: given.pop(field) for field in list(given) if field.startswith("executor.")}
    made: Executor = built(known[parts.choose(name.lower(), known, "executor")], own)
    return made


def read_sweep(words: Sequence[str]) -> tuple[Study, dict[str, str]]:
    """The study that words say, and those of its arguments that say where and how."""
    ahead, behind = _flagged(words)
    check_once([*ahead, *(word for word in behind if _is_shared(word.partition("=")[0]))])
    check_once(behind)
    named, given = split_words(ahead)
    unnamed, changes = split_words(behind)
    if len(named) > 1 and set(named) <= {*methods.known()}:
        raise ValueError(f"several methods are one word; write {','.join(named)}")
    if len(named) != 1 or unnamed:
        raise ValueError(f"say what to sweep, one method or study: {USAGE}")
    for field in (field for field, text in {**given, **changes}.items() if not text):
        raise ValueError(f"{field}= has no value; write one, or several as {field}=a,b")
    for field in [field for field in changes if _is_shared(field)]:
        given[field] = changes.pop(field)
    if EACH in words and not changes:
        raise ValueError(f"{EACH} has no change behind it; write {EACH} batch=64 objective.temperature=0.1,1")
    how = {field: given.pop(field) for field in list(given) if _is_how(field)}
    command = shlex.join(["kontrast", "sweep", *(word for word in words if not word.startswith("again="))])
    if is_named(named[0]):
        if changes:
            raise ValueError("a study has its own cells; leave out --each")
        return _over(load(named[0]), given, how, command), how
    texts = {name: given.pop(name) for name in TEXTS if name in given}
    ask, repeated = _asking(given), "seed" in given
    seeds = _seeds(given.pop("seed", "0..2"))
    if not set(named[0].split(",")) & {*methods.known()} and "-" not in named[0]:
        parts.choose(named[0], [*methods.known(), *known()], "method or study")
    named = [methods.get(name).name for name in named[0].split(",") if name]
    fixed, varied = split(given)
    found = settings(named, varied, changes, how)
    if not repeated and found.searched is None and len(found.settings) == 1:
        raise ValueError("nothing varies; write a field with several values, as in batch=64,128, or seed=0..4 alone")
    said: dict[str, Any] = {"question": "", **texts, "given": fixed, "ask": ask, "command": command}
    kind = Study if found.searched is None else Guided
    study = kind(method=named[0], settings=found.settings, seeds=seeds, **said, **(found.searched or {}))
    check_size(study)
    check_lists(study, {**given, **changes})
    return replace(study, baseline=levels(study, how.pop("baseline", ""))), how


def _over(study: Study, given: dict[str, str], how: dict[str, str], command: str) -> Study:
    """A study with what the command line says instead: seeds, questions, texts, and fields that all cells share."""
    changes: dict[str, Any] = {name: given.pop(name) for name in TEXTS if name in given}
    if "baseline" in how:
        changes["baseline"] = levels(study, how.pop("baseline"))
    for field in (field for field in VARYING if field in how):
        raise ValueError(f"{field}={how[field]}: a study has its own cells; leave it out, or sweep a method")
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
    instead = {"steps": "epochs", "epochs": "steps"}
    dropped = {other for field, other in instead.items() if field in given and other not in given}
    own_fields = {field: text for field, text in study.given.items() if field not in dropped}
    return replace(study, given={**own_fields, **given}, command=command, **changes)


HOW = ("out", "executor", "device", "again", "compile", "dry_run", "pages", "baseline", *VARYING)
"""Arguments that say how and where."""


def _is_how(field: str) -> bool:
    return field in HOW or field.startswith("executor.")


def _is_shared(field: str) -> bool:
    """Whether an argument is of all cells, also behind --each."""
    return _is_how(field) or _is_asking(field) or field in (*TEXTS, "seed")


def _is_asking(field: str) -> bool:
    return field == "ask" or field in ASKING or field.partition(".")[0].lower() in families()


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
    own = [field for field in given if _is_asking(field)]
    several = {name.lower() for name in parts.known(Comparison)}
    for name in (name for name in names if name.lower() in several):
        raise ValueError(
            f"{name} compares runs, and a cell is one run; write kontrast compare with the runs of a study, or "
            "kontrast search, which ranks settings by udr"
        )
    return (*names, *(f"{field}={given.pop(field)}" for field in own))


def _seeds(text: str) -> tuple[int, ...]:
    found = read("seed", text)
    words = (text,) if found is None else found.values if isinstance(found, Listed) else ()
    if not words:
        raise ValueError(f"seed={text} are no whole numbers; write seed=0..4")
    return tuple(whole_number("seed", word) for word in words)
