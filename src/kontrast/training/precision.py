"""The number format inside the network, and the scale of the loss that float16 needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

LEAST = 1.0
"""A loss scale below which it is not float16 that makes a gradient infinite."""


class Precision:
    """float32, or the network in bfloat16 or float16 by torch's autocast; parameters and similarities stay float32.

    Small gradients vanish in float16, so the loss is scaled before the backward pass and the gradient scaled back
    (Micikevicius et al. 2017, arXiv 1710.03740): torch's GradScaler doubles the scale every 2,000 steps, and halves it
    where a gradient overflows, which `skips` that step. The scale is part of a checkpoint.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.device = device
        self.dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name)
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "float16")

    def autocast(self) -> torch.autocast:
        """The context in which the network runs."""
        low = self.dtype is not None
        return torch.autocast(self.device.type, dtype=self.dtype or torch.bfloat16, enabled=low)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss as it goes into the backward pass."""
        return self.scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients of an optimizer's parameters back to those of the loss."""
        if self.scaler.is_enabled():
            self.scaler.unscale_(optimizer)

    def skips(self) -> bool:
        """Whether an infinite gradient may be float16's own: then a smaller scale is tried at the next step."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > LEAST

    def adapt(self) -> None:
        """After a step or a skipped one: move the scale."""
        if self.scaler.is_enabled():
            self.scaler.update()

    def tensors(self) -> dict[str, Tensor]:
        """What a later step depends on, by name; nothing but for float16."""
        state = self.scaler.state_dict()
        return {name: torch.tensor(float(state[name])) for name in ("scale", "_growth_tracker") if state}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with what `tensors` gave."""
        if self.scaler.is_enabled() and tensors:
            state: dict[str, Any] = self.scaler.state_dict()
            state |= {"scale": float(tensors["scale"]), "_growth_tracker": int(tensors["_growth_tracker"])}
            self.scaler.load_state_dict(state)
