"""LARS: momentum whose rate is adapted to each tensor, for large batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import chz
import torch
from torch import Tensor

from kontrast.optimizers.optimizer import BATCH, Group, Optimizer, check_momentum, laid_out

EPSILON = 1e-8
"""What keeps a sum of norms from zero."""


@chz.chz
class LARS(Optimizer):
    """Layer-wise adaptive rates: each tensor moves by a share of its own norm (You et al. 2017, arXiv 1708.03888).

    With g the gradient and l the weight decay, u = trust (g + l w), v <- momentum v + u, w <- w - lr v, where

        trust = eta |w| / |g + l w|                      denominator="norm_of_sum", or
        trust = eta |w| / (|g| + l |w| + 1e-8)           denominator="sum_of_norms",

    and, with `clip`, min(trust / lr, 1) in its place. Where |w| or the norm below is 0, trust is 1; in a sum of norms
    a tensor without weight or gradient is not decayed, either. With velocity="steps" the rate is in the velocity,
    v <- momentum v + lr u and w <- w - v, which differs while the rate changes. With `nesterov`, u + momentum v takes
    the place of v in the step. Excluded vectors are neither decayed nor adapted, u = g, and have a rate of their own.

    The defaults are those of VISSL; Barlow Twins (arXiv 2103.03230) has rate 0.2 and excluded_rate 0.024, and SimCLR
    (arXiv 2002.05709) velocity="steps". NVIDIA's Apex and Lightning Bolts have denominator="sum_of_norms", clip, eta
    0.001 and 0.02, and exclude nothing. Nothing is copied to the host in a step.
    """

    rate: float = chz.field(default=0.3, doc="peak learning rate, before scaling by the batch")
    scaling: Literal["none", "linear", "root"] = chz.field(
        default="linear",
        doc='peak rate for a batch B: rate ("none"), rate * B / 256 ("linear"), rate * sqrt(B) ("root")',
    )
    weight_decay: float = chz.field(default=1e-6, doc="L2 penalty, added to the gradient")
    exclude: Literal["vectors", "nothing"] = chz.field(
        default="vectors", doc="what is neither decayed nor adapted: biases and normalizations, or nothing"
    )
    excluded_rate: float = chz.field(default=1.0, doc="rate of what is excluded, as a multiple of the peak")
    momentum: float = chz.field(default=0.9, doc="momentum in [0, 1)")
    nesterov: bool = chz.field(default=False, doc="look ahead (needs momentum > 0)")
    eta: float = chz.field(default=1e-3, doc="trust coefficient: the share of its norm that a tensor moves at rate 1")
    denominator: Literal["norm_of_sum", "sum_of_norms"] = chz.field(
        default="norm_of_sum", doc="trust is per norm of gradient plus decay, or per sum of the norms of the two"
    )
    clip: bool = chz.field(default=False, doc="let no tensor move further than SGD would: min(trust / lr, 1)")
    velocity: Literal["gradients", "steps"] = chz.field(
        default="gradients", doc="what momentum adds up: adapted gradients, or steps, each at the rate of its time"
    )

    @chz.validate
    def _valid(self) -> None:
        check_momentum(self.momentum, 0.9)
        if self.nesterov and self.momentum == 0:
            raise ValueError("Nesterov's method needs momentum; write optimizer.momentum=0.9")
        if not 0 < self.eta < math.inf:
            raise ValueError(f"eta is a positive share, not {self.eta}; write optimizer.eta=0.001")
        if not 0 < self.excluded_rate < math.inf:
            raise ValueError(
                f"excluded_rate is a positive multiple, not {self.excluded_rate}; write optimizer.excluded_rate=1"
            )
        if self.denominator not in ("norm_of_sum", "sum_of_norms"):
            raise ValueError(
                f"denominator is norm_of_sum or sum_of_norms, not {self.denominator!r}; "
                "write optimizer.denominator=norm_of_sum"
            )
        if self.velocity not in ("gradients", "steps"):
            raise ValueError(
                f"velocity is gradients or steps, not {self.velocity!r}; write optimizer.velocity=gradients"
            )

    def build(self, groups: Sequence[Group], batch: int = BATCH) -> torch.optim.Optimizer:
        made = self._split(groups, batch)
        for group in made:
            group["peak"] *= self.excluded_rate if group["excluded"] else 1.0
        return laid_out(_Lars(made, self))


class _Lars(torch.optim.Optimizer):
    def __init__(self, groups: list[dict[str, Any]], options: LARS) -> None:
        self.options = options
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            weights = [parameter for parameter in group["params"] if parameter.grad is not None]
            if weights:
                self._move(weights, group)
        return loss

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        options, rate = self.options, group["lr"]
        moves = [cast(Tensor, weight.grad) for weight in weights]
        if not group["excluded"]:
            moves = self._adapted(weights, moves, group["weight_decay"], rate)
        if options.velocity == "steps":
            moves, rate = list(torch._foreach_mul(moves, rate)), 1.0
        velocities = [self._velocity(weight) for weight in weights]
        torch._foreach_mul_(velocities, options.momentum)
        torch._foreach_add_(velocities, moves)
        torch._foreach_add_(weights, velocities, alpha=-rate * (options.momentum if options.nesterov else 1))
        if options.nesterov:
            torch._foreach_add_(weights, moves, alpha=-rate)

    def _adapted(self, weights: list[Tensor], gradients: list[Tensor], decay: float, rate: float) -> list[Tensor]:
        """trust (g + l w), with one number of trust for each tensor, which stays on the device."""
        options = self.options
        sums = list(torch._foreach_add(gradients, weights, alpha=decay))
        size = torch.stack(torch._foreach_norm(weights))
        below = torch.stack(torch._foreach_norm(sums if options.denominator == "norm_of_sum" else gradients))
        bound = below if options.denominator == "norm_of_sum" else below + decay * size + EPSILON
        trust = options.eta * size / bound
        if options.clip:
            trust = (trust / rate).clamp(max=1) if rate else torch.ones_like(trust)
        trust = torch.where((size > 0) & (below > 0), trust, 1)
        if options.denominator == "sum_of_norms":
            trust = torch.where((size > 0) & (below == 0), 0, trust)
        torch._foreach_mul_(sums, list(trust.unbind()))
        return sums

    def _velocity(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        velocity: Tensor = state["momentum_buffer"]
        return velocity
