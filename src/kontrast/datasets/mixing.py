"""Vectors that are an invertible nonlinear mixing of latents: the world in which identifiability is tested."""

from __future__ import annotations

import functools
import math
from typing import Literal, get_args

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.datasets.dataset import Generative
from kontrast.draws import generator
from kontrast.marginals import Around, Marginal
from kontrast.spaces import Box, Euclidean, Product, Ranges, Simplex, Space, Sphere
from kontrast.views import Factor

Activation = Literal["leaky_relu", "relu", "elu", "smooth_leaky_relu", "softplus"]
Weights = Literal["uniform", "orthogonal"]

ENTRIES = 2_500_000
"""No more matrix entries than this are drawn, so that drawing stays quick in many dimensions."""
NEWTON_STEPS = 40


@functools.lru_cache(maxsize=8)
def _uniform(dim: int, layers: int, seed: int, pool: int, ratio: float) -> Tensor:
    """Well-conditioned matrices float64 [layers, dim, dim] with columns of unit length."""
    pool = max(layers, min(pool, ENTRIES // dim**2))
    draws = 2 * torch.rand(pool, dim, dim, generator=generator(seed, "mixing"), dtype=torch.float64) - 1
    draws = torch.nn.functional.normalize(draws, dim=1)
    order = torch.linalg.cond(draws).argsort(stable=True)
    below = max(layers, int(pool * ratio))
    # Up to the quantile every matrix is as good as any other: the order of drawing takes them at random.
    return draws[order[:layers] if below == layers else order[:below].sort().values[:layers]]


@functools.lru_cache(maxsize=8)
def _orthogonal(dim: int, layers: int, seed: int) -> Tensor:
    """Random orthogonal matrices float64 [layers, dim, dim], uniform by the Haar measure."""
    draws = torch.randn(layers, dim, dim, generator=generator(seed, "mixing", "orthogonal"), dtype=torch.float64)
    q, r = torch.linalg.qr(draws)
    signs: Tensor = torch.where(r.diagonal(dim1=1, dim2=2) < 0, -1.0, 1.0)
    return q * signs[:, None, :]  # type: ignore[no-any-return]


@chz.chz
class Mixing(Generative):
    """Latents mixed by an invertible multilayer perceptron that is drawn once and never trained.

    x = W_L s(W_(L-1) ... s(W_1 z)), without bias. The entries of the d x d matrices are drawn uniformly from (-1, 1)
    and their columns scaled to unit length; of a pool of 25,000 such matrices (2,500,000 / d^2 from d = 11 on) the L
    with the lowest condition numbers are taken, the lowest for W_1. With a `ratio` above 0 they are taken at random
    from that share of the pool which is conditioned best, as in the source; but the source draws on until a matrix is
    as good as that, which for ratio 0 takes minutes or does not end, and here the pool is all there is. With `weights`
    orthogonal each matrix is a uniformly random orthogonal one. They are a function of `seed`, d, L and these options
    alone. No layers are the identity, x = z.

    s is leaky_relu, max(a, slope a); elu, a or exp(a) - 1 below zero; smooth_leaky_relu, slope a + (1 - slope) log(1 +
    exp(a)); softplus, log(1 + exp(a)); or relu, max(a, 0), which the source has too but which is not invertible: what
    it sets to zero is lost, and no theory then promises the latents.

    Latents [n, d] follow `marginal` on `space`; with none they are uniform there, and standard normal on R^d, which has
    no uniform law. Observations are float32 [n, d], computed in double precision so that neither the batch nor the
    device shows in them.

    ValueError for a dimension that does not fit the space, fewer than no layers, a slope outside (0, 1], a pool or
    ratio out of range, a space that learns, or a marginal that the space does not have.

    Source: Zimmermann, Sharma, Schneider, Bethge, Brendel, "Contrastive Learning Inverts the Data Generating Process"
    (2021), arXiv:2102.08850.
    """

    space: Space = parts.field(Space, Sphere, doc="where the latents live")
    marginal: Marginal | None = parts.field(
        Marginal, None, unspecified=Around, doc="the law of the latents; None: uniform, or standard normal on R^d"
    )
    dim: int = chz.field(default=10, doc="number of latents and of observed dimensions d")
    layers: int = chz.field(default=3, doc="number of linear layers L; 0 for the identity")
    activation: Activation = chz.field(default="leaky_relu", doc="the nonlinearity s between two layers")
    slope: float = chz.field(default=0.2, doc="slope of the (smooth) leaky ReLU far below zero, in (0, 1]; 1: linear")
    weights: Weights = chz.field(default="uniform", doc="how the matrices are drawn")
    pool: int = chz.field(default=25_000, doc="how many uniform matrices there are to choose from")
    ratio: float = chz.field(default=0.0, doc="share of the pool to choose from, by condition number; 0: the best")
    seed: int = chz.field(default=0, doc="which mixing is drawn; not the seed of the run")

    @chz.validate
    def _fits(self) -> None:
        if self.dim < 1:
            raise ValueError(f"latents need at least dim=1, not dim={self.dim}; write dim=10")
        self.space.check(self.dim)
        if any(True for _ in self.space.build(self.dim).parameters()):
            raise ValueError("latents are drawn, and nothing about them is learned; write data.space.learned=False")
        if self.marginal is not None:
            self.marginal.check(self.space, self.dim)
        else:
            _natural(self.space, 1, self.dim, torch.Generator())

    @chz.validate
    def _some_layers(self) -> None:
        if self.layers < 0:
            raise ValueError(f"layers counts matrices and cannot be {self.layers}; write layers=3, or 0 for none")
        parts.choose(self.weights, get_args(Weights), "way to draw the weights")
        if self.pool < 1:
            raise ValueError(f"a pool has at least one matrix, not {self.pool}; write pool=25000")
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"a share of the pool lies in [0, 1], not at {self.ratio}; write ratio=0 for the best")

    @chz.validate
    def _invertible(self) -> None:
        parts.choose(self.activation, get_args(Activation), "activation")
        if not 0 < self.slope <= 1:
            raise ValueError(f"only a slope in (0, 1] can be inverted, not {self.slope}; write slope=0.2")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def latent_space(self) -> Space:
        return self.space

    @property
    def factors(self) -> tuple[Factor, ...]:
        return _factors(self.space, self.dim, 0)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        if self.marginal is not None:
            return self.marginal.sample(n, self.dim, self.space, generator)
        return _natural(self.space, n, self.dim, generator)

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        if latents.ndim != 2 or latents.shape[1] != self.dim:
            raise ValueError(f"latents are a matrix [n, {self.dim}], not of shape {tuple(latents.shape)}")
        return self._mix(latents.double()).float().to(device)

    def invert(self, observations: Tensor) -> Tensor:
        """The latents float64 [n, dim] of observations [n, dim]: z = g^-1(x), the best that an encoder can do.

        A ValueError for relu, which has no inverse.
        """
        z = observations.double()
        for layer, weight in reversed(list(enumerate(self._matrices()))):
            z = torch.linalg.solve(weight.to(z.device), z.T).T
            z = z if layer == 0 else _inverse(z, self.activation, self.slope)
        return z

    def _mix(self, z: Tensor) -> Tensor:
        for layer, weight in enumerate(self._matrices()):
            z = (z if layer == 0 else _activate(z, self.activation, self.slope)) @ weight.to(z.device).T
        return z

    def _matrices(self) -> Tensor:
        if self.weights == "orthogonal":
            return _orthogonal(self.dim, self.layers, self.seed)
        return _uniform(self.dim, self.layers, self.seed, self.pool, self.ratio)


def _activate(a: Tensor, activation: Activation, slope: float) -> Tensor:
    match activation:
        case "leaky_relu":
            return torch.maximum(a, slope * a)
        case "relu":
            return a.relu()
        case "elu":
            return torch.nn.functional.elu(a)
        case "smooth_leaky_relu":
            return slope * a + (1 - slope) * torch.nn.functional.softplus(a, threshold=40)
        case "softplus":
            return torch.nn.functional.softplus(a, threshold=40)


def _inverse(y: Tensor, activation: Activation, slope: float) -> Tensor:
    """The a with s(a) = y. Rounding may take y out of the range of s: it is then brought back to its edge."""
    match activation:
        case "leaky_relu":
            return torch.minimum(y, y / slope)
        case "relu":
            raise ValueError("relu loses what is below zero and has no inverse; write data.activation=leaky_relu")
        case "elu":
            return torch.where(y < 0, torch.log1p(y.clamp(-1 + 1e-16, 0)), y)
        case "softplus":
            y = y.clamp_min(1e-300)
            return y + torch.log(-torch.expm1(-y))
        case "smooth_leaky_relu":
            # s is convex and the start lies to the right of the root: Newton's steps go down to it.
            a = torch.minimum(y, y / slope)
            for _ in range(NEWTON_STEPS):
                a = a - (_activate(a, activation, slope) - y) / (slope + (1 - slope) * torch.sigmoid(a))
            return a


def _natural(space: Space, n: int, dim: int, generator: torch.Generator) -> Tensor:
    """Points [n, dim] of the law that is meant where none is named."""
    match space:
        case Euclidean():
            return torch.randn(n, dim, generator=generator)
        case Product():
            first = _natural(space.first, n, space.split, generator)
            return torch.cat((first, _natural(space.second, n, dim - space.split, generator)), 1)
    return space.uniform(n, dim, generator)


def _factors(space: Space, dim: int, start: int) -> tuple[Factor, ...]:
    """The latents z_start, ... of a space, one for each coordinate."""
    low, high = -math.inf, math.inf
    match space:
        case Product():
            first = _factors(space.first, space.split, start)
            return first + _factors(space.second, dim - space.split, start + space.split)
        case Ranges():
            return tuple(_factor_of(space, k, f"z{start + k}") for k in range(dim))
        case Box():
            low, high = space.low, space.high
        case Sphere():
            low, high = -space.radius, space.radius
        case Simplex():
            low, high = 0.0, 1.0
    return tuple(Factor(f"z{start + k}", low=low, high=high) for k in range(dim))


def _factor_of(space: Ranges, k: int, name: str) -> Factor:
    low, high = space.low[k], space.high[k]
    if space.discrete[k]:
        return Factor(name, "discrete", low, high, size=round(high - low) + 1)
    return Factor(name, "periodic" if space.periodic[k] else "continuous", low, high)
