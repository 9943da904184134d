"""The constants of the von Mises-Fisher law against fifty digits, quadrature and closed forms."""

import math

import mpmath
import pytest
import torch
from scipy import integrate

from kontrast.directional import log_area, log_normalizer, resultant, unit


def exact(d, kappa):
    """log C_d(kappa) and A_d(kappa) to fifty digits."""
    with mpmath.workdps(50):
        order, x = mpmath.mpf(d) / 2 - 1, mpmath.mpf(kappa)
        bessel, above = (mpmath.besseli(nu, x, maxterms=10**6) for nu in (order, order + 1))
        log_c = order * mpmath.log(x) - (order + 1) * mpmath.log(2 * mpmath.pi) - mpmath.log(bessel)
        return log_c, above / bessel


def number(value, **options):
    return torch.tensor(float(value), dtype=torch.float64, **options)


def off(value, truth):
    return abs(float((mpmath.mpf(value.item()) - truth) / truth))


@pytest.mark.parametrize("d", [2, 3, 4, 7, 10, 49, 50, 51, 128, 512])
def test_normalizer_and_resultant_have_twelve_digits_from_1e_minus_8_to_1e6(d):
    for kappa in (1e-8, 1e-2, 0.5, 1, 5, 24, 100, 1e3, 1e4, 1e6):
        log_c, length = exact(d, kappa)
        assert off(log_normalizer(number(kappa), d), log_c) < 1e-12
        assert off(resultant(number(kappa), d), length) < 1e-12


@pytest.mark.parametrize("d", [2, 3, 10, 64, 512])
def test_slopes_are_minus_the_resultant_and_the_variance(d):
    for kappa in (1e-3, 1, 10, 300, 1e4, 1e6):
        x = number(kappa, requires_grad=True)
        (slope,) = torch.autograd.grad(log_normalizer(x, d), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope, x)
        _, length = exact(d, kappa)
        assert off(slope, -length) < 1e-12
        with mpmath.workdps(50):
            assert off(bend, -(1 - length**2 - (d - 1) * length / mpmath.mpf(kappa))) < 1e-7


@pytest.mark.parametrize("d", [2, 3, 40, 100])
def test_gradients_are_those_of_finite_differences(d):
    kappa = torch.tensor([0.05, 0.7, 6.0, 60.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: log_normalizer(x, d), kappa)
    assert torch.autograd.gradcheck(lambda x: resultant(x, d), kappa)


@pytest.mark.parametrize("d", [2, 3, 10, 512])
def test_no_concentration_is_the_uniform_law(d):
    kappa = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(log_normalizer(kappa, d), torch.full((3,), -log_area(d), dtype=torch.float64))
    length = resultant(kappa, d)
    assert torch.equal(length, torch.zeros_like(length))
    length.sum().backward()
    torch.testing.assert_close(kappa.grad, torch.full_like(kappa, 1 / d))


def test_normalizer_makes_the_density_integrate_to_one():
    for d in (2, 3, 5):
        for kappa in (0.5, 30.0):
            ring = math.exp(log_area(d - 1)) if d > 2 else 2.0
            mass, _ = integrate.quad(
                lambda a, d=d, k=kappa: math.sin(a) ** (d - 2) * math.exp(k * math.cos(a)), 0, math.pi
            )
            assert log_normalizer(number(kappa), d).item() == pytest.approx(-math.log(ring * mass), rel=1e-10)


def test_three_dimensions_have_a_closed_form():
    kappa = torch.tensor([0.1, 1, 5, 50.0], dtype=torch.float64)
    torch.testing.assert_close(log_normalizer(kappa, 3), torch.log(kappa / (4 * torch.pi * kappa.sinh())))
    torch.testing.assert_close(resultant(kappa, 3), 1 / kappa.tanh() - 1 / kappa)


def test_areas():
    assert math.exp(log_area(2)) == pytest.approx(2 * math.pi)
    assert math.exp(log_area(3)) == pytest.approx(4 * math.pi)
    assert math.exp(log_area(4)) == pytest.approx(2 * math.pi**2)


@pytest.mark.parametrize(
    ("n", "kappa", "floor"), [(3, 10, -1.99573), (10, 1, -0.04938), (10, 10, -2.48447), (10, 20, -4.76210)]
)
def test_floor_of_the_contrastive_loss(n, kappa, floor):
    x = number(kappa)
    assert (-log_normalizer(x, n) - x * resultant(x, n) - log_area(n)).item() == pytest.approx(floor, abs=5e-6)


def test_single_precision_stays_single_and_is_as_exact_as_it_can_be():
    kappa = torch.tensor([0.0, 1e-3, 3.0, 1e5], requires_grad=True)
    for function in (log_normalizer, resultant):
        value = function(kappa, 12)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, function(kappa.double(), 12).float())
        (slope,) = torch.autograd.grad(value.sum(), kappa)
        assert slope.dtype == torch.float32
        assert slope.isfinite().all()


def test_unit_vectors():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-8, 0.0]], requires_grad=True)
    y = unit(x)
    torch.testing.assert_close(y, torch.tensor([[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]]))
    y.sum().backward()
    assert x.grad[1].tolist() == [0, 0]
    assert x.grad.isfinite().all()


def test_a_line_has_no_directions():
    for function in (log_normalizer, resultant):
        with pytest.raises(ValueError, match="d >= 2"):
            function(torch.ones(3), 1)
