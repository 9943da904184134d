"""The mean correlation coefficient: whether single features are single factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.panels import Heat
from kontrast.probes.bootstrap import RESAMPLES, resampled
from kontrast.probes.determination import intervals
from kontrast.probes.matching import KINDS, Matched, Pair, padded, pairs
from kontrast.probes.matching import correlations as correlations
from kontrast.probes.matching import match as match
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed
from kontrast.probes.targets import check_latents, continuous
from kontrast.probes.validity import constant, dead_codes, dependent, few_rows, remarks, said
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 32
"""Features in the figure at most."""


@chz.chz
class MCC(Probe):
    """Mean correlation of each factor with the one feature matched to it, matched on `train` and scored on `test`.

    With C_ij the correlation of factor i of d and feature j of m on `train`, the matching pi pairs factors and features
    one to one so that sum_i |C_i,pi(i)| is largest, and with c_ij the correlation on `test`,

        MCC = (1/d) sum_i sign(C_i,pi(i)) c_i,pi(i)   in [-1, 1],

    for three correlations, each with its own matching: "mcc/pearson"; "mcc/spearman", of ranks, ties sharing their mean
    rank; and "mcc/rdc", the largest correlation of any smooth function of the factor with any of the feature (the
    randomized dependence coefficient, arXiv 1304.7717; the functions are fitted on `train`, of 5,000 rows at most). It
    is 1 for features that are the factors up to order, sign and scale (spearman: up to a monotone map of each, rdc: up
    to any smooth one). Since pairs, signs and functions are chosen on other rows, noise scores about 0, where the usual
    mean of |C_i,pi(i)| on one set of rows grows with the number of features.

    The sum is divided by the number of factors even where there are fewer features, so a factor that is left without
    one counts as 0; so does a correlation with what is constant in either split. Beside it there are "matched_mcc/...",
    divided by min(d, m), and "in_sample_mcc/...", the usual number: (1 / min(d, m)) sum_i |c_i,pi(i)| with the matching
    of `test` itself (icebeem's mean_corr_coef, cl-ica). Both are 1 where a single factor is found and no other. With
    `padded`, noise in place of factors is matched to the surplus features, as for KITTI Masks (arXiv 2007.10930), whose
    number is in_sample_mcc/spearman. A value of .6 is no "60 %": a random rotation of ten uniform factors scores .59.

    "mcc/pearson/NAME" is the score of each factor. Only continuous factors take part: the zero of an angle and the
    order of classes mean nothing. The null is the mean over `permutations` of the rows of the factors, in both splits.
    Intervals are over resampled test rows, with pairs, ranks and functions as they are. A warning says where features
    are fewer than factors, or more, or constant, and where factors tell each other. A ValueError if features or latents
    are not finite, if no factor is continuous, or if latents do not fit their factors. Source: Hyvarinen and Morioka
    2016, arXiv 1605.06336.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    permutations: int = chz.field(default=10, doc="permutations of the rows that give the null level; 0 for none")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    padded: bool = chz.field(default=False, doc="match noise to features beyond the number of factors (KITTI Masks)")
    seed: int = chz.field(default=0, doc="seed of the permutations, and of the noise of padded")

    @chz.validate
    def _ranges(self) -> None:
        if min(self.permutations, self.resamples, self.seed) < 0:
            raise ValueError(
                "neither permutations nor resamples nor seed of MCC can be negative; "
                "write permutations=10 resamples=200 seed=0"
            )

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)
        if all(factor.kind != "continuous" for factor in features.factors):
            raise ValueError("MCC correlates continuous factors, of which there is none here; ask Recovery instead")

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        names = continuous(test)[1]
        given = [Pair(continuous(split)[0], split.values.astype(np.float64)) for split in (train, test)]
        if self.padded:
            given = [padded(pair, self.seed + side) for side, pair in enumerate(given)]
        found = {kind: pairs(kind, given, len(names), self.permutations, self.seed) for kind in KINDS}
        scores = {kind: matched.scores for kind, matched in found.items()}
        rows = self._rows(scores, {kind: matched.in_sample for kind, matched in found.items()}, names, test)
        return Scores(
            {name: float(row[0]) for name, row in rows.items()},
            self._protocol(train, test, names),
            null={name: float(row[1:].mean()) for name, row in rows.items()} if self.permutations else {},
            interval=intervals(self._samples(found, names, test)) if self.resamples else {},
            warnings=_warnings(train, test, len(names)),
            panels=(_panel(given[1], names),),
        )

    def _rows(
        self,
        crossed: dict[str, NDArray[np.float64]],
        own: dict[str, NDArray[np.float64]],
        names: list[str],
        test: Features,
    ) -> dict[str, NDArray[np.float64]]:
        """Scores [rows] by name, of scores [rows, d] of each factor by kind: held out, and in sample."""
        d = len(names)
        fewer = min(d, test.values.shape[1])
        rows = {f"mcc/{kind}": crossed[kind].mean(1) for kind in ("pearson", "spearman")}
        rows |= {f"mcc/pearson/{name}": crossed["pearson"][:, i] for i, name in enumerate(names)}
        rows["mcc/rdc"] = crossed["rdc"].mean(1)
        rows |= {f"matched_mcc/{kind}": row.sum(1) / fewer for kind, row in crossed.items()}
        return rows | {f"in_sample_mcc/{kind}": row.sum(1) / fewer for kind, row in own.items()}

    def _samples(self, found: dict[str, Matched], names: list[str], test: Features) -> dict[str, NDArray[np.float64]]:
        held = {kind: _drawn(*matched.held_out, self.resamples, self.seed) for kind, matched in found.items()}
        own = {kind: np.abs(_drawn(*matched.fitted, self.resamples, self.seed)) for kind, matched in found.items()}
        return self._rows(held, own, names, test)

    def _protocol(self, train: Features, test: Features, names: list[str]) -> str:
        d, m = len(names), test.values.shape[1]
        others = [f"{factor.name} ({factor.kind})" for factor in test.factors if factor.name not in names]
        features = constant(train, test)
        factors = np.any([z.max(0) == z.min(0) for z in (continuous(train)[0], continuous(test)[0])], axis=0)
        return said(
            f"{d} factors matched to {m} features on {len(train):,} rows and scored on {len(test):,}",
            f"{listed(others)} left out" if others else "",
            f"{d - m} factors without a feature count as 0" if m < d else "",
            f"{m - d} columns of noise beside the factors" if self.padded and m > d else "",
            f"{features.sum()} constant features correlate 0" if features.any() else "",
            f"{factors.sum()} constant factors count as 0" if factors.any() else "",
            f"null from {self.permutations} permutations of the factors' rows" if self.permutations else "",
            f"95 % intervals from {self.resamples} resamples of the test rows" if self.resamples else "",
        )


def _drawn(z: NDArray[np.float64], h: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Bootstrap samples [b, d] of the correlation of column i of z [n, d] with column i of h [n, d]; 0 if constant."""
    d = z.shape[1]
    means = resampled(np.concatenate([z, h, z * z, h * h, z * h], 1), resamples, seed)
    z1, h1, z2, h2, both = np.split(means, [d, 2 * d, 3 * d, 4 * d], axis=1)
    spread = np.sqrt(np.maximum(z2 - z1 * z1, 0) * np.maximum(h2 - h1 * h1, 0))
    return np.where(spread > 1e-12, np.clip((both - z1 * h1) / np.where(spread > 1e-12, spread, 1), -1, 1), 0)


def _warnings(train: Features, test: Features, d: int) -> dict[str, str]:
    m = train.values.shape[1]
    one = f"{m} features for {d} factors: "
    every = said(
        one + "a factor that several features share, or that only several tell together, counts by the best of them"
        if m > d
        else "",
        few_rows(train, test, 1),
        dependent(train, test),
        dead_codes(train, test),
    )
    lost = one + f"{d - m} factors cannot be found, and are left out of the mean"
    level = one + "noise scores more the more features there are; compare with the null"
    by_kind = {f"matched_mcc/{kind}": lost for kind in KINDS} if m < d else {}
    if m != d:
        by_kind |= {f"in_sample_mcc/{kind}": lost if m < d else level for kind in KINDS}
    return remarks(every=every) | by_kind


def _panel(test: Pair, names: list[str]) -> Heat:
    """Correlations on test, the features in the order of the factors they are matched to."""
    table = correlations(test.z[:, : len(names)], test.h)
    factor, feature = match(table)
    first = [int(j) for _, j in sorted(zip(factor, feature, strict=True))]
    strength = np.abs(table).max(0)
    rest = [int(j) for j in np.argsort(-strength, kind="stable") if j not in first]
    order = [*first, *rest][:SHOWN]
    note = f"the {SHOWN} strongest of {test.h.shape[1]} features" if test.h.shape[1] > SHOWN else ""
    return Heat(
        "Correlation of factors and features",
        tuple(names),
        tuple(str(j + 1) for j in order),
        tuple(tuple(float(x) for x in row) for row in table[:, order]),
        center=0.0,
        row="factor",
        column="feature",
        note=note,
    )
