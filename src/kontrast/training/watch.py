"""Watching a run: how gradients flow through the network, and whether its embeddings collapse."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from kontrast.directional import unit
from kontrast.model import Model, Output
from kontrast.probes.geometry.rankme import effective_rank
from kontrast.spaces import Box, Euclidean, Product, Space
from kontrast.training.trainer import Trainer

ROWS = 512
"""Rows of a batch that are looked at, which bounds what RankMe costs."""
BLOCKS = 6
"""Blocks that an encoder is shown as, at the most."""
POINT = 0.02
"""Unit embeddings whose standard deviation, times sqrt(d), is below this are one point."""
LINE = 1.5
"""Embeddings whose RankMe is below this lie on a line."""
WIDE = 16
"""Coordinates, rows and different things that a batch needs before a line is an alarm."""
SHRUNK = 0.01
"""Where the origin means nothing, one point also is narrower than this share of the widest it has been."""
FIRST, SHARE, PATIENCE = 100, 0.05, 3
"""No alarm before this step or this share of the run, nor before so many rows in a row agree."""
ADVICE = (
    "lower optimizer.rate, keep batch normalization in head and predictor (head.norm=True predictor.norm=True), or "
    "choose an objective that keeps embeddings apart"
)


class Watch:
    """The numbers that say how a run fares, at the steps that are recorded, and an alarm where it collapses.

    - gradient/BLOCK, update/BLOCK: the norm of the gradient of a block of the network, as the optimizer had it, and how
      far that step moved its weights relative to them, |w' - w| / |w|. A block is a part of the encoder (its top-level
      modules, normalizations with what they follow, six at the most), the head, the predictor, or what space and
      criterion learn.
    - std/embedding: the standard deviation over rows of unit embeddings, mean over coordinates, times sqrt(d): 1 where
      directions are uniform, 0 where all are one. SimSiam (Chen and He 2020, arXiv 2011.10566) draws it without the
      factor and expects 1 / sqrt(d).
    - rank/embedding, rank/feature: RankMe, exp(H(p)) with p the singular values of the rows, not centered, over their
      sum, plus 1e-7 (Garrido et al. 2022, arXiv 2210.02885): how many dimensions are in use, from 1 to min(rows, d).
    - alarm/collapse: 1 where the embeddings have been one point (std below .02) or, with 16 coordinates and things or
      more, one line (rank below 1.5) for three rows, after step 100 and 5 % of the run. In a space whose origin means
      nothing, Euclidean or Box, one point must also have shrunk to 1 % of the widest that it has been.

    The embeddings are those asked about; with a predictor, those it shall predict (SimSiam's z). All is of the first
    512 rows of the first view of one batch. The alarm is said once.
    """

    def __init__(self, trainer: Trainer, say: Callable[[str], None]) -> None:
        self.trainer, self.say = trainer, say
        self.blocks = blocks(trainer.model)
        self.widest, self.bad, self.said = 0.0, 0, False
        self._before: dict[str, list[Tensor]] = {}

    def before(self) -> None:
        """Remember the weights, ahead of a step that will be recorded."""
        self._before = {name: [p.detach().clone() for p in block] for name, block in self.blocks.items()}

    def row(self) -> dict[str, float]:
        """The numbers of the step just taken, and the alarm."""
        found = flow(self.blocks, self._before)
        self._before = {}
        output = self.trainer.output
        if output is None or len(output.features) < 2:
            return found
        z, features = _embedding(output, self.trainer.model)[:ROWS], output.features[:ROWS]
        found |= {"std/embedding": spread(z), "rank/embedding": rankme(z), "rank/feature": rankme(features)}
        found["alarm/collapse"] = float(self._alarm(z, found))
        return found

    def _alarm(self, z: Tensor, found: Mapping[str, float]) -> bool:
        scale = float(z.detach().float().std(0).norm())
        self.widest = max(self.widest, scale)
        width = scale / self.widest if self.widest else 0.0
        collapsed = collapse(found, self.trainer.experiment.space, z.shape[1], width, self._different())
        trainer = self.trainer
        early = trainer.step < max(FIRST, SHARE * trainer.steps)
        self.bad = 0 if collapsed is None or early else self.bad + 1
        if self.bad >= PATIENCE and not self.said:
            self.said = True
            self.say(f"collapse at step {trainer.step}: {collapsed}; {ADVICE}")
        return self.bad >= PATIENCE

    def _different(self) -> int:
        """How many things of the batch do not belong together."""
        views = self.trainer.views
        return 0 if views is None else len(torch.unique(views.key[:ROWS]))


def collapse(found: Mapping[str, float], space: Space, dim: int, width: float, things: int) -> str | None:
    """What is wrong with the embeddings of a row of metrics, in words; None if nothing is.

    `width` is their extent as a share of the widest that it has been, `things` how many of the rows do not belong
    together. A single coordinate says nothing.
    """
    std, rank = found["std/embedding"], found["rank/embedding"]
    free = isinstance(space, Euclidean | Box | Product)
    if dim > 1 and std < POINT and (width < SHRUNK or not free):
        return f"all embeddings are nearly one point (std {std:.3g}, where 1 is healthy and 0 is one point)"
    if min(dim, things) >= WIDE and rank < LINE:
        return f"all embeddings lie nearly on one line (RankMe {rank:.3g} of {dim} dimensions)"
    return None


def flow(blocks: Mapping[str, Sequence[Tensor]], before: Mapping[str, Sequence[Tensor]]) -> dict[str, float]:
    """gradient/BLOCK, and update/BLOCK where the weights from before the step are known."""
    norm = torch.nn.utils.get_total_norm
    found: dict[str, Tensor] = {}
    for name, block in blocks.items():
        gradients = [p.grad for p in block if p.grad is not None]
        if gradients:
            found[f"gradient/{name}"] = norm(gradients)
    for name, old in before.items():
        moved = norm([new.detach() - w for new, w in zip(blocks[name], old, strict=True)])
        found[f"update/{name}"] = moved / norm(old).clamp_min(1e-12)
    numbers = torch.stack([value.float() for value in found.values()]).tolist() if found else []
    return dict(zip(found, numbers, strict=True))


def blocks(model: Model) -> dict[str, list[nn.Parameter]]:
    """The learned parameters of a model, by the block they belong to; blocks without any are not there."""
    student = model.student
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in student.encoder.named_parameters():
        found.setdefault(f"encoder.{name.partition('.')[0]}" if name[:1].isdigit() else name.partition(".")[0], [])
        found[[*found][-1]].append(parameter)
    found = _merged(found)
    found["head"] = [*student.head.parameters()]
    found["predictor"] = [] if model.predictor is None else [*model.predictor.parameters()]
    found["learned"] = [*student.into.parameters(), *model.criterion.parameters()]
    learned = {name: [p for p in block if p.requires_grad] for name, block in found.items()}
    return {name: block for name, block in learned.items() if block}


def _merged(parts: Mapping[str, list[nn.Parameter]]) -> dict[str, list[nn.Parameter]]:
    """Parts that only scale and shift join the one before; then neighbors are joined until they are few."""
    joined: list[tuple[str, list[nn.Parameter]]] = []
    for name, block in parts.items():
        if joined and all(p.ndim < 2 for p in block):
            joined[-1][1].extend(block)
        else:
            joined.append((name, [*block]))
    few: dict[str, list[nn.Parameter]] = {}
    count = min(BLOCKS, len(joined))
    for k in range(count):
        some = joined[k * len(joined) // count : (k + 1) * len(joined) // count]
        name = some[0][0] if len(some) == 1 else f"{some[0][0]}-{some[-1][0].removeprefix('encoder.')}"
        few[name] = [p for _, block in some for p in block]
    return few


@torch.no_grad()
def spread(z: Tensor) -> float:
    """The standard deviation of the directions of embeddings [n, d], mean over coordinates, times sqrt(d)."""
    return float(unit(z.detach().float()).std(0).mean()) * math.sqrt(z.shape[1])


@torch.no_grad()
def rankme(rows: Tensor) -> float:
    """RankMe of rows [n, d]: exp of the entropy of their singular values as shares (arXiv 2210.02885, eq. 1).

    It is the number of the probe RankMe, on the device and far faster: the singular values are square roots of
    eigenvalues of the smaller Gram matrix, in float64, which are exact to 1e-8 of the largest.
    """
    rows = rows.detach()
    rows = rows.cpu().double() if rows.device.type == "mps" else rows.double()
    rows = torch.nan_to_num(rows / rows.abs().max().clamp_min(1e-30))
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    return effective_rank(torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().cpu().numpy())


def _embedding(output: Output, model: Model) -> Tensor:
    return output.asked[0] if model.predictor is None else output.answers[0]
