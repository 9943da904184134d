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
        """Changed pictures float32 [n, c, h', w'] of `images` float32 [n, c, h, w] in [0, 1].

        They are in [0, 1] again, with two exceptions, after which only changes that accept any number may follow:
        Normalize, which gives pictures in other units and so comes last, and what is told not to clip, which a Clip
        follows later.

        Every random number comes from `noise`, under a purpose named after the augmentation, so that what happens
        to one picture depends on that picture's key alone. `images` stay as they are.
        """
