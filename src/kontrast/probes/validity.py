"""Validity: where a score of recovery leaves the domain in which it means what it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kontrast.probes.probe import listed, moments
from kontrast.probes.targets import columns_of
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 10
"""Training rows for each dimension below which an affine fit is mostly noise: its R^2 loses d / (n - d - 1)."""
FEW = 30
"""Test rows below which nothing is measured well."""
DEPENDENT = 0.1
"""Share of a factor's variance told by the others, by an affine map, from which factors count as dependent."""


def said(*sentences: str) -> str:
    """These remarks as one line, the empty ones left out."""
    return "; ".join(filter(None, sentences))


def remarks(**sentences: str) -> dict[str, str]:
    """Warnings by the name of the score, without the empty ones; `every` is for all scores."""
    return {"" if name == "every" else name: text for name, text in sentences.items() if text}


def few_rows(train: Features, test: Features, dimensions: int | None = None) -> str:
    """What to say where rows are few for so many dimensions (all of the features' unless given)."""
    d = train.values.shape[1] if dimensions is None else dimensions
    return said(
        f"{len(train):,} training rows are few for {d} dimensions" if len(train) < ROWS * d else "",
        f"{len(test):,} test rows are few" if len(test) < FEW else "",
    )


def constant(train: Features, test: Features) -> NDArray[np.bool_]:
    """Which features [m] are constant in either split: dead codes."""
    dead: NDArray[np.bool_] = np.any([split.values.max(0) == split.values.min(0) for split in (train, test)], axis=0)
    return dead


def dead_codes(train: Features, test: Features) -> str:
    """What to say of features that are constant."""
    dead = int(constant(train, test).sum())
    return f"{dead} of {train.values.shape[1]} features are constant" if dead else ""


def dependent(train: Features, test: Features) -> str:
    """What to say of factors that the other factors tell, by an affine map fitted on `train` and scored on `test`."""
    if len(train.factors) < 2:
        return ""
    (z, slices), (z_test, _) = columns_of(train), columns_of(test)
    told = []
    for name, own in slices.items():
        others = [j for j in range(z.shape[1]) if not own.start <= j < own.stop]
        if len(z) < ROWS * len(others):
            return ""
        share = _told(z[:, others], z[:, own], z_test[:, others], z_test[:, own])
        if share > DEPENDENT:
            told.append(f"{name} ({share:.2f})")
    return f"{listed(told)} can be told from the other factors, read or not (R^2 in brackets)" if told else ""


def _told(
    x: NDArray[np.float64], y: NDArray[np.float64], x_new: NDArray[np.float64], y_new: NDArray[np.float64]
) -> float:
    predicted = least_squares(x, y, x_new)[0]
    total = np.square(y_new - y_new.mean(0)).sum()
    # What varies by rounding alone is told by nothing.
    return float(1 - np.square(y_new - predicted).sum() / total) if total > 1e-9 * len(y_new) else 0.0


def least_squares(
    x: NDArray[np.floating], y: NDArray[np.float64], x_new: NDArray[np.floating]
) -> tuple[NDArray[np.float64], int]:
    """The prediction at x_new [m, d] of least squares with intercept from x [n, d] to y [n, t], and the rank of x.

    Of all that fit equally well it is that of least norm in standardized features.
    """
    mean, deviation = moments(x.astype(np.float64))
    center = y.mean(0)
    slope, _, rank, _ = np.linalg.lstsq((x - mean) / deviation, y - center, rcond=None)
    return (x_new - mean) / deviation @ slope + center, int(rank)
