"""Answers of probes, as the rows of scores.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.panels import Panel
from kontrast.probes import Scores
from kontrast.scores import Score
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Found(NamedTuple):
    """What probes found: scores, and what there is to look at with the name of the probe that shows it."""

    scores: list[Score]
    panels: list[tuple[str, Panel]]


class Answer(NamedTuple):
    """What a probe said of one network, and a hash of the rows that it was fitted and scored on."""

    scores: Scores
    split: str


def split_hash(train: Features, test: Features) -> str:
    """A hash of which rows there are in two splits, whatever their order."""
    assert train.index is not None and test.index is not None
    return index_hash((train.origin, train.index), (test.origin, test.index))


def index_hash(*splits: tuple[str, NDArray[np.int64]]) -> str:
    """A hash of the origin and the numbers of the rows of each split."""
    digest = hashlib.sha256()
    for origin, index in splits:
        digest.update(f"{origin} {len(index)}\n".encode())
        digest.update(np.sort(index).astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def as_scores(
    name: str, answer: Answer, step: int | None, seed: int | None, beside: Mapping[str, Answer | None]
) -> list[Score]:
    """An answer as rows of scores.json, with what the same probe said of other networks `beside`, by their column."""
    said, rows = answer.scores, list[Score]()
    others = {column: other.scores.values for column, other in beside.items() if other is not None}
    for metric, value in said.values.items():
        low, high = said.interval.get(metric, (None, None))
        warned = dict.fromkeys(said.warnings[key] for key in ("", metric) if key in said.warnings)
        rows.append(
            Score(
                probe=name,
                metric=metric,
                value=value,
                null=said.null.get(metric),
                chance=said.chance.get(metric),
                protocol=said.protocol,
                step=step,
                low=low,
                high=high,
                seed=seed,
                split=answer.split,
                warning="; ".join(warned),
                untrained=others.get("untrained", {}).get(metric),
                raw=others.get("raw", {}).get(metric),
                ceiling=others.get("ceiling", {}).get(metric),
            )
        )
    return rows
