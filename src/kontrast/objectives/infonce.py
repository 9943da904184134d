"""InfoNCE: each view must find its partner among candidates."""

from __future__ import annotations

import math
from typing import Literal

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.objectives.objective import Loss, Objective
from kontrast.similarities import Cosine, Similarity
from kontrast.spaces import Space


@chz.chz
class InfoNCE(Objective):
    """The negative log-probability of picking an embedding's own partners among all candidates.

    With s(., .) the similarity and t the temperature, for anchors x_i, candidates c and positives P(i), those
    candidates that share the key of i:

        L = mean_i [ log sum_c exp(s(x_i, c) / t) - mean_{p in P(i)} s(x_i, p) / t ]

    `candidates="both"` takes the answers y and the other anchors: over two views with a key for each row this is
    NT-Xent (SimCLR, Chen et al. 2020, arXiv 2002.05709), and with labels as keys the supervised contrastive loss
    L_out (Khosla et al. 2020, arXiv 2004.11362). `candidates="cross"` takes the answers alone (van den Oord et al.
    2018, arXiv 1807.03748). L is at least the cross-entropy of the positives; chance is log(number of candidates).

    Parts: `alignment` (minus the positive term, in nats) and `uniformity` (the log-sum-exp), which add up to the
    loss. Measure: `accuracy`, the share of anchors whose nearest candidate is a positive.

    ValueError: temperature not positive, or rows of x, y and key that do not match.
    """

    similarity: Similarity = parts.field(Similarity, Cosine, doc="what counts as near")
    temperature: float = chz.field(default=0.1, doc="divisor t > 0 of the similarity")
    candidates: Literal["both", "cross"] = chz.field(default="both", doc="answers and other anchors, or answers alone")

    @chz.validate
    def _positive(self) -> None:
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write objective.temperature=0.1")

    def check(self, space: Space) -> None:
        self.similarity.check(space)

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        if x.shape != y.shape or len(key) != len(x):
            raise ValueError(
                f"InfoNCE needs one answer and one key for each row, not {tuple(x.shape)} rows asked, "
                f"{tuple(y.shape)} answered and {len(key)} keys"
            )
        x, y = x.float() if x.dtype.itemsize < 4 else x, y.float() if y.dtype.itemsize < 4 else y
        logits = self.similarity(x, y) / self.temperature
        positive = key[:, None] == key[None, :]
        if self.candidates == "both":
            own = torch.eye(len(x), dtype=torch.bool, device=x.device)
            others = (self.similarity(x, x) / self.temperature).masked_fill(own, -torch.inf)
            logits = torch.cat([logits, others], 1)
            positive = torch.cat([positive, positive & ~own], 1)
        partition = logits.logsumexp(1).mean()
        attraction = (logits.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()
        with torch.no_grad():
            accuracy = positive.gather(1, logits.argmax(1, keepdim=True)).float().mean()
        parts = {"alignment": -attraction.detach(), "uniformity": partition.detach()}
        return Loss(partition - attraction, parts, {"accuracy": accuracy})
