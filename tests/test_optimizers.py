import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kontrast import parts
from kontrast.optimizers import SGD, Adam, AdamW, Optimizer
from kontrast.schedules import Constant, Schedule, WarmupCosine


@pytest.mark.parametrize("name", parts.known(Optimizer))
def test_every_optimizer_lowers_a_parabola_and_spares_biases_from_decay(name):
    module = nn.Linear(3, 2)
    optimizer = parts.known(Optimizer)[name](rate=0.05, weight_decay=0.1).build(module.parameters())
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert (decays[id(module.weight)], decays[id(module.bias)]) == (0.1, 0.0)
    x = torch.ones(1, 3)
    before = module(x).square().sum().item()
    for _ in range(20):
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()
    assert module(x).square().sum().item() < before


def test_sgd_equals_its_equations():
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    optimizer = SGD(rate=0.1, momentum=0.5, weight_decay=0.2).build([weight])
    w, velocity = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
    for _ in range(3):
        optimizer.zero_grad()
        weight.pow(3).sum().backward()
        optimizer.step()
        velocity = 0.5 * velocity + (3 * w**2 + 0.2 * w)
        w = w - 0.1 * velocity
    torch.testing.assert_close(weight.detach(), w)


@given(steps=st.integers(1, 2000), warmup=st.floats(0, 0.9), floor=st.floats(0, 1))
def test_warmup_cosine_rises_then_falls_within_its_bounds(steps, warmup, floor):
    schedule = WarmupCosine(warmup=warmup, floor=floor)
    factors = [schedule.factor(step, steps) for step in range(steps)]
    rise = round(warmup * steps)
    assert all(0 <= f <= 1 + 1e-12 for f in factors)
    assert factors[:rise] == sorted(factors[:rise])
    assert factors[rise:] == sorted(factors[rise:], reverse=True)
    assert all(f >= floor - 1e-12 for f in factors[rise:])


def test_warmup_cosine_in_closed_form():
    schedule = WarmupCosine(warmup=0.1, floor=0.2)
    assert schedule.factor(4, 100) == pytest.approx(0.5)
    assert schedule.factor(10, 100) == 1.0
    assert schedule.factor(55, 100) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 2)) / 2)
    assert Constant().factor(99, 100) == 1.0
    assert set(parts.known(Schedule)) == {"Constant", "WarmupCosine"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(rate=-1.0),
        lambda: AdamW(weight_decay=-1.0),
        lambda: SGD(momentum=1.0),
        lambda: SGD(momentum=0.0, nesterov=True),
        lambda: WarmupCosine(warmup=1.0),
        lambda: WarmupCosine(floor=2.0),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(make):
    with pytest.raises(ValueError, match="write "):
        make()
