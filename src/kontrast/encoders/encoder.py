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
