"""MCInfoNCE: InfoNCE of posteriors, whose directions and concentrations it learns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import chz
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid
from torch.utils.checkpoint import checkpoint

from kontrast.directional import samples, unit
from kontrast.draws import generator
from kontrast.objectives.contrast import JUDGED, NOTHING
from kontrast.objectives.objective import Criterion, Loss, Objective, check_rows, pairs
from kontrast.objectives.strips import STRIP
from kontrast.similarities.similarity import check_temperature
from kontrast.spaces import Space, VonMisesFisher
from kontrast.tiles import Dot, log_sum_exp
from kontrast.views import Views


@chz.chz(typecheck=True)
class MCInfoNCE(Objective):
    """Monte Carlo InfoNCE: the negative log-probability of picking the own partner where embeddings are uncertain.

    An embedding kappa mu stands for the posterior vMF(mu, kappa) of a latent direction (space=VonMisesFisher). With S
    draws v of each asked posterior, v+ of its partner's and v- of those of M other things, and k = 1 / temperature,

        L = -mean_i log mean_st e^(k v_s.v+_t) / (e^(k v_s.v+_t) + sum_m e^(k v_s.v-_sm))

    (Kirchhof, Kasneci, Oh 2023, arXiv 2302.02865). Where the latents of a pair follow vMF(., k) around each other, and
    M and S are large, its minimum is at the true posteriors, up to a rotation. With few draws it is too sure: the mean
    over pairs of draws, s with t, needs far fewer than one over s alone. As kappa grows L tends to InfoNCE over
    cross-view candidates. With `averaged` each negative weighs 1/M, as in the published code, which puts the minimum at
    twice the true concentrations and more. Where things share a key, L is the mean over the partners, and none of them
    is a negative. At low temperatures encoders may fold the sphere, and are too sure; 100 steps of `warmup` help.

    Gradients reach mu and kappa through the draws. These are a function of `seed` and of the number of training steps
    before, thing by thing in the order of their keys; of a plain function, of the seed alone. Parts: `alignment`, minus
    the mean logit of own partners, and `uniformity`, the rest. Measures: `accuracy`, the share of mean directions whose
    nearest candidate is a partner (of the first 256), `concentration`, the mean kappa, and where it is learned
    `temperature`. Memory grows with the rows times S, not with the square of either.

    ValueError: temperature not positive, no samples or no negatives, or rows of x, y and key that do not match.
    """

    temperature: float = chz.field(default=0.05, doc="divisor t > 0 of the similarity: 1/t concentrates the pairs")
    learn_temperature: bool = chz.field(default=False, doc="learn t, by its logarithm, from there on")
    samples: int = chz.field(default=16, doc="draws S of each posterior; more for less noise, at a price in proportion")
    negatives: int | None = chz.field(default=None, doc="other things M that each is told from; None: all of the batch")
    warmup: int = chz.field(default=0, doc="training steps over which 1/t rises to its value, from next to nothing")
    averaged: bool = chz.field(default=False, doc="weigh each negative by 1/M, as in the published code")
    seed: int = chz.field(default=0, doc="seed of the draws")

    @chz.validate
    def _ranges(self) -> None:
        check_temperature(self.temperature, "objective.temperature")
        if self.samples < 1:
            raise ValueError(f"an average needs samples, not {self.samples} of them; write objective.samples=16")
        if self.warmup < 0:
            raise ValueError(f"warmup is a number of steps, not {self.warmup}; write objective.warmup=100, or 0")
        if self.negatives is not None and self.negatives < 1:
            raise ValueError(f"there must be negatives, not {self.negatives}; write objective.negatives=32, or None")

    def check(self, space: Space) -> None:
        if not isinstance(space, VonMisesFisher):
            raise ValueError(
                f"MCInfoNCE learns directions with a concentration, not points of {type(space).__name__}; "
                "write space=VonMisesFisher"
            )

    def check_batch(self, rows: int, dim: int) -> None:
        if self.negatives is not None and self.negatives >= rows:
            raise ValueError(
                f"a batch of {rows} has {rows - 1} negatives for each thing, not {self.negatives}; "
                f"write objective.negatives={rows - 1}, or None"
            )

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        return self.agree((x,), (y,), Views((), key, asking=(0,), answering=(1,)))

    def agree(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        return self.estimate(asked, answers, views, 1 / self.temperature, 0)

    def build(self, dim: int) -> Criterion:
        return _Sampling(self)

    def estimate(
        self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, scale: Tensor | float, step: int
    ) -> Loss:
        """The loss with the draws of a step, and `scale` for one over the temperature."""
        for z in (*asked, *answers):
            check_rows(self, z, answers[0], views.key)
        order, rng = _order(asked[0], views.key), generator(self.seed, "mcinfonce", step=step)
        key = views.key[order]
        # By view as well: views that look alike are still drawn from apart.
        asks = [(view, id(z)) for view, z in zip(views.asking, asked, strict=True)]
        says = [(view, id(z)) for view, z in zip(views.answering, answers, strict=True)]
        laws = {name: _Law.of(z[order]) for name, z in zip((*asks, *says), (*asked, *answers), strict=True)}
        drawn = {name: law.draw(self.samples, rng) for name, law in laws.items()}
        shifts = None
        if self.negatives is not None and len(key) > 1:
            shifts = 1 + torch.randperm(len(key) - 1, generator=rng)[: self.negatives]
        found = [(asks[i], says[j]) for i, j in pairs(asked, answers, views)]
        partners = _Partners.of(key)
        total = torch.stack([self._loss(drawn[x], drawn[y], partners, shifts, scale) for x, y in found]).mean()
        with torch.no_grad():
            alignment = -torch.stack([(scale * (drawn[x] * drawn[y]).sum(-1)).mean() for x, y in found]).mean()
            accuracy = torch.stack([laws[x].accuracy(laws[y], key) for x, y in found]).mean()
            certain = torch.stack([laws[x].kappa.mean() for x in asks]).mean()
        terms = {"alignment": alignment, "uniformity": total.detach() - alignment}
        return Loss(total, terms, {"accuracy": accuracy, "concentration": certain})

    def _loss(self, v: Tensor, w: Tensor, partners: _Partners, shifts: Tensor | None, scale: Tensor | float) -> Tensor:
        """The mean loss, from draws v and w [S, n, d] of the asked and the answering view."""
        far, count = _negatives(v, w, partners, shifts, scale)
        if self.averaged:
            far = far - count.to(far.dtype).log()
        factor = torch.as_tensor(scale, dtype=v.dtype, device=v.device)
        return _Mean.apply(v, w, far, factor, partners)  # type: ignore[no-untyped-call,no-any-return]


class _Law(NamedTuple):
    """Mean directions [n, d] and concentrations [n]."""

    mean: Tensor
    kappa: Tensor

    @classmethod
    def of(cls, z: Tensor) -> _Law:
        z = z.float() if z.dtype.itemsize < 4 else z
        return cls(unit(z), torch.linalg.vector_norm(z, dim=-1))

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """[count, n, d]. A row that is not finite gives NaN, so that the loss is none."""
        return samples(self.mean, self.kappa.nan_to_num(0.0, 0.0, 0.0), count, rng)

    def accuracy(self, other: _Law, key: Tensor) -> Tensor:
        nearest = (self.mean[:JUDGED] @ other.mean.T).argmax(1)
        return (key[nearest] == key[:JUDGED]).float().mean()


def _order(x: Tensor, key: Tensor) -> Tensor:
    """An order of the rows that is theirs, however they come: by key, and where keys are equal by coordinate."""
    first = x.detach()[:, 0].argsort()
    return first[key[first].argsort(stable=True)]


class _Partners(NamedTuple):
    """Which rows share a key, where equal keys are beside each other: from `first` [n] on, `size` [n] rows."""

    first: Tensor
    size: Tensor

    @classmethod
    def of(cls, key: Tensor) -> _Partners:
        _, group, size = torch.unique_consecutive(key, return_inverse=True, return_counts=True)
        return cls((size.cumsum(0) - size)[group], size[group])

    def strips(self, each: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Every row with every partner, and one over the share of that pair; so few that `each` of them can be held."""
        n, device = len(self.size), self.size.device
        rows = torch.arange(n, device=device).repeat_interleave(self.size)
        place = torch.arange(len(rows), device=device) - (self.size.cumsum(0) - self.size)[rows]
        whole = rows, self.first[rows] + place, n * self.size[rows]
        yield from zip(*(torch.split(column, max(1, STRIP // each)) for column in whole), strict=True)

    def own(self) -> Tensor:
        """The columns of all partners of each row [n, largest size]; -1 where it has fewer."""
        place = torch.arange(int(self.size.max()), device=self.size.device)
        return torch.where(place < self.size[:, None], self.first[:, None] + place, -1)


def _negatives(
    v: Tensor, w: Tensor, partners: _Partners, shifts: Tensor | None, scale: Tensor | float
) -> tuple[Tensor, Tensor]:
    """The logarithm of the sum over negatives [S, n], and how many there are [n], at least 1."""
    n = v.shape[1]
    if shifts is None:
        own = partners.own()
        each = [log_sum_exp(u, c, Dot(), None, scale, own) for u, c in zip(v, w, strict=True)]
        return torch.stack(each), (n - partners.size).clamp_min(1)
    columns = (torch.arange(n, device=v.device)[:, None] + shifts.to(v.device)) % n
    same = (columns >= partners.first[:, None]) & (columns < (partners.first + partners.size)[:, None])
    again: Any = {"use_reentrant": False, "preserve_rng_state": False}
    logits = torch.stack([checkpoint(_shifted, v, w, shift, **again) for shift in shifts.tolist()], -1)
    return (scale * logits).masked_fill(same, NOTHING).logsumexp(-1), (~same).sum(1).clamp_min(1)


def _shifted(v: Tensor, w: Tensor, shift: int) -> Tensor:
    return (v * w.roll(-shift, 1)).sum(-1)


class _Mean(torch.autograd.Function):
    """The mean over rows and their partners, strip by strip of such pairs, each computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, w: Tensor, far: Tensor, scale: Tensor, partners: _Partners) -> Tensor:
        ctx.save_for_backward(v, w, far, scale)
        ctx.partners = partners
        total = v.new_zeros(())
        for strip in partners.strips(len(v) ** 2):
            total += _of_pairs(v, w, far, scale, *strip)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        given = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
        found = [torch.zeros_like(tensor) for tensor in given]
        for strip in ctx.partners.strips(len(given[0]) ** 2):
            with torch.enable_grad():
                part = _of_pairs(*given, *strip)
            for whole, some in zip(found, torch.autograd.grad(part, given, grad), strict=True):
                whole += some
        return (*found, None)


def _of_pairs(v: Tensor, w: Tensor, far: Tensor, scale: Tensor, rows: Tensor, columns: Tensor, whole: Tensor) -> Tensor:
    near = scale * torch.einsum("snd,tnd->stn", v[:, rows], w[:, columns])
    each = 2 * math.log(len(v)) - logsigmoid(near - far[:, None, rows]).logsumexp((0, 1))
    return (each / whole).sum()


class _Sampling(Criterion):
    """MCInfoNCE with the number of its training steps, and, where it is learned, its temperature."""

    step: Tensor

    def __init__(self, objective: MCInfoNCE) -> None:
        super().__init__(objective)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.log_temperature: nn.Parameter | None = None
        if objective.learn_temperature:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(objective.temperature)))

    def forward(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        assert isinstance(self.objective, MCInfoNCE)
        learned, step = self.log_temperature, int(self.step)
        scale = 1 / self.objective.temperature if learned is None else (-learned).exp()
        scale = scale * min(1.0, (step + 1) / max(1, self.objective.warmup))
        loss = self.objective.estimate(asked, answers, views, scale, step)
        if self.training:
            self.step += 1
        more = {} if learned is None else {"temperature": learned.detach().exp()}
        return loss._replace(measures={**loss.measures, **more})
