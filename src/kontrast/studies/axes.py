"""What varies in a study: axes with named levels, and the settings that they make."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kontrast.results import short

Words = Mapping[str, Any]
"""Fields of an experiment with their values, as the command line says them; numbers become words."""
METHOD = "method"
"""The field of a setting that names another method than that of the study."""
CHANGE, NOTHING = "change", "nothing"
"""The axis of single changes, and its level without any."""
MOST = 10_000
"""Settings of a grid, and cells of a sweep."""


def worded(given: Mapping[str, Any]) -> dict[str, str]:
    """Fields with their values as the command line says them, also where they were given as numbers."""
    return {str(name): str(value) for name, value in given.items()}


@dataclass(frozen=True)
class Axis:
    """One thing that varies: its name, and for each level, by its label, the fields which that sets.

    Most axes set one field: Axis.of("batch", "64", "128"). One of several fields pairs them: in
    Axis("norm", {"on": {"space": "Sphere"}, "off": {"space": "Euclidean"}}) each level may set as many as it likes.
    """

    name: str
    levels: Mapping[str, Words]

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError(f"{self.name} has no value to take; write {self.name}=a,b")
        object.__setattr__(self, "levels", {str(level): worded(words) for level, words in self.levels.items()})

    @classmethod
    def of(cls, field: str, *values: object) -> Axis:
        """The axis of one field and its values. ValueError for a value that is there twice."""
        words = [str(value) for value in values]
        if twice := [word for word, count in Counter(words).items() if count > 1]:
            raise ValueError(f"{field} has {twice[0]} twice; leave out one of them")
        return cls(field, {word: {field: word} for word in words})


@dataclass(frozen=True)
class Setting:
    """One choice of everything that varies: the level of each axis, and the fields which that sets."""

    levels: Mapping[str, str]
    words: Words = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", worded(self.levels))
        object.__setattr__(self, "words", worded(self.words))

    @property
    def label(self) -> str:
        """How it is called: its levels, by the last word of their axes."""
        return ", ".join(f"{short(name)}={level}" for name, level in self.levels.items()) or "as it is"


def grid(*axes: Axis) -> tuple[Setting, ...]:
    """All combinations of the levels of some axes; the last axis changes fastest. One setting, without any axis.

    ValueError where two axes set one field, or one name is that of two, and for more than 10,000 settings.
    """
    if (count := math.prod(len(axis.levels) for axis in axes)) > MOST:
        raise ValueError(
            f"that makes {count:,} settings, more than {MOST:,}; vary less at once, or draw some with samples=100"
        )
    names = [axis.name for axis in axes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} varies twice; let one axis have all of its levels")
    owner: dict[str, str] = {}
    for axis in axes:
        for name in {name for words in axis.levels.values() for name in words}:
            if name in owner:
                raise ValueError(f"{owner[name]} and {axis.name} both set {name}; let one of them do it")
            owner[name] = axis.name
    found = []
    for labels in itertools.product(*(axis.levels for axis in axes)):
        words = {
            name: value for axis, label in zip(axes, labels, strict=True) for name, value in axis.levels[label].items()
        }
        found.append(Setting({axis.name: label for axis, label in zip(axes, labels, strict=True)}, words))
    return tuple(found)


def paired(*axes: Axis) -> Axis:
    """Axes that go together, level by level, as one. ValueError where they have not as many levels each."""
    counts = {axis.name: len(axis.levels) for axis in axes}
    if len(counts) < max(2, len(axes)):
        raise ValueError(f"two or more different fields go together, not {', '.join(counts) or 'none'}; write zip=a+b")
    if len(set(counts.values())) > 1:
        said = " and ".join(f"{count} of {name}" for name, count in counts.items())
        raise ValueError(f"values that go together are as many of each, not {said}")
    levels: dict[str, Words] = {}
    for each in zip(*(axis.levels.items() for axis in axes), strict=True):
        label = "+".join(label for label, _ in each)
        if label in levels:
            raise ValueError(f"two levels are called {label}; write values without a plus sign, or make an Axis")
        levels[label] = {name: word for _, words in each for name, word in words.items()}
    return Axis("+".join(axis.name for axis in axes), levels)


def each(*axes: Axis) -> Axis:
    """One axis of single changes: nothing, and each level of each axis alone, as when one thing is left out."""
    levels: dict[str, Words] = {NOTHING: {}}
    for axis in axes:
        for label, words in axis.levels.items():
            levels[f"{axis.name}={label}"] = words
    return Axis(CHANGE, levels)


def settings_of(drawn: Iterable[Words], axes: Iterable[Axis] = ()) -> tuple[Setting, ...]:
    """Settings from levels by the name of what varies: of an axis what that sets, of others the field of that name."""
    known = {axis.name: axis for axis in axes}
    found = []
    for levels in drawn:
        words: dict[str, str] = {}
        for name, level in levels.items():
            words |= known[name].levels[level] if name in known else {name: level}
        found.append(Setting(dict(levels), words))
    return tuple(found)


def axes_of(settings: Sequence[Setting]) -> dict[str, tuple[str, ...]]:
    """The axes of settings, each with the levels that occur, in their order."""
    names = list(dict.fromkeys(name for setting in settings for name in setting.levels))
    return {name: tuple(dict.fromkeys(each.levels[name] for each in settings if name in each.levels)) for name in names}
