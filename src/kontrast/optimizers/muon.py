"""Muon, which makes the steps of matrices orthogonal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import chz
import torch

from kontrast.optimizers.optimizer import BATCH, Group, Optimizer, check_betas, check_momentum, fused, laid_out


@chz.chz
class Muon(Optimizer):
    """Muon: momentum whose matrices are made orthogonal before each step; all that is no matrix is stepped by Adam.

    Matrices are parameters with two axes, as the weights of linear layers. Biases, norms and the kernels of
    convolutions, which have four axes, are Adam's: of an Mlp or a transformer Muon steps nearly all, of a model with a
    ResNet or Conv no more than the head.

    The update of a matrix [m, n] is that with all its singular values at 1, times .2 sqrt(max(m, n)), which makes it as
    large as one of Adam's, so that both share one rate (Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982).
    """

    rate: float = chz.field(default=2e-3, doc="peak learning rate, before scaling by the batch")
    weight_decay: float = chz.field(default=0.0, doc="decay, multiplied by the learning rate")
    momentum: float = chz.field(default=0.95, doc="momentum of the matrices, in [0, 1)")
    betas: tuple[float, float] = chz.field(default=(0.9, 0.999), doc="decay of the two moments of what Adam steps")

    @chz.validate
    def _valid(self) -> None:
        check_betas(self.betas)
        check_momentum(self.momentum, 0.95)

    def build(self, groups: Sequence[Group], batch: int = BATCH) -> torch.optim.Optimizer:
        parts: list[torch.optim.Optimizer] = []
        made = self._split([_of(group, matrices=True) for group in groups], batch)
        if made:
            parts.append(torch.optim.Muon(made, momentum=self.momentum, adjust_lr_fn="match_rms_adamw"))
        made = self._split([_of(group, matrices=False) for group in groups], batch)
        if made:
            parts.append(laid_out(torch.optim.AdamW(made, betas=self.betas, fused=fused(made))))
        return Several(parts)


def _of(group: Group, *, matrices: bool) -> Group:
    """The matrices of a group, or all else; kernels of convolutions are no matrices here."""
    return group._replace(parameters=[p for p in group.parameters if (p.ndim == 2) == matrices])


class Several(torch.optim.Optimizer):
    """Optimizers of different parameters as one: its groups and its state are theirs, one after the other."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([{"params": group["params"]} for part in parts for group in part.param_groups], {})
        self._join()

    def _join(self) -> None:
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        taken = 0
        for part in self.parts:
            own = part.state_dict()
            state |= {number + taken: value for number, value in own["state"].items()}
            groups += [
                {**group, "params": [number + taken for number in group["params"]]} for group in own["param_groups"]
            ]
            taken += sum(len(group["params"]) for group in own["param_groups"])
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        taken = used = 0
        for part in self.parts:
            groups = state_dict["param_groups"][used : used + len(part.param_groups)]
            count = sum(len(group["params"]) for group in groups)
            part.load_state_dict(
                {
                    "state": {n - taken: v for n, v in state_dict["state"].items() if taken <= n < taken + count},
                    "param_groups": [{**g, "params": [n - taken for n in g["params"]]} for g in groups],
                }
            )
            taken, used = taken + count, used + len(groups)
        self._join()
