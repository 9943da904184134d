"""SIGReg: views alike, and embeddings that look normal from every side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import chz
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kontrast.draws import Noise, derive
from kontrast.objectives.objective import Criterion, Loss, Objective, pairs, widened
from kontrast.spaces import Euclidean, Space
from kontrast.views import Views

KNOTS = 17
FAR = 5.0


@chz.chz(typecheck=True)
class SIGReg(Objective):
    """Sketched isotropic Gaussian regularization (LeJEPA, Balestriero and LeCun 2025, arXiv 2511.08544).

        L = (1 - weight) mean_vik (z_vik - c_ik)^2 + weight mean_v mean_a T(<z_v1, a>, ..., <z_vn, a>)

    with z the asked views, c the mean of the answers about each thing, and directions a drawn evenly from the sphere.
    T is Epps and Pulley's statistic (1983) of numbers p_1, ..., p_n against the standard normal law,

        T = n int |mean_j exp(i t p_j) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt,

    by the trapezoidal rule at 17 values of t from -5 to 5. Its mean for normal numbers is sqrt(2 pi) - sqrt(2 pi / 3) =
    1.059, whatever n is, and it is .409 n where all are 0. Called on two views, both ask and both answer. Keys do not
    matter. If the latents are normal, the minimum recovers them up to rotation (arXiv 2605.26379).

    Directions are a function of `seed` and of the training step, which the criterion counts; in a plain call the step
    is 0. Parts: `invariance` and `normality` with their weights, which add up to the loss.

    ValueError: weight outside (0, 1), no slices, rows of x, y and key that do not match, or a space other than
    Euclidean, where nothing is normal.
    """

    weight: float = chz.field(default=0.02, doc="share of the normality in (0, 1)")
    slices: int = chz.field(default=256, doc="directions drawn for each step")
    seed: int = chz.field(default=0, doc="seed of the directions")

    @chz.validate
    def _ranges(self) -> None:
        if not 0 < self.weight < 1:
            raise ValueError(f"the weight is a share in (0, 1), not {self.weight}; write objective.weight=0.02")
        if self.slices < 1:
            raise ValueError(f"normality is seen along one direction at least, not {self.slices}; write slices=256")

    def check(self, space: Space) -> None:
        """A ValueError unless a normal law lives in the space."""
        if not isinstance(space, Euclidean):
            raise ValueError(
                f"no law is normal in {type(space).__name__}, which SIGReg asks for; write space=Euclidean"
            )

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> Loss:
        return self.agree((x, y), (x, y), Views((), key))

    def agree(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        return self.regularize(asked, answers, views, torch.zeros((), dtype=torch.int64, device=asked[0].device))

    def build(self, dim: int) -> Criterion:
        return _Stepping(self)

    def regularize(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views, step: Tensor) -> Loss:
        """The loss with the directions of a step, int64 []."""
        asked, answers = widened(self, asked, answers, views.key)
        pairs(asked, answers, views)
        center = torch.stack(answers).mean(0)
        invariance = torch.stack([(z - center).square().mean() for z in asked]).mean()
        directions = self.directions(asked[0].shape[1], step).to(center.dtype)
        normality = torch.stack([epps_pulley(z @ directions).mean() for z in asked]).mean()
        terms = {"invariance": (1 - self.weight) * invariance, "normality": self.weight * normality}
        total = terms["invariance"] + terms["normality"]
        return Loss(total, {name: term.detach() for name, term in terms.items()})

    def directions(self, dim: int, step: Tensor) -> Tensor:
        """Unit vectors [dim, slices] of a step, int64 []: the same on all processes, and drawn where the step is."""
        key = step * self.slices + torch.arange(self.slices, device=step.device)
        return torch.nn.functional.normalize(Noise(key + derive(self.seed, "slices")).normal("slice", dim)).T


class _Stepping(Criterion):
    """SIGReg with a count of the training steps it has seen."""

    step: Tensor

    def __init__(self, objective: SIGReg) -> None:
        super().__init__(objective)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, asked: Sequence[Tensor], answers: Sequence[Tensor], views: Views) -> Loss:
        assert isinstance(self.objective, SIGReg)
        loss = self.objective.regularize(asked, answers, views, self.step)
        if self.training:
            self.step += 1
        return loss


def epps_pulley(numbers: Tensor) -> Tensor:
    """The statistic T [m] of each column of numbers [n, m]. Memory for the backward pass grows with n m alone."""
    gap = 2 * FAR / (KNOTS - 1)
    knots = [gap * k for k in range(KNOTS // 2 + 1)]
    total = torch.zeros_like(numbers[0])
    for t in knots:
        # The integrand is even, so each knot but 0 stands for two, and the last for the two ends, which count half.
        share = gap * math.exp(-t * t / 2) * (1 if t in (knots[0], knots[-1]) else 2)
        total = total + share * checkpoint(_gap, numbers, t, use_reentrant=False, preserve_rng_state=False)
    return len(numbers) * total


def _gap(numbers: Tensor, t: float) -> Tensor:
    """The squared distance [m] of the columns' characteristic function from the standard normal one, at t."""
    angle = t * numbers
    return (angle.cos().mean(0) - math.exp(-t * t / 2)).square() + angle.sin().mean(0).square()
