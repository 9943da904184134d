"""The latent-class similarity: whether two views may come from one class."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast.similarities.similarity import Form, Linked, Metric, Similarity
from kontrast.spaces import Simplex, Space
from kontrast.tiles import Dot, Log


@chz.chz(typecheck=True)
class LatentClass(Similarity):
    """log sum_c q_ic q_jc / pi_c of posteriors q over latent classes: the logit of the Bayes-optimal classifier.

    If two views are independent given a discrete latent c, then p(x_j | x_i) / p(x_j) = sum_c p(c | x_i) p(c | x_j) /
    p(c), so that InfoNCE with this critic at temperature 1 is the optimal classifier's own loss; another temperature
    sharpens it. Points are probability vectors (space=Simplex). With `prior` False the prior pi is left out, which for
    a uniform one only shifts all scores by log d; with True it is a running average of the q seen in training. A sum
    below `floor` counts as `floor`, so that a score is at least log(floor). Probabilistic SimCLR.
    """

    floor: float = chz.field(default=1e-4, doc="smallest sum under the logarithm, >= 0")
    prior: bool = chz.field(default=False, doc="divide by the classes' running shares")
    momentum: float = chz.field(default=0.01, doc="share of the newest batch in the running prior, in (0, 1]")

    @chz.validate
    def _ranges(self) -> None:
        if not 0 <= self.floor < 1:
            raise ValueError(f"the floor is a probability in [0, 1), not {self.floor}; write floor=0.0001")
        if not 0 < self.momentum <= 1:
            raise ValueError(f"the momentum of an average lies in (0, 1], not {self.momentum}; write momentum=0.01")

    def form(self, x: Tensor, y: Tensor) -> Form:
        return Linked(x, y, Dot(), Log(max(self.floor, torch.finfo(x.dtype).tiny)))

    def build(self, dim: int) -> Metric:
        return _Prior(self, dim) if self.prior else Metric(self)

    def check(self, space: Space) -> None:
        if not isinstance(space, Simplex):
            raise ValueError(
                f"LatentClass compares probabilities, not points of {type(space).__name__}; write space=Simplex"
            )


class _Prior(Metric):
    """LatentClass with a running prior, which starts uniform."""

    share: Tensor

    def __init__(self, similarity: LatentClass, dim: int) -> None:
        super().__init__(similarity)
        self.register_buffer("share", torch.full((dim,), 1 / dim))

    @torch.no_grad()
    def observe(self, rows: Tensor) -> None:
        assert isinstance(self.similarity, LatentClass)
        self.share += self.similarity.momentum * (rows.mean(0).to(self.share) - self.share)

    def forward(self, x: Tensor, y: Tensor) -> Form:
        assert isinstance(self.similarity, LatentClass)
        scale = self.share.clamp_min(1e-6).rsqrt().to(x.dtype)
        u = x * scale
        return Linked(u, u if y is x else y * scale, Dot(), Log(max(self.similarity.floor, torch.finfo(x.dtype).tiny)))
