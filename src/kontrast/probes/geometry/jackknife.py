"""Intervals of statistics of a spectrum, for which rows drawn twice would count as fewer dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = 10
"""Blocks of rows, each of which is left out once."""
SAID = f"interval by a jackknife over {BLOCKS} blocks of rows"


def blocks() -> list[slice]:
    """Rows in `BLOCKS` parts: every tenth, so that each has its share of whatever the rows are sorted by."""
    return [slice(start, None, BLOCKS) for start in range(BLOCKS)]


def scatters(rows: NDArray[np.float64], centered: bool) -> Iterator[NDArray[np.float64]]:
    """For each block, the second moment [d, d] of all other rows of [n, d], about their mean where `centered`."""
    rows = rows - rows.mean(0) if centered else rows  # near 0, the squares of the means take no digits
    parts = [(len(rows[block]), rows[block].sum(0), rows[block].T @ rows[block]) for block in blocks()]
    total, products = sum(part[1] for part in parts), sum(part[2] for part in parts)
    for size, own, product in parts:
        n = len(rows) - size
        mean = (total - own) / n
        yield (products - product) / n - (np.outer(mean, mean) if centered else 0)


def interval(value: float, without: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """The 95 % interval of a value in [low, high] from what it is without each of B blocks of rows, [B].

    It is value +- t s with s^2 = (B - 1)/B sum_b (v_b - mean(v))^2 and t the .975 quantile of Student's law with B - 1
    degrees of freedom (the jackknife, Quenouille 1956 and Tukey 1958), cut to the range.
    """
    from scipy.stats import t

    count = len(without)
    error = math.sqrt((count - 1) * float(without.var()))
    reach = float(t.ppf(0.975, count - 1)) * error
    return max(low, value - reach), min(high, value + reach)


def of_spectrum(
    rows: NDArray[np.float64], centered: bool, statistic: Callable[[NDArray[np.float64]], float]
) -> NDArray[np.float64] | None:
    """What a statistic of the eigenvalues [d] of the second moment, falling, is without each block: [B].

    None where so few rows would be left that their number decides, not the law they come from: fewer than 2 d.
    """
    n, d = rows.shape
    if n - math.ceil(n / BLOCKS) < max(2 * d, BLOCKS):
        return None
    spectra = (np.linalg.eigvalsh(scatter)[::-1].clip(0) for scatter in scatters(rows, centered))
    return np.array([statistic(spectrum) for spectrum in spectra])
