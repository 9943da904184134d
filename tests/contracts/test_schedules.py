"""What holds for every schedule, whatever its shape."""

import chz
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.parts import known, summary
from kontrast.schedules import Plateau, Schedule

EVERY = pytest.mark.parametrize("cls", known(Schedule).values(), ids=lambda cls: cls.__name__)
LOSSES = st.lists(st.floats(-10, 10), max_size=30)


@EVERY
@given(steps=st.integers(1, 300), warmup=st.floats(0, 0.9), start=st.floats(0, 1), losses=LOSSES)
def test_it_rises_evenly_to_the_peak_then_stays_within_its_bounds(
    cls: type[Schedule], steps: int, warmup: float, start: float, losses: list[float]
) -> None:
    schedule = cls(warmup=warmup, start=start)
    factors = [schedule.factor(step, steps, losses) for step in range(steps)]
    rise = round(warmup * steps)
    assert factors[:rise] == pytest.approx([start + (1 - start) * (step + 1) / rise for step in range(rise)])
    assert all(0 <= factor <= 1 + 1e-12 for factor in factors)
    assert factors[rise:] == sorted(factors[rise:], reverse=True)
    if rise < steps and not (cls is Plateau and losses):
        assert factors[rise] == 1.0 or "milestones" in chz.chz_fields(cls)


@EVERY
def test_only_a_plateau_asks_for_the_losses(cls: type[Schedule]) -> None:
    schedule = cls()
    factors = [schedule.factor(step, 50) for step in range(50)]
    assert ([schedule.factor(step, 50, [1.0] * 40) for step in range(50)] == factors) == (cls is not Plateau)


@EVERY
def test_it_is_a_value_that_explains_itself(cls: type[Schedule]) -> None:
    assert cls() == cls() and hash(cls()) == hash(cls())
    assert summary(cls).endswith(".")
    assert all(field._doc for field in chz.chz_fields(cls).values())


@EVERY
@pytest.mark.parametrize("options", [{"warmup": 1.0}, {"warmup": -0.1}, {"start": 1.5}, {"start": float("nan")}])
def test_what_cannot_be_is_refused_with_what_to_write(cls: type[Schedule], options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"write schedule\."):
        cls(**options)
