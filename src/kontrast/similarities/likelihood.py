"""The expected likelihood of two von Mises-Fisher posteriors."""

from __future__ import annotations

from dataclasses import dataclass

import chz
from torch import Tensor

from kontrast.directional import log_normalizer, resultant
from kontrast.similarities.similarity import Form, Linked, Similarity
from kontrast.spaces import Space, VonMisesFisher
from kontrast.tiles import Link, Power


@chz.chz(typecheck=True)
class ExpectedLikelihood(Similarity):
    """The log expected likelihood of two vMF posteriors, log int vMF(z; mu_i, kappa_i) vMF(z; mu_j, kappa_j) dz.

    With C the normalizer of the law it is log C(kappa_i) + log C(kappa_j) - log C(|kappa_i mu_i + kappa_j mu_j|): near
    for directions that agree, the more so the more certain both are (Jebara et al. 2004; Kirchhof et al. 2023, arXiv
    2302.02865). Points are natural parameters kappa mu (space=VonMisesFisher).
    """

    def form(self, x: Tensor, y: Tensor) -> Form:
        dim = x.shape[1]
        row = log_normalizer(x.norm(dim=-1), dim)
        column = row if y is x else log_normalizer(y.norm(dim=-1), dim)
        # |x + y| is the distance of x and -y.
        return Linked(x, -y, Power(2.0), _OfSum(dim), row, column)

    def check(self, space: Space) -> None:
        if not isinstance(space, VonMisesFisher):
            raise ValueError(
                f"ExpectedLikelihood compares directions with a concentration, not points of {type(space).__name__}; "
                "write space=VonMisesFisher"
            )


@dataclass(frozen=True)
class _OfSum(Link):
    """-log C_d(sqrt(D)) of a squared concentration D."""

    dim: int

    def value(self, core: Tensor) -> Tensor:
        return -log_normalizer(core.clamp_min(1e-12).sqrt(), self.dim)

    def slope(self, core: Tensor, value: Tensor) -> Tensor:
        root = core.clamp_min(1e-12).sqrt()
        return resultant(root, self.dim) / (2 * root)
