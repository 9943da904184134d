"""How alike the features of two views of one thing are, beside those of two things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import chz
import numpy as np

from kontrast.panels import Curves
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.looking.density import densities, overlap
from kontrast.probes.probe import Encoding, Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.floating[Any]]
    Column = NDArray[np.float64]


def cosine(a: Rows, b: Rows) -> Column:
    """The cosine [n] of rows a and b [n, d], in [-1, 1]; 0 where one of them is zero."""
    found: Column = (unit(a) * unit(b)).sum(1)
    return found.clip(-1, 1)


def pearson(a: Rows, b: Rows) -> Column:
    """The correlation [n] over coordinates of rows a and b [n, d], in [-1, 1]; 0 where one of them is constant."""
    return cosine(_centered(a), _centered(b))


def nsed(a: Rows, b: Rows) -> Column:
    """The normalized squared Euclidean distance [n] of rows a and b [n, d], each less its own mean a' over coordinates.

        |(a - a') - (b - b')|^2 / (|a - a'|^2 + |b - b'|^2)

    From 0 (equal up to a constant) to 2 (opposite), and 1 - `pearson` where both norms are equal; 0 for two constant
    rows.
    """
    x, y = _centered(a), _centered(b)
    size = np.maximum(np.abs(x).max(1), np.abs(y).max(1))[:, None]
    x, y = (part / np.where(size > 0, size, 1) for part in (x, y))
    both = (x**2).sum(1) + (y**2).sum(1)
    found: Column = ((x - y) ** 2).sum(1) / np.where(both > 0, both, 1)
    return found


def ned(a: Rows, b: Rows) -> Column:
    """The root mean square [n] of the differences of the unit vectors of rows a and b [n, d].

        sqrt(mean_k (a_k / |a| - b_k / |b|)^2) = sqrt(2 (1 - cosine) / d)

    A row of zeros counts as zero.
    """
    found: Column = np.sqrt(((unit(a) - unit(b)) ** 2).mean(1))
    return found


def binned_information(a: Rows, b: Rows) -> Column:
    """The normalized mutual information [n] of the coordinates of rows a and b [n, d], each binned over its own range.

    There are max(2, d // 2) bins of equal width, and the information is over the mean of both entropies
    (scikit-learn's `normalized_mutual_info_score`).
    """
    from sklearn.metrics import normalized_mutual_info_score

    one, two = _bins(a), _bins(b)
    return np.array([float(normalized_mutual_info_score(x, y)) for x, y in zip(one, two, strict=True)])


def _bins(a: Rows) -> NDArray[np.int64]:
    count = max(2, a.shape[1] // 2)
    a = a.astype(np.float64)
    low, span = a.min(1, keepdims=True), np.ptp(a, axis=1)[:, None]
    found: NDArray[np.int64] = ((a - low) / np.where(span > 0, span, 1) * count).astype(np.int64).clip(0, count - 1)
    return found


def _centered(a: Rows) -> NDArray[np.float64]:
    a = a.astype(np.float64)
    constant = np.ptp(a, axis=1)[:, None] == 0
    return np.where(constant, 0.0, a - a.mean(1, keepdims=True))


def unit(a: Rows) -> NDArray[np.float64]:
    """Rows a [n, d] over their lengths; a row of zeros stays one."""
    a = a.astype(np.float64)
    size = np.abs(a).max(1, keepdims=True)
    a = a / np.where(size > 0, size, 1)
    norm = np.linalg.norm(a, axis=1, keepdims=True)
    found: NDArray[np.float64] = a / np.where(norm > 0, norm, 1)
    return found


MEASURES: dict[str, tuple[Callable[[Rows, Rows], Column], int]] = {
    "cosine": (cosine, 1),
    "correlation": (pearson, 1),
    "nsed": (nsed, -1),
    "ned": (ned, -1),
}
"""Each measure of two views, and whether it is larger (1) or smaller (-1) for those that are alike."""
TITLES = {"nsed": "NSED", "ned": "NED"}
AXES = {
    "cosine": "cosine",
    "correlation": "correlation over coordinates",
    "nsed": "normalized squared Euclidean distance",
    "ned": "normalized Euclidean distance",
    "information": "normalized mutual information",
}


@chz.chz
class PairSimilarity(Probe):
    """Distributions of the similarity of positive pairs and of negative ones, and how well they come apart.

    A positive pair is two views of one test row, as the run's own pairing makes them; a negative pair is the first view
    of a row and the second view of another one, whom a shuffle drawn from `seed` makes its partner. Which class they
    are of is not asked, as it is not in training without labels.

    Measures are the cosine, the correlation over coordinates, the normalized squared distance (`nsed`), the normalized
    distance (`ned`), and with `binned` the normalized mutual information of the two vectors' binned coordinates. Of
    each, "positive/MEASURE" and "negative/MEASURE" are the means; "overlap/MEASURE" is the share that both histograms
    have in common, from 0 to 1; and "auroc/MEASURE" is the probability that a positive pair is more alike than a
    negative one, ties counted half: 1/2 if they cannot be told apart. Intervals are by the bootstrap over rows (that of
    the AUROC of its first-order projection, DeLong et al. 1988; too narrow where it is within 1 % of 1).

    Rows of zeros have cosine 0, and constant ones correlation and nsed 0. ValueError for features that are not finite,
    for fewer than two rows, and without the two views. Source of the measures: Probabilistic SimCLR.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    binned: bool = chz.field(default=False, doc="also the mutual information of binned coordinates, of 500 rows")
    seed: int = chz.field(default=0, doc="what the partners of negative pairs, and the views, are drawn from")

    def extra(self) -> Mapping[str, Encoding]:
        return {f"view {v}": Encoding(view=v, seed=self.seed) for v in (0, 1)}

    def check(self, features: Features) -> None:
        check_values(features)
        if len(features) < 2:
            raise ValueError("negative pairs need two rows, and there is one; encode more of them")

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        a, b = views(self, test)
        other = b[partners(len(a), self.seed)]
        values: dict[str, float] = {}
        bounds: dict[str, tuple[float, float]] = {}
        panels: list[Curves] = []
        measures = MEASURES | ({"information": (_first, 1)} if self.binned else {})
        for name, (measure, sign) in measures.items():
            positive, negative = measure(a, b), measure(a, other)
            found, intervals = _compared(positive, negative, sign, self.seed)
            values |= {f"{key}/{name}": value for key, value in found.items()}
            bounds |= {f"{key}/{name}": both for key, both in intervals.items()}
            samples = {"positive pairs": positive, "negative pairs": negative}
            panels.append(densities(f"{TITLES.get(name, name.capitalize())} of pairs", AXES[name], samples))
        protocol = f"{len(a):,} pairs of views of one row each, and as many of two rows, partners shuffled"
        if self.binned:
            protocol += f"; binned coordinates of {min(len(a), BINNED)}"
        order = ("auroc", "overlap", "positive", "negative")
        keys = [f"{key}/{name}" for key in order for name in measures]
        return Scores(
            {key: values[key] for key in keys},
            protocol,
            interval={key: bounds[key] for key in keys if key in bounds},
            panels=tuple(panels),
        )


BINNED = 500


def _first(a: Rows, b: Rows) -> Column:
    return binned_information(a[:BINNED], b[:BINNED])


def views(probe: Probe, test: Features) -> tuple[Rows, Rows]:
    """The two views [n, d] of the test rows that a probe asked for; a ValueError if they are not there."""
    found = []
    for name in ("view 0", "view 1"):
        if name not in test.extra:
            raise ValueError(
                f"{type(probe).__name__} compares two views of each row, which are not here; ask a run whose pairing "
                "makes two, by Run.probe or kontrast probe"
            )
        check_values(test.extra[name])
        found.append(test.extra[name].values)
    if found[0].shape != found[1].shape or len(found[0]) < 2:
        raise ValueError(f"the two views of the rows are of shapes {found[0].shape} and {found[1].shape}, not of one")
    return found[0], found[1]


def partners(n: int, seed: int) -> NDArray[np.int64]:
    """Another row for each of n rows, each row once: a shuffle without fixed points."""
    order = np.random.default_rng(seed).permutation(n)
    found = np.empty(n, dtype=np.int64)
    found[order] = np.roll(order, 1)
    return found


def placements(positive: Column, negative: Column) -> tuple[Column, Column]:
    """For each positive, the share of negatives below it, and for each negative that of positives above, ties half.

    The mean of either is the AUROC, and their sum less it is its first-order projection on the rows.
    """
    low, high = np.sort(negative), np.sort(positive)
    below = (np.searchsorted(low, positive, "left") + np.searchsorted(low, positive, "right")) / (2 * len(low))
    above = 1 - (np.searchsorted(high, negative, "left") + np.searchsorted(high, negative, "right")) / (2 * len(high))
    return below, above


def _compared(
    positive: Column, negative: Column, sign: int, seed: int
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    below, above = placements((sign * positive).round(12), (sign * negative).round(12))
    auroc = float(below.mean())
    means = resampled(np.stack([positive, negative, below + above], 1), seed=seed)
    values = {
        "positive": float(positive.mean()),
        "negative": float(negative.mean()),
        "auroc": auroc,
        "overlap": overlap(positive, negative),
    }
    samples = (means[:, 0], means[:, 1], (means[:, 2] - auroc).clip(0, 1))
    return values, {
        key: interval(sample) for key, sample in zip(("positive", "negative", "auroc"), samples, strict=True)
    }
