"""Schedules: the learning rate at each step, in closed form, so that a resumed run needs nothing but the step.

Plateau alone looks at more, the mean losses of the run so far, which the trainer keeps.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import chz

from kontrast.parts import Part


@chz.chz
class Schedule(Part, ABC):
    """A factor in [0, 1] for every step of a run: a linear rise over the first w steps, then what each schedule says.

    factor(s) = start + (1 - start) (s + 1) / w for s < w = round(warmup * steps). Papers give the warm-up in epochs: 10
    epochs of 100 are warmup=0.1.
    """

    warmup: float = chz.field(default=0.0, doc="share of the run that warms up, in [0, 1): 10 epochs of 100 are 0.1")
    start: float = chz.field(default=0.0, doc="share of the peak rate that the warm-up rises from, in [0, 1]")

    @chz.validate
    def _rises(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of the run in [0, 1), not {self.warmup}; write schedule.warmup=0.05")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start is a share of the peak rate in [0, 1], not {self.start}; write schedule.start=0")

    def factor(self, step: int, steps: int, losses: Sequence[float] = ()) -> float:
        """What the peak learning rate is multiplied by at step 0, ..., steps - 1.

        `losses` are the mean losses of the windows completed so far: of epochs, or of hundredths of a run without them.
        """
        rise = round(self.warmup * steps)
        if step < rise:
            return self.start + (1 - self.start) * (step + 1) / rise
        return self.after(step, rise, steps, losses)

    @abstractmethod
    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        """The factor at a step that comes after the `rise` steps of warm-up."""


@chz.chz
class Constant(Schedule):
    """The peak rate at every step."""

    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        return 1.0


@chz.chz
class WarmupCosine(Schedule):
    """A linear rise over the first w steps, then half a cosine down to the floor (arXiv 1608.03983).

    factor(s) = floor + (1 - floor) (1 + cos(pi (s - w) / (steps - w))) / 2 after the warm-up.
    """

    warmup: float = chz.field(default=0.05, doc="share of the run that warms up, in [0, 1): 10 epochs of 100 are 0.1")
    floor: float = chz.field(default=0.0, doc="what is left of the peak rate at the end, in [0, 1]")

    @chz.validate
    def _falls(self) -> None:
        _check_floor(self.floor)

    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        fall = (step - rise) / max(1, steps - rise)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * fall)) / 2


@chz.chz
class WarmupLinear(Schedule):
    """A linear rise over the first w steps, then a linear fall to the floor.

    factor(s) = 1 - (1 - floor) (s - w) / (steps - w) after the warm-up.
    """

    floor: float = chz.field(default=0.0, doc="what is left of the peak rate at the end, in [0, 1]")

    @chz.validate
    def _falls(self) -> None:
        _check_floor(self.floor)

    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        return 1 - (1 - self.floor) * (step - rise) / max(1, steps - rise)


@chz.chz
class Exponential(Schedule):
    """The peak rate, multiplied by the same number at every step, so that the floor is left of it at the end.

    factor(s) = floor^((s - w) / (steps - w)) after a warm-up of w steps. A rate that is multiplied by gamma at each of
    E epochs has floor = gamma^E.
    """

    floor: float = chz.field(default=0.01, doc="what is left of the peak rate at the end, in (0, 1]")

    @chz.validate
    def _falls(self) -> None:
        if not 0 < self.floor <= 1:
            raise ValueError(
                f"floor is a share of the peak rate in (0, 1], not {self.floor}; write schedule.floor=0.01"
            )

    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        return float(self.floor ** ((step - rise) / max(1, steps - rise)))


@chz.chz
class Step(Schedule):
    """The peak rate, multiplied by gamma at each milestone.

    factor(s) = gamma^k, where k milestones m have s >= round(m * steps). Milestones are shares of the run, warm-up
    included: epochs 60 and 80 of 100 are 0.6 and 0.8.
    """

    milestones: tuple[float, ...] = chz.field(
        default=(0.6, 0.8), doc="when the rate falls, as shares of the run in (0, 1]: epoch 60 of 100 is 0.6"
    )
    gamma: float = chz.field(default=0.1, doc="what the rate is multiplied by at each milestone, in (0, 1)")

    @chz.validate
    def _falls(self) -> None:
        if not all(0 < milestone <= 1 for milestone in self.milestones):
            raise ValueError(
                f"milestones are shares of the run in (0, 1], not {self.milestones}; write schedule.milestones=0.6,0.8"
            )
        _check_gamma(self.gamma)

    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        return float(self.gamma ** sum(step >= round(milestone * steps) for milestone in self.milestones))


@chz.chz
class Plateau(Schedule):
    """The peak rate, multiplied by gamma whenever the loss has stopped falling.

    Windows, that is epochs, are counted as long as none has a mean loss below best - threshold |best|, where best is
    that of the last one that did. When more than `patience` of them are counted, the rate falls and the count begins
    anew. The factor is a function of the losses alone, so that a resumed run goes on exactly.
    """

    gamma: float = chz.field(default=0.1, doc="what the rate is multiplied by when it falls, in (0, 1)")
    patience: int = chz.field(default=10, doc="windows (epochs) without progress before the rate falls")
    threshold: float = chz.field(default=1e-4, doc="progress that counts, as a share of the best loss, in [0, 1)")
    floor: float = chz.field(default=0.0, doc="share of the peak rate that it never falls below, in [0, 1]")

    @chz.validate
    def _falls(self) -> None:
        _check_gamma(self.gamma)
        _check_floor(self.floor)
        if self.patience < 0:
            raise ValueError(f"patience is a number of windows, not {self.patience}; write schedule.patience=10")
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold is a share in [0, 1), not {self.threshold}; write schedule.threshold=0.0001")

    def after(self, step: int, rise: int, steps: int, losses: Sequence[float]) -> float:
        best, waited, falls = math.inf, 0, 0
        for loss in losses:
            if loss < (best - self.threshold * abs(best) if best < math.inf else math.inf):
                best, waited = loss, 0
            else:
                waited += 1
            if waited > self.patience:
                falls, waited = falls + 1, 0
        return max(self.floor, float(self.gamma**falls))


def _check_floor(floor: float) -> None:
    if not 0 <= floor <= 1:
        raise ValueError(f"floor is a share of the peak rate in [0, 1], not {floor}; write schedule.floor=0")


def _check_gamma(gamma: float) -> None:
    if not 0 < gamma < 1:
        raise ValueError(f"gamma is a factor in (0, 1), not {gamma}; write schedule.gamma=0.1")
