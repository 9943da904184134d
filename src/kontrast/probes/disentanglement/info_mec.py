"""InfoMEC: modularity, compactness and explicitness by mutual information."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import chz
import numpy as np

from kontrast.probes.disentanglement.logistic import logistic, unconverged
from kontrast.probes.disentanglement.mutual import bins_of, by_neighbors, entropy, information
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, around, positive
from kontrast.probes.probe import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class InfoMEC(Disentanglement):
    """Modularity, compactness and explicitness from the mutual information of features and factors.

    With N_kj = I(z_k; h_j) / H(z_k), of the K factors and the m active features, on `test`,

        M = (mean_j max_k N_kj / sum_k N_kj - 1/K) / (1 - 1/K)     whether a feature tells of one factor,
        C = (mean_k max_j N_kj / sum_j N_kj - 1/m) / (1 - 1/m)     whether a factor is told by one feature,
        E = mean_k (H_k - L_k) / H_k                               whether it is told linearly,

    with L_k the cross-entropy on `test` of logistic regression on all features, fitted on `train`, and H_k that of the
    shares of the levels in `train`; levels of no row there take no part. M and C are in [0, 1], E in (-inf, 1] and
    negative where the fit does worse than the shares. A feature is active whose range is above 1/20 of the largest; one
    that tells nothing counts 1/K in M, and a factor that none tells 1/m in C, so that each adds 0. Without an active
    feature M and C are 0, with one C is the share of the factors of which it tells, and with one factor there is no M.
    Continuous and periodic factors are in `bins` of equal width, angles modulo their symmetry.

    The information is by nearest neighbors (Ross 2014) or, with estimator="bins", of features in equally wide bins. E
    is on other rows than it was fitted on, with a small penalty, without which it falls without bound where levels can
    be separated; held_out=False penalty=0 is the definition, which fits and scores one set of rows (here `test`). No
    weights balance levels, which the definition uses in the fit but not in the score. Scores are
    "modularity/neighbors=..", "compactness/..." and "explicitness/...", the last for each factor with the interval of
    a linearized bootstrap. Source: Hsu et al. 2023, arXiv 2305.18378.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    estimator: Literal["neighbors", "bins"] = chz.field(default="neighbors", doc="how information is found")
    neighbors: int = chz.field(default=10, doc="which neighbor's distance counts")
    bins: int = chz.field(
        default=20, doc="equally wide bins of continuous and periodic factors, and with bins, features"
    )
    penalty: float = chz.field(
        default=1.0, doc="weight of half the squared norm of the weights, beside a sum over rows"
    )
    held_out: bool = chz.field(default=True, doc="score explicitness on other rows than it is fitted on")
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the noise that tells equal values apart, and of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        given = {"bins": self.bins, "permutations": self.permutations, "seed": self.seed}
        positive("InfoMEC", neighbors=self.neighbors, **given)
        if not 0 <= self.penalty < float("inf"):
            raise ValueError(f"penalty of InfoMEC must be at least 0 and finite, not {self.penalty}; write penalty=1")

    def measure(self, train: Rows, test: Rows) -> Measured:
        share = self._share(test)
        reach = np.ptp(test.codes, 0)
        active = reach > reach.max() / 20
        modular, compact = concentration(share[active]), concentration(share[active].T)
        told, losses, short = self._explicit(train if self.held_out else test, test)
        how = f"neighbors={self.neighbors}" if self.estimator == "neighbors" else f"bins={self.bins}"
        explicit = f"explicitness/{how}"
        values = {f"modularity/{how}": modular} if share.shape[1] > 1 else {}
        values |= {f"compactness/{how}": compact, explicit: float(told.mean())}
        columns = np.concatenate([losses.mean(1, keepdims=True), losses], 1)
        bounds = around([values[explicit], *map(float, told)], columns, -np.inf, 1)
        names = [explicit, *(f"{explicit}/{factor}" for factor in test.truth.names)]
        rows = f"{len(train.codes):,} train rows" if self.held_out else "the rows it is scored on"
        return Measured(
            values,
            f"information by {how} on {len(test.codes):,} test rows, {int(active.sum())} features active; explicitness "
            f"with penalty={self.penalty:g} fitted on {rows}",
            {explicit: dict(zip(test.truth.names, map(float, told), strict=True))},
            dict(zip(names, bounds, strict=True)),
            unconverged(short),
            share,
            "Mutual information, as a share of the factor's entropy",
        )

    def _share(self, rows: Rows) -> NDArray[np.float64]:
        """N [m, k] of every feature and factor."""
        levels = rows.truth.own
        if self.estimator == "bins":
            told = information(bins_of(rows.codes, self.bins), levels).mutual
        else:
            told = by_neighbors(rows.codes, levels, self.neighbors, self.seed)
        entropies = np.array([entropy(level) for level in levels.T])
        share: NDArray[np.float64] = told / entropies
        return share

    def _explicit(self, train: Rows, test: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        """E [k] of each factor, how each row moves it [n, k], and the factors whose fit stopped early."""
        told, moves, short = [], [], []
        for k, name in enumerate(test.truth.names):
            level, held = train.truth.levels[:, k], test.truth.levels[:, k]
            found = logistic(train.codes, level, test.codes, self.penalty)
            short += [] if found.converged else [name]
            known = np.isin(held, found.levels)
            loss, floor = _losses(found.probability[known], found.levels, level, held[known])
            ratio = loss.mean() / floor.mean()
            told.append(1 - ratio)
            moves.append(np.zeros(len(held)))
            moves[-1][known] = (ratio * floor - loss) / floor.mean() / known.mean()
        return np.array(told), np.stack(moves, 1), short


def concentration(share: NDArray[np.float64]) -> float:
    """(mean_i max_j x_ij / sum_j x_ij - 1/c) / (1 - 1/c) in [0, 1] of x [r, c]; a row of zeros counts 1/c.

    0 without rows or columns, and with one column the share of the rows that are not zero.
    """
    if not share.size:
        return 0.0
    total, columns = share.sum(1), share.shape[1]
    if columns == 1:
        return float(np.mean(total > 0))
    found = np.where(total > 0, share.max(1) / np.where(total > 0, total, 1), 1 / columns)
    return float((found.mean() - 1 / columns) / (1 - 1 / columns))


def _losses(
    probability: NDArray[np.float64], known: NDArray[np.int64], level: NDArray[np.int64], held: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The cross-entropy [n] of each row's own level, and that of the shares of the levels in the fitted rows."""
    at = np.searchsorted(known, held)
    own = probability[np.arange(len(held)), at]
    shares = np.bincount(level) / len(level)
    return -np.log(np.maximum(own, np.finfo(np.float64).eps)), -np.log(shares[held])
