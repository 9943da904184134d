"""The map augmentation x latent: what training with each augmentation, alone, does to the recovery of each factor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console

from kontrast.augmentations import Augmentation, Recipe
from kontrast.blueprints import values
from kontrast.experiment import Experiment
from kontrast.files import write_json, write_whole
from kontrast.lab.trials import BASE, MILD, Trials
from kontrast.panels import Heat, write_panels
from kontrast.probes import Probe, Recovery
from kontrast.report.panels import draw
from kontrast.studies.finished import finished
from kontrast.training import train
from kontrast.views import Split

SPLITS: tuple[Split, Split] = ("train", "test")


@dataclass(frozen=True)
class Trial:
    """What one run recovered: its augmentation beside the base ("base": none), its seed, and held-out scores by factor.

    `interval` is over test rows, where the readout gives one.
    """

    augmentation: str
    seed: int
    metric: str
    scores: dict[str, float]
    interval: dict[str, tuple[float, float]]
    protocol: str


@dataclass(frozen=True)
class Effect:
    """How much an augmentation adds to the recovery of a factor, less than 0 where it lowers it; `of` as in "x".

    `low` and `high` bound the 95 % interval over seeds and test rows.
    """

    augmentation: str
    of: str
    delta: float
    low: float
    high: float


@dataclass(frozen=True)
class Effects:
    """What was found: a trial for each augmentation and seed, the effects, and how they were measured."""

    out: Path
    metric: str
    trials: tuple[Trial, ...]
    effects: tuple[Effect, ...]
    protocol: str

    def of(self, augmentation: str, factor: str) -> Effect:
        """One effect."""
        return next(e for e in self.effects if (e.augmentation, e.of) == (augmentation, factor))

    def base(self, factor: str) -> float:
        """What the base recovers of a factor, mean over seeds."""
        return mean(trial.scores[factor] for trial in self.trials if trial.augmentation == BASE)

    @property
    def panel(self) -> Heat:
        """The map: augmentations down, factors across, with intervals."""
        rows, columns = (
            tuple(dict.fromkeys(getattr(e, name) for e in self.effects)) for name in ("augmentation", "of")
        )

        def table(name: str) -> tuple[tuple[float, ...], ...]:
            return tuple(tuple(getattr(self.of(row, column), name) for column in columns) for row in rows)

        metric = "R²" if self.metric == "r2" else self.metric
        title = "What training with each augmentation does to the recovery of each factor"
        each = table("delta"), table("low"), table("high")
        return Heat(title, rows, columns, *each, 0.0, "augmentation", f"change of {metric}", self.protocol)


def measure(
    experiment: Experiment,
    augmentations: Mapping[str, Augmentation],
    *,
    base: Recipe = MILD,
    seeds: Sequence[int] = (0, 1, 2),
    out: Path | str = "runs/effects",
    readout: Probe | None = None,
    limit: int = 5000,
    threads: int | None = None,
    device: str | None = None,
    compile: bool = False,
    console: Console | None = None,
) -> Effects:
    """Train with each augmentation alone and without any, and compare what a readout recovers of each factor.

    One run for each seed and for the `base` recipe, and for that recipe with each of `augmentations` in the slot of its
    name; in everything else the runs are equal. `readout` (Recovery unless given) is fitted on `limit` training rows as
    they are, and scored on as many test rows; the effect is the mean over seeds of the score with the augmentation
    less that of the base of the same seed.

    The 95 % interval joins two sources in quadrature: Student's interval of that mean over seeds, where there are two
    or more, and the rows, by the readout's own intervals (as if every run were scored on other rows, which is wide).

    Runs are in out/base-0, out/crop-0 and so on. Those that are over are taken as they are and those that were stopped
    go on, so the same call again goes on; out/effects.json has all numbers. `threads`, `device` and `compile` are those
    of `train`. ValueError before anything is trained: no augmentation, data that the readout cannot ask, a pairing that
    is not Augmented with one recipe, a folder that holds something else, or a number out of range.
    """
    plan = Trials(experiment, augmentations, base, tuple(seeds), Path(out), readout or Recovery(), limit)
    plan.check()
    console = console or Console(stderr=True)
    where: dict[str, Any] = {"threads": threads, "device": device, "compile": compile, "console": console}
    trials: list[Trial] = []
    for seed in plan.seeds:
        for name in plan.names:
            trials.append(_trial(plan, name, seed, where))
            found = _found(plan, trials)
            _write(plan, found)
    _draw(plan, found)
    return found


def _trial(plan: Trials, name: str, seed: int, where: dict[str, Any]) -> Trial:
    """A run of the plan, trained or gone on with unless it is over, and scored."""
    folder, experiment = plan.folder(name, seed), plan.made(name, seed)
    run = finished(folder, experiment)
    where["console"].print(f"seed {seed}: {name}{', trained already' if run else ''}", highlight=False)
    run = run or train(experiment, folder, resume=(folder / "experiment.json").exists(), **where)
    scores = plan.readout(*(run.encode(split, plan.readout.layer, limit=plan.limit) for split in SPLITS))
    metric = next(iter(scores.values)).partition("/")[0]

    def own(of: Mapping[str, Any]) -> dict[str, Any]:
        return {key.partition("/")[2] or key: value for key, value in of.items() if key.partition("/")[0] == metric}

    return Trial(name, seed, metric, own(scores.values), own(scores.interval), scores.protocol)


def _found(plan: Trials, trials: Sequence[Trial]) -> Effects:
    """What the trials so far say."""
    base = {trial.seed: trial for trial in trials if trial.augmentation == BASE}
    effects = [
        _effect(name, of, [(base[trial.seed], trial) for trial in trials if trial.augmentation == name])
        for name in plan.augmentations
        if any(trial.augmentation == name for trial in trials)
        for of in trials[0].scores
    ]
    seeds = len(plan.seeds)
    protocol = (
        f"{type(plan.readout).__name__} on the {plan.readout.layer}: {trials[0].protocol}; mean over {seeds} "
        f"seed{'s' if seeds > 1 else ''} of the score with an augmentation less that without; 95 % interval over "
        f"{'seeds and ' if seeds > 1 else ''}test rows"
    )
    return Effects(plan.out, trials[0].metric, tuple(trials), tuple(effects), protocol)


def _effect(name: str, of: str, pairs: Sequence[tuple[Trial, Trial]]) -> Effect:
    from scipy.stats import t

    deltas = [other.scores[of] - base.scores[of] for base, other in pairs]
    rows = mean(_square(base, of) + _square(other, of) for base, other in pairs)
    seeds = 0.0
    if len(deltas) > 1:
        seeds = float(t.ppf(0.975, len(deltas) - 1)) * stdev(deltas) / math.sqrt(len(deltas))
    reach = math.hypot(seeds, math.sqrt(rows))
    return Effect(name, of, mean(deltas), mean(deltas) - reach, mean(deltas) + reach)


def _square(trial: Trial, of: str) -> float:
    """The square of half the interval over rows; 0 where the readout gives none."""
    low, high = trial.interval.get(of, (0.0, 0.0))
    return ((high - low) / 2) ** 2


def _write(plan: Trials, found: Effects) -> None:
    """effects.json: all numbers, and what is needed to read them."""
    content = {
        "protocol": found.protocol,
        "metric": found.metric,
        "seeds": list(plan.seeds),
        "augmentations": list(plan.augmentations),
        "experiment": values(plan.made(BASE, plan.seeds[0])),
        "changes": {name: repr(part) for name, part in plan.augmentations.items()},
        "trials": [asdict(trial) for trial in found.trials],
        "effects": [asdict(effect) for effect in found.effects],
    }
    write_json(plan.out / "effects.json", content)


def _draw(plan: Trials, found: Effects) -> None:
    """The map as a panel and as pictures of it, in the folder."""
    write_panels(plan.out / "panels.json", [("effects", found.panel)])
    drawing = draw(found.panel, "effects")
    write_whole(plan.out / "effects.svg", drawing.svg.encode())
    write_whole(plan.out / "effects.png", drawing.png)
