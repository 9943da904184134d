"""Of which rows, which checkpoint and which share of the labels something is asked, as a command line says it."""

from __future__ import annotations

from typing import Any, NamedTuple

from kontrast import parts
from kontrast.datasets import Dataset
from kontrast.examination import check_fractions
from kontrast.run import Run
from kontrast.words import built, truth, whole_number


class Where(NamedTuple):
    """Of which rows and which checkpoint something is asked, as `whereabouts` reads it from a command line.

    The argument that says each field is in brackets.
    """

    step: int | None
    """The step of the checkpoint (`checkpoint=`); None is the last one."""
    limit: int | None
    """How many rows of each split at most (`limit=`); None is all, or 10,000 where there is no end of them."""
    data: Dataset | None
    """Another data set than the run's (`data=NAME`, `data.FIELD=`); None is the run's own."""
    fractions: tuple[float, ...]
    """The shares of the training rows that probes are fitted on (`fraction=`), each in (0, 1]; usually 1 alone."""
    ceiling: Run | None
    """A run that was told what is asked, whose score is the ceiling (`ceiling=`); None is without one."""
    cache: bool
    """Whether features are kept for the next question (`cache=`); usually they are."""
    training: dict[str, Any]
    """`device` and `threads`, where they were given: for tunings, which train."""


def whereabouts(given: dict[str, str]) -> Where:
    """Take from the arguments those that say of what rows something is asked."""
    step, limit = given.pop("checkpoint", "last"), given.pop("limit", None)
    return Where(
        whole_number("checkpoint", step) if step != "last" else None,
        whole_number("limit", limit) if limit is not None else None,
        _data(given),
        check_fractions([_share(text) for text in given.pop("fraction", "1").split(",")]),
        Run(given.pop("ceiling")) if "ceiling" in given else None,
        truth(given.pop("cache", "True"), "cache"),
        {name: _training(name, given.pop(name)) for name in ("device", "threads") if name in given},
    )


def _training(name: str, text: str) -> Any:
    return whole_number(name, text) if name == "threads" else text


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"fraction={text} is no number; write fraction=0.1, or several as fraction=.01,.1,1") from None


def _data(given: dict[str, str]) -> Dataset | None:
    own = {field.partition(".")[2]: given.pop(field) for field in list(given) if field.startswith("data.")}
    name = given.pop("data", None)
    if name is None:
        if own:
            raise ValueError(f"data.{next(iter(own))} needs to know of which data set it is; write data=NAME too")
        return None
    made: Dataset = built(parts.resolve(Dataset, name), own)
    return made
