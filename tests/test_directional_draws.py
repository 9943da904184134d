"""Draws from the von Mises-Fisher law against its density, and their gradients against its moments."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.utils._python_dispatch import TorchDispatchMode

from kontrast.directional import (
    _angle_slope,
    _angles,
    resultant,
    samples,
    unit,
    von_mises_fisher,
)
from kontrast.draws import generator

DIMENSIONS = [2, 3, 10, 64, 512]
CONCENTRATIONS = [1e-2, 1.0, 10.0, 100.0, 1e4]
GRID = [(d, kappa) for d in DIMENSIONS for kappa in CONCENTRATIONS]


def number(value, **options):
    return torch.tensor(float(value), dtype=torch.float64, **options)


@pytest.mark.parametrize(("d", "kappa"), GRID)
def test_draws_have_the_mean_resultant_length(d, kappa):
    n = 20_000 if d < 100 else 4000
    mean = unit(torch.randn(d, generator=generator(0, d), dtype=torch.float64)).expand(n, d)
    y = von_mises_fisher(mean, kappa, generator(1, d))
    torch.testing.assert_close(y.norm(dim=1), torch.ones(n, dtype=torch.float64))
    along = (y * mean).sum(1)
    assert abs(along.mean() - resultant(number(kappa), d)) < 3 * along.std() / n**0.5


def distribution(d, kappa):
    """The distribution function of the angle, integrated numerically on a grid about where its mass is."""
    width = 1 / math.sqrt(kappa + d)
    middle = math.acos(2 * kappa / (d - 2 + math.hypot(d - 2, 2 * kappa)))
    angles = np.linspace(max(0.0, middle - 12 * width), min(math.pi, middle + 12 * width), 20_001)
    inner = angles.clip(1e-12, math.pi - 1e-12)
    density = np.exp(
        (d - 2) * np.log(np.sin(inner) / math.sin(middle or 1.0)) + kappa * (np.cos(inner) - math.cos(middle))
    )
    mass = integrate.cumulative_simpson(density, x=angles, initial=0)
    return lambda a: np.interp(a, angles, mass / mass[-1])


@pytest.mark.parametrize(("d", "kappa"), [(2, 0.01), (2, 3.0), (2, 1e4), (3, 1.0), (10, 10.0), (64, 1e4), (512, 100.0)])
def test_angles_follow_their_density(d, kappa):
    angle = _angles(torch.full((20_000,), kappa, dtype=torch.float64), d, generator(2, d))
    assert stats.kstest(angle.numpy(), distribution(d, kappa)).pvalue > 1e-3


@pytest.mark.parametrize("first", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_draws_are_symmetric_about_any_mean(first):
    n = 20_000
    mean = torch.tensor([first, 0.0, math.sqrt(1 - first**2)], dtype=torch.float64)
    y = von_mises_fisher(mean.expand(n, 3), 5.0, generator(3, first))
    one = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    turn = torch.atan2(y @ one, y @ torch.linalg.cross(mean, one))
    assert stats.kstest(turn.numpy(), "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-3
    assert stats.kstest((y @ mean).acos().numpy(), distribution(3, 5.0)).pvalue > 1e-3


def test_on_the_circle_both_sides_are_as_likely():
    mean = torch.tensor([[0.6, -0.8]]).expand(20_000, 2)
    y = von_mises_fisher(mean, 2.0, generator(4, "t"))
    side = (y[:, 0] * 0.8 + y[:, 1] * 0.6).sign()
    assert abs(side.mean()) < 3 / 20_000**0.5


def test_each_row_has_its_own_concentration():
    kappa = torch.tensor([0.0, 1.0, 50.0, 1e4])
    mean = unit(torch.randn(4, 6, generator=generator(0, "m")))
    y = von_mises_fisher(mean.repeat(5000, 1), kappa.repeat(5000), generator(5, "t"))
    along = (y * mean.repeat(5000, 1)).sum(1).reshape(5000, 4)
    error = (along.mean(0) - resultant(kappa, 6)).abs()
    assert (error < 3 * along.std(0) / 5000**0.5 + 1e-7).all()


def test_means_count_by_their_direction_alone():
    mean = torch.randn(50, 4, generator=generator(0, "m"))
    one, two = (von_mises_fisher(scale * mean, 3.0, generator(6, "t")) for scale in (1.0, 4.0))
    assert torch.equal(one, two)


def test_drawing_is_repeatable_and_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    mean = torch.randn(100, 5, generator=generator(0, "m"))
    one, two = (von_mises_fisher(mean, 0.5, generator(7, "t")) for _ in range(2))
    assert torch.equal(one, two)
    assert one.dtype == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


class _Largest(TorchDispatchMode):
    numbers, calls = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers, self.calls = max(self.numbers, made.numel()), self.calls + 1
        return made


def test_drawing_keeps_a_few_numbers_for_each_row_and_no_loop_over_rows():
    mean = torch.randn(4000, 2, generator=generator(0, "m"))
    with _Largest() as largest:
        von_mises_fisher(mean, 1e4, generator(8, "t"))
    assert largest.numbers <= 2 * 4000
    assert largest.calls < 1000


@pytest.mark.parametrize(("d", "kappa"), GRID)
def test_samples_carry_the_gradient_of_the_mean_resultant_length(d, kappa):
    n, count = (400, 50) if d < 100 else (100, 40)
    mean = unit(torch.randn(n, d, generator=generator(0, d), dtype=torch.float64))
    x = torch.full((n,), kappa, dtype=torch.float64, requires_grad=True)
    y = samples(mean, x, count, generator(9, d))
    assert y.shape == (count, n, d)
    (slope,) = torch.autograd.grad((y * mean).sum(-1).mean(0).sum(), x)
    truth = number(kappa, requires_grad=True)
    (true,) = torch.autograd.grad(resultant(truth, d), truth)
    assert slope.std() > 0
    assert abs(slope.mean() - true) < 3 * slope.std() / n**0.5


@pytest.mark.parametrize("d", [2, 3, 10])
def test_samples_carry_the_gradient_of_the_mean_direction(d):
    """E y = A_d(kappa) m / |m|, so that the slope of <v, E y> in m is A_d (v - <v, u> u) / |m| with u = m / |m|."""
    n, kappa = 20_000, 4.0
    m, v = torch.randn(2, d, generator=generator(1, d), dtype=torch.float64)
    means = m.expand(n, d).clone().requires_grad_()
    y = samples(means, torch.full((n,), kappa, dtype=torch.float64), 1, generator(10, d))
    (slope,) = torch.autograd.grad((y @ v).sum(), means)
    u = m / m.norm()
    true = resultant(number(kappa), d) * (v - (v @ u) * u) / m.norm()
    assert ((slope.mean(0) - true).abs() < 3 * slope.std(0) / n**0.5 + 1e-12).all()


@pytest.mark.parametrize("d", [2, 3, 5, 30])
@pytest.mark.parametrize("kappa", [0.0, 0.1, 3.0, 8.0, 40.0])
def test_angles_move_as_their_quantiles_do(d, kappa):
    length = resultant(number(kappa), d).item()

    def density(x):
        return math.sin(x) ** (d - 2) * math.exp(kappa * (math.cos(x) - 1))

    angles = _angles(torch.full((200,), kappa, dtype=torch.float64), d, generator(11, d)).sort().values[::28]
    found = _angle_slope(angles, torch.full_like(angles, kappa), d)
    for angle, slope in zip(angles.tolist(), found.tolist(), strict=True):
        below, _ = integrate.quad(lambda x: (math.cos(x) - length) * density(x), 0, angle, epsabs=0, epsrel=1e-10)
        assert slope == pytest.approx(-below / density(angle), rel=1e-6, abs=1e-9)


def test_samples_follow_the_law_they_are_drawn_from():
    mean = torch.randn(7, 5, generator=generator(0, "m"))
    kappa = torch.tensor([0.0, 1e-2, 1.0, 3.0, 10.0, 100.0, 1e4])
    y = samples(mean, kappa, 3000, generator(12, "t"))
    assert y.dtype == torch.float32
    along = (y * unit(mean)).sum(-1)
    assert ((along.mean(0) - resultant(kappa, 5)).abs() < 3 * along.std(0) / 3000**0.5 + 1e-6).all()


@pytest.mark.parametrize("bad", [-1.0, math.inf, math.nan])
def test_concentrations_that_mean_nothing_are_refused(bad):
    x = torch.ones(3, 4)
    with pytest.raises(ValueError, match="finite kappa >= 0"):
        von_mises_fisher(x, bad, generator(0, "t"))
    with pytest.raises(ValueError, match="finite kappa >= 0"):
        samples(x, torch.tensor([1.0, bad, 1.0]), 2, generator(0, "t"))


def test_a_line_has_no_directions():
    with pytest.raises(ValueError, match="d >= 2"):
        von_mises_fisher(torch.ones(3, 1), 1.0, generator(0, "t"))


def test_no_rows_are_no_draws():
    assert von_mises_fisher(torch.ones(0, 3), 1.0, generator(0, "t")).shape == (0, 3)
