"""The simplex: probabilities of latent classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import chz
import torch
from torch import Tensor
from torch.nn import functional

from kontrast.parts import choose
from kontrast.spaces.space import Space


@chz.chz
class Simplex(Space):
    """The probability vectors q of d latent classes, {q in R^d : q_c >= 0, sum_c q_c = 1}.

    A network's output z enters it by softplus, q_c = u_c / sum_c' u_c' with u = log(1 + exp(beta z)) / beta (beta = .8
    in the probabilistic contrastive loss), or by softmax, q_c = exp(z_c) / sum_c' exp(z_c'). The uniform law is
    Dirichlet(1, ..., 1). How certain q is: log d - H(q) nats, its information about the class, 0 where it knows
    nothing and log d where it is sure.
    """

    by: Literal["softplus", "softmax"] = chz.field(default="softplus", doc="how a network's output becomes q")
    beta: float = chz.field(default=0.8, doc="sharpness of the softplus, > 0; larger is nearer to a rectifier")

    @chz.validate
    def _known(self) -> None:
        choose(self.by, ("softplus", "softmax"), "way onto the simplex")
        if not 0 < self.beta < math.inf:
            raise ValueError(f"a softplus needs a positive and finite beta, not {self.beta}; write space.beta=0.8")

    def uniform(self, n: int, dim: int, generator: torch.Generator) -> Tensor:
        self.check(dim)
        # In double precision -log of one minus a uniform number is never 0, so that no row sums to it.
        exponential = -torch.log1p(-torch.rand(n, dim, generator=generator, dtype=torch.float64)) + 1e-300
        return (exponential / exponential.sum(-1, keepdim=True)).float()

    def project(self, z: Tensor) -> Tensor:
        return torch.softmax(_log_softplus(self.beta * z) if self.by == "softplus" else z, dim=-1)

    def keep(self, center: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        raise ValueError("nothing draws noise around a point of the simplex; write data.space=Box or data.space=Sphere")

    def check(self, dim: int) -> None:
        if dim < 2:
            raise ValueError(f"a simplex needs at least 2 classes, not {dim}; write a dimension of 2 or more")

    def concentration(self, z: Tensor) -> Tensor:
        # The floor keeps the slope at q_c = 0 finite.
        return math.log(z.shape[-1]) + (z * z.clamp_min(torch.finfo(z.dtype).tiny).log()).sum(-1)


def _log_softplus(x: Tensor) -> Tensor:
    """log(log(1 + exp(x))), which is x where exp(x) is lost beside 1."""
    low = x < -30
    return torch.where(low, x, functional.softplus(x.masked_fill(low, 0.0)).log())
