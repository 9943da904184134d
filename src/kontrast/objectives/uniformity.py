"""Alignment and uniformity: own answers near, and all embeddings far from each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.objectives.alignment import Scored
from kontrast.objectives.contrast import Scoring
from kontrast.objectives.objective import Loss, pairs, widened
from kontrast.objectives.strips import by_strips
from kontrast.similarities import Diagonal, Dot, Euclidean, ExpectedLikelihood, Form, Linked, Lp, Similarity
from kontrast.similarities.similarity import check_temperature
from kontrast.spaces import Euclidean as RealSpace
from kontrast.spaces import Space, VonMisesFisher
from kontrast.tiles import log_sum_exp
from kontrast.views import Views


@chz.chz(typecheck=True)
class AlignmentUniformity(Scored):
    """Own answers near, and the embeddings of each view far from one another (Wang and Isola 2020, arXiv 2005.10242).

        L = -mean_i s(x_i, y_i) + w mean_z log mean_{i < j} exp(s(z_i, z_j) / t)

    with z the views, x and y among them. For the squared distance on the sphere this is the paper's loss with alpha = 2
    and its t of 2, which is one over the temperature here. The second term, an average Gaussian potential, is then in
    [-4 / t, 0]: 0 where all points are one and, for evenly spread points of S^(d-1), -2 / t +
    log 0F1(; d / 2; 1 / t^2), which is -3.94 at d = 128. Over several views the first term is the mean over ordered
    pairs, and every embedding counts once in the second. Keys do not matter. Memory grows with the number of rows.

    Parts: `alignment` and `uniformity` with its weight, which add up to the loss. Half of all rows in a batch of
    float16 or bfloat16 would repeat each other, so scores are float32.

    ValueError: temperature or weight not positive, fewer than two rows, rows of x, y and key that do not match, or a
    space without bounds under a similarity without bounds, where the loss has no minimum.
    """

    similarity: Similarity = parts.field(Similarity, Euclidean, doc="what counts as near")
    temperature: float = chz.field(default=0.5, doc="divisor t > 0 of the similarity in the uniformity")
    weight: float = chz.field(default=1.0, doc="of the uniformity beside the alignment, > 0")

    @chz.validate
    def _ranges(self) -> None:
        check_temperature(self.temperature, "objective.temperature")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"the weight must be positive, not {self.weight}; write objective.weight=1")

    def check(self, space: Space) -> None:
        self.similarity.check(space)
        boundless = isinstance(space, VonMisesFisher) or (isinstance(space, RealSpace) and not space.standardize)
        if boundless and _unbounded(self.similarity):
            raise ValueError(
                f"without bounds on {type(self.similarity).__name__} in {type(space).__name__} the uniformity never "
                "ends; write space=Sphere, or objective.similarity.shape=inverse where there is that choice"
            )

    def check_batch(self, rows: int, dim: int) -> None:
        if rows < 2:
            raise ValueError(f"uniformity needs at least two rows, not {rows}; write batch=256")
        self.similarity.check_batch(rows, dim)

    def compare(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, form: Scoring) -> Loss:
        asked, answers = widened(self, asked, answers, views.key)
        self.check_batch(*asked[0].shape)
        near = [form(asked[i], answers[j]).paired().mean() for i, j in pairs(asked, answers, views)]
        every = {id(z): z for z in (*asked, *answers)}.values()
        potentials = [_log_mean_exp(form(z, z), 1 / self.temperature) for z in every]
        alignment, uniformity = -torch.stack(near).mean(), self.weight * torch.stack(potentials).mean()
        found = {"alignment": alignment.detach(), "uniformity": uniformity.detach()}
        return Loss(alignment + uniformity, found)


def _unbounded(similarity: Similarity) -> bool:
    if isinstance(similarity, Euclidean | Lp):
        return similarity.shape != "inverse"
    return isinstance(similarity, Diagonal | Dot | ExpectedLikelihood)


def _log_mean_exp(form: Form, scale: float) -> Tensor:
    """log mean over i != j of exp(scale s_ij), of a form of n points with themselves."""
    first = form.tensors()[0][0]
    n = len(first)
    own = torch.arange(n, device=first.device)
    if isinstance(form, Linked):
        bias = None if form.column is None else scale * form.column
        rows = log_sum_exp(form.u, form.v, form.core, form.link, scale, own[:, None], bias)
        rows = rows if form.row is None else rows + scale * form.row
    else:
        rows = _stored(form, scale, own)
    return rows.logsumexp(0) - math.log(n * (n - 1))


def _stored(form: Form, scale: float, own: Tensor) -> Tensor:
    """The same sums [n] of a form whose scores have to be stored, some rows at a time."""
    first, others = form.tensors()

    def strip(rows: Tensor, mine: Sequence[Tensor], rest: Sequence[Tensor]) -> tuple[Tensor]:
        return ((scale * form.like(mine, rest).dense()).masked_fill(rows[:, None] == own, -torch.inf).logsumexp(1),)

    return by_strips(strip, first, others, len(own))[0]
