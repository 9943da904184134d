"""Where a score of disentanglement leaves the domain in which it means what it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.probes.disentanglement.truth import Truth
from kontrast.probes.probe import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE, DEPENDENT, SURE = 5, 0.1, 1e-3


def dead(codes: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Which features [m] have one value in all rows."""
    found: NDArray[np.bool_] = codes.max(0) == codes.min(0)
    return found


def remarks(codes: NDArray[np.floating[Any]], truth: Truth, rows: int) -> str:
    """What is against reading the score of these features [n, m] as it is named, as one sentence, or "".

    `rows` is how many the score asks for.
    """
    (n, m), k, constant = codes.shape, len(truth.factors), int(dead(codes).sum())
    bound = dependent(truth)
    said = [
        f"{constant} of {m} features {'is' if constant == 1 else 'are'} constant" if constant else "",
        f"{m} features for {k} factors, so some factor has none of its own" if m < k else "",
        f"more features ({m}) than factors ({k})" if m > k else "",
        f"{listed(bound[:3])} depend on each other, and the score takes factors for independent" if bound else "",
        f"{n:,} rows are few: chance is high below {rows:,}" if n < rows else "",
    ]
    return "; ".join(filter(None, said))


def dependent(truth: Truth) -> list[str]:
    """The pairs of factors that depend on each other, as in "x on shape".

    Those whose Cramer's V, corrected for its bias (Bergsma 2013), is above .1, and chi-squared has p < .001. Factors
    with more than five levels are counted in five, equally wide.
    """
    coarse = [_coarse(levels) for levels in truth.levels.T]
    names = truth.names
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    return [f"{names[i]} and {names[j]}" for i, j in pairs if _bound(coarse[i], coarse[j])]


def _coarse(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    values, found = np.unique(levels, return_inverse=True)
    if len(values) <= COARSE:
        return found
    fifth: NDArray[np.int64] = (levels - values[0]) * COARSE // (values[-1] - values[0] + 1)
    return fifth


def _bound(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    from scipy.stats import chi2

    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    n, (r, c) = len(a), table.shape
    if min(r, c) < 2 or n < 2:
        return False
    expected = np.outer(table.sum(1), table.sum(0)) / n
    statistic = float(((table - expected) ** 2 / expected).sum())
    free = (r - 1) * (c - 1)
    excess = max(0.0, statistic / n - free / (n - 1))
    span = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    strong = span > 0 and (excess / span) ** 0.5 > DEPENDENT
    return bool(strong and chi2.sf(statistic, free) < SURE)
