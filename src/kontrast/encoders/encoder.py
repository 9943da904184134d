"""The interface of an encoder: the network whose output, the feature, is what one keeps after pretraining."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from kontrast.parts import Part


class Encoder(Part, ABC):
    """A network from observations to features."""

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        """A freshly initialized module for observations float32 [n, *shape], and the dimension of its feature [n, d].

        It draws its weights from torch's current random state, which the caller has seeded. A ValueError, in one
        sentence, if such observations do not fit.
        """


def check_dropout(share: float) -> None:
    """A ValueError unless the share of numbers that dropout sets to zero is in [0, 1)."""
    if not 0 <= share < 1:
        raise ValueError(f"dropout is a share in [0, 1), not {share}; write encoder.dropout=0.3")


def dropped(activation: nn.Module, share: float) -> nn.Module:
    """The activation with dropout after it, as one module: the names of a network's weights do not depend on it."""
    return nn.Sequential(activation, nn.Dropout(share)) if share else activation
