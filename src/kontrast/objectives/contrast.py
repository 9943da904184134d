"""Contrast: anchors against candidates, some of which are positives, without ever storing all pairs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from kontrast.objectives.objective import pairs, same_views
from kontrast.objectives.strips import by_strips
from kontrast.similarities import Form, Linked
from kontrast.tiles import log_sum_exp
from kontrast.views import Views

Scoring = Callable[[Tensor, Tensor], Form]
Denominator = Literal["all", "one", "negatives"]
JUDGED = 256
"""Anchors of each view that the accuracy is measured on."""
NOTHING = -1e30


class Block(NamedTuple):
    """Candidates y [k n, d]: k views of the same n things, one below the other.

    Without `negatives`, other things in it do not count.
    """

    y: Tensor
    views: tuple[int, ...]
    negatives: bool = True


class Anchors(NamedTuple):
    """Anchors x [a n, d] of the views `views`, the n keys of their things, and their blocks of candidates."""

    x: Tensor
    views: tuple[int, ...]
    key: Tensor
    blocks: tuple[Block, ...]


class Terms(NamedTuple):
    """For each anchor the mean logit of its positives and the mean log-denominator [a n]; how to get the accuracy."""

    positive: Tensor
    total: Tensor
    accuracy: Callable[[], Tensor]


def anchors_of(
    candidates: str, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, together: bool
) -> list[Anchors]:
    """The anchors of each asking view with their candidates ("both", "cross" or "anchors").

    With `together`, views that score alike are put into one block. ValueError where no view is asked about another.
    """
    partners: dict[int, list[int]] = {}
    for i, j in pairs(asked, answers, views):
        partners.setdefault(i, []).append(j)
    if candidates == "both" and together and same_views(asked, answers, views):
        stack = torch.cat(list(asked))
        return [Anchors(stack, views.asking, views.key, (Block(stack, views.asking),))]
    found = []
    for i, others in partners.items():
        blocks = [Block(answers[j], (views.answering[j],), candidates != "anchors") for j in others]
        if candidates != "cross":
            blocks.append(Block(asked[i], (views.asking[i],)))
        found.append(Anchors(asked[i], (views.asking[i],), views.key, tuple(_merged(blocks) if together else blocks)))
    return found


def _merged(blocks: Sequence[Block]) -> list[Block]:
    """One block of all that may hold negatives, and those that hold only positives as they are."""
    alike = [block for block in blocks if block.negatives]
    if len(alike) < 2:
        return list(blocks)
    whole = Block(torch.cat([block.y for block in alike]), tuple(view for block in alike for view in block.views))
    return [whole, *(block for block in blocks if not block.negatives)]


@dataclass(frozen=True)
class Contrast:
    """How anchors are set against candidates: scores formed by `form`, times `scale`, over a denominator."""

    form: Scoring
    scale: Tensor | float
    denominator: Denominator
    own: bool

    def __call__(self, anchors: Anchors) -> Terms:
        forms = [self.form(anchors.x, block.y) for block in anchors.blocks]
        steps = anchors.key.sort().values.diff()
        unique = bool((steps > 0).all())
        if self.denominator != "all" and not self.own and not unique and not bool((steps > 0).any()):
            raise ValueError(
                f"all things share one key, so there are no negatives for denominator={self.denominator}; "
                "write objective.denominator=all, or give keys that differ"
            )
        if unique and all(isinstance(form, Linked) for form in forms):
            positive, total = self._by_place(anchors, forms)
        else:
            positive, total = self._by_key(anchors, forms)
        return Terms(positive, total, functools.partial(self._accuracy, anchors, forms))

    def _by_place(self, anchors: Anchors, forms: Sequence[Form]) -> tuple[Tensor, Tensor]:
        """Where every thing has a key of its own, its positives are known by their place."""
        near, far = [], []
        for block, form in zip(anchors.blocks, forms, strict=True):
            near += [self.scale * score for score in _positives(anchors, block, form)]
            if block.negatives:
                assert isinstance(form, Linked)
                bias = None if form.column is None else self.scale * form.column
                left_out = self._left_out(anchors, block)
                total = log_sum_exp(form.u, form.v, form.core, form.link, self.scale, left_out, bias)
                far.append(total if form.row is None else total + self.scale * form.row)
        positives, negatives = torch.stack(near), torch.stack(far).logsumexp(0) if len(far) > 1 else far[0]
        if self.denominator == "all":
            total = torch.cat([positives, negatives[None]]).logsumexp(0)
        elif self.denominator == "one":
            total = torch.logaddexp(positives, negatives).mean(0)
        else:
            total = negatives
        return positives.mean(0), total

    def _left_out(self, anchors: Anchors, block: Block) -> Tensor:
        """The columns of a block [a n, k] that show the thing of each anchor; -1 for its own, where that stays."""
        n, device = len(anchors.key), anchors.key.device
        things = torch.arange(n, device=device)
        columns = (things[:, None] + n * torch.arange(len(block.views), device=device)).repeat(len(anchors.views), 1)
        if self.own:
            columns = torch.where(_same_view(anchors, block, device), -1, columns)
        return columns

    def _by_key(self, anchors: Anchors, forms: Sequence[Form]) -> tuple[Tensor, Tensor]:
        """Where things share keys: strip by strip of anchors, each computed again in the backward pass."""
        tensors = [form.tensors() for form in forms]
        counts = [(len(first), len(others)) for first, others in tensors]
        scale = torch.as_tensor(self.scale, dtype=anchors.x.dtype, device=anchors.x.device)

        def strip(rows: Tensor, first: Sequence[Tensor], given: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
            factor, *others = given
            rebuilt, mine, rest = [], list(first), others
            for form, (some, more) in zip(forms, counts, strict=True):
                rebuilt.append(form.like(mine[:some], rest[:more]))
                mine, rest = mine[some:], rest[more:]
            return self._terms(factor * torch.cat([form.dense() for form in rebuilt], 1), *self._masks(anchors, rows))

        first = [tensor for mine, _ in tensors for tensor in mine]
        others = [tensor for _, rest in tensors for tensor in rest]
        positive, total = by_strips(strip, first, [scale, *others], sum(len(block.y) for block in anchors.blocks))
        return positive, total

    def _terms(self, logits: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        count = positive.sum(1)
        attraction = logits.masked_fill(~positive, 0).sum(1) / count
        if self.denominator == "all":
            return attraction, logits.masked_fill(~(positive | negative), -torch.inf).logsumexp(1)
        far = logits.masked_fill(~negative, NOTHING).logsumexp(1)
        if self.denominator == "one":
            each = torch.logaddexp(logits, far[:, None]).masked_fill(~positive, 0)
            return attraction, each.sum(1) / count
        return attraction, far

    def _masks(self, anchors: Anchors, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Which candidates [rows, m] are positives, and which are negatives, of these anchors."""
        positive, negative = [], []
        for block in anchors.blocks:
            same = (anchors.key.repeat(len(anchors.views))[rows, None]) == anchors.key.repeat(len(block.views))
            own = _own(anchors, block, rows)
            positive.append(same & ~own)
            negative.append((~same | own & self.own) & block.negatives)
        return torch.cat(positive, 1), torch.cat(negative, 1)

    def _accuracy(self, anchors: Anchors, forms: Sequence[Form]) -> Tensor:
        n, device = len(anchors.key), anchors.x.device
        things = torch.arange(min(n, JUDGED), device=device)
        rows = (things + n * torch.arange(len(anchors.views), device=device)[:, None]).flatten()
        positive, negative = self._masks(anchors, rows)
        scores = torch.cat([_of_rows(form, rows).dense() for form in forms], 1)
        nearest = scores.masked_fill(~(positive | negative), -torch.inf).argmax(1, keepdim=True)
        return positive.gather(1, nearest).float().mean()


def _positives(anchors: Anchors, block: Block, form: Form) -> list[Tensor]:
    """Scores [a n] of every anchor with the other views of its own thing, view by view."""
    n, k = len(anchors.key), len(block.views)
    first, others = form.tensors()
    if anchors.views == block.views:
        shifted = ([other.roll(-shift * n, 0) for other in others] for shift in range(1, k))
        return [form.like(first, rolled).paired() for rolled in shifted]
    (own,) = anchors.views
    chunks = zip(block.views, zip(*(other.chunk(k) for other in others), strict=True), strict=True)
    return [form.like(first, chunk).paired() for view, chunk in chunks if view != own]


def _of_rows(form: Form, rows: Tensor) -> Form:
    """The form of only some anchors."""
    first, others = form.tensors()
    return form.like([tensor[rows] for tensor in first], others)


def _same_view(anchors: Anchors, block: Block, device: torch.device) -> Tensor:
    """Whether a view of the block is that of the anchor, bool [a n, k]."""
    mine, theirs = torch.tensor(anchors.views, device=device), torch.tensor(block.views, device=device)
    return (mine[:, None] == theirs).repeat_interleave(len(anchors.key), 0)


def _own(anchors: Anchors, block: Block, rows: Tensor) -> Tensor:
    """Which candidates [rows, k n] are the anchors themselves."""
    n, device = len(anchors.key), rows.device
    things = (rows % n)[:, None] == torch.arange(n, device=device).repeat(len(block.views))
    return things & _same_view(anchors, block, device)[rows].repeat_interleave(n, 1)
