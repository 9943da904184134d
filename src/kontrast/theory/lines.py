"""One coordinate of a world whose coordinates are independent: its pairs' information, by quadrature.

z has a density m(u) on a range, and z' given z the density exp(-|v - u|^p / t) / c(u) on the same range: generalized
normal noise, truncated where the range ends. All integrals are over one coordinate; those over two are one inside the
other. They are Gauss-Legendre sums over panels that grow away from every kink and wall, exact to about ten digits.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NODES = 12
COARSE, FINE, WIDE = -3, -24, 44
"""Panels begin at 2^-3 of a law's width, but at 2^-24 where its density has a cusp, and double from there on."""
LOST = 40.0
"""A density e^-40 below its peak is left out."""


class Facts(NamedTuple):
    """What pairs of one coordinate tell, in nats: q0 is the law of z, q1 that of z'."""

    information: float
    """I(z; z')."""
    moved: float
    """KL(q1 | q0)."""
    back: float
    """KL(q0 | q1)."""
    kernel: float
    """E exp(-|z - y|^p / t) for independent z, y of law q0."""
    attraction: float
    """-E |z' - z|^p / t."""


@dataclass(frozen=True)
class Noise:
    """The law exp(-|x - center|^p / temperature) on a line, before anything truncates it."""

    p: float
    temperature: float
    center: float = 0.0

    @property
    def scale(self) -> float:
        """temperature^(1/p), the width of the law."""
        return math.exp(math.log(self.temperature) / self.p)

    @property
    def reach(self) -> float:
        """How far from the center anything is left of it."""
        return self.scale * math.pow(LOST, 1 / self.p)

    def energy(self, x: Array) -> Array:
        """|x - center|^p / temperature."""
        return np.abs((x - self.center) / self.scale) ** self.p

    def mass(self, distance: Array) -> Array:
        """int_0^distance exp(-x^p / temperature) dx."""
        return self._partial(1 / self.p, distance)

    def heat(self, distance: Array) -> Array:
        """int_0^distance x^p / temperature exp(-x^p / temperature) dx."""
        return self._partial(1 + 1 / self.p, distance) / self.p

    def _partial(self, shape: float, distance: Array) -> Array:
        from scipy.special import gammainc

        with np.errstate(over="ignore"):
            part: Array = gammainc(shape, (distance / self.scale) ** self.p).astype(np.float64)
        return self.scale * math.gamma(1 + 1 / self.p) * part


@dataclass(frozen=True)
class Line:
    """A coordinate on [low, high], which may be infinite, its marginal law (None: uniform) and its pairs' noise."""

    noise: Noise
    low: float = 0.0
    high: float = 1.0
    marginal: Noise | None = None

    def __post_init__(self) -> None:
        if self.marginal is None and not math.isfinite(self.high - self.low):
            raise ValueError("an unbounded line has no uniform law")

    def facts(self) -> Facts:
        """Information of the pairs, divergences of the two marginal laws, and the mean kernel."""
        return _facts(self)

    def ends(self, reach: float) -> tuple[float, float]:
        """Where the marginal law, widened by `reach`, begins and ends."""
        if self.marginal is None:
            return self.low, self.high
        far = self.marginal.reach + reach
        return max(self.low, self.marginal.center - far), min(self.high, self.marginal.center + far)

    def log_density(self, u: Array) -> Array:
        """log m(u)."""
        if self.marginal is None:
            return np.full_like(u, -math.log(self.high - self.low))
        law = self.marginal
        whole = law.mass(np.array([law.center - self.low, self.high - law.center])).sum()
        return -law.energy(u) - math.log(whole)

    def normalizer(self, u: Array) -> Array:
        """c(u)."""
        return self.noise.mass(u - self.low) + self.noise.mass(self.high - u)

    def panels(self, *points: float, reach: float = 0.0) -> tuple[Array, Array]:
        """Nodes and weights on the range, with panels that grow from its ends, its center and these points."""
        low, high = self.ends(reach)
        kinks = [low, high, *points, *([] if self.marginal is None else [self.marginal.center])]
        laws = [self.noise, *([] if self.marginal is None else [self.marginal])]
        first = COARSE if all(law.p == round(law.p) for law in laws) else FINE
        steps = min(law.scale for law in laws) * 2.0 ** np.arange(first, WIDE)
        steps = np.concatenate([[0.0], steps[steps < high - low]])
        edges = np.concatenate([np.concatenate([kink - steps, kink + steps]) for kink in kinks])
        return _legendre(np.unique(np.clip(edges, low, high)))


def _legendre(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre sums over the panels between edges."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


@functools.lru_cache(maxsize=64)
def _facts(line: Line) -> Facts:
    u, weight = line.panels()
    first = weight * np.exp(line.log_density(u))
    both = line.noise.heat(u - line.low) + line.noise.heat(line.high - u)
    attraction = -float(first @ (both / line.normalizer(u)))
    known = attraction - float(first @ np.log(line.normalizer(u)))
    v, weight = line.panels(reach=line.noise.reach)
    before, after = line.log_density(v), _log_partner(line, v)
    second = weight * np.exp(after)
    information = known - float(second @ after)
    moved, back = float(second @ (after - before)), float((weight * np.exp(before)) @ (before - after))
    kernel = np.array([_against(line, x, line.log_density) for x in u])
    return Facts(information, moved, back, float(first @ kernel), attraction)


def _log_partner(line: Line, v: Array) -> Array:
    """log q1(v), the law of z'."""
    return np.log([_against(line, x, lambda u: line.log_density(u) - np.log(line.normalizer(u))) for x in v])


def _against(line: Line, x: float, log_weight: object) -> float:
    """int exp(log_weight(u) - |x - u|^p / t) du."""
    u, weight = line.panels(x)
    assert callable(log_weight)
    return float(weight @ np.exp(log_weight(u) - np.abs((u - x) / line.noise.scale) ** line.noise.p))
