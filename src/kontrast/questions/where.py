"""Of which rows, which checkpoint and which share of the labels something is asked, as a command line says it."""

from __future__ import annotations

from typing import Any, NamedTuple

from kontrast import parts
from kontrast.datasets import Dataset
from kontrast.examination import check_fractions
from kontrast.run import Run
from kontrast.words import built, truth, whole_number


class Where(NamedTuple):
    """Of which rows and which checkpoint something is asked."""

    step: int | None
    limit: int | None
    data: Dataset | None
    fractions: tuple[float, ...]
    ceiling: Run | None
    cache: bool
    training: dict[str, Any]


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
