"""`kontrast search`: settings drawn at random, trained over seeds, and ranked without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast import methods, parts
from kontrast.cli.laboratory import read_seeds
from kontrast.cli.sweeping import read_executor
from kontrast.cli.varying import check_once, split
from kontrast.lab.ranking import UNLABELED, Search, Setting
from kontrast.lab.search import Plan, search
from kontrast.probes import Probe
from kontrast.questions import asked
from kontrast.studies import Executor
from kontrast.words import split_words, truth, whole_number

USAGE = "kontrast search METHOD field=a,b,c field=0.1..0.9 field=log:1e-4..1e-2 seed=0..4 runs=12 out=FOLDER"
SHOWN = {UNLABELED: "UDR", "mcc": "MCC", "recovery": "R²"}


def search_command(words: list[str]) -> None:
    """Draw settings of METHOD, train each with each seed, and print them, the best first."""
    named, given = split_words(words)
    if len(named) != 1:
        raise ValueError(f"say which method: {USAGE}")
    check_once(words)
    where: dict[str, Any] = {"device": given.pop("device", None)}
    where |= {field: whole_number(field, given.pop(field)) for field in ("limit",) if field in given}
    where |= {field: truth(given.pop(field, "False"), field) for field in ("compile", "again")}
    where |= {"select": _select(given), "executor": _executor(given)}
    numbers = {
        field: whole_number(field, given.pop(field, usual)) for field, usual in (("runs", "10"), ("search_seed", "0"))
    }
    seeds, out = read_seeds(given.pop("seed", "0..2")), Path(given.pop("out", f"runs/search-{named[0]}"))
    fixed, varied = split(given)
    plan = Plan(methods.get(named[0]).name, fixed, varied, seeds, out, **numbers)
    print_search(search(plan, console=Console(stderr=True), **where), Console())


def _executor(given: dict[str, str]) -> Executor:
    """Where runs are trained; threads= are those of each."""
    if "threads" in given:
        given.setdefault("executor.threads", given.pop("threads"))
    return read_executor(given)


def _select(given: dict[str, str]) -> Probe | None:
    """The probe that ranks settings, with its PROBE.field=value options; None for UDR."""
    name = given.pop("select", UNLABELED).lower()
    if name == UNLABELED:
        return None
    known = [probe.lower() for probe in parts.known(Probe)]
    parts.choose(name, [UNLABELED, *known], "ranking")
    own = {field: given.pop(field) for field in list(given) if field.partition(".")[0].lower() == name}
    return asked([name], own, None, [Probe]).probes[0]


def print_search(found: Search, console: Console) -> None:
    """Settings down, the best first: what was drawn, UDR, and what is known of the truth."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    drawn = [*dict.fromkeys(name for one in found.settings for name in one.words)]
    scores = [*dict.fromkeys(name for one in found.settings for name in one.scores)]
    table.add_column("setting", justify="right")
    ends = [name.rpartition(".")[2] for name in drawn]
    for name, end in zip(drawn, ends, strict=True):
        table.add_column(end if ends.count(end) == 1 else name, overflow="fold")
    for name in (UNLABELED, *scores, "seeds"):
        table.add_column(SHOWN.get(name, name), justify="right", no_wrap=True)
    for one in found.settings:
        cells = [_cell(one, name) for name in (UNLABELED, *scores)]
        seeds = f"{len(one.seeds)}" + (f", {len(one.failed)} failed" if one.failed else "")
        table.add_row(*map(Text, [f"{one.number:03d}", *(one.words.get(name, "") for name in drawn), *cells, seeds]))
    console.print(table)
    for sentence in verdict(found):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(found.protocol, "dim"), soft_wrap=True)
    console.print(Text(f"all numbers: {found.out / 'search.json'}", "dim"), soft_wrap=True)


def _cell(one: Setting, name: str) -> str:
    value = one.value(name)
    if value is None:
        return ""
    return f"{value:.3f}" + (f" ± {one.spread[name]:.3f}" if len(one.seeds) > 1 and name in one.spread else "")


def verdict(found: Search) -> list[str]:
    """Whether the choice without labels was a good one, for each score that is known."""
    by_udr = [one for one in found.settings if one.udr is not None]
    if len(by_udr) < 2:
        return []
    chosen = max(by_udr, key=lambda one: one.udr or 0.0)
    sentences = []
    for name in dict.fromkeys(name for one in by_udr for name in one.scores):
        known = [one for one in by_udr if name in one.scores]
        best = max(known, key=lambda one: one.scores[name])
        label, agreement = SHOWN.get(name, name), found.agreement(name)
        order = "" if agreement is None else f"; rank correlation of UDR and {label} over settings: {agreement:.2f}"
        picked = f"UDR picks setting {chosen.number:03d} of {label} {chosen.scores.get(name, float('nan')):.3f}"
        sentences.append(f"{picked}; the best has {best.scores[name]:.3f} (setting {best.number:03d}){order}")
    return sentences
