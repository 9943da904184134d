"""The rungs of the ladder of recovery: for each class of maps, the one from features to factors that fits best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.probes.dependence import Waves, canonical
from kontrast.probes.determination import r2
from kontrast.probes.kernels import FOLDS, chosen_rows, kernel_ridge
from kontrast.probes.matching import MOST, correlations, match, ranks
from kontrast.probes.rotations import NEAR, rotation
from kontrast.probes.validity import least_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN = 512
"""Rows from which each block is learned at most: its features are few."""
LEAK = 0.5
"""Share of another factor from which on the features of a block are not its own."""
TOLD = 0.9
"""Share of a factor that others tell, above which what they leave is too little to be told from rounding."""


class Fit(NamedTuple):
    """What a class of maps is fitted on: target columns t [n, t], features h [n, m], and other features h_new [l, m].

    `single` are the columns of factors that are numbers, one column each; `groups` the columns of each block of
    factors. `rows` bounds what the nonlinear map is learned from, drawn by `seed`.
    """

    t: NDArray[np.float64]
    h: NDArray[np.float64]
    h_new: NDArray[np.float64]
    single: Sequence[int]
    groups: Sequence[Sequence[int]]
    rows: int
    seed: int


def identity(fit: Fit) -> NDArray[np.float64] | None:
    """Feature i is factor i, as it is. None unless there are as many features as factors, all of them numbers."""
    if not len(fit.single) == fit.h.shape[1] == fit.t.shape[1]:
        return None
    return fit.h_new


def permutation(fit: Fit) -> NDArray[np.float64] | None:
    """Each factor is plus or minus one feature, shifted: s_i (h_pi(i) - mean) + mean."""
    return _singly(fit, lambda z, h, h_new, sign: sign * (h_new - h.mean()) + z.mean())


def scaling(fit: Fit) -> NDArray[np.float64] | None:
    """Each factor is one feature, scaled and shifted."""
    return _singly(fit, lambda z, h, h_new, sign: np.cov(z, h)[0, 1] / h.var(ddof=1) * (h_new - h.mean()) + z.mean())


def monotone(fit: Fit) -> NDArray[np.float64] | None:
    """Each factor is a monotone function of one feature, by isotonic regression between points."""
    from sklearn.isotonic import IsotonicRegression

    def fitted(
        z: NDArray[np.float64], h: NDArray[np.float64], h_new: NDArray[np.float64], sign: float
    ) -> NDArray[np.float64]:
        model = IsotonicRegression(increasing=bool(sign > 0), out_of_bounds="clip").fit(h, z)
        made: NDArray[np.float64] = model.predict(h_new)
        return made

    return _singly(fit, fitted, ranked=True)


def orthogonal(fit: Fit) -> NDArray[np.float64] | None:
    """The factors are a rotation of the features, of one scale, shifted."""
    if not fit.single:
        return None
    z, made = fit.t[:, fit.single], _means(fit)
    _, matched = match(correlations(z, fit.h))
    found = []
    # The matched features are directions, too: without them a permutation could be nearer than a rotation.
    for own in (np.arange(fit.h.shape[1]), matched):
        turned = rotation(z, fit.h[:, own])
        found.append((float(np.square(turned(fit.h[:, own]) - z).sum()), turned(fit.h_new[:, own])))
    whole, single = found
    made[:, fit.single] = single[1] if single[0] < whole[0] * (1 - NEAR) else whole[1]
    return made


def block(fit: Fit) -> NDArray[np.float64]:
    """Each block of factors is any smooth function of features of its own: those that depend on it most.

    Features belong to the block of the largest sum, over its factors, of squared randomized dependence coefficients.
    They are its own only if they do not tell the other factors, beyond what the block's factors themselves tell of
    them (`leak`): many mixtures of all factors tell every factor, whichever block they are given to. A block without
    features of its own is predicted by its mean.
    """
    owner, made = owners(fit), _means(fit)
    few = chosen_rows(len(fit.h), min(OWN, fit.rows), fit.seed)
    for number, group in enumerate(fit.groups):
        own = np.flatnonzero(owner == number)
        if len(own) and leak(fit, few, own, group) < LEAK:
            made[:, group] = kernel_ridge(fit.h[few][:, own], fit.t[few][:, group], fit.h_new[:, own], seed=fit.seed)
    return made


def affine(fit: Fit) -> NDArray[np.float64]:
    """The factors are an affine map of the features."""
    return least_squares(fit.h, fit.t, fit.h_new)[0]


def nonlinear(fit: Fit) -> NDArray[np.float64]:
    """The factors are any smooth function of all features."""
    few = chosen_rows(len(fit.h), fit.rows, fit.seed)
    return kernel_ridge(fit.h[few], fit.t[few], fit.h_new, seed=fit.seed)


RUNGS: dict[str, Callable[[Fit], NDArray[np.float64] | None]] = {
    "identity": identity,
    "permutation": permutation,
    "scale": scaling,
    "monotone": monotone,
    "orthogonal": orthogonal,
    "block": block,
    "affine": affine,
    "nonlinear": nonlinear,
}
"""The classes of maps, the strongest claim first."""

OF_ALL = ("block", "affine", "nonlinear")
"""Those that are asked of all factors, and not of continuous ones alone."""

WITHIN: dict[str, tuple[str, ...]] = {
    "permutation": ("identity",),
    "scale": ("permutation",),
    "monotone": ("scale",),
    "orthogonal": ("permutation",),
    "block": ("monotone",),
    "affine": ("scale", "orthogonal"),
    "nonlinear": ("block", "affine"),
}
"""By class, those that lie within it: what holds up to one of them holds up to it."""


def owners(fit: Fit) -> NDArray[np.int64]:
    """The number [m] of the block that each feature depends on most; -1 for one that is constant."""
    t, h = fit.t[:MOST], fit.h[:MOST]
    table = np.square(canonical(Waves(t, fit.seed)(t), Waves(h, fit.seed + 1)(h))[0])
    shares = np.stack([table[list(group)].sum(0) for group in fit.groups])
    return np.where(shares.max(0) > 0, shares.argmax(0), -1)


def leak(fit: Fit, rows: NDArray[np.int64], own: NDArray[np.int64], group: Sequence[int]) -> float:
    """How much the features of a block tell of a factor outside of it, where most: max_j (R_j - S_j) / (1 - S_j).

    R_j is the R^2 of target column j from the features, S_j from the block's factors (which is above 0 where factors
    depend on each other), both by kernel ridge regression fitted on half of the rows and scored on the others. It is 0
    if there are no other factors, or fewer than twelve rows.
    """
    others = [j for each in fit.groups for j in each if j not in group]
    half = len(rows) // 2
    if not others or half < 2 * FOLDS:
        return 0.0
    order = np.random.default_rng(fit.seed).permutation(rows)
    fitted, left = order[:half], order[half:]

    def told(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.nan_to_num(r2(t[left], kernel_ridge(x[fitted], t[fitted], x[left], seed=fit.seed)))

    t = fit.t[:, others]
    by_features = told(fit.h[:, own])
    # What lies below needs no comparison: factors that tell others only make it less.
    if by_features.max() < LEAK:
        return float(max(by_features.max(), 0))
    by_factors = np.clip(told(fit.t[:, list(group)]), 0, TOLD)
    return float(max(((by_features - by_factors) / (1 - by_factors)).max(), 0))


def _means(fit: Fit) -> NDArray[np.float64]:
    return np.broadcast_to(fit.t.mean(0), (len(fit.h_new), fit.t.shape[1])).copy()


def _singly(
    fit: Fit,
    reading: Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]],
    ranked: bool = False,
) -> NDArray[np.float64] | None:
    """Predictions of factors from the one feature that is matched to each; the mean for a factor without one."""
    if not fit.single:
        return None
    z = fit.t[:, fit.single]
    table = correlations(ranks(z), ranks(fit.h)) if ranked else correlations(z, fit.h)
    made = _means(fit)
    for i, j in zip(*match(table), strict=True):
        if table[i, j]:
            sign = float(np.sign(table[i, j]))
            made[:, fit.single[i]] = reading(z[:, i], fit.h[:, j], fit.h_new[:, j], sign)
    return made
