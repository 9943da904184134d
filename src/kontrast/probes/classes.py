"""What the logits of a classifier say of test rows with classes: accuracy, confusion, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.panels import Bars, Heat, Panel
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.calibration import calibration_error, error_interval, gaps, reliability
from kontrast.probes.probe import Scores, most_frequent

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 40
"""Classes that a panel shows: those with the lowest accuracy, where there are more."""


class Predicted(NamedTuple):
    """What logits say of n rows: where the true class stands, and the classes named first, with their probabilities.

    `place` counts the classes before the true one, K for a class that was not learned; `first` is a label; `surprise`
    is -log p of the true class, NaN for a class that was not learned.
    """

    place: NDArray[np.int64]
    first: NDArray[np.int64]
    confidence: NDArray[np.float64]
    surprise: NDArray[np.float64]


def predicted(logits: NDArray[np.floating], classes: NDArray[np.int64], labels: NDArray[np.int64]) -> Predicted:
    """See `Predicted`; of classes with equal logits that of the lowest label stands first."""
    from scipy.special import log_softmax

    log_p = log_softmax(logits.astype(np.float64), axis=1)
    at = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    learned = classes[at] == labels
    own = np.take_along_axis(logits, at[:, None], 1)
    place = ((logits > own) | ((logits == own) & (np.arange(len(classes)) < at[:, None]))).sum(1)
    surprise = -np.take_along_axis(log_p, at[:, None], 1)[:, 0]
    first = classes[logits.argmax(1)]
    confidence = np.exp(log_p.max(1))
    return Predicted(np.where(learned, place, len(classes)), first, confidence, np.where(learned, surprise, np.nan))


def judge(
    logits: NDArray[np.floating],
    classes: NDArray[np.int64],
    labels: NDArray[np.int64],
    names: tuple[str, ...],
    protocol: str,
) -> Scores:
    """Scores of logits [n, K] of `classes` [K] (labels, in rising order) for rows of the true `labels` [n].

    "accuracy" is the share of rows whose class comes first, and "accuracy/top5", where there are more than five
    classes, of those whose class is among the first five. "nll" is the mean of -log p of the true class over the rows
    whose class was learned, and is left out where there are none; "ece" is the expected calibration error of the
    largest p (`calibration.calibration_error`). Rows of classes that were not learned count as wrong.

    Chance is what the shares of the classes in `labels`, given as p to every row, score: the share of the most frequent
    class (or five), the entropy of the shares, and 0. Intervals are over rows drawn with replacement. Panels are the
    accuracy of each class, the confusion of the true class (row) with the one that comes first (column) as shares of
    the row, and accuracy over confidence.
    """
    found = predicted(logits, classes, labels)
    known, right = ~np.isnan(found.surprise), found.place == 0
    surprise = np.where(known, found.surprise, 0)
    columns = [right, found.place < 5, surprise, known, *gaps(found.confidence, right).T]
    drawn = resampled(np.stack(columns, 1))
    means = np.array([column.mean() for column in columns])
    values, chance = {"accuracy": float(means[0])}, {"accuracy": most_frequent(labels)}
    spread = {"accuracy": interval(drawn[:, 0])}
    if len(classes) > 5:
        values["accuracy/top5"], chance["accuracy/top5"] = float(means[1]), most_frequent(labels, 5)
        spread["accuracy/top5"] = interval(drawn[:, 1])
    if known.any():
        values["nll"], chance["nll"] = float(means[2] / means[3]), _entropy(labels[known])
        with np.errstate(invalid="ignore"):
            spread["nll"] = interval(drawn[:, 2] / drawn[:, 3])
    values["ece"], chance["ece"] = float(calibration_error(means[4:])), 0.0
    spread["ece"] = error_interval(means[4:], drawn[:, 4:])
    warned = {"nll": f"{(~known).sum():,} test rows of classes not learned are left out of it"}
    curve = reliability(found.confidence, right, drawn[:, 4:], values["ece"])
    panels = (*by_class(found.first, labels, names), curve)
    return Scores(values, protocol, chance, {}, spread, warned if 0 < known.mean() < 1 else {}, panels)


def _entropy(labels: NDArray[np.int64]) -> float:
    share = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(share * np.log(share)).sum())


def by_class(first: NDArray[np.int64], labels: NDArray[np.int64], names: tuple[str, ...]) -> tuple[Panel, ...]:
    """The accuracy of each class of `labels` [n] where the classes `first` [n] are named, and the confusion.

    Of more classes than can be shown those with the lowest accuracy are; what they are taken for besides is "others".
    Intervals of the accuracy are Wilson's.
    """
    true, row, size = np.unique(labels, return_inverse=True, return_counts=True)
    right = np.bincount(row[first == labels], minlength=len(true))
    lowest = np.sort(np.argsort(right / size, kind="stable")[:SHOWN])
    some = len(lowest) < len(true)
    shown = true[lowest] if some else np.union1d(true, first)
    column = np.where(np.isin(first, shown), np.searchsorted(shown, first), len(shown))
    table = np.zeros((len(true), len(shown) + 1))
    np.add.at(table, (row, column), 1 / size[row])
    shares = table[lowest] if some else table[:, :-1]
    rows, columns = (tuple(_name(label, names) for label in found) for found in (true[lowest], shown))
    note = f"the {len(lowest)} of {len(true)} classes with the lowest accuracy" if some else ""
    low, high = zip(*(_wilson(int(right[c]), int(size[c])) for c in lowest), strict=True)
    accuracy = tuple(float(right[c] / size[c]) for c in lowest)
    whole = {"all classes": float((first == labels).mean())}
    bars = Bars("Accuracy of each class", rows, accuracy, low, high, whole, "accuracy", note)
    heat = Heat(
        "Confusion of classes",
        rows,
        (*columns, "others") if some else columns,
        tuple(tuple(float(share) for share in line) for line in shares),
        row="true class",
        column="class named",
        note="; ".join(filter(None, ["shares of each row", note])),
    )
    return bars, heat


def _name(label: int, names: tuple[str, ...]) -> str:
    return names[label] if label < len(names) else str(label)


def _wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of rows (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(right, rows).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
