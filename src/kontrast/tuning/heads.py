"""Many linear classifiers on the same features, each with a rate and a weight decay of its own, in one product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


class Heads:
    """Linear classifiers z = W h + b, one for each of some settings (rate, weight decay), trained by SGD from zeros.

    A step is that of torch's SGD with Nesterov's momentum: with g the gradient of the mean cross-entropy, and of
    decay / 2 |W|^2, v <- momentum v + g and (W, b) <- (W, b) - factor rate (g + momentum v). Biases are not decayed.
    The problem is convex, and zeros are where all classes are equally likely. `weight` [S, C, d], `bias` [S, C].
    """

    def __init__(
        self,
        settings: Sequence[tuple[float, float]],
        classes: int,
        features: int,
        momentum: float = 0.9,
        device: torch.device | None = None,
    ) -> None:
        self.momentum = momentum
        self.rates, self.decays = torch.tensor(settings, device=device).float().unbind(1)
        self.weight = torch.zeros(len(settings), classes, features, device=device)
        self.bias = torch.zeros(len(settings), classes, device=device)
        self.velocities = [torch.zeros_like(self.weight), torch.zeros_like(self.bias)]

    def __call__(self, features: Tensor) -> Tensor:
        """Logits [n, S, C] of features [n, d]."""
        count, classes, width = self.weight.shape
        logits = torch.addmm(self.bias.flatten(), features, self.weight.view(count * classes, width).T)
        return logits.view(-1, count, classes)

    def learn(self, features: Tensor, labels: Tensor, factor: float) -> None:
        """One step on features [n, d] and labels int64 [n], all of them from 0 on; none without a row."""
        if not len(labels):
            return
        error = self(features).softmax(2)
        error = (error - functional.one_hot(labels, error.shape[2])[:, None]) / len(labels)
        weight = (error.flatten(1).T @ features).view_as(self.weight) + self.decays[:, None, None] * self.weight
        self._move(self.weight, weight, 0, factor * self.rates[:, None, None])
        self._move(self.bias, error.sum(0), 1, factor * self.rates[:, None])

    def _move(self, values: Tensor, gradient: Tensor, number: int, rates: Tensor) -> None:
        velocity = self.velocities[number].mul_(self.momentum).add_(gradient)
        values -= rates * gradient.add_(velocity, alpha=self.momentum)
