"""The interface of an augmentation: a batch of pictures in, a changed batch out, each picture by its own draw."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from kontrast.draws import Noise
from kontrast.parts import Part


class Augmentation(Part, ABC):
    """One random change of pictures, batched on their device."""

    @abstractmethod
    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        """Changed pictures float32 [n, c, h', w'] in [0, 1] of `images` float32 [n, c, h, w] in [0, 1].

        Every random number comes from `noise`, under a purpose named after the augmentation, so that what happens
        to one picture depends on that picture's key alone.
        """
