"""Random search: settings drawn at random, each trained with several seeds, and ranked without labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from rich.console import Console

from kontrast import methods
from kontrast.comparing import compare
from kontrast.experiment import Experiment
from kontrast.files import write_json
from kontrast.lab.plan import FEWEST
from kontrast.lab.ranking import UNLABELED, Search, Setting
from kontrast.probes import MCC, UDR, Probe, Recovery
from kontrast.run import Run
from kontrast.scores import Score
from kontrast.studies.finished import finished
from kontrast.studies.values import Values, drawn
from kontrast.training import Trainer, train

RECORD = "search.json"


@dataclass(frozen=True)
class Plan:
    """What is searched: fields that are given, fields that vary, and with which seeds each setting is trained."""

    method: str
    fixed: Mapping[str, str]
    varied: Mapping[str, Values]
    seeds: tuple[int, ...]
    out: Path
    runs: int = 10
    search_seed: int = 0

    @property
    def settings(self) -> list[dict[str, str]]:
        """The settings that are tried, in the order in which they were drawn; one where nothing varies."""
        return drawn(self.varied, self.runs, self.search_seed)

    def folder(self, number: int, seed: int) -> Path:
        """Where a run is."""
        return self.out / f"{number:03d}" / f"seed-{seed}"

    def experiment(self, setting: Mapping[str, str], seed: int) -> Experiment:
        """The experiment of a run."""
        words = {**self.fixed, **setting, "seed": seed}
        return methods.get(self.method).read([f"{name}={value}" for name, value in words.items()])

    def identity(self) -> dict[str, Any]:
        """What may not change in a folder; more seeds and more runs may come."""
        varied = {name: asdict(values) for name, values in self.varied.items()}
        same = {"method": self.method, "fixed": dict(self.fixed), "varied": varied, "search_seed": self.search_seed}
        found: dict[str, Any] = json.loads(json.dumps(same))
        return found

    def check(self) -> None:
        """A ValueError, before anything is trained, if something of this cannot be done."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are different numbers from 0 on, not {self.seeds}; write seed=0..4")
        if self.runs < 1:
            raise ValueError("a search needs at least one setting; write runs=10")
        if self.out.is_file():
            raise ValueError(f"{self.out} is a file; give another out=")
        there = _read(self.out)
        for name, value in self.identity().items():
            if there and there.get(name) != value:
                was = json.dumps(there.get(name))
                raise ValueError(f"{self.out} holds another search: {name} is {was} there; give another out=")
        settings = self.settings
        for number, setting in enumerate(settings):
            for seed in self.seeds:
                finished(self.folder(number, seed), self.experiment(setting, seed))
        Trainer(self.experiment(settings[0], self.seeds[0]), torch.device("cpu"))


def search(
    plan: Plan,
    *,
    select: Probe | None = None,
    limit: int = 5000,
    again: bool = False,
    threads: int | None = None,
    device: str | None = None,
    compile: bool = False,
    console: Console | None = None,
) -> Search:
    """Train every setting with every seed, and rank the settings.

    Without `select` by UDR, how nearly the runs of one setting have the same coordinates, which asks for no label (Duan
    et al. 2020, arXiv 1905.12614); with it by that probe. MCC and linear R2 stand beside where the latents are known.
    All are of `limit` rows.

    Runs are in out/000/seed-0 and so on. Those that are over are taken as they are and those that were stopped go on,
    so the same call again goes on; one with more seeds or `runs` adds to what is there. A run that fails is recorded in
    out/search.json with the reason and left out; it is tried once more only with `again`. ValueError before anything is
    trained: a setting that means nothing, a folder that holds something else, or a number out of range. As for `train`:
    Interrupted.
    """
    if limit < FEWEST:
        raise ValueError(f"probes need at least {FEWEST} rows, not {limit}; write limit=5000")
    plan.check()
    console = console or Console(stderr=True)
    where: dict[str, Any] = {"threads": threads, "device": device, "compile": compile, "console": console}
    failed = {} if again else dict(_read(plan.out).get("failed", {}))
    probes: tuple[Probe, ...] = (MCC(), Recovery(), *([select] if select else []))
    found, name = list[Setting](), UNLABELED if select is None else _named(select)
    for number, words in enumerate(plan.settings):
        runs = {}
        for seed in plan.seeds:
            run = _trained(plan, number, words, seed, failed, where)
            if run is not None:
                runs[seed] = run
        why = {seed: text for seed in plan.seeds if (text := failed.get(_key(plan, number, seed)))}
        found.append(_scored(number, words, runs, why, probes, limit))
        result = _ranked(plan, name, found, limit)
        _write(plan, result, failed)
    return result


def _key(plan: Plan, number: int, seed: int) -> str:
    return plan.folder(number, seed).relative_to(plan.out).as_posix()


def _trained(
    plan: Plan, number: int, words: Mapping[str, str], seed: int, failed: dict[str, str], where: dict[str, Any]
) -> Run | None:
    """A run of the search, trained or gone on with unless it is over; None if it failed."""
    folder, experiment = plan.folder(number, seed), plan.experiment(words, seed)
    run, key = finished(folder, experiment), _key(plan, number, seed)
    said = ", trained already" if run else f", failed before: {failed[key]}" if key in failed else ""
    shown = " ".join(f"{name}={value}" for name, value in words.items())
    where["console"].print(f"{key} {shown}{said}", highlight=False, markup=False, soft_wrap=True)
    if run or key in failed:
        return run
    try:
        return train(experiment, folder, resume=(folder / "experiment.json").exists(), **where)
    except (ArithmeticError, ValueError, MemoryError, RuntimeError) as error:
        if hasattr(error, "status"):  # a signal asked to leave: nothing failed
            raise
        failed[key] = (str(error) or repr(error)).splitlines()[0]
        _write(plan, None, failed)
        where["console"].print(f"failed: {failed[key]}", highlight=False, markup=False, soft_wrap=True)
        return None


def _scored(
    number: int,
    words: dict[str, str],
    runs: Mapping[int, Run],
    why: dict[int, str],
    probes: Sequence[Probe],
    limit: int,
) -> Setting:
    """What the runs of a setting that came to an end have in common, and what each recovered."""
    udr, tables = None, list[dict[str, float]]()
    if len(runs) > 1:
        rows = compare([*runs.values()], UDR(), baselines=False, limit=limit).scores
        udr = next(row.value for row in rows if row.metric.endswith("/mean"))
    for run in runs.values():
        refused = run.refusals(*probes)
        asked = [probe for probe in dict.fromkeys(probes) if probe not in refused]
        rows = run.examine(*asked, baselines=False, limit=limit).scores if asked else []
        tables.append(dict(_main(rows, asked)))
    columns = {name: [table[name] for table in tables] for name in (tables[0] if tables else {})}
    means = {name: mean(values) for name, values in columns.items()}
    spread = {name: stdev(values) if len(values) > 1 else 0.0 for name, values in columns.items()}
    return Setting(number, words, udr, means, spread, tuple(runs), why)


def _named(probe: Probe) -> str:
    return type(probe).__name__.lower()


def _main(rows: Sequence[Score], asked: Sequence[Probe]) -> Iterator[tuple[str, float]]:
    """The score that stands for each probe: the mean over what it scores, or else its first."""
    for probe in asked:
        own = [row for row in rows if row.probe.split("@")[0].split(" ")[0].lower() == _named(probe)]
        if own:
            yield _named(probe), next((row.value for row in own if row.of == "mean"), own[0].value)


def _ranked(plan: Plan, select: str, found: Sequence[Setting], limit: int) -> Search:
    def height(one: Setting) -> float:
        value = one.value(select)
        return -float("inf") if value is None or value != value else value

    protocol = (
        f"{len(found)} of {len(plan.settings)} settings drawn with search_seed={plan.search_seed}, seeds "
        f"{', '.join(map(str, plan.seeds))}; on {limit:,} rows of each split; best first by {select}"
    )
    return Search(plan.out, select, tuple(sorted(found, key=height, reverse=True)), protocol)


def _read(out: Path) -> dict[str, Any]:
    """search.json as it is; empty where it is not there."""
    try:
        found = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("failed"), dict):
        raise ValueError(f"{out / RECORD} is damaged; delete it, and finished runs are found all the same")
    return found


def _write(plan: Plan, result: Search | None, failed: Mapping[str, str]) -> None:
    content: dict[str, Any] = {**plan.identity(), "seeds": list(plan.seeds), "runs": plan.runs, "failed": dict(failed)}
    if result is not None:
        names = sorted({name for one in result.settings for name in one.scores})
        content |= {"select": result.select, "protocol": result.protocol}
        content |= {"agreement": {name: result.agreement(name) for name in names}}
        content |= {"settings": [asdict(one) for one in result.settings]}
    write_json(plan.out / RECORD, content)
