import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kontrast import parts
from kontrast.optimizers import SGD, Adam, AdamW, Group, Muon, Optimizer
from kontrast.schedules import Constant, Schedule, WarmupCosine, WarmupLinear


@pytest.mark.parametrize("name", parts.known(Optimizer))
def test_every_optimizer_lowers_a_parabola_and_spares_biases_from_decay(name):
    module = nn.Linear(3, 2)
    optimizer = parts.known(Optimizer)[name](rate=0.05, weight_decay=0.1).build([Group([*module.parameters()])])
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
    optimizer = SGD(rate=0.1, momentum=0.5, weight_decay=0.2).build([Group([weight])])
    w, velocity = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
    for _ in range(3):
        optimizer.zero_grad()
        weight.pow(3).sum().backward()
        optimizer.step()
        velocity = 0.5 * velocity + (3 * w**2 + 0.2 * w)
        w = w - 0.1 * velocity
    torch.testing.assert_close(weight.detach(), w)


@pytest.mark.parametrize("name", parts.known(Optimizer))
def test_groups_have_their_own_factor_and_schedule(name):
    one, other = nn.Linear(3, 2), nn.Linear(2, 2)
    part = parts.known(Optimizer)[name](rate=0.05)
    optimizer = part.build([Group([*one.parameters()]), Group([*other.parameters()], 0.1, Constant())])
    part.set_rates(optimizer, WarmupCosine(warmup=0.5), step=4, steps=100)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in one.parameters()} == {0.05 * 0.1}
    assert {rates[id(p)] for p in other.parameters()} == {0.1 * 0.05}


def test_muon_steps_matrices_orthogonally_and_vectors_by_adam():
    module = nn.Linear(6, 4)
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    part = Muon(rate=0.01)
    optimizer = part.build([Group([*module.parameters()])])
    module(torch.randn(20, 6, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    optimizer.step()
    step = (before["weight"] - module.weight.detach()) / (0.01 * 0.2 * 6**0.5)
    singular = torch.linalg.svdvals(step)
    assert singular.min() > 0.6 and singular.max() < 1.3
    torch.testing.assert_close((before["bias"] - module.bias.detach()).abs(), torch.full((4,), 0.01))


def test_muon_goes_on_from_its_state():
    def steps(module, optimizer, count):
        x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
        for _ in range(count):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()

    part = Muon()
    modules = [nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2)) for _ in range(2)]
    modules[1].load_state_dict(modules[0].state_dict())
    first, second = (part.build([Group([*module.parameters()])]) for module in modules)
    steps(modules[0], first, 5)
    steps(modules[1], second, 3)
    third = part.build([Group([*modules[1].parameters()])])
    state = second.state_dict()
    third.load_state_dict({"state": state["state"], "param_groups": third.state_dict()["param_groups"]})
    steps(modules[1], third, 2)
    for one, other in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
        assert torch.equal(one, other)


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
    assert set(parts.known(Schedule)) == {"Constant", "WarmupCosine", "WarmupLinear"}


@given(steps=st.integers(1, 2000), warmup=st.floats(0, 0.9), floor=st.floats(0, 1))
def test_warmup_linear_rises_then_falls_evenly_to_its_floor(steps, warmup, floor):
    schedule = WarmupLinear(warmup=warmup, floor=floor)
    factors = [schedule.factor(step, steps) for step in range(steps)]
    rise = round(warmup * steps)
    assert factors[:rise] == sorted(factors[:rise])
    falls = [one - other for one, other in zip(factors[rise:], factors[rise + 1 :], strict=False)]
    assert all(fall == pytest.approx((1 - floor) / (steps - rise), abs=1e-9) for fall in falls)
    assert WarmupLinear().factor(25, 100) == 0.75


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(rate=-1.0),
        lambda: AdamW(weight_decay=-1.0),
        lambda: SGD(momentum=1.0),
        lambda: Muon(momentum=1.0),
        lambda: SGD(momentum=0.0, nesterov=True),
        lambda: WarmupCosine(warmup=1.0),
        lambda: WarmupCosine(floor=2.0),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(make):
    with pytest.raises(ValueError, match="write "):
        make()
