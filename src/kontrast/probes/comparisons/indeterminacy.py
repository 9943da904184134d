"""Indeterminacies: the classes of maps up to which two encoders may be the same, and the best map of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from kontrast.probes.mcc import correlations, match
from kontrast.probes.probe import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

Indeterminacy = Literal["identity", "permutation", "orthogonal", "affine"]
"""From the narrowest class to the widest."""


class Affine(NamedTuple):
    """The map x -> x weight + shift, with weight [d, m] and shift [m]. Every indeterminacy consists of such maps."""

    weight: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """The images [n, m] of rows [n, d]."""
        return x @ self.weight + self.shift


def fit(by: Indeterminacy, x: NDArray[np.float64], y: NDArray[np.float64], scale: bool = True) -> Affine:
    """The map of a class that comes nearest to taking the rows of x [n, d] to those of y [n, m].

    - identity: y = x, which has nothing to fit.
    - permutation: every coordinate of y is one of x up to sign and shift, and with `scale` up to scale. Which one is
      found by the matching of largest sum of |correlation|, so that neither a shift nor a unit can mislead it.
    - orthogonal: a rotation or reflection and a shift, with `scale` times one factor for all coordinates: Procrustes.
    - affine: any matrix and shift, by least squares, of least norm where x is linearly dependent.

    What x has too few coordinates for is predicted by the mean of y. ValueError: an identity between spaces of
    different dimensions, or a single row.
    """
    if len(x) < 2:
        raise ValueError(f"{len(x)} row cannot show how two encoders hang together; encode two or more")
    if by == "identity":
        if x.shape[1] != y.shape[1]:
            raise ValueError(
                f"codes of {x.shape[1]} and {y.shape[1]} dimensions cannot be identical; write consistency.by=affine"
            )
        return Affine(np.eye(x.shape[1]), np.zeros(x.shape[1]))
    solve = {"permutation": _permutation, "orthogonal": _orthogonal, "affine": _affine}[by]
    weight = solve(x, y, scale)
    return Affine(weight, y.mean(0) - x.mean(0) @ weight)


def _permutation(x: NDArray[np.float64], y: NDArray[np.float64], scale: bool) -> NDArray[np.float64]:
    correlation = correlations(x, y)
    own, other = match(correlation)
    matched = correlation[own, other]
    related = matched != 0  # not so where one of the two is constant
    own, other, matched = own[related], other[related], matched[related]
    weight = np.zeros((x.shape[1], y.shape[1]))
    weight[own, other] = matched * y.std(0)[other] / x.std(0)[own] if scale else np.sign(matched)
    return weight


def _orthogonal(x: NDArray[np.float64], y: NDArray[np.float64], scale: bool) -> NDArray[np.float64]:
    x, y = x - x.mean(0), y - y.mean(0)
    left, singular, right = np.linalg.svd(x.T @ y, full_matrices=False)
    total = float(np.square(x @ left).sum())
    factor = (float(singular.sum()) / total if total > 0 else 0.0) if scale else 1.0
    found: NDArray[np.float64] = factor * (left @ right)
    return found


def _affine(x: NDArray[np.float64], y: NDArray[np.float64], scale: bool) -> NDArray[np.float64]:
    mean, deviation = moments(x)
    found: NDArray[np.float64] = np.linalg.lstsq((x - mean) / deviation, y - y.mean(0), rcond=None)[0]
    return found / deviation[:, None]
