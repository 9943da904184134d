"""What `kontrast probe` can be asked for: probes, tunings and comparisons by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import chz

from kontrast import parts
from kontrast.datasets import Dataset
from kontrast.probes import Comparison, Probe
from kontrast.tuning import Tuning
from kontrast.words import built

EVERY = "all"
"""The word for every probe there is."""
LABELED = ("linear", "knn")
FACTORED = ("recovery", "mcc", "ladder")


class Asked(NamedTuple):
    """What is asked: of frozen features, of networks that are tuned, and of several runs together."""

    probes: list[Probe]
    tunings: list[Tuning]
    comparisons: list[Comparison]


KINDS: tuple[type, ...] = (Probe, Comparison, Tuning)


def families(kinds: Sequence[type] = KINDS) -> dict[str, type]:
    """Everything of these kinds that can be asked for, by its name in lower case."""
    return {name.lower(): cls for kind in kinds for name, cls in parts.known(kind).items()}


def usual(data: Dataset, options: Mapping[str, str], layer: str | None) -> Asked:
    """What is asked where nothing is named: probes for the labels and for the factors that there are."""
    there = families()
    names = [*(LABELED if data.classes else ()), *(FACTORED if data.factors else ())]
    if not names:
        raise ValueError(f"{type(data).__name__} has neither labels nor latents, so there is nothing to probe")
    return asked([name for name in names if name in there], options, layer)


def asked(names: list[str], options: Mapping[str, str], layer: str | None, kinds: Sequence[type] = KINDS) -> Asked:
    """Parts by name, whatever the case, with `name.field=value` options for all of one name.

    `name@layer` is a part at a layer, as in linear@block2; `layer` is that of all others that have one. "all" is every
    probe. ValueError for a name that is not there, and for options that belong to nothing asked for.
    """
    there, found, what = families(kinds), list[Any](), kinds[0].__name__.lower()
    words = [word.lower() for word in names]
    if EVERY in words:
        words += [name for name, cls in there.items() if issubclass(cls, Probe)]
        words.remove(EVERY)
    chosen = [word.partition("@")[0] for word in words]
    for name in chosen:
        parts.choose(name, [*there, EVERY], what)
    for field in options:
        if field.partition(".")[0].lower() not in chosen:
            raise ValueError(f"{field} belongs to no {what} asked for; write options as {chosen[0]}.field=value")
    for name, word in zip(chosen, words, strict=True):
        own = {f.partition(".")[2]: v for f, v in options.items() if f.partition(".")[0].lower() == name}
        at = word.partition("@")[2] or (layer if "layer" in chz.chz_fields(there[name]) else None)
        if at and ("@" in word or "layer" not in own):
            own["layer"] = at
        found.append(built(there[name], own))
    found = list(dict.fromkeys(found))
    probes = [part for part in found if isinstance(part, Probe)]
    comparisons = [part for part in found if isinstance(part, Comparison)]
    return Asked(probes, [part for part in found if isinstance(part, Tuning)], comparisons)
