"""UDR: whether single coordinates of one run are single coordinates of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import chz
import numpy as np

from kontrast.panels import Heat
from kontrast.probes.comparisons.rows import check_runs
from kontrast.probes.mcc import correlations
from kontrast.probes.probe import Comparison, Layer, Scores, check_values, moments
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARNING = "agreement of runs says nothing of the truth: axes that all runs share can still mix its factors"


@chz.chz
class UDR(Comparison):
    """Unsupervised disentanglement ranking: how nearly coordinates of two runs are the same (arXiv 1905.12614).

    Coordinates of `test` are standardized. R_ab [d, d'] of runs i and j is the size of the weight of coordinate a of
    run i in a lasso for coordinate b of run j, which minimizes 1/(2n) |h_b - sum_a w_a h_a|^2 + penalty |w|_1 (`of`
    lasso), or the size of their rank correlation (`of` spearman). With I the number of informative coordinates,

        UDR_ij = 1/2 (1/I_j sum_b max_a R_ab^2 / sum_a R_ab + 1/I_i sum_a max_b R_ab^2 / sum_b R_ab)   in [0, 1],

    1 where each coordinate has one partner of weight 1 and 0 where none has any. The score of run j, named as in
    "udr/lasso=0.1/run 0", is the median over i != j; "udr/lasso=0.1/mean" is the mean over runs. A lasso shrinks the
    weight of an equal partner to 1 - penalty, so equal runs of independent coordinates score .9 there.

    The paper keeps coordinates whose posterior is more than .01 nats from its prior. Encoders here have no posterior: a
    coordinate is informative if its standard deviation is at least `informative` times the largest one's of its run. A
    run without informative coordinates scores 0, and so does a coordinate that nothing goes with. All is of one set of
    rows by definition, so `train` is not looked at. ValueError: fewer than two runs, other rows, or codes that are not
    finite. Source: Duan et al. 2020.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    of: Literal["lasso", "spearman"] = chz.field(default="lasso", doc="what relates coordinates: lasso or spearman")
    penalty: float = chz.field(default=0.1, doc="weight of the lasso's penalty, for coordinates of variance 1")
    informative: float = chz.field(default=0.1, doc="least standard deviation, as a share of the run's largest")

    @chz.validate
    def _ranges(self) -> None:
        if self.of not in ("lasso", "spearman"):
            raise ValueError(f"coordinates are related by lasso or spearman, not {self.of!r}; write udr.of=lasso")
        if not (0 < self.penalty < 1 and 0 <= self.informative <= 1):
            raise ValueError(
                "penalty lies between 0 and 1, and informative from 0 to 1; write udr.penalty=0.1 udr.informative=0.1"
            )

    def check(self, features: Features) -> None:
        check_values(features)

    def __call__(self, train: Sequence[Features], test: Sequence[Features]) -> Scores:
        check_runs(self, train, test)
        codes, dropped = [], 0
        for features in test:
            kept = informative(features.values, self.informative)
            dropped += features.values.shape[1] - kept.shape[1]
            codes.append(kept)
        count = len(codes)
        table = np.eye(count)
        for i in range(count):
            for j in range(count):
                if i != j:
                    table[i, j] = relative_strength(self._relation(codes[i], codes[j]))
        name = f"udr/lasso={self.penalty:g}" if self.of == "lasso" else "udr/spearman"
        runs = [float(np.median(np.delete(table[:, j], j))) for j in range(count)]
        values = {f"{name}/mean": float(np.mean(runs)), **{f"{name}/run {j}": runs[j] for j in range(count)}}
        protocol = (
            f"{count} runs on {len(test[0]):,} test rows; median over the other runs; {dropped} coordinates of less "
            f"than {self.informative:g} times the largest standard deviation left out"
        )
        shown = tuple(f"run {k}" for k in range(count))
        heat = Heat(
            f"UDR of pairs of runs: {self.of}", shown, shown, tuple(map(tuple, table.tolist())), row="from", column="to"
        )
        return Scores(values, protocol, warnings={"": WARNING}, panels=(heat,))

    def _relation(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        if not x.shape[1] or not y.shape[1]:
            return np.zeros((x.shape[1], y.shape[1]))
        return np.abs(lasso(x, y, self.penalty) if self.of == "lasso" else spearman(x, y))


def informative(values: NDArray[np.floating], share: float) -> NDArray[np.float64]:
    """The columns of values [n, d] that vary by at least this share of the largest deviation, standardized."""
    rows = values.astype(np.float64)
    mean, deviation = moments(rows)
    varies = np.isfinite(deviation)
    kept = varies & (deviation >= share * deviation[varies].max(initial=0))
    found: NDArray[np.float64] = (rows[:, kept] - mean[kept]) / deviation[kept]
    return found


def lasso(x: NDArray[np.float64], y: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """The weights [d, m] of a lasso from standardized x [n, d] to each column of y [n, m]."""
    from sklearn.linear_model import Lasso

    model = Lasso(alpha=penalty, fit_intercept=False, max_iter=10_000).fit(x, y)
    return np.asarray(model.coef_, np.float64).reshape(y.shape[1], x.shape[1]).T


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank correlation [d, m] of the columns of x [n, d] and y [n, m]."""
    from scipy.stats import rankdata

    return correlations(rankdata(x, axis=0), rankdata(y, axis=0))


def relative_strength(relation: NDArray[np.float64]) -> float:
    """(mean_b max_a R_ab^2 / sum_a R_ab + mean_a max_b R_ab^2 / sum_b R_ab) / 2 of R >= 0 [d, m]; 0 / 0 counts as 0."""
    if 0 in relation.shape:
        return 0.0
    halves = []
    for axis in (0, 1):
        total = relation.sum(axis)
        halves.append(float((np.square(relation.max(axis)) / np.where(total > 0, total, np.inf)).mean()))
    return (halves[0] + halves[1]) / 2
