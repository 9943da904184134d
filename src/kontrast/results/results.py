"""What the runs of a study found: outcomes of settings and seeds, as plain values."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kontrast import parts
from kontrast.scores import Score

Levels = tuple[str, ...]
"""What a setting chose of each axis, in the order of the axes."""


def short(axis: str) -> str:
    """An axis by the last word of its name, and one of several fields by the last word of each."""
    return "+".join(name.rpartition(".")[2] for name in axis.split("+"))


def column(score: Score) -> str:
    """The name of a score's column: "Linear: accuracy", "Recovery: r2/scale"."""
    return f"{score.probe}: {score.metric}"


@dataclass(frozen=True)
class Outcome:
    """What came of one cell, a setting with one seed: its scores, or why there are none.

    `path` is the run's folder, relative to that of the study. `state` is "done", "failed" with the reason in `why`,
    "running" or "waiting"; `steps` of `length` have been taken. `seconds` is what training took by the clock.
    """

    levels: Levels
    seed: int
    path: str
    state: str = "done"
    scores: tuple[Score, ...] = ()
    why: str = ""
    steps: int = 0
    length: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Results:
    """The outcomes of a study, and how to read them.

    `axes` are the names of what varied with their levels in order. `score` is the column that answers the question,
    `against` the columns that it is drawn against, and `baseline` the setting that others are compared with.
    `protocols` are what those of a column's runs share. `references` are the experiments' parts with a published
    source, `environment` the machine of the first run.
    """

    title: str
    question: str
    axes: Mapping[str, Levels]
    outcomes: tuple[Outcome, ...]
    score: str = ""
    baseline: Levels = ()
    command: str = ""
    reading: str = ""
    protocols: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    references: Sequence[str] = ()
    against: Sequence[str] = ()

    @functools.cached_property
    def settings(self) -> tuple[Levels, ...]:
        """The settings, in the order of their first outcome."""
        return tuple(dict.fromkeys(outcome.levels for outcome in self.outcomes))

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of all scores, in the order in which probes gave them."""
        return tuple(dict.fromkeys(column(score) for outcome in self.outcomes for score in outcome.scores))

    def settled(self) -> Results:
        """The same with a main score that is there: where the one named is no column, that of the same metric.

        Or else the first column: what was measured is worth more than no table.
        """
        if not self.columns:
            return self
        try:
            return replace(self, score=self.chosen())
        except ValueError:
            probe, _, metric = self.score.lower().partition(": ")
            near = [each for each in self.columns if each.lower().partition(": ")[2] == metric]
            near.sort(key=lambda each: each.lower().split()[0].rstrip(":") != probe.split(" ")[0])
            return replace(self, score=[*near, *self.columns][0])

    def chosen(self, name: str = "") -> str:
        """The column that a name stands for, whatever the case: whole, or its beginning; the main one where it is "".

        ValueError, with the nearest one, for a name of none.
        """
        wanted = (name or self.score).strip().lower()
        if not self.columns:
            raise ValueError("no cell of this study has scores yet")
        if not wanted:
            return self.columns[0]
        return self.find(wanted) or parts.choose(name or self.score, self.columns, "score")

    def find(self, name: str) -> str:
        """The column that a name stands for, as `chosen` says it; "" where there is none."""
        wanted = name.strip().lower()
        for accept in (str.__eq__, str.startswith):
            for each in self.columns:
                if accept(each.lower(), wanted):
                    return each
        probe, _, metric = wanted.rpartition(": ")
        for each in self.columns:  # without the options of the probe, or the metric alone, as in "r2/mean"
            own, _, measured = each.lower().rpartition(": ")
            if measured == metric and probe in ("", own.split(" ")[0]):
                return each
        return ""

    def of(self, levels: Levels, name: str = "") -> dict[int, Score]:
        """The scores of one setting in one column, by seed, of the cells that are done and have it."""
        wanted = self.chosen(name)
        return {
            outcome.seed: score
            for outcome in self.outcomes
            if outcome.levels == levels and outcome.state == "done"
            for score in outcome.scores
            if column(score) == wanted
        }

    def warned(self, name: str = "") -> dict[Levels, dict[int, str]]:
        """The warnings of scores in one column, by seed, of the settings that have any."""
        wanted, found = self.chosen(name), dict[Levels, dict[int, str]]()
        for outcome in self.outcomes:
            for score in outcome.scores if outcome.state == "done" else ():
                if score.warning and column(score) == wanted:
                    found.setdefault(outcome.levels, {})[outcome.seed] = score.warning
        return found

    def counted(self) -> dict[str, int]:
        """How many cells are in each state."""
        states = ("done", "running", "waiting", "failed")
        return {state: sum(outcome.state == state for outcome in self.outcomes) for state in states}

    def failures(self) -> Iterator[Outcome]:
        """The outcomes of cells that failed."""
        return (outcome for outcome in self.outcomes if outcome.state == "failed")

    def where(self, **levels: str) -> Results:
        """The same of the settings that have these levels alone."""
        at = {list(self.axes).index(name): level for name, level in levels.items()}
        kept = tuple(each for each in self.outcomes if all(each.levels[i] == level for i, level in at.items()))
        return replace(self, outcomes=kept)
