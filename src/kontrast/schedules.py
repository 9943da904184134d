"""Schedules: the learning rate at each step, in closed form, so that a resumed run needs nothing but the step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import chz

from kontrast.parts import Part


class Schedule(Part, ABC):
    """A factor in [0, 1] for every step of a run."""

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """What the peak learning rate is multiplied by at step 0, ..., steps - 1."""


@chz.chz
class Constant(Schedule):
    """The peak rate at every step."""

    def factor(self, step: int, steps: int) -> float:
        return 1.0


@chz.chz
class WarmupCosine(Schedule):
    """A linear rise over the first w steps, then half a cosine down to the floor (arXiv 1608.03983).

    factor(s) = (s + 1) / w for s < w, and floor + (1 - floor) (1 + cos(pi (s - w) / (steps - w))) / 2 after, with
    w = round(warmup * steps).
    """

    warmup: float = chz.field(default=0.05, doc="share of the run that warms up, in [0, 1)")
    floor: float = chz.field(default=0.0, doc="what is left of the peak rate at the end, in [0, 1]")

    @chz.validate
    def _shares(self) -> None:
        _check_shares(self.warmup, self.floor)

    def factor(self, step: int, steps: int) -> float:
        rise = round(self.warmup * steps)
        if step < rise:
            return (step + 1) / rise
        fall = (step - rise) / max(1, steps - rise)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * fall)) / 2


@chz.chz
class WarmupLinear(Schedule):
    """A linear rise over the first w steps, then a linear fall to the floor.

    factor(s) = (s + 1) / w for s < w, and 1 - (1 - floor) (s - w) / (steps - w) after, with w = round(warmup * steps).
    """

    warmup: float = chz.field(default=0.0, doc="share of the run that warms up, in [0, 1)")
    floor: float = chz.field(default=0.0, doc="what is left of the peak rate at the end, in [0, 1]")

    @chz.validate
    def _shares(self) -> None:
        _check_shares(self.warmup, self.floor)

    def factor(self, step: int, steps: int) -> float:
        rise = round(self.warmup * steps)
        if step < rise:
            return (step + 1) / rise
        return 1 - (1 - self.floor) * (step - rise) / max(1, steps - rise)


def _check_shares(warmup: float, floor: float) -> None:
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is a share of the run in [0, 1), not {warmup}; write schedule.warmup=0.05")
    if not 0 <= floor <= 1:
        raise ValueError(f"floor is a share of the peak rate in [0, 1], not {floor}; write schedule.floor=0")
