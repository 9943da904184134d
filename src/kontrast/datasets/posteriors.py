"""Observations that tell a latent direction as precisely as they say: the world in which uncertainty is tested."""

from __future__ import annotations

import math
from typing import get_args

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.datasets.dataset import Generative
from kontrast.datasets.mixing import Activation, Mixing
from kontrast.directional import von_mises_fisher
from kontrast.spaces import Box, Euclidean, Product, Space, Sphere
from kontrast.views import Factor


@chz.chz
class Posteriors(Generative):
    """Observations of which the posterior of the latent is known: p(z | x) = vMF(mu(x), kappa(x)), exactly.

    The latent z is uniform on the unit sphere of R^d. It is seen as a direction mu ~ vMF(z, kappa) of a concentration
    kappa of its own, uniform in [low, high], and the observation is x = g(sqrt(d) mu, t), with t the kappa scaled to
    mean 0 and variance 1 and g the invertible perceptron of `Mixing`. As z is uniform and the density of mu around z
    is that of z around mu, the posterior of z is von Mises-Fisher around mu with that kappa: a small kappa is an
    ambiguous observation. With `pairing=Observed` two observations show latents z and z+ ~ vMF(z, 1 / temperature).

    Latents float32 [n, 2 d + 1] are z (z0, ...), mu (mean0, ...) and kappa (concentration). Only mu and kappa are
    shown: of z nobody can know more than its posterior. Observations are float32 [n, d + 1].

    In the controlled experiment of the source, mu(x) and kappa(x) are random networks of a uniform x, and partners are
    found by rejection; here they are drawn from their latents, so that pairs follow the same law, x+ given x, at the
    price of one draw. Its values are the defaults: d = 10, kappa in [16, 32], pairs with kappa 20. ValueError for
    d < 2, or unless 0 < low <= high.

    Source: Kirchhof, Kasneci, Oh, "Probabilistic Contrastive Learning Recovers the Correct Aleatoric Uncertainty of
    Ambiguous Inputs" (2023), arXiv:2302.02865.
    """

    dim: int = chz.field(default=10, doc="coordinates d of the latent direction, 2 or more")
    low: float = chz.field(default=16.0, doc="least concentration of a posterior, > 0")
    high: float = chz.field(default=32.0, doc="greatest concentration of a posterior")
    layers: int = chz.field(default=2, doc="number of linear layers of the mixing; 0 for the identity")
    activation: Activation = chz.field(default="leaky_relu", doc="the nonlinearity between two layers")
    slope: float = chz.field(default=0.2, doc="slope of the (smooth) leaky ReLU far below zero, in (0, 1]; 1: linear")
    seed: int = chz.field(default=0, doc="which mixing is drawn; not the seed of the run")

    @chz.validate
    def _ranges(self) -> None:
        if self.dim < 2:
            raise ValueError(f"a direction has at least 2 coordinates, not {self.dim}; write data.dim=10")
        if not 0 < self.low <= self.high < math.inf:
            raise ValueError(
                f"concentrations need 0 < low <= high, not low={self.low} high={self.high}; "
                "write data.low=16 data.high=32"
            )
        parts.choose(self.activation, get_args(Activation), "activation")
        _ = self.mixing

    @property
    def mixing(self) -> Mixing:
        """The perceptron g of d + 1 coordinates."""
        return Mixing(
            space=Euclidean(),
            dim=self.dim + 1,
            layers=self.layers,
            activation=self.activation,
            slope=self.slope,
            seed=self.seed,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim + 1,)

    @property
    def latent_space(self) -> Space:
        # A box of no width is none: where all kappa are equal it reaches from 0.
        box = Box(low=self.low if self.low < self.high else 0.0, high=self.high)
        return Product(first=Sphere(), second=Product(first=Sphere(), second=box, split=self.dim), split=self.dim)

    @property
    def factors(self) -> tuple[Factor, ...]:
        directions = (Factor(f"{name}{k}", low=-1.0) for name in ("z", "mean") for k in range(self.dim))
        return (*directions, Factor("concentration", low=self.low, high=self.high))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.observe(Sphere().uniform(n, self.dim, generator), generator)

    def observe(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Latents [n, 2 d + 1] of new observations of the directions z [n, d]: each z, with its own mu and kappa."""
        kappa = self.low + (self.high - self.low) * torch.rand(len(z), generator=generator)
        return torch.cat((z, von_mises_fisher(z, kappa, generator), kappa[:, None]), 1)

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        if latents.ndim != 2 or latents.shape[1] != len(self.factors):
            raise ValueError(f"latents are a matrix [n, {len(self.factors)}], not of shape {tuple(latents.shape)}")
        mean, kappa = latents[:, self.dim : -1].double(), latents[:, -1:].double()
        scaled = (2 * kappa - self.low - self.high) / ((self.high - self.low) or 1.0) * math.sqrt(3)
        return self.mixing.render(torch.cat((math.sqrt(self.dim) * mean, scaled), 1), device)
