"""What holds for every optimizer, whatever its rule."""

import copy

import chz
import pytest
import torch
from torch import nn

from kontrast.optimizers import Group, Muon, Optimizer
from kontrast.parts import known, summary
from kontrast.schedules import Constant, WarmupCosine, WarmupLinear

EVERY = pytest.mark.parametrize("cls", known(Optimizer).values(), ids=lambda cls: cls.__name__)


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2), nn.Linear(2, 2))


def walk(part: Optimizer, module: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    """Steps number first, ..., last - 1 of ten, each on pictures of its own."""
    for step in range(first, last):
        x = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        module(x.contiguous(memory_format=torch.channels_last)).square().mean().backward()
        part.set_rates(optimizer, WarmupCosine(warmup=0.3), step, 10)
        optimizer.step()


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


@EVERY
@pytest.mark.parametrize("excluding", ["vectors", "nothing"])
def test_vectors_are_spared_from_decay_unless_nothing_is(cls: type[Optimizer], excluding: str) -> None:
    module = nn.Linear(3, 2)
    part = cls(weight_decay=0.1, exclude=excluding)  # type: ignore[call-arg]
    optimizer = part.build([Group([*module.parameters()])])
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays[id(module.weight)] == 0.1
    assert decays[id(module.bias)] == (0.1 if excluding == "nothing" else 0.0)


@EVERY
def test_an_excluded_group_is_not_decayed(cls: type[Optimizer]) -> None:
    module = nn.Linear(3, 2)
    optimizer = cls(weight_decay=0.1).build(  # type: ignore[call-arg]
        [Group([module.weight], excluded=True), Group([module.bias])]
    )
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0}


@EVERY
def test_it_lowers_a_parabola(cls: type[Optimizer]) -> None:
    module = nn.Linear(3, 2)
    x = torch.ones(1, 3)
    part = cls(rate=0.05, scaling="none")  # type: ignore[call-arg]
    optimizer = part.build([Group([*module.parameters()])])
    before = module(x).square().sum().item()
    for step in range(20):
        optimizer.zero_grad()
        module(x).square().sum().backward()
        part.set_rates(optimizer, Constant(), step, 20)
        optimizer.step()
    assert module(x).square().sum().item() < before


@EVERY
@pytest.mark.parametrize(
    ("scaling", "peak", "said"),
    [
        ("none", 0.3, "peak learning rate 0.3"),
        ("linear", 0.6, "peak learning rate 0.3 x 512/256 = 0.6"),
        ("root", 0.3 * 512**0.5, "peak learning rate 0.3 x sqrt(512) = 6.78823"),
    ],
)
def test_its_peak_scales_with_the_batch_and_says_how(
    cls: type[Optimizer], scaling: str, peak: float, said: str
) -> None:
    part = cls(rate=0.3, scaling=scaling)  # type: ignore[call-arg]
    assert part.peak(512) == pytest.approx(peak)
    assert part.describe(512) == said
    one, other = nn.Linear(3, 2), nn.Linear(2, 2)
    optimizer = part.build([Group([*one.parameters()]), Group([*other.parameters()], 0.1, Constant())], 512)
    part.set_rates(optimizer, WarmupLinear(warmup=0.5), 24, 100)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert all(rates[id(p)] == pytest.approx(peak / 2) for p in one.parameters())
    assert all(rates[id(p)] == pytest.approx(peak / 10) for p in other.parameters())


@EVERY
def test_it_repeats_itself_and_goes_on_from_its_state_bit_for_bit(cls: type[Optimizer]) -> None:
    """As a trainer does it: the state comes back contiguous, the groups from the part. Weights are channels-last."""
    part = cls(weight_decay=0.01)  # type: ignore[call-arg]
    modules = [network().to(memory_format=torch.channels_last) for _ in range(3)]
    whole, again, broken = (part.build([Group([*module.parameters()])], 64) for module in modules)
    walk(part, modules[0], whole, 0, 8)
    walk(part, modules[1], again, 0, 8)
    assert same(modules[0], modules[1])
    walk(part, modules[2], broken, 0, 5)
    saved = copy.deepcopy(broken.state_dict()["state"])
    assert saved
    state = {number: {name: value.contiguous() for name, value in own.items()} for number, own in saved.items()}
    restored = part.build([Group([*modules[2].parameters()])], 64)
    restored.load_state_dict({"state": state, "param_groups": restored.state_dict()["param_groups"]})
    walk(part, modules[2], restored, 5, 8)
    assert same(modules[0], modules[2])


@EVERY
def test_the_layout_of_a_gradient_changes_nothing(cls: type[Optimizer]) -> None:
    gradients = [torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(step)) for step in range(3)]
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(torch.ones(4, 3, 5, 5))
        optimizer = cls().build([Group([weight])])
        for gradient in gradients:
            weight.grad = gradient.to(memory_format=layout)
            optimizer.step()
        found.append(weight)
    assert torch.equal(*found)


@EVERY
def test_what_has_no_gradient_stays(cls: type[Optimizer]) -> None:
    module = network()
    before = copy.deepcopy(module)
    optimizer = cls(weight_decay=0.1).build([Group([*module.parameters()])])  # type: ignore[call-arg]
    optimizer.step()
    assert same(module, before)
    module[3](torch.ones(1, 36)).sum().backward()
    optimizer.step()
    assert not same(module[3], before[3])
    assert same(module[0], before[0]) and same(module[4], before[4])


@EVERY
def test_zeros_stay_numbers(cls: type[Optimizer]) -> None:
    """A weight of zeros, and a gradient of zeros, as a branch that begins at zero has."""
    weights = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2))]
    part = cls(weight_decay=0.1, scaling="none")  # type: ignore[call-arg]
    optimizer = part.build([Group(weights)])
    weights[0].grad, weights[1].grad, weights[2].grad = torch.ones(2, 3), torch.zeros(2, 3), torch.zeros(2)
    for step in range(3):
        part.set_rates(optimizer, WarmupCosine(), step, 3)
        optimizer.step()
    assert all(weight.isfinite().all() for weight in weights)
    assert (weights[0] < 0).all() and (weights[2] == 1).all()


@EVERY
def test_half_of_the_parameters_may_be_missing(cls: type[Optimizer]) -> None:
    for parameters in ([nn.Parameter(torch.ones(2, 3))], [nn.Parameter(torch.ones(3))]):
        assert cls().build([Group(parameters)]).param_groups


@EVERY
def test_it_is_a_value_that_explains_itself(cls: type[Optimizer]) -> None:
    assert cls() == cls() and hash(cls()) == hash(cls())
    assert summary(cls).endswith(".")
    assert all(field._doc for field in chz.chz_fields(cls).values())


@EVERY
@pytest.mark.parametrize(
    "options",
    [{"rate": -1.0}, {"rate": float("nan")}, {"weight_decay": -1.0}, {"scaling": "cubic"}, {"exclude": "all"}],
)
def test_what_cannot_be_is_refused_with_what_to_write(cls: type[Optimizer], options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"write optimizer\."):
        cls(**options)


@EVERY
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_step_on_the_gpu_waits_for_nothing(cls: type[Optimizer]) -> None:
    if cls is Muon:
        pytest.skip("torch's own")
    module = network().cuda()
    optimizer = cls(weight_decay=0.1).build([Group([*module.parameters()])])  # type: ignore[call-arg]
    module(torch.rand(8, 3, 5, 5, device="cuda")).square().mean().backward()
    optimizer.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
