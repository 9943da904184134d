from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kontrast.optimizers import LARS, SGD, Adam, AdamW, Group, Muon
from kontrast.schedules import WarmupCosine

RISE = WarmupCosine(warmup=0.4)
STEPS = 8


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_its_equations(nesterov: bool) -> None:
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    optimizer = SGD(rate=0.1, momentum=0.5, weight_decay=0.2, nesterov=nesterov).build([Group([weight])])
    w, velocity = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
    for _ in range(3):
        optimizer.zero_grad()
        weight.pow(3).sum().backward()
        optimizer.step()
        gradient = 3 * w**2 + 0.2 * w
        velocity = 0.5 * velocity + gradient
        w = w - 0.1 * (gradient + 0.5 * velocity if nesterov else velocity)
    torch.testing.assert_close(weight.detach(), w)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_equals_its_equations(decoupled: bool) -> None:
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    part = (AdamW if decoupled else Adam)(rate=0.1, weight_decay=0.2, betas=(0.8, 0.9))
    optimizer = part.build([Group([weight])])
    w, mean, square = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2), torch.zeros(1, 2)
    for step in range(1, 4):
        optimizer.zero_grad()
        weight.pow(3).sum().backward()
        optimizer.step()
        gradient = 3 * w**2 + (0 if decoupled else 0.2 * w)
        mean, square = 0.8 * mean + 0.2 * gradient, 0.9 * square + 0.1 * gradient**2
        w = w * (1 - 0.1 * 0.2) if decoupled else w
        w = w - 0.1 * (mean / (1 - 0.8**step)) / ((square / (1 - 0.9**step)).sqrt() + 1e-8)
    torch.testing.assert_close(weight.detach(), w)


def weights() -> list[Tensor]:
    """A matrix, a kernel and a vector; a matrix and a vector of zeros; and a matrix whose gradient is zero."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(4, 3), (2, 3, 3, 3), (5,), (2, 2)]
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [*drawn[:3], torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), drawn[3]]


def gradients(step: int) -> list[Tensor]:
    """Of steps 0, ..., 7, of very different sizes, so that a bound is met and is not."""
    generator = torch.Generator().manual_seed(step)
    drawn = [torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in weights()]
    return [g * size for g, size in zip(drawn, (10, 1e-3, 1, 1, 1, 0), strict=True)]


def walked(part: LARS) -> list[Tensor]:
    moved = [nn.Parameter(weight) for weight in weights()]
    optimizer = part.build([Group(moved)])
    for step in range(STEPS):
        for weight, gradient in zip(moved, gradients(step), strict=True):
            weight.grad = gradient.clone()
        part.set_rates(optimizer, RISE, step, STEPS)
        optimizer.step()
    return [weight.detach() for weight in moved]


Rule = Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]


def simclrs(w: Tensor, g: Tensor, v: Tensor, lr: float, nesterov: bool = False) -> tuple[Tensor, Tensor]:
    """The optimizer of google-research/simclr, momentum .9, weight decay .01, eeta .001, without biases."""
    excluded = w.ndim == 1
    g = g if excluded else g + 0.01 * w
    trust = 1.0
    if not excluded and float(w.norm()) > 0 and float(g.norm()) > 0:
        trust = 0.001 * float(w.norm()) / float(g.norm())
    v = 0.9 * v + lr * trust * g
    return w - (0.9 * v + lr * trust * g if nesterov else v), v


def barlow_twins(w: Tensor, g: Tensor, v: Tensor, lr: float) -> tuple[Tensor, Tensor]:
    """The optimizer of facebookresearch/barlowtwins, with 0.024 times the rate for vectors."""
    if w.ndim != 1:
        g = g + 0.01 * w
        if float(w.norm()) > 0 and float(g.norm()) > 0:
            g = 0.001 * w.norm() / g.norm() * g
    v = 0.9 * v + g
    return w - (lr * 0.024 if w.ndim == 1 else lr) * v, v


def bolts(w: Tensor, g: Tensor, v: Tensor, lr: float, eta: float = 0.02, clip: bool = True) -> tuple[Tensor, Tensor]:
    """The wrapper of Lightning Bolts around SGD, which exempts no tensor; with eta=.001 that of Apex."""
    if float(w.norm()) != 0 and float(g.norm()) != 0:
        trust = eta * float(w.norm()) / (float(g.norm()) + float(w.norm()) * 0.01 + 1e-8)
        trust = min(trust / lr, 1) if clip else trust
        g = (g + 0.01 * w) * trust
    v = 0.9 * v + g
    return w - lr * v, v


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        (simclrs, {"velocity": "steps"}),
        (lambda *given: simclrs(*given, nesterov=True), {"velocity": "steps", "nesterov": True}),
        (barlow_twins, {"excluded_rate": 0.024}),
        (bolts, {"denominator": "sum_of_norms", "clip": True, "eta": 0.02, "exclude": "nothing"}),
        (lambda *given: bolts(*given, 0.001, False), {"denominator": "sum_of_norms", "exclude": "nothing"}),
    ],
    ids=["simclr", "simclr, nesterov", "barlow_twins", "bolts", "apex without clipping"],
)
def test_lars_is_the_published_ones(rule: Rule, options: dict[str, Any]) -> None:
    part = LARS(rate=0.3, weight_decay=0.01, **options)
    expected = weights()
    velocities = [torch.zeros_like(weight) for weight in expected]
    for step in range(STEPS):
        lr = 0.3 * RISE.factor(step, STEPS)
        moved = [rule(*given, lr) for given in zip(expected, gradients(step), velocities, strict=True)]
        expected, velocities = [w for w, _ in moved], [v for _, v in moved]
    for ours, theirs in zip(walked(part), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_the_published_ones_differ() -> None:
    found = [
        walked(LARS(weight_decay=0.01, **options))[0]
        for options in (
            {},
            {"velocity": "steps"},
            {"nesterov": True},
            {"denominator": "sum_of_norms"},
            {"denominator": "sum_of_norms", "clip": True, "eta": 1.0},
            {"denominator": "sum_of_norms", "eta": 1.0},
        )
    ]
    for number, one in enumerate(found):
        assert all((one - other).abs().max() > 1e-6 for other in found[:number])


def test_lars_adapts_without_decay() -> None:
    """At momentum 0 a matrix moves by eta lr times its norm, whatever its gradient."""
    weight = nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    before = weight.detach().clone()
    optimizer = LARS(rate=0.5, scaling="none", momentum=0.0, weight_decay=0.0).build([Group([weight])])
    weight.grad = torch.full((4, 3), 1e4)
    optimizer.step()
    torch.testing.assert_close((weight.detach() - before).norm(), 0.5e-3 * before.norm())


def test_lars_scales_with_the_batch_as_its_papers_do() -> None:
    assert LARS(rate=0.3).peak(4096) == pytest.approx(4.8)
    assert LARS(rate=0.075, scaling="root").peak(4096) == pytest.approx(4.8)


def test_an_excluded_matrix_moves_by_its_gradient() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = LARS(rate=1.0, momentum=0.0).build([Group([weight], excluded=True)])
    weight.grad = torch.full((2, 2), 0.25)
    optimizer.step()
    assert torch.equal(weight.detach(), torch.full((2, 2), 0.75))


def test_muon_steps_matrices_orthogonally_and_vectors_by_adam() -> None:
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


@pytest.mark.parametrize("part", [Adam(), AdamW(), SGD()], ids=lambda part: type(part).__name__)
def test_a_fused_kernel_takes_the_whole_step(part: Adam | AdamW | SGD) -> None:
    optimizer = part.build([Group([nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2))])])
    assert all(group["fused"] for group in optimizer.param_groups)
    with torch.device("meta"):
        meta = part.build([Group([nn.Parameter(torch.ones(2, 3))])])
    assert not any(group["fused"] for group in meta.param_groups)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(betas=(0.9, 1.0)),
        lambda: AdamW(betas=(-0.1, 0.9)),
        lambda: SGD(momentum=1.0),
        lambda: Muon(momentum=1.0),
        lambda: SGD(momentum=0.0, nesterov=True),
        lambda: LARS(momentum=1.0),
        lambda: LARS(momentum=0.0, nesterov=True),
        lambda: LARS(eta=0.0),
        lambda: LARS(excluded_rate=0.0),
        lambda: LARS(denominator="norm"),  # type: ignore[arg-type]
        lambda: LARS(velocity="momentum"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"write optimizer\."):
        make()
