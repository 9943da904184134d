"""Consistency: whether runs learned the same thing, up to a declared indeterminacy, without any truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.panels import Heat
from kontrast.probes.comparisons.components import independent
from kontrast.probes.comparisons.indeterminacy import Indeterminacy, fit
from kontrast.probes.comparisons.rows import check_runs, mean_of_pairs, over_runs
from kontrast.probes.probe import Comparison, Layer, Scores, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARNING = "consistent is not correct: runs can agree on the same wrong map"
CLASSES = ("identity", "permutation", "orthogonal", "affine")


@chz.chz
class Consistency(Comparison):
    """Whether runs agree up to a class of maps: R^2 of each run's codes predicted from each other's, held out.

    For every ordered pair of K runs, the map f of the class `by` that takes the codes h of run i nearest to those of
    run j is fitted on the rows of `train`; on those of `test`

        R^2_ij = 1 - sum |h_j - f(h_i)|^2 / sum |h_j - mean(h_j)|^2,

    over all coordinates at once (`pooled`, which no rotation of h_j changes) or as the mean over coordinates; the score
    is the mean over pairs. The classes are identity, permutation (of coordinates, each with a sign, a shift and a
    scale), orthogonal (with a shift and one scale) and affine: `indeterminacy.fit`. The narrowest class that scores 1
    is all that training leaves open (Roeder et al. 2021, arXiv 2007.00810). That is not to have found the truth, of
    which a warning always reminds.

    With `ica`, codes are also whitened and turned to independent components, by each run on its own training rows:
    "consistency/ica" is the agreement of these up to a permutation, beside "consistency/permutation" of the codes as
    they are. With `in_sample` there is "consistency/in-sample", least squares fitted and scored on the same test rows,
    mean over coordinates, as CEBRA has it (Schneider et al. 2023, arXiv 2204.00673): noise of d dimensions scores
    d / (n - 1) there.

    The null is the mean with the rows of one of each pair permuted. Pairs share runs, so the 95 % interval is over
    runs: a jackknife that leaves out a run at a time, of three or more. Coordinates that are constant in `test` are
    left out, and a run of which none is left scores 0. ValueError: fewer than two runs, other rows, codes that are not
    finite, an identity between different dimensions, or too few training rows for an affine map, d + 1 or fewer.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    by: Indeterminacy = chz.field(default="affine", doc="the class: identity, permutation, orthogonal or affine")
    scale: bool = chz.field(default=True, doc="maps may scale: each coordinate (permutation), or all (orthogonal)")
    pooled: bool = chz.field(default=True, doc="R^2 of all coordinates at once; False: the mean of those of each")
    ica: bool = chz.field(default=False, doc="also compare independent components of the codes")
    in_sample: bool = chz.field(default=False, doc="also CEBRA's score, fitted and scored on the same rows")
    permutations: int = chz.field(default=1, doc="permutations of rows for each pair that give the null; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the permutations and of the independent components")

    @chz.validate
    def _ranges(self) -> None:
        if self.by not in CLASSES:
            raise ValueError(f"runs agree by {', '.join(CLASSES)}, not by {self.by!r}; write consistency.by=affine")
        if self.permutations < 0 or self.seed < 0:
            raise ValueError(
                "neither permutations nor seed of Consistency can be negative; write permutations=1 seed=0"
            )

    def check(self, features: Features) -> None:
        check_values(features)

    def __call__(self, train: Sequence[Features], test: Sequence[Features]) -> Scores:
        check_runs(self, train, test)
        codes = [(a.values.astype(np.float64), b.values.astype(np.float64)) for a, b in zip(train, test, strict=True)]
        asked: dict[str, _Agreement] = {self.by: _Agreement(codes, self.by, self.scale, self.pooled)}
        warnings = {"": WARNING}
        if self.ica:
            turned = [independent(*code, self.seed) for code in codes]
            asked.setdefault("permutation", _Agreement(codes, "permutation", True, self.pooled))
            asked["ica"] = _Agreement([one[:2] for one in turned], "permutation", True, self.pooled)
            if not all(one.converged for one in turned):
                warnings["consistency/ica"] = "FastICA did not converge, as it cannot where components are Gaussian"
        if self.in_sample:
            asked["in-sample"] = _Agreement([(b, b) for _, b in codes], "affine", True, False)
        rng = np.random.default_rng(self.seed)
        values, null, interval, panels = {}, {}, {}, []
        for name, agreement in asked.items():
            key, table = f"consistency/{name}", agreement.table()
            values[key], found = mean_of_pairs(table), over_runs(table)
            if found is not None:
                interval[key] = found
            if self.permutations:
                null[key] = float(np.mean([mean_of_pairs(agreement.table(rng)) for _ in range(self.permutations)]))
            panels.append(_heat(name, table))
        return Scores(values, self._protocol(train, test), {}, null, interval, warnings, tuple(panels))

    def _protocol(self, train: Sequence[Features], test: Sequence[Features]) -> str:
        count = len(train)
        parts = [
            f"{count} runs, {count * (count - 1)} ordered pairs, fitted on {len(train[0]):,} rows and scored on "
            f"{len(test[0]):,}",
            "" if self.scale or self.by not in ("permutation", "orthogonal") else "maps without scale",
            f"R2 of {'all coordinates at once' if self.pooled else 'each coordinate, mean over them'}",
            "ica: FastICA after whitening, then permutation" if self.ica else "",
            "in-sample: fitted and scored on the test rows" if self.in_sample else "",
            "interval over runs" if count > 2 else "two runs have no interval",
            f"null from {self.permutations} permutations of rows for each pair" if self.permutations else "",
        ]
        return "; ".join(filter(None, parts))


@dataclass(frozen=True)
class _Agreement:
    """What is compared: the codes of each run in train and test, up to a class of maps, by an R^2."""

    codes: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]
    by: Indeterminacy
    scale: bool
    pooled: bool

    def table(self, rng: np.random.Generator | None = None) -> NDArray[np.float64]:
        """R^2 [K, K] of the run of each column predicted from that of each row; 1 on the diagonal.

        With `rng` the rows of the run that is predicted from are permuted.
        """
        count = len(self.codes)
        table = np.eye(count)
        for i in range(count):
            for j in range(count):
                if i != j:
                    table[i, j] = self._pair(self.codes[i], self.codes[j], rng)
        return table

    def _pair(
        self,
        one: tuple[NDArray[np.float64], NDArray[np.float64]],
        other: tuple[NDArray[np.float64], NDArray[np.float64]],
        rng: np.random.Generator | None,
    ) -> float:
        x, x_test = one
        if self.by == "affine" and len(x) < x.shape[1] + 2:
            least = x.shape[1] + 2
            raise ValueError(f"{len(x)} rows cannot fit an affine map of {x.shape[1]} dimensions; give {least} or more")
        if rng is not None:
            held_out = x_test is not x
            x = x[rng.permutation(len(x))]
            x_test = x_test[rng.permutation(len(x_test))] if held_out else x
        return determination(other[1], fit(self.by, x, other[0], self.scale)(x_test), self.pooled)


def determination(y: NDArray[np.float64], predicted: NDArray[np.float64], pooled: bool) -> float:
    """R^2 of y [n, m] over all coordinates that vary at once, or the mean of those of each; 0 if none varies."""
    varies = y.max(0) > y.min(0)
    if not varies.any():
        return 0.0
    y, predicted = y[:, varies], predicted[:, varies]
    error, total = np.square(y - predicted).sum(0), np.square(y - y.mean(0)).sum(0)
    return float(1 - error.sum() / total.sum()) if pooled else float((1 - error / total).mean())


def _heat(name: str, table: NDArray[np.float64]) -> Heat:
    runs = tuple(f"run {k}" for k in range(len(table)))
    values = tuple(tuple(row) for row in table.tolist())
    title = f"Consistency of runs: {name}"
    return Heat(title, runs, runs, values, row="predicted from", column="R² of", note=f"{WARNING}.")
