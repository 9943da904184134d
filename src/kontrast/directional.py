"""Directional statistics: the von Mises-Fisher law on the unit sphere S^(d-1) of R^d.

vMF(mu, kappa) has the density C_d(kappa) exp(kappa <mu, y>) with respect to the area of the sphere, for a unit vector
mu and a concentration kappa >= 0, which is 0 for the uniform law (Mardia and Jupp 2000, Directional Statistics, 9.3).
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LEAST_ORDER, TERMS = 16.0, 14
"""From this order on, so many terms of Debye's expansion give Bessel functions to the last digits of a double."""
NODES, DROP = 20, 36.0
MAX_ROUNDS = 1000


def _check(d: int) -> None:
    if d < 2:
        raise ValueError(f"von Mises-Fisher needs d >= 2, not d={d}; write a dimension of 2 or more")


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


def unit(x: Tensor) -> Tensor:
    """x / |x| along the last axis; a vector shorter than 1e-12 becomes zero and passes no gradient."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length.masked_fill(length < 1e-12, torch.inf)


def log_area(d: int) -> float:
    """The logarithm of the area of the unit sphere of R^d, log(2 pi^(d/2) / Gamma(d/2))."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def log_normalizer(concentration: Tensor, d: int) -> Tensor:
    """log C_d(kappa) [...], the logarithm of the von Mises-Fisher density's constant, for kappa >= 0 [...].

    C_d(kappa) = kappa^(d/2-1) / ((2 pi)^(d/2) I_(d/2-1)(kappa)); at kappa = 0 it is one over the sphere's area. The
    derivative is -A_d(kappa). ValueError if d < 2.
    """
    _check(d)
    return -log_area(d) - _LogMean.apply(concentration, d)  # type: ignore[no-untyped-call,no-any-return]


def resultant(concentration: Tensor, d: int) -> Tensor:
    """A_d(kappa) = I_(d/2)(kappa) / I_(d/2-1)(kappa) [...], the mean of <mu, y> under vMF(mu, kappa), in [0, 1).

    The derivative is the variance of <mu, y>: A_d' = 1 - A_d^2 - (d - 1) A_d / kappa. ValueError if d < 2.
    """
    _check(d)
    return _Resultant.apply(concentration, d)  # type: ignore[no-untyped-call,no-any-return]


def von_mises_fisher(mean: Tensor, concentration: Tensor | float, generator: torch.Generator) -> Tensor:
    """Draws [n, d] from vMF(mean, kappa), one for each direction [n, d], with one kappa for all or one for each [n].

    Exactly, by rejection from a Beta envelope (Wood 1994). ValueError if kappa is negative or not finite, d < 2, or a
    direction is zero.
    """
    if not bool((mean != 0).any(-1).all()):
        raise ValueError("a direction of length 0 points nowhere; give means other than zero")
    with torch.no_grad():
        kappa = torch.as_tensor(concentration).detach().cpu().double().expand(len(mean))
        return _around(mean, _angles(kappa, mean.shape[-1], generator), generator)


def samples(mean: Tensor, concentration: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` draws [count, n, d] from each vMF(mean_i, kappa_i), with gradients to mean [n, d] and kappa [n].

    The angle of a draw moves with kappa as its quantile does, d angle / d kappa = -(dF / dkappa) / F' with F the
    distribution function of the angle (implicit reparameterization, Figurnov et al. 2018, arXiv 1805.08498), so that
    the gradient of an average is unbiased, the rejections included. ValueError as for `von_mises_fisher`.
    """
    n, d = mean.shape
    with torch.no_grad():
        kappa = concentration.detach().cpu().double().expand(count, n)
        angle = _angles(kappa.reshape(-1), d, generator).reshape(count, n)
        angle, kappa = _wide(angle.to(mean.device)), _wide(kappa.to(mean.device))
        slope = _angle_slope(angle, kappa, d)
    moving = angle + slope * (concentration - concentration.detach())
    return _around(mean.expand(count, n, d), moving, generator)


def _angles(kappa: Tensor, d: int, generator: torch.Generator) -> Tensor:
    """Angles float64 [n] in [0, pi] of density ~ sin(a)^(d-2) exp(kappa cos a), for kappa float64 [n] on the CPU."""
    _check(d)
    wrong = kappa[~((kappa >= 0) & kappa.isfinite())]
    if len(wrong):
        raise ValueError(f"von Mises-Fisher needs a finite kappa >= 0, not {wrong[0].item():g}; write kappa=1")
    m = d - 1.0
    b = m / (torch.hypot(2 * kappa, kappa.new_tensor(m)) + 2 * kappa)
    angle = torch.empty_like(kappa)
    rows = torch.arange(len(kappa))
    for _ in range(MAX_ROUNDS):
        # torch.distributions.Gamma draws from this very function, but from the global state alone.
        gamma = torch._standard_gamma(torch.full((2, len(rows)), m / 2, dtype=torch.float64), generator=generator)
        level = torch.rand(len(rows), generator=generator, dtype=torch.float64).log()
        some = b[rows]
        fall, rise = some * gamma[0], gamma[1]
        # cos(angle) - (1 - b) / (1 + b), without the rounding of either near 1.
        above = 2 * some / (1 + some) - 2 * fall / (rise + fall)
        log_ratio = kappa[rows] * above + m * torch.log1p(-above * (1 - some.square()) / (4 * some))
        accepted = log_ratio >= level
        angle[rows] = 2 * torch.atan2(fall.sqrt(), rise.sqrt())
        rows = rows[~accepted]
        if not len(rows):
            return angle
    raise AssertionError("each round accepts more than .65 of the rows")


def _around(mean: Tensor, angle: Tensor, generator: torch.Generator) -> Tensor:
    """Points [..., n, d] at these angles from the directions [..., n, d], otherwise uniform.

    A point about the first axis is reflected so that the axis goes to plus or minus the mean, whichever is farther.
    """
    kind = torch.float64 if mean.dtype == torch.float64 else torch.float32
    center = unit(mean.to(kind))
    noise = torch.randn(*mean.shape[:-1], mean.shape[-1] - 1, generator=generator, dtype=kind).to(mean.device)
    angle = angle.to(mean.device)[..., None]
    across = angle.sin().to(kind) * unit(noise)
    sign = torch.where(center[..., :1] < 0, -1.0, 1.0).to(kind)
    point = torch.cat((-sign * angle.cos().to(kind), across), -1)
    normal = torch.cat((center[..., :1] + sign, center[..., 1:]), -1)
    along = (normal * point).sum(-1, keepdim=True) / (1 + center[..., :1].abs())
    return (point - along * normal).to(mean.dtype)


class _LogMean(torch.autograd.Function):
    """log E exp(kappa <mu, y>) for y uniform on the sphere, with slope A_d."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, d: int) -> Tensor:
        ctx.save_for_backward(concentration)
        ctx.d = d
        return _bessel(_wide(concentration), d)[0].to(concentration.dtype)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (concentration,) = ctx.saved_tensors
        return slopes[0] * resultant(concentration, ctx.d), None


class _Resultant(torch.autograd.Function):
    """A_d, with slope A_d'."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, d: int) -> Tensor:
        kappa = _wide(concentration)
        _, share, short = _bessel(kappa, d)
        length = torch.where(kappa < d, kappa * share / d, 1 - short)
        # Far from 0, by what 1 - A_d is short of 1, whose leading terms would cancel otherwise.
        near = 1 - length.square() - (d - 1) / d * share
        far = short * (2 - short) - (d - 1) * (1 - short) / kappa
        ctx.save_for_backward(torch.where(kappa < d, near, far).to(concentration.dtype))
        return length.to(concentration.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return slopes[0] * slope, None


@functools.lru_cache(maxsize=64)
def _debye(order: float) -> tuple[list[float], list[float]]:
    """Coefficients, by rising powers of t, of sum_k u_k(t) / order^k and of sum_k (u_k / 2 + t u_k')(t) / order^(k+1).

    u_(k+1)(t) = t^2 (1 - t^2) u_k'(t) / 2 + (1/8) int_0^t (1 - 5 s^2) u_k(s) ds (DLMF 10.41.9), for k up to TERMS.
    """
    u, size = [Fraction(1)], 3 * TERMS + 1
    total, half = [Fraction(0)] * size, [Fraction(0)] * size
    for k in range(TERMS + 1):
        scale = 1 / Fraction(order) ** k
        new = [Fraction(0)] * (len(u) + 3)
        for power, c in enumerate(u):
            total[power] += c * scale
            half[power] += c * scale * (Fraction(1, 2) + power) / Fraction(order)
            new[power + 1] += c * (Fraction(power, 2) + Fraction(1, 8 * (power + 1)))
            new[power + 3] -= c * (Fraction(power, 2) + Fraction(5, 8 * (power + 3)))
        u = new
    return [float(c) for c in total], [float(c) for c in half]


def _polynomial(coefficients: list[float], t: Tensor) -> Tensor:
    total = torch.full_like(t, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total.mul_(t).add_(c)
    return total


def _bessel(kappa: Tensor, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """log(Gamma(d/2) (2/kappa)^(d/2-1) I_(d/2-1)(kappa)), d A_d / kappa and 1 - A_d, each [...].

    By Debye's uniform expansion (DLMF 10.41.3) at an order of at least 16, and from there down by the recurrence of
    Bessel functions; all three are kept in forms that lose no digits near kappa = 0 and none far from it.
    """
    low = d / 2 - 1
    steps = max(0, math.ceil(LEAST_ORDER - low))
    order = low + steps
    z = kappa / order
    w = torch.sqrt(1 + z.square())
    t, rise = 1 / w, z * (z / (1 + w))
    u, half = _debye(order)
    sum_u = _polynomial(u, t)
    tail = t.square() * _polynomial(half, t) / sum_u
    mean = order * (rise - torch.log1p(rise / 2)) - torch.log1p(rise) / 2 + (sum_u / math.fsum(u)).log()
    share = 2 * (order + 1) / order * (1 / (1 + w) - tail)
    short = (1 + 1 / (w + z)) / (1 + w) + z * tail
    for step in range(steps):
        j = order - step
        rest = kappa.square() * share / (4 * j * (j + 1))
        mean, share = mean + torch.log1p(rest), 1 / (1 + rest)
        numerator = 2 * j - kappa * short
        short = numerator / (kappa + numerator)
    return mean, share, short


def _angle_slope(angle: Tensor, kappa: Tensor, d: int) -> Tensor:
    """d angle / d kappa at a fixed quantile, for angles [...] of the law q(a) ~ sin(a)^(d-2) exp(kappa cos a).

    It is int_a^pi (cos x - A_d) q(x) / q(a) dx, or minus that from 0 to a, which is taken up to a standard deviation
    beyond the mode of q; by Gauss-Legendre quadrature as far as q stays within DROP nats of q(a).
    """
    powers, tiny = d - 2, torch.finfo(angle.dtype).tiny
    sine, cosine = angle.sin().clamp_min(tiny), angle.cos()
    fall = kappa * sine - powers * cosine / sine
    bend = (kappa * cosine + powers / sine.square().clamp_min(tiny)).clamp_min(0)
    right = (fall >= bend.sqrt()) | (cosine < 0)
    reach = 2 * DROP / (torch.where(right, fall, -fall) + (fall.square() + 2 * DROP * bend).sqrt())
    reach = torch.where(right, torch.minimum(reach, math.pi - angle), -torch.minimum(reach, angle))
    short = _bessel(kappa, d)[2]
    total = torch.zeros_like(angle)
    for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
        step = float(node + 1) / 2 * reach
        x = angle + step
        relative = powers * (x.sin() / sine).log() - 2 * kappa * (step / 2).sin() * (angle + step / 2).sin()
        total = total + float(weight) / 2 * (short - 2 * (x / 2).sin().square()) * relative.exp()
    return total * reach
