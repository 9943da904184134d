"""The coefficient of determination R^2 of predictions: by target column, by factor, and over resampled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kontrast.probes.bootstrap import interval, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray


def r2(target: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """R^2 = 1 - sum_i (t_i - p_i)^2 / sum_i (t_i - mean(t))^2 [..., t] of predictions [..., n, t] of targets [n, t].

    It is NaN for a target that is constant.
    """
    total = np.where(target.max(0) > target.min(0), np.square(target - target.mean(0)).sum(0), np.nan)
    found: NDArray[np.float64] = 1 - np.square(target - predicted).sum(-2) / total
    return found


def resampled_r2(
    target: NDArray[np.float64], predicted: NDArray[np.float64], resamples: int, seed: int = 0
) -> NDArray[np.float64]:
    """R^2 [resamples, t] over rows drawn with replacement; NaN where a target is constant in the rows drawn."""
    error, total = resampled_squares(target, predicted, resamples, seed)
    found: NDArray[np.float64] = 1 - error / total
    return found


def resampled_squares(
    target: NDArray[np.float64], predicted: NDArray[np.float64], resamples: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean squared error and variance of the target [resamples, t] over rows drawn with replacement; 0 becomes NaN."""
    centered = target - target.mean(0)
    columns = np.concatenate([np.square(target - predicted), np.square(centered), centered], 1)
    error, square, mean = np.split(resampled(columns, resamples, seed), 3, axis=1)
    total = square - np.square(mean)
    return error, np.where(total > 1e-12 * np.square(centered).mean(0), total, np.nan)


def mean_known(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """The mean along an axis of what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def by_factor(
    metric: str, columns: NDArray[np.float64], of: Mapping[str, Sequence[int]]
) -> dict[str, NDArray[np.float64]]:
    """Scores [..., t] of columns as "METRIC/NAME" [...], the mean over columns of a factor, and "METRIC/mean"."""
    rows = {f"{metric}/{name}": mean_known(columns[..., list(own)]) for name, own in of.items()}
    rows[f"{metric}/mean"] = mean_known(np.stack(list(rows.values()), -1))
    return rows


def intervals(samples: Mapping[str, NDArray[np.float64]]) -> dict[str, tuple[float, float]]:
    """The 95 % interval of bootstrap samples [b] by name; those without any sample that is a number have none."""
    found = {name: interval(row) for name, row in samples.items()}
    return {name: (low, high) for name, (low, high) in found.items() if low == low}
