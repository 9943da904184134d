"""A search: a study whose settings are proposed, round by round, by what a probe said of those before."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, TypeVar

from rich.console import Console

from kontrast.examination import label
from kontrast.files import write_json
from kontrast.results import Results, column
from kontrast.results.numbers import direction
from kontrast.studies.axes import Axis, Setting, settings_of
from kontrast.studies.collect import collect
from kontrast.studies.executors import Executor
from kontrast.studies.guides import Guide, guide_of, guided
from kontrast.studies.proposing import Told, propose
from kontrast.studies.records import DEFINITION, LOCK, Record, claimed, is_study, read_record, record_path, write_study
from kontrast.studies.study import Study
from kontrast.studies.sweep import check, perform_cells, runs
from kontrast.studies.values import Values, drawn

RECORD = "search.json"
FIRST = 10
"""Settings that are drawn at random before any is proposed."""


@dataclass(frozen=True)
class Guided(Study):
    """A study of `samples` settings of all that is `varied`, by names of fields or of axes that set `several`.

    The first ten are drawn at random with `search_seed`. Then rounds of `at_once` settings are proposed by Optuna, for
    the best of `score` on training rows that its probe was not fitted on. `settings` are those of the first round.
    """

    varied: Mapping[str, Values] = field(default_factory=dict)
    several: tuple[Axis, ...] = ()
    samples: int = 20
    search_seed: int = 0
    at_once: int = 4

    def __post_init__(self) -> None:
        if self.samples < 1 or self.at_once < 1:
            raise ValueError("a search needs at least one setting at a time; write samples=20 at_once=4")
        super().__post_init__()

    def identity(self) -> dict[str, Any]:
        """What may not change in a folder; more samples and seeds may come."""
        several = {axis.name: {level: dict(words) for level, words in axis.levels.items()} for axis in self.several}
        return {
            "search": "optuna",
            "varied": {name: asdict(values) for name, values in self.varied.items()},
            "several": several,
            "search_seed": self.search_seed,
            "at_once": self.at_once,
            "score": self.score,
        }


def first_round(
    varied: Mapping[str, Values], several: Sequence[Axis], samples: int, search_seed: int
) -> tuple[Setting, ...]:
    """The settings that a search begins with."""
    return settings_of(drawn(varied, min(samples, FIRST), search_seed), several)


def search(
    study: Guided,
    out: Path | str,
    *,
    executor: Executor | None = None,
    again: bool = False,
    device: str | None = None,
    compile: bool = False,
    console: Console | None = None,
    pages: bool = True,
) -> Results:
    """Run a search in the folder `out`, and give its results, which say what setting was chosen.

    Every setting runs as a cell of `sweep` with every seed, and its score is the mean over them; one of which a cell
    fails has none. The same call again goes on, to the same settings, however it was stopped: what is proposed is a
    function of the seed and of the scores of the rounds before. What the settings score on test rows chooses nothing.

    ValueError as for `sweep`; where the folder holds another search; and without Optuna.
    """
    out, console = Path(out), console or Console(stderr=True)
    guide = _guide(study)
    propose(study.varied, [], 0, 0)  # says at once if Optuna is not there
    with searching(study, study.identity(), out) as whole:
        if again:
            _forget(whole, out)
        while True:
            perform_cells(whole, out, executor=executor, device=device, compile=compile, console=console, pages=pages)
            told, name = _told(whole, out, guide)
            more = _more(whole, told, direction(name) if name else 1)
            if not more:
                break
            whole = replace(whole, settings=(*whole.settings, *more))
            _refused(whole, more, out)
        said = _conclude(whole, out, guide, told, name)
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    return collect(out)


def _guide(study: Guided) -> Guide:
    """The guide of all settings. ValueError where one of the first of them has none."""
    guide = None
    for setting in study.settings:
        experiment = study.experiment(next(cell for cell in study.cells() if cell.setting == setting))
        asked = study.asked(experiment)
        guide = guide_of(study.score, asked.questions, experiment, asked.where.limit)
    assert guide is not None
    return guide


S = TypeVar("S", bound=Study)


@contextmanager
def searching(study: S, same: Mapping[str, Any], out: Path, again: bool = False) -> Iterator[S]:
    """Hold a folder for a search: its study with what is there already, checked.

    ValueError, before a cell starts: as for `sweep`, and where what must be the `same` of a search is not.
    """
    _check_same(out, same)
    with claimed(out, study) as whole:
        assert isinstance(whole, type(study))
        check(whole, out, again)
        write_study(out, whole)
        if not (out / RECORD).exists():
            write_json(out / RECORD, dict(same))
        yield whole


def _check_same(out: Path, same: Mapping[str, Any]) -> None:
    """A ValueError, with what differs, if a folder holds another search, or another kind of study."""
    path = out / RECORD
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if is_study(out) and any(entry.name not in (DEFINITION, LOCK) for entry in out.iterdir()):
            raise ValueError(f"{out} holds a study that is no search; give another out=") from None
        return
    except ValueError:
        there = None
    if not isinstance(there, dict):
        raise ValueError(f"{path} is damaged; give another out=")
    for name, value in json.loads(json.dumps(same)).items():
        if there.get(name) != value:
            raise ValueError(
                f"{out} holds another search: {name} is {json.dumps(there.get(name))} there and {json.dumps(value)} "
                "here; give another out="
            )


def _forget(study: Study, out: Path) -> None:
    """Let cells that failed be tried once more, but those that cannot be made."""
    failed = [cell for cell in study.cells() if read_record(out, cell.name).state == "failed"]
    for cell in failed:
        record_path(out, cell.name).unlink()
    settings = {cell.name.rpartition("/")[0]: cell.setting for cell in failed}
    _refused(study, [*settings.values()], out)


def _refused(study: Study, settings: Sequence[Setting], out: Path) -> None:
    """Write cells down as failed that mean nothing: a proposal of that kind does not end the search."""
    for setting in settings:
        alone = replace(study, settings=(setting,), baseline={})
        try:
            check(alone, out)
        except ValueError as error:
            for cell in alone.cells():
                if not (out / cell.name).exists():
                    (out / cell.name).parent.mkdir(parents=True, exist_ok=True)
                    Record("failed", str(error)).write(record_path(out, cell.name))


def _told(study: Guided, out: Path, guide: Guide) -> tuple[list[Told], str]:
    """Every setting with the mean of the guide over seeds, None where a cell failed; and the column of that score.

    ValueError where neither more nor less of the score is better.
    """
    told, name, there = list[Told](), "", runs(study, out)
    for setting in study.settings:
        own = there.get(study.levels(setting), {})
        scores = [guided(own[seed], guide) for seed in study.seeds if seed in own]
        name = column(scores[0]) if scores else name
        whole = len(scores) == len(study.seeds) and all(math.isfinite(score.value) for score in scores)
        told.append((setting.levels, mean(score.value for score in scores) if whole else None))
    if name and not direction(name):
        raise ValueError(f"neither more nor less of {name} is better; write score=linear, or another that can be best")
    return told, name


def _more(study: Guided, told: Sequence[Told], sign: int) -> tuple[Setting, ...]:
    """What is left of the round that the settings so far end in, or the next round: none once there are enough."""
    have = len(study.settings)
    if have >= study.samples:
        return ()
    begun = have - max(0, have - FIRST) % study.at_once
    there = [dict(levels) for levels, _ in told]
    batch = propose(study.varied, told[:begun], study.at_once, study.search_seed, sign)
    new = [levels for levels in batch if levels not in there] or propose(study.varied, told, 1, study.search_seed, sign)
    return settings_of(new[: study.samples - have], study.several)


def _conclude(study: Guided, out: Path, guide: Guide, told: Sequence[Told], name: str) -> str:
    """Say which setting was chosen, by what, and what it scores on test rows; and write it into the study."""
    known = [(score, at) for at, (_, score) in enumerate(told) if score is not None]
    if not known:
        return f"no setting is chosen: of {len(told)} none came to an end with all of its seeds"
    sign = direction(name)
    best, at = max(known, key=lambda each: sign * each[0])
    setting, seeds = study.settings[at], ", ".join(map(str, study.seeds))
    results, metric = collect(out), name.partition(": ")[2]
    test = f"{label(guide.probe)}: {metric}"
    said = (
        f"chosen of {len(told)} settings: {setting.label}, whose {name} is {best:.4g}, "
        f"{'the largest' if sign > 0 else 'the least'} (mean over seeds {seeds}; search_seed={study.search_seed})"
    )
    if test in results.columns:
        values = [score.value for score in results.of(study.levels(setting), test).values()]
        spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
        said += f"; on test rows, which chose nothing, {test} is {mean(values):.4g}{spread} ({len(values)} seeds)"
    write_study(out, replace(study, score=test, reading=f"{said}."))
    return said
