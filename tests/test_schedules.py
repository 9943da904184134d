import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from kontrast import parts
from kontrast.schedules import Constant, Exponential, Plateau, Schedule, Step, WarmupCosine, WarmupLinear


def factors(schedule: Schedule, steps: int) -> list[float]:
    return [schedule.factor(step, steps) for step in range(steps)]


def torchs(make: Any, steps: int) -> list[float]:
    """The rates of a scheduler of torch, for a peak of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_these_are_the_schedules() -> None:
    assert set(parts.known(Schedule)) == {
        "Constant",
        "Exponential",
        "Plateau",
        "Step",
        "WarmupCosine",
        "WarmupLinear",
    }


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (WarmupCosine(warmup=0.0, floor=0.2), lambda o: lr_scheduler.CosineAnnealingLR(o, 50, eta_min=0.2)),
        (Step(milestones=(0.6, 0.8)), lambda o: lr_scheduler.MultiStepLR(o, [30, 40])),
        (Exponential(floor=0.95**50), lambda o: lr_scheduler.ExponentialLR(o, 0.95)),
        (WarmupLinear(floor=0.1), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, 50)),
        (Constant(), lambda o: lr_scheduler.ConstantLR(o, 1.0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_torchs(schedule: Schedule, make: Any) -> None:
    assert factors(schedule, 50) == pytest.approx(torchs(make, 50))


def test_a_warm_up_is_torchs_from_its_second_step_on() -> None:
    """torch spends its first step at the start; here no step is spent there, and the last of the rise is the peak."""
    ours = factors(Constant(warmup=0.2, start=0.01), 50)
    assert ours[:10] == pytest.approx(torchs(lambda o: lr_scheduler.LinearLR(o, 0.01, 1.0, 10), 11)[1:])
    assert ours[9:] == [1.0] * 41


def test_warmup_cosine_in_closed_form() -> None:
    schedule = WarmupCosine(warmup=0.1, floor=0.2)
    assert schedule.factor(4, 100) == pytest.approx(0.5)
    assert schedule.factor(10, 100) == 1.0
    assert schedule.factor(55, 100) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 2)) / 2)
    assert WarmupCosine(warmup=0.1, start=0.5).factor(4, 100) == pytest.approx(0.75)


@given(steps=st.integers(1, 2000), warmup=st.floats(0, 0.9), floor=st.floats(0, 1))
def test_warmup_linear_falls_evenly_to_its_floor(steps: int, warmup: float, floor: float) -> None:
    found = factors(WarmupLinear(warmup=warmup, floor=floor), steps)[round(warmup * steps) :]
    falls = [one - other for one, other in pairwise(found)]
    assert all(fall == pytest.approx((1 - floor) / len(found), abs=1e-9) for fall in falls)
    assert WarmupLinear().factor(25, 100) == 0.75


def test_milestones_are_shares_of_the_whole_run() -> None:
    schedule = Step(milestones=(0.8, 0.6), gamma=0.5, warmup=0.1)
    assert [schedule.factor(step, 100) for step in (9, 10, 59, 60, 79, 80, 99)] == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert set(factors(Step(milestones=()), 10)) == {1.0}


def plateau_of_torch(losses: Sequence[float], **options: Any) -> float:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, eps=0.0, **options)
    for loss in losses:
        scheduler.step(loss)
    return float(optimizer.param_groups[0]["lr"])


@given(st.lists(st.sampled_from([0.5, 1.0, 1.5, 1.9, 1.99999, 2.0]), max_size=40), st.integers(0, 4))
def test_a_plateau_is_torchs(losses: list[float], patience: int) -> None:
    schedule = Plateau(gamma=0.5, patience=patience, threshold=1e-3, floor=0.01)
    theirs = plateau_of_torch(losses, factor=0.5, patience=patience, threshold=1e-3, min_lr=0.01)
    assert schedule.factor(3, 10, losses) == pytest.approx(theirs)


def test_a_plateau_takes_losses_below_zero() -> None:
    """Where torch takes a loss of -0.9 after one of -0.9 for progress, as -0.9 < -0.9 (1 - threshold)."""
    assert Plateau(patience=2).factor(0, 1, [-0.9] * 4) == pytest.approx(0.1)
    assert Plateau(patience=2).factor(0, 1, [-0.6, -0.7, -0.8, -0.9]) == 1.0
    assert plateau_of_torch([-0.9] * 9, patience=2) == 1.0
    assert Plateau(patience=0).factor(0, 1, [1.0, math.nan]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: WarmupCosine(floor=2.0),
        lambda: WarmupLinear(floor=-1.0),
        lambda: Exponential(floor=0.0),
        lambda: Step(milestones=(0.0, 0.5)),
        lambda: Step(milestones=(60.0, 80.0)),
        lambda: Step(gamma=1.0),
        lambda: Plateau(gamma=0.0),
        lambda: Plateau(patience=-1),
        lambda: Plateau(threshold=1.0),
        lambda: Plateau(floor=1.5),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(make: Any) -> None:
    with pytest.raises(ValueError, match=r"write schedule\."):
        make()
