"""Names of probes: the class, and the options by which two of one class are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import chz

from kontrast.datasets import Dataset
from kontrast.parts import Part

LONG = 40
"""Characters that a data set has in the name of a probe."""


def label(part: Part, fraction: float = 1.0, data: Dataset | None = None) -> str:
    """The class name of a part and the options that differ from its defaults, as in "KNN k=50 fraction=0.1".

    `data` is another data set than the run's own, as in "Linear data=STL10(part=train)". One that takes more than 40
    characters is named by its class and a hash of its options, and `described` says the rest.
    """
    other = []
    if data is not None:
        said = described(data)
        short = f"{type(data).__name__}~{hashlib.sha256(repr(data).encode()).hexdigest()[:6]}"
        other = [f"data={said if len(said) <= LONG else short}"]
    share = [f"fraction={fraction:g}"] if fraction < 1 else []
    return " ".join([type(part).__name__, *_options(part), *other, *share])


def described(part: Part) -> str:
    """The class name of a part with the options that differ from its defaults, as in "Subset(holdout=0.3)"."""
    options = _options(part)
    return type(part).__name__ + (f"({', '.join(options)})" if options else "")


def _options(part: Part) -> list[str]:
    given = {name: getattr(part, name) for name in chz.chz_fields(part)}
    try:
        usual: Mapping[str, Any] = {name: getattr(type(part)(), name) for name in given}
    except TypeError:  # it has fields that must be given
        usual = {}
    return [f"{name}={_short(value)}" for name, value in given.items() if name not in usual or value != usual[name]]


def _short(value: object) -> str:
    if isinstance(value, Part):
        return described(value)
    if isinstance(value, tuple | list):
        return ",".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
