"""A study: a question, the experiments that answer it, and what each of them is asked."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from kontrast import methods
from kontrast.experiment import Experiment
from kontrast.questions import Asked, Where, asked, usual, whereabouts
from kontrast.results import short
from kontrast.studies.axes import METHOD, Setting, Words, axes_of, worded
from kontrast.words import split_words

SEED = "{seed}"
"""In the value of a field, the seed of the cell."""
LONGEST = 80
TEXTS = ("title", "question", "method", "score", "reading", "command")


class Cell(NamedTuple):
    """One experiment of a study: a setting with one seed, and the name of its run's folder below the study's."""

    setting: Setting
    seed: int
    name: str


class Ask(NamedTuple):
    """What each run is asked, and of which rows."""

    questions: Asked
    where: Where


@dataclass(frozen=True)
class Study:
    """A question, the settings that answer it, the seeds, and what the runs are asked.

    `given` are fields that all experiments share unless their setting says otherwise, of the method named. `ask` are
    words of `kontrast probe`: probes, tunings and their options, as in ("linear", "knn", "knn.k=50",
    "fraction=.01,.1,1"); none are those that the data allow. `score` is the column that answers the question, as in
    "Linear: accuracy" or its beginning, `against` are those that its page draws that one against (the first of each
    other probe, if none), `baseline` the levels of the setting that others are compared with (the first, if none), and
    `reading` how to read the answer. `command` repeats it.

    A value may have the word {seed} in it, which is the seed of the cell: data.seed={seed} draws other data for each.
    """

    question: str
    method: str
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    given: Words = field(default_factory=dict)
    ask: tuple[str, ...] = ()
    score: str = ""
    baseline: Mapping[str, str] = field(default_factory=dict)
    reading: str = ""
    title: str = ""
    command: str = ""
    against: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_kinds()
        for name in ("given", "baseline"):
            object.__setattr__(self, name, worded(getattr(self, name)))
        for name in ("ask", "against", "settings", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.settings:
            raise ValueError(
                "this study has no setting; write at least one field with several values, as in batch=64,128"
            )
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are different numbers from 0 on, not {list(self.seeds)}; write seed=0..4")
        names = [tuple(setting.levels.items()) for setting in self.settings]
        if len(set(names)) < len(names):
            twice = next(one for one in self.settings if names.count(tuple(one.levels.items())) > 1)
            raise ValueError(f"two settings are called {twice.label!r}; give one of them another level")
        folders = [folder_name(setting.levels) for setting in self.settings]
        if len(set(folders)) < len(folders):
            twice = next(one for one in self.settings if folders.count(folder_name(one.levels)) > 1)
            raise ValueError(f"two settings are called {twice.label!r} in short; give their axes names that differ")
        both = [name for name in self.given if all(name in setting.words for setting in self.settings)]
        if both:
            raise ValueError(f"{both[0]} is given for all and varies too; leave out one of them")
        if self.baseline and not any(self._is_baseline(setting) for setting in self.settings):
            said = ", ".join(f"{name}={level}" for name, level in self.baseline.items())
            raise ValueError(f"no setting is the baseline {said}; name levels that are there")

    def _check_kinds(self) -> None:
        """A ValueError with what to write for a field of another kind, as a file of one's own may have it."""
        for name in ("ask", "against"):
            if isinstance(text := getattr(self, name), str):
                raise ValueError(f"{name} are words, not a text; write {name}=({text!r},)")
        if isinstance(self.settings, Setting | str) or not all(isinstance(one, Setting) for one in self.settings):
            raise ValueError('settings are values of Setting; write settings=grid(Axis.of("batch", 64, 128))')
        if not isinstance(self.seeds, Sequence) or not all(type(seed) is int for seed in self.seeds):
            raise ValueError(f"seeds are whole numbers, not {self.seeds!r}; write seeds=(0, 1, 2)")
        for name in ("given", "baseline"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f'{name} has values by name; write {name}={{"batch": 64}}')

    def _is_baseline(self, setting: Setting) -> bool:
        return all(setting.levels.get(name) == level for name, level in self.baseline.items())

    @functools.cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """What varies: each axis with its levels."""
        return axes_of(self.settings)

    def levels(self, setting: Setting) -> tuple[str, ...]:
        """The level of each axis that a setting has; "" where it has none."""
        return tuple(setting.levels.get(name, "") for name in self.axes)

    @property
    def compared(self) -> tuple[str, ...]:
        """The levels of the setting that others are compared with."""
        return self.levels(next(setting for setting in self.settings if self._is_baseline(setting)))

    def cells(self) -> Iterator[Cell]:
        """Every setting with every seed: all settings with the first seed come first."""
        names = self._names()
        for seed in self.seeds:
            for setting, name in zip(self.settings, names, strict=True):
                yield Cell(setting, seed, f"{name}/seed-{seed}")

    def _names(self) -> list[str]:
        """The folder of each setting, by what it chooses: it stays the same when settings are added."""
        return [folder_name(setting.levels) for setting in self.settings]

    def experiment(self, cell: Cell) -> Experiment:
        """The experiment of a cell. ValueError, naming the cell, if it means nothing."""
        words = {**self.given, **cell.setting.words}
        method = methods.get(words.pop(METHOD, self.method))
        if "seed" in words:
            raise ValueError("seeds are those of the study; write seed=0..4")
        arguments = [f"{name}={value.replace(SEED, str(cell.seed))}" for name, value in words.items()]
        try:
            return method.read([*arguments, f"seed={cell.seed}"])
        except ValueError as error:
            which = f"the cell {cell.setting.label}" if cell.setting.levels else "the experiment"
            raise ValueError(f"{which} cannot be made: {error}") from None

    def asked(self, experiment: Experiment) -> Ask:
        """What a run of an experiment is asked; ValueError if that cannot be."""
        names, given = split_words(list(self.ask))
        where, layer = whereabouts(given), given.pop("layer", None)
        return Ask(asked(names, given, layer) if names else usual(experiment.data, given, layer), where)

    def record(self) -> dict[str, Any]:
        """The study as JSON, from which `read` makes it again."""
        made = {name: getattr(self, name) for name in TEXTS}
        settings = [{"levels": dict(one.levels), "words": dict(one.words)} for one in self.settings]
        return {
            **made,
            "given": dict(self.given),
            "ask": list(self.ask),
            "against": list(self.against),
            "baseline": dict(self.baseline),
            "seeds": list(self.seeds),
            "settings": settings,
        }

    @classmethod
    def read(cls, made: Mapping[str, Any]) -> Study:
        """The study that `record` wrote; ValueError if it is anything else."""
        try:
            settings = tuple(Setting(dict(one["levels"]), dict(one["words"])) for one in made["settings"])
            texts = {name: str(made[name]) for name in TEXTS}
            return cls(
                **texts,
                settings=settings,
                seeds=tuple(map(int, made["seeds"])),
                given=dict(made["given"]),
                ask=tuple(map(str, made["ask"])),
                against=tuple(map(str, made.get("against", ()))),
                baseline=dict(made["baseline"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no study that this version of kontrast wrote ({error!r})") from None

    def joined(self, other: Study) -> Study:
        """This study with the settings and seeds of another that it lacks, and with its commands if it lacks any."""
        more = [setting for setting in other.settings if setting not in self.settings]
        seeds = tuple(sorted({*self.seeds, *other.seeds}))
        lines = [self.command] if not more and seeds == self.seeds else [*other.command.splitlines(), self.command]
        command = "\n".join(dict.fromkeys(filter(None, lines)))
        return replace(self, settings=(*self.settings, *more), seeds=seeds, command=command)


def folder_name(levels: Mapping[str, str]) -> str:
    """A folder name for a setting that tells it apart, also from what is spelled like it once odd letters are gone."""
    ends = [short(name) for name in levels]
    said = ",".join(f"{end}={level}" for end, level in zip(ends, levels.values(), strict=True)) or "as-it-is"
    plain = re.sub(r"[^A-Za-z0-9_.,=+-]+", "_", said)
    clear = not any(mark in level for level in levels.values() for mark in ",=")
    if plain == said and clear and len(set(ends)) == len(ends) and len(said) <= LONGEST and said[0] != ".":
        return plain
    mark = hashlib.sha256(json.dumps(dict(levels)).encode()).hexdigest()[:8]
    return f"{plain[: LONGEST - 9].lstrip('.')}-{mark}"
