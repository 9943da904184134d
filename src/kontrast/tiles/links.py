"""Links: what is made of a core before it is scaled, one number at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


class Link(ABC):
    """A function of one number, applied to every entry of a core, with its derivative.

    `smooth` says that the slope stays finite at 0, so that an absolute error of a core near 0 does no harm.
    """

    smooth: ClassVar[bool] = True

    @abstractmethod
    def value(self, c: Tensor) -> Tensor:
        """The scores of the entries c, of any shape, in operations that autograd can follow. It leaves c as it is."""

    @abstractmethod
    def slope(self, c: Tensor, s: Tensor) -> Tensor:
        """The derivative of the score at c, where s = value(c), finite everywhere. It leaves c and s as they are."""


@dataclass(frozen=True)
class Negative(Link):
    """Minus the core: distances become similarities."""

    def value(self, c: Tensor) -> Tensor:
        return -c

    def slope(self, c: Tensor, s: Tensor) -> Tensor:
        return torch.full_like(c, -1.0)


@dataclass(frozen=True)
class Root(Link):
    """Minus the p-th root, -c^(1/p) for c >= 0: sums of powers become norms. At c = 0 its slope is taken as 0."""

    p: float
    smooth: ClassVar[bool] = False

    def value(self, c: Tensor) -> Tensor:
        some = c > 0
        return torch.where(some, -torch.where(some, c, 1.0).pow(1 / self.p), 0.0)

    def slope(self, c: Tensor, s: Tensor) -> Tensor:
        return torch.where(c > 0, s / (self.p * c), 0.0)


@dataclass(frozen=True)
class Inverse(Link):
    """1 / (1 + c) for c >= 0, in (0, 1]: the score that falls off as a Student t density does."""

    def value(self, c: Tensor) -> Tensor:
        return 1 / (1 + c)

    def slope(self, c: Tensor, s: Tensor) -> Tensor:
        return -s.square()


@dataclass(frozen=True)
class Log(Link):
    """log(max(c, floor)) for c >= 0. Below the floor, and at c = 0 without one, its slope is taken as 0."""

    floor: float = 0.0
    smooth: ClassVar[bool] = False

    def value(self, c: Tensor) -> Tensor:
        return c.clamp_min(self._least(c)).log()

    def slope(self, c: Tensor, s: Tensor) -> Tensor:
        return torch.where(c > self._least(c), 1 / c, 0.0)

    def _least(self, c: Tensor) -> float:
        return max(self.floor, torch.finfo(c.dtype).tiny)
