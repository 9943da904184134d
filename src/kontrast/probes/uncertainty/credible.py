"""Credible regions of directions: whether the true latent lies where its posterior says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.probes.uncertainty.measure import directions
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

NODES, REACH = 80, 12.0
"""Nodes of the quadrature, and how many standard deviations around the mode of the angle it looks at."""


class Truth(NamedTuple):
    """What a data set with known posteriors says of its rows, and where that is among its latents.

    `concentration` [n] is the true one; `latent` [n, d] and `mean` [n, d] are the latent direction that was drawn and
    the mean of its posterior.
    """

    concentration: NDArray[np.float64]
    latent: NDArray[np.float64]
    mean: NDArray[np.float64]


def truth(features: Features) -> Truth | None:
    """The known posteriors of rows of `Posteriors`: factors z0, ..., mean0, ... and concentration; None without."""
    names = [factor.name for factor in features.factors]
    latent, mean = ([k for k, name in enumerate(names) if re.fullmatch(rf"{what}\d+", name)] for what in ("z", "mean"))
    if features.latents is None or "concentration" not in names or not latent or len(latent) != len(mean):
        return None
    z = features.latents.astype(np.float64)
    return Truth(z[:, names.index("concentration")], z[:, latent], z[:, mean])


def rotation(found: NDArray[np.floating], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orthogonal matrix R [d, d] that brings directions found [n, d] nearest to true ones: found @ R ~ true."""
    u, _, vt = np.linalg.svd(directions(found).astype(np.float64).T @ true)
    turned: NDArray[np.float64] = u @ vt
    return turned


def level(cosine: NDArray[np.floating], kappa: NDArray[np.floating], d: int) -> NDArray[np.float64]:
    """The mass [n] of the smallest credible region of vMF(mu, kappa) on the sphere of R^d that a point is in.

    For a point at cosine [n] to mu it is P(<mu, y> >= cosine): regions {<mu, y> >= c} are those of highest density. It
    is uniform on [0, 1] for points that are drawn from the law, so that a share p of them lies within the region of
    mass p. By Gauss-Legendre quadrature of the density sin(a)^(d-2) exp(kappa cos a) of the angle around its mode.
    """
    kappa = kappa.astype(np.float64)
    angle = np.arccos(np.clip(cosine.astype(np.float64), -1, 1))
    powers = d - 2.0
    # cos of the mode, and minus the second derivative of the logarithm of the density there.
    top = 2 * kappa / (powers + np.hypot(powers, 2 * kappa)) if d > 2 else np.ones_like(kappa)
    bend = powers / np.maximum(1 - top**2, 1e-300) + kappa * top if d > 2 else kappa
    mode, reach = np.arccos(np.clip(top, -1, 1)), REACH / np.sqrt(np.maximum(bend, 1e-300))
    low, high = np.maximum(mode - reach, 0), np.minimum(mode + reach, np.pi)
    split = np.clip(angle, low, high)
    peak = powers * np.log(np.sin(np.maximum(mode, 1e-300))) + kappa * top if d > 2 else kappa

    nodes, weights = np.polynomial.legendre.leggauss(NODES)

    def mass(start: NDArray[np.float64], stop: NDArray[np.float64]) -> NDArray[np.float64]:
        at = start[:, None] + (stop - start)[:, None] * (nodes + 1) / 2
        log = kappa[:, None] * np.cos(at) - peak[:, None]
        log += powers * np.log(np.maximum(np.sin(at), 1e-300)) if d > 2 else 0.0
        total: NDArray[np.float64] = (np.exp(log) @ weights) * (stop - start) / 2
        return total

    inside, outside = mass(low, split), mass(split, high)
    return inside / (inside + outside)
