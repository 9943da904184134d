"""Axes, levels and settings of a study, as a command line names them."""

from __future__ import annotations

from collections.abc import Mapping

from kontrast import parts
from kontrast.results.results import Levels, Results, short


def axis_named(results: Results, name: str) -> str:
    """The axis of a name: whole, or its last word, whatever the case; ValueError with the nearest otherwise."""
    wanted = name.lower()
    for last in (False, True):
        found = [axis for axis in results.axes if (short(axis) if last else axis).lower() == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"{name} may be {' or '.join(found)}; write one of them whole")
    return parts.choose(name, results.axes, "axis")


def level_named(results: Results, axis: str, name: str) -> str:
    """The level of an axis that is written so, whatever the case. ValueError, with the nearest, for none of them."""
    levels = results.axes[axis]
    same = [level for level in levels if level.lower() == name.lower()]
    return name if name in levels else same[0] if len(same) == 1 else parts.choose(name, levels, f"level of {axis}")


def choice(results: Results, text: str) -> dict[str, str]:
    """Axes with levels from words: "similarity=Cosine,head.norm=True", or a level alone that one axis has.

    ValueError for words that name none of them. A comma may be part of a level.
    """
    found: dict[str, str] = {}
    for word in _pieces(results, text):
        name, equals, level = word.partition("=")
        having = [axis for axis, levels in results.axes.items() if word in levels]
        if len(having) == 1:  # also a level with an equals sign in it
            found[having[0]] = word
        elif equals:
            axis = axis_named(results, name)
            found[axis] = level_named(results, axis, level)
        elif having:
            raise ValueError(f"{' and '.join(having)} both have {word!r}; write {having[0]}={word}")
        else:
            every = [level for levels in results.axes.values() for level in levels]
            parts.choose(word, every, "level")
    return found


def _pieces(results: Results, text: str) -> list[str]:
    """Words between commas, of which those that are one level together stay together."""
    levels = {level for each in results.axes.values() for level in each}
    words: list[str] = []
    rest = text.split(",")
    while rest:
        for count in range(len(rest), 0, -1):
            word = ",".join(rest[:count]).strip()
            if count == 1 or word in levels or word.partition("=")[2] in levels:
                words.append(word)
                rest = rest[count:]
                break
    return [word for word in words if word]


def setting_named(results: Results, chosen: Mapping[str, str]) -> Levels:
    """The one setting that has these levels; other axes are at the level of the study's baseline, if that is needed.

    ValueError where there is none, or still several.
    """
    names = list(results.axes)

    def having(levels: Mapping[str, str]) -> list[Levels]:
        return [one for one in results.settings if all(one[names.index(axis)] == levels[axis] for axis in levels)]

    found = having(chosen)
    if len(found) > 1 and results.baseline:
        found = having({**dict(zip(names, results.baseline, strict=True)), **chosen}) or found
    said = ", ".join(f"{axis}={level}" for axis, level in chosen.items())
    if not found:
        raise ValueError(f"no setting has {said} together; name levels of one setting")
    if len(found) > 1:
        open_axes = [name for at, name in enumerate(names) if len({one[at] for one in found}) > 1]
        raise ValueError(f"{len(found)} settings have {said or 'no level'}; say {' and '.join(open_axes)} too")
    return found[0]
