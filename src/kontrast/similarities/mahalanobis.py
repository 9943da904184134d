"""The Mahalanobis similarity: distance in units of the embeddings' own spread."""

from __future__ import annotations

from typing import ClassVar, Literal

import chz
import torch
from torch import Tensor

from kontrast.similarities.distances import SHAPES, Shape, link
from kontrast.similarities.similarity import Form, Linked, Metric, Similarity
from kontrast.tiles import Power


@chz.chz(typecheck=True)
class Mahalanobis(Similarity):
    """1 / (1 + D) of D = (x - y)^T S^-1 (x - y), with S the covariance of the embeddings themselves.

    S is the biased covariance (divisor: the number of rows) of all rows that are compared, those of x and of y, about
    their mean, and the gradient goes through it. So the mean of D over all pairs of n rows is exactly 2 d, whatever the
    embedding is, and the similarity does not change under invertible linear maps. A ridge a takes (1 - a) S +
    a (tr S / d) I instead. `covariance="running"` keeps an average of S over the steps of training, which gets no
    gradient, and compares by that. `shape=power` is -D, and `shape=norm` minus its root.

    ValueError where there are no more rows than dimensions and no ridge: S could not be inverted.
    """

    rowwise: ClassVar[bool] = False

    shape: Shape = chz.field(default="inverse", doc=SHAPES.replace("sum |x_k - y_k|^p", "(x - y)^T S^-1 (x - y)"))
    ridge: float = chz.field(default=0.0, doc="share a in [0, 1] of the covariance that is made spherical")
    covariance: Literal["batch", "running"] = chz.field(default="batch", doc="of the rows compared, or an average")
    momentum: float = chz.field(default=0.1, doc="share of the newest covariance in the running average, in (0, 1]")
    detach: bool = chz.field(default=False, doc="whether the gradient stops at the covariance")

    @chz.validate
    def _shares(self) -> None:
        if not 0 <= self.ridge <= 1:
            raise ValueError(f"a ridge is a share in [0, 1], not {self.ridge}; write ridge=0.1")
        if not 0 < self.momentum <= 1:
            raise ValueError(f"the momentum of an average lies in (0, 1], not {self.momentum}; write momentum=0.1")

    def form(self, x: Tensor, y: Tensor) -> Form:
        pool = x if y is x else torch.cat([x, y])
        self.check_batch(len(pool), x.shape[1])
        return self.compare(x, y, covariance_of(pool.detach() if self.detach else pool))

    def compare(self, x: Tensor, y: Tensor, covariance: Tensor) -> Form:
        """The form under a given covariance [d, d]: points are whitened, which makes their distance Euclidean."""
        eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
        if self.ridge:
            covariance = (1 - self.ridge) * covariance + self.ridge * covariance.diagonal().mean() * eye
        factor, failed = torch.linalg.cholesky_ex(covariance)
        # What is not finite goes on, so that whoever watches the loss can say which rows it came from.
        if bool(failed) and bool(covariance.isfinite().all()):
            raise ValueError(
                "the covariance of the embeddings cannot be inverted, because some of their directions do not vary; "
                "write objective.similarity.ridge=0.1"
            )
        whiten = torch.linalg.solve_triangular(factor, eye, upper=False).T.to(x.dtype)
        u = x @ whiten
        return Linked(u, u if y is x else y @ whiten, Power(2.0), link(self.shape, 2.0))

    def build(self, dim: int) -> Metric:
        return Metric(self) if self.covariance == "batch" else _Running(self, dim)

    def check_batch(self, rows: int, dim: int) -> None:
        if not self.ridge and rows <= dim:
            raise ValueError(
                f"Mahalanobis inverts a covariance, which {rows} rows of {dim} dimensions do not determine; write "
                f"batch={dim + 1} or more, a smaller head.dim, or objective.similarity.ridge=0.1"
            )


def covariance_of(rows: Tensor) -> Tensor:
    """The biased covariance float64 [d, d] of rows [n, d] (float32 where there is no float64)."""
    wide = rows.to(torch.float32 if rows.device.type == "mps" else torch.float64)
    centered = wide - wide.mean(0)
    return centered.T @ centered / len(rows)


class _Running(Metric):
    """Mahalanobis by a running average of the covariance, which moves once for all the embeddings of a step."""

    covariance: Tensor
    steps: Tensor

    def __init__(self, similarity: Mahalanobis, dim: int) -> None:
        super().__init__(similarity)
        self.register_buffer("covariance", torch.eye(dim, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, rows: Tensor) -> None:
        assert isinstance(self.similarity, Mahalanobis)
        seen = covariance_of(rows)
        # The first covariance is taken whole: an average that starts at the identity would be in wrong units.
        share = torch.where(self.steps == 0, 1.0, self.similarity.momentum).to(seen)
        self.covariance += share * (seen - self.covariance)
        self.steps += 1

    def forward(self, x: Tensor, y: Tensor) -> Form:
        assert isinstance(self.similarity, Mahalanobis)
        return self.similarity.compare(x, y, self.covariance.clone())
