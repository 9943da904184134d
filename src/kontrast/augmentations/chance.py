"""Chance: whether an augmentation changes a picture, decided for each picture on its own."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from kontrast.draws import Noise


def chosen(noise: Noise, purpose: str, p: float) -> Tensor:
    """float32 [n, 1, 1, 1]: 1 for each of n pictures that an augmentation of probability p changes, 0 for the others.

    As the weight of `lerp`, which is exact at 0 and 1, it chooses between two pictures faster than `where` does.
    """
    return (noise.uniform(f"{purpose}/chance")[:, :, None, None] < p).float()


def probability(part: Any, name: str) -> None:
    """A ValueError if the field `name` of a part is not in [0, 1]: a validator for `chz.field`."""
    value = getattr(part, name)
    name = name.removeprefix("X_")  # chz stores a field under this prefix
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is a probability, between 0 and 1, not {value}; write {name}=0.5")
