"""How well classes are named: what the scores of tunings have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.panels import Heat, Panel
from kontrast.probes import Scores
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.probe import most_frequent

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST = 5
"""The rank down to which "accuracy/top5" counts a class as named."""
SHOWN = 30
"""Classes that a matrix of confusions is drawn for, at the most."""


class Trial(NamedTuple):
    """What a setting reached on rows held out of training: accuracy, and mean cross-entropy in nats."""

    accuracy: float
    loss: float

    @property
    def merit(self) -> tuple[float, float]:
        """By this the best is chosen: the accuracy, and among equals the lower cross-entropy."""
        return self.accuracy, -self.loss


def judge(
    logits: Sequence[NDArray[np.floating]], labels: NDArray[np.int64], classes: Sequence[str], title: str
) -> Scores:
    """Scores of logits [n, C] of some trained networks: "accuracy", and "accuracy/top5" where there are more classes.

    Over several networks they are means. Chance is the share of the most frequent class of these rows (of the five
    most frequent ones); intervals are over resampled rows. The panel shows which classes are taken for which.
    """
    ranks = [np.argsort(-np.asarray(z, np.float64), axis=1, kind="stable") for z in logits]
    columns = {"accuracy": np.mean([order[:, 0] == labels for order in ranks], axis=0)}
    chance = {"accuracy": most_frequent(labels)}
    if len(classes) > FIRST:
        among = [(order[:, :FIRST] == labels[:, None]).any(1) for order in ranks]
        columns["accuracy/top5"], chance["accuracy/top5"] = np.mean(among, axis=0), most_frequent(labels, FIRST)
    drawn = resampled(np.stack([*columns.values()], axis=1))
    return Scores(
        values={name: float(column.mean()) for name, column in columns.items()},
        protocol="",
        chance=chance,
        interval={name: interval(drawn[:, k]) for k, name in enumerate(columns)},
        panels=_confusions([order[:, 0] for order in ranks], labels, classes, title),
    )


def _confusions(
    named: Sequence[NDArray[np.int64]], labels: NDArray[np.int64], classes: Sequence[str], title: str
) -> tuple[Panel, ...]:
    if len(classes) > SHOWN:
        return ()
    counts = np.zeros((len(classes), len(classes)))
    for guess in named:
        np.add.at(counts, (labels, guess), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return (
        Heat(
            title,
            rows=tuple(classes),
            columns=tuple(classes),
            values=tuple(tuple(map(float, row)) for row in shares),
            row="class",
            column="named as",
            note="Shares of the test rows of each class.",
        ),
    )


def edges(chosen: Mapping[str, tuple[float, Sequence[float]]]) -> str:
    """A sentence on which chosen numbers lie at the end of those tried; "" if none does. 0 is no end, but a floor."""
    found = []
    for name, (value, tried) in chosen.items():
        ends = {max(tried): "largest", min(tried): "smallest"}
        if len(set(tried)) > 1 and value in ends and not (value == 0 and value == min(tried)):
            found.append(f"{name} {value:g} is the {ends[value]} of those tried")
    return f"{' and '.join(found)}, so that a better one may lie beyond" if found else ""
