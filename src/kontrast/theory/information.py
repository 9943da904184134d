"""What pairs of latents tell about each other, in nats: closed forms for every law that pairs are drawn from."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from kontrast.directional import log_area, log_normalizer, resultant
from kontrast.marginals import Around, Marginal, Uniform
from kontrast.similarities import Additive, Cosine, Diagonal, Dot, Euclidean, Lp, Similarity
from kontrast.spaces import Box, Product, Ranges, Space, Sphere
from kontrast.spaces import Euclidean as RealSpace
from kontrast.theory.lines import Line, Noise

WRAPS = 200
POINTS = 20_001


class Facts(NamedTuple):
    """What pairs tell: q0 is the law of z and q1 that of z', which walls make a little different."""

    information: float
    """I(z; z')."""
    moved: float
    """KL(q1 | q0)."""
    back: float
    """KL(q0 | q1)."""
    log_kernel: float
    """log E exp((s(z, y) - s(z, z)) / temperature) for independent z, y of law q0."""
    attraction: float
    """E (s(z, z') - s(z, z)) / temperature."""

    def floor(self, candidates: str, symmetric: bool) -> float:
        """What L - log M of InfoNCE comes to at the least, for any critic at all and any number M of candidates.

        For an anchor a with partner b and other candidates of law q it is -E log p(b | a) / q(b) = -KL(p(b | a) | q):
        minus the information where q is the partner's own law ("cross"), less by KL(q1 | q0) or KL(q0 | q1) where it
        is the law of the anchors. Over both, KL(p | (q0 + q1) / 2) is at most the mean of the two.
        """
        anchors = (self.moved + self.back) / 2 if symmetric else self.moved
        share = {"cross": 0.0, "both": 0.5, "anchors": 1.0}[candidates]
        return -self.information - share * anchors


def facts(
    space: Space, dim: int, marginal: Marginal | None, similarity: Similarity, temperature: float
) -> Facts | None:
    """What pairs of these latents tell; None where no closed form is known."""
    match space, similarity:
        case Product(), Additive():
            one, two = (block_of(marginal, half) for half in (0, 1))
            first = facts(space.first, space.split, one, similarity.first, temperature)
            rest = temperature / similarity.weight
            second = facts(space.second, dim - space.split, two, similarity.second, rest)
            return None if first is None or second is None else Facts(*map(sum, zip(first, second, strict=True)))
        case Sphere(), _:
            kappa = concentration(similarity, temperature, space.radius)
            uniform = marginal is None or isinstance(marginal, Uniform)
            return spherical(kappa, dim) if kappa is not None and uniform else None
        case ((Box() | Ranges() | RealSpace()), _):
            return _coordinates(space, dim, marginal, similarity, temperature)
    return None


def block_of(marginal: Marginal | None, block: int) -> Marginal | None:
    """The marginal of the first (0) or second (1) block of a product."""
    if isinstance(marginal, Around) and isinstance(marginal.similarity, Additive):
        law = marginal.similarity
        if block == 0:
            return Around(similarity=law.first, temperature=marginal.temperature, center=marginal.center)
        return Around(similarity=law.second, temperature=marginal.temperature / law.weight, center=marginal.center)
    return marginal


def spherical(kappa: float, dim: int) -> Facts:
    """Pairs of vMF(z, kappa) around uniform z on the sphere of R^dim."""
    wide = torch.tensor(kappa, dtype=torch.float64)
    log_c, mean, area = float(log_normalizer(wide, dim)), float(resultant(wide, dim)), log_area(dim)
    return Facts(log_c + kappa * mean + area, 0.0, 0.0, -log_c - area - kappa, kappa * (mean - 1))


def exponent(similarity: Similarity) -> float | None:
    """The p of a similarity -sum_k w_k |x_k - y_k|^p; None for any other."""
    match similarity:
        case Euclidean(shape="power") | Diagonal():
            return 2.0
        case Lp(p=p, shape="power"):
            return p
        case Lp(p=1, shape="norm"):
            return 1.0
    return None


def concentration(similarity: Similarity, temperature: float, radius: float) -> float | None:
    """The kappa of exp(similarity / temperature) on a sphere; None where that is no von Mises-Fisher law."""
    match similarity:
        case Cosine():
            return 1 / temperature
        case Dot():
            return radius**2 / temperature
        case Diagonal():
            return None
    return 2 * radius**2 / temperature if exponent(similarity) == 2 else None


def noises(similarity: Similarity, temperature: float, dim: int, center: float = 0.0) -> list[Noise] | None:
    """The noise of each coordinate; None where coordinates are not independent."""
    p = exponent(similarity)
    if p is None:
        return None
    weights = similarity.weights if isinstance(similarity, Diagonal) else (1.0,)
    return [Noise(p, temperature / weights[k % len(weights)], center) for k in range(dim)]


def _coordinates(
    space: Space, dim: int, marginal: Marginal | None, similarity: Similarity, temperature: float
) -> Facts | None:
    pairs = noises(similarity, temperature, dim)
    if marginal is None and isinstance(space, RealSpace):
        marginal = Around()
    if pairs is None or not (marginal is None or isinstance(marginal, Uniform | Around)):
        return None
    total = [0.0] * len(Facts._fields)
    for k, noise in enumerate(pairs):
        found = _coordinate(space, k, dim, marginal, noise)
        if found is None:
            return None
        total = [a + b for a, b in zip(total, found, strict=True)]
    return Facts(*total)


def _coordinate(space: Space, k: int, dim: int, marginal: Marginal | None, noise: Noise) -> Facts | None:
    low, high = ends(space, k)
    if isinstance(space, Ranges) and space.discrete[k]:
        size = round(high - low) + 1
        return Facts(math.log(size), 0.0, 0.0, -math.log(size), 0.0)
    unit = isinstance(space, Ranges)
    law = None
    if isinstance(marginal, Around):
        middle = marginal.center if marginal.center is not None else (low + high) / 2 if math.isfinite(low) else 0.0
        laws = noises(marginal.similarity, marginal.temperature, dim, (middle - low) / (high - low) if unit else middle)
        if laws is None or (isinstance(space, Ranges) and space.periodic[k]):
            return None
        law = laws[k]
    if isinstance(space, Ranges) and space.periodic[k]:
        return _circle(noise)
    found = Line(noise, *((0.0, 1.0) if unit else (low, high)), law).facts()
    return Facts(found.information, found.moved, found.back, math.log(found.kernel), found.attraction)


def ends(space: Space, k: int) -> tuple[float, float]:
    """The range of coordinate k."""
    match space:
        case Box(low=low, high=high):
            return low, high
        case Ranges(low=lows, high=highs):
            return lows[k], highs[k]
    return -math.inf, math.inf


def _circle(noise: Noise) -> Facts:
    """Noise modulo 1 around a uniform angle, whose law does not change."""
    from scipy.special import xlogy

    x = np.linspace(0, 1, POINTS)
    wrapped = np.mean([np.exp(-noise.energy(x + turn)) for turn in range(-WRAPS, WRAPS + 1)], axis=0)
    law = wrapped / np.trapezoid(wrapped, x)
    near = float(2 * noise.mass(np.array(0.5)))
    mean = float(np.trapezoid(law * noise.energy(np.minimum(x, 1 - x)), x))
    return Facts(float(np.trapezoid(xlogy(law, law), x)), 0.0, 0.0, math.log(near), -mean)
