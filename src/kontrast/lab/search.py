"""Random search: settings drawn at random, each trained with several seeds, and ranked without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console

from kontrast.comparing import compare
from kontrast.files import write_json
from kontrast.keeping import keep_scores
from kontrast.lab.plan import FEWEST
from kontrast.lab.ranking import UNLABELED, Search, Setting
from kontrast.probes import MCC, UDR, Probe, Recovery
from kontrast.run import Run
from kontrast.scores import Score
from kontrast.studies import Executor, Study, settings_of
from kontrast.studies.guided import RECORD, searching
from kontrast.studies.records import read_record
from kontrast.studies.sweep import perform_cells, runs
from kontrast.studies.values import Values, drawn


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
    def study(self) -> Study:
        """The settings that are tried, in the order in which they were drawn; one where nothing varies.

        Its runs are asked nothing by themselves: they are compared with each other.
        """
        if self.runs < 1:
            raise ValueError("a search needs at least one setting; write runs=10")
        settings = settings_of(drawn(self.varied, self.runs, self.search_seed))
        return Study("", self.method, settings, self.seeds, self.fixed, ask=(UNLABELED,))

    def identity(self) -> dict[str, Any]:
        """What may not change in a folder; more seeds and more runs may come."""
        varied = {name: asdict(values) for name, values in self.varied.items()}
        return {"method": self.method, "fixed": dict(self.fixed), "varied": varied, "search_seed": self.search_seed}


def search(
    plan: Plan,
    *,
    select: Probe | None = None,
    limit: int = 5000,
    again: bool = False,
    executor: Executor | None = None,
    device: str | None = None,
    compile: bool = False,
    console: Console | None = None,
) -> Search:
    """Train every setting with every seed, and rank the settings.

    Without `select` by UDR, how nearly the runs of one setting have the same coordinates, which asks for no label (Duan
    et al. 2020, arXiv 1905.12614); with it by that probe. MCC and linear R2 stand beside where the latents are known.
    All are of `limit` rows.

    The folder is that of a study, and runs are its cells, as in `kontrast.studies.sweep`: those that are over are taken
    as they are and those that were stopped go on, so the same call again goes on; one with more seeds or `runs` adds to
    what is there. A run that fails is recorded with the reason and left out; it is tried once more only with `again`.
    ValueError before anything is trained: a setting that means nothing, a folder that holds something else, or a number
    out of range. As for `train`: Interrupted.
    """
    if limit < FEWEST:
        raise ValueError(f"probes need at least {FEWEST} rows, not {limit}; write limit=5000")
    study, out, console = plan.study, plan.out, console or Console(stderr=True)
    probes: tuple[Probe, ...] = (MCC(), Recovery(), *([select] if select else []))
    with searching(study, plan.identity(), out, again) as whole:
        perform_cells(whole, out, executor=executor, again=again, device=device, compile=compile, console=console)
        found = [_scored(study, number, out, probes, limit) for number in range(len(study.settings))]
        result = _ranked(plan, UNLABELED if select is None else _named(select), found, limit)
        _write(plan, result)
    return result


def _scored(study: Study, number: int, out: Path, probes: Sequence[Probe], limit: int) -> Setting:
    """What the runs of a setting that came to an end have in common, and what each recovered."""
    setting = study.settings[number]
    cells = [cell for cell in study.cells() if cell.setting == setting]
    done = runs(study, out).get(study.levels(setting), {})
    why = {cell.seed: record.why for cell in cells if (record := read_record(out, cell.name)).state == "failed"}
    udr, tables = None, list[dict[str, float]]()
    if len(done) > 1:
        rows = compare([*done.values()], UDR(), baselines=False, limit=limit).scores
        udr = next(row.value for row in rows if row.metric.endswith("/mean"))
    for run in done.values():
        tables.append(dict(_recovered(run, probes, limit)))
    columns = {name: [table[name] for table in tables] for name in (tables[0] if tables else {})}
    means = {name: mean(values) for name, values in columns.items()}
    spread = {name: stdev(values) if len(values) > 1 else 0.0 for name, values in columns.items()}
    path = Path(cells[0].name).parent.as_posix()
    return Setting(number, dict(setting.words), udr, means, spread, tuple(done), why, path)


def _recovered(run: Run, probes: Sequence[Probe], limit: int) -> Iterator[tuple[str, float]]:
    """What probes that have something to ask of a run say, which its folder keeps; the score of each that stands."""
    refused = run.refusals(*probes)
    asked = [probe for probe in dict.fromkeys(probes) if probe not in refused]
    if asked:
        found = run.examine(*asked, baselines=False, limit=limit)
        keep_scores(run.path, found.scores, found.panels)
        yield from _main(found.scores, asked)


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
        f"{len(found)} settings drawn with search_seed={plan.search_seed}, seeds {', '.join(map(str, plan.seeds))}; on "
        f"{limit:,} rows of each split; best first by {select}"
    )
    return Search(plan.out, select, tuple(sorted(found, key=height, reverse=True)), protocol)


def _write(plan: Plan, result: Search) -> None:
    """Keep the ranking beside what may not change of the search."""
    names = sorted({name for one in result.settings for name in one.scores})
    content: dict[str, Any] = {**plan.identity(), "seeds": list(plan.seeds), "runs": plan.runs}
    content |= {"select": result.select, "protocol": result.protocol}
    content |= {"agreement": {name: result.agreement(name) for name in names}}
    write_json(plan.out / RECORD, {**content, "settings": [asdict(one) for one in result.settings]})
