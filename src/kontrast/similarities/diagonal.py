"""The learned diagonal: squared distance with a weight for each coordinate."""

from __future__ import annotations

import math

import chz
import torch
from torch import Tensor, nn

from kontrast.similarities.distances import check_noise
from kontrast.similarities.similarity import Form, Linked, Metric, Similarity, check_temperature
from kontrast.spaces import Space
from kontrast.tiles import Negative, Power


@chz.chz(typecheck=True)
class Diagonal(Similarity):
    """-sum_k w_k (x_k - y_k)^2, with a weight w_k > 0 for each coordinate, which an objective learns (AnInfoNCE).

    An objective learns them by their logarithms, starting at `weights`. At the optimum they say how little the pairing
    moves each latent, and latents of equal weight are recovered up to a rotation among themselves (Rusak et al. 2024,
    arXiv 2407.00143). A pairing draws with `weights` as they are: normal noise of variance temperature / (2 w_k), which
    on a sphere is projected back. One weight stands for all coordinates.
    """

    weights: tuple[float, ...] = chz.field(default=(1.0,), doc="one weight > 0 for all coordinates, or one for each")
    learned: bool = chz.field(default=True, doc="whether an objective learns them, starting here")

    @chz.validate
    def _positive(self) -> None:
        if not self.weights or not all(0 < weight < math.inf for weight in self.weights):
            raise ValueError(f"weights are positive numbers, not {self.weights}; write weights=1, or weights=5,25")

    def form(self, x: Tensor, y: Tensor) -> Form:
        return _weighted(x, y, self._values(x.shape[1]).to(x))

    def build(self, dim: int) -> Metric:
        return _Learned(self, self._values(dim)) if self.learned else Metric(self)

    def check_draw(self, space: Space) -> None:
        check_noise(self, "power", space)

    def sample(self, x: Tensor, temperature: float, space: Space, generator: torch.Generator) -> Tensor:
        self.check_draw(space)
        check_temperature(temperature)
        deviation = (temperature / (2 * self._values(x.shape[1]))).sqrt().to(x.dtype)
        return space.keep(x, lambda: deviation * torch.randn(x.shape, generator=generator))

    def _values(self, dim: int) -> Tensor:
        if len(self.weights) not in (1, dim):
            raise ValueError(f"there are {len(self.weights)} weights for {dim} coordinates; write weights=1 for all")
        return torch.tensor(self.weights, dtype=torch.float64).expand(dim)


def _weighted(x: Tensor, y: Tensor, weights: Tensor) -> Form:
    root = weights.sqrt()
    u = x * root
    return Linked(u, u if y is x else y * root, Power(2.0), Negative())


class _Learned(Metric):
    """Diagonal with weights of its own."""

    def __init__(self, similarity: Diagonal, weights: Tensor) -> None:
        super().__init__(similarity)
        self.log_weights = nn.Parameter(weights.log().float())

    def forward(self, x: Tensor, y: Tensor) -> Form:
        return _weighted(x, y, self.log_weights.exp().to(x.dtype))
