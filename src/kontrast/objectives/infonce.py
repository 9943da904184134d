"""InfoNCE: each view must find its partner among candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import chz
import torch
from torch import Tensor, nn

from kontrast import parts
from kontrast.objectives.contrast import Contrast, Scoring, anchors_of
from kontrast.objectives.objective import Criterion, Lazy, Loss, Objective, distinct, widened
from kontrast.similarities import Cosine, Similarity
from kontrast.similarities.similarity import check_temperature
from kontrast.spaces import Space
from kontrast.views import Views


@chz.chz(typecheck=True)
class InfoNCE(Objective):
    """The negative log-probability of picking an embedding's own partners among candidates.

    With s(., .) the similarity and t the temperature, for anchors x_i, candidates c, and positives P(i), those
    candidates that share the key of i:

        L = 2 mean_i [ (1 - alpha) mean_{p in P(i)} log D_ip - alpha mean_{p in P(i)} s(x_i, p) / t ]

    `denominator` says over what D_ip = sum exp(s(x_i, c) / t) runs: over "all" candidates; over "one" positive, p
    itself, and the negatives; or over the "negatives" alone (decoupled, Yeh et al. 2021, arXiv 2110.06848).

    `candidates` says what they are. "both" are the answers about the other views and the other anchors: over two views
    with a key for each row this is NT-Xent (SimCLR, Chen et al. 2020, arXiv 2002.05709), and with labels as keys the
    supervised contrastive loss L_out (Khosla et al. 2020, arXiv 2004.11362). "cross" are the answers alone (van den
    Oord et al. 2018, arXiv 1807.03748). "anchors" are the other anchors of the same view, and the positives. With more
    than two views, all others of a thing are its positives, and all views of other things are negatives. With `own`
    each anchor is among its own negatives, as in the published code of arXiv 2102.08850.

    At alpha = 1/2 L is at least the cross-entropy of the positives; chance is log(number of candidates). Parts:
    `alignment` (the term of the positives) and `uniformity` (that of the denominator), which add up to the loss.
    Measures: `accuracy`, the share of anchors whose nearest candidate is a positive (of the first 256 in each view);
    with a learned temperature, `temperature`. Memory grows with the number of rows, not with its square.

    ValueError: temperature not positive, alpha outside (0, 1), or rows of x, y and key that do not match.
    """

    similarity: Similarity = parts.field(Similarity, Cosine, doc="what counts as near")
    temperature: float = chz.field(default=0.1, doc="divisor t > 0 of the similarity")
    learn_temperature: bool = chz.field(default=False, doc="learn t, by its logarithm, from there on")
    candidates: Literal["both", "cross", "anchors"] = chz.field(
        default="both", doc="answers and other anchors, answers alone, or other anchors alone"
    )
    denominator: Literal["all", "one", "negatives"] = chz.field(
        default="all", doc="all candidates, one positive and the negatives, or the negatives alone"
    )
    own: bool = chz.field(default=False, doc="whether each anchor is among its own negatives")
    alpha: float = chz.field(default=0.5, doc="share of the positive term in (0, 1); 0.5 weighs both terms alike")

    @chz.validate
    def _ranges(self) -> None:
        check_temperature(self.temperature, "objective.temperature")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is a share in (0, 1), not {self.alpha}; write objective.alpha=0.5")

    def check(self, space: Space) -> None:
        self.similarity.check(space)

    def check_batch(self, rows: int, dim: int) -> None:
        self.similarity.check_batch(2 * rows if self.candidates == "cross" else rows, dim)

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        return self.agree((x,), (y,), Views((), key, asking=(0,), answering=(1,)))

    def agree(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        return self.contrast(asked, answers, views, self.similarity.form, 1 / self.temperature)

    def build(self, dim: int) -> Criterion:
        return _Learning(self, dim)

    def contrast(
        self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, form: Scoring, scale: Tensor | float
    ) -> Loss:
        """The loss under a metric that forms scores, multiplied by `scale` (one over the temperature)."""
        asked, answers = widened(self, asked, answers, views.key)
        how = Contrast(form, scale, self.denominator, self.own)
        every = anchors_of(self.candidates, asked, answers, views, self.similarity.rowwise)
        terms = [how(anchors) for anchors in every]
        attraction = torch.cat([each.positive for each in terms]).mean()
        partition = torch.cat([each.total for each in terms]).mean()
        alignment, uniformity = -2 * self.alpha * attraction, 2 * (1 - self.alpha) * partition
        found = {"alignment": alignment.detach(), "uniformity": uniformity.detach()}
        measures = {"accuracy": lambda: torch.stack([each.accuracy() for each in terms]).mean()}
        return Loss(alignment + uniformity, found, Lazy(measures))


class _Learning(Criterion):
    """InfoNCE with the metric of its similarity and, where it is learned, its temperature."""

    def __init__(self, objective: InfoNCE, dim: int) -> None:
        super().__init__(objective)
        self.metric = objective.similarity.build(dim)
        self.log_temperature: nn.Parameter | None = None
        if objective.learn_temperature:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(objective.temperature)))

    def forward(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        assert isinstance(self.objective, InfoNCE)
        if self.training:
            self.metric.observe(distinct(asked, answers))
        if self.log_temperature is None:
            return self.objective.contrast(asked, answers, views, self.metric, 1 / self.objective.temperature)
        scale = (-self.log_temperature).exp()
        loss = self.objective.contrast(asked, answers, views, self.metric, scale)
        assert isinstance(loss.measures, Lazy)
        return loss._replace(measures=Lazy({**loss.measures.found, "temperature": lambda: 1 / scale}))
