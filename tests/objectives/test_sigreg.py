import math

import pytest
import torch

from kontrast.objectives import SIGReg
from kontrast.objectives.sigreg import epps_pulley
from kontrast.spaces import Euclidean, Simplex, Sphere
from kontrast.views import Views

from golden import A, B, C

KEY = torch.arange(6)
FIRST = torch.zeros((), dtype=torch.int64)


def statistic(numbers):
    """Epps and Pulley's, with complex exponentials over the whole interval."""
    t = torch.linspace(-5, 5, 17, dtype=numbers.dtype)
    normal = torch.exp(-t.square() / 2)
    seen = torch.exp(1j * t * numbers[..., None]).mean(0)
    return len(numbers) * torch.trapezoid((seen - normal).abs().square() * normal, t)


def test_the_statistic_is_its_definition_with_its_gradient():
    ours, theirs = A.clone().requires_grad_(), A.clone().requires_grad_()
    found, expected = epps_pulley(ours), statistic(theirs)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_statistic_has_its_closed_forms():
    collapsed = epps_pulley(torch.zeros(10, 1, dtype=torch.float64)).item()
    whole, half, third = (math.sqrt(2 * math.pi / k) for k in (1, 2, 3))
    assert collapsed == pytest.approx(10 * (whole - 2 * half + third), rel=1e-5)
    for n in (8, 64):
        normal = torch.randn(n, 20_000, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        each = epps_pulley(normal)
        error = each.std().item() / math.sqrt(len(each))
        assert each.mean().item() == pytest.approx(whole - third, abs=4 * error)


def test_it_is_its_definition():
    loss = SIGReg(weight=0.3, slices=5)(A, B, KEY)
    center = (A + B) / 2
    invariance = ((A - center).square().mean() + (B - center).square().mean()) / 2
    directions = SIGReg(slices=5).directions(4, FIRST).double()
    normality = sum(statistic(z @ directions).mean() for z in (A, B)) / 2
    torch.testing.assert_close(loss.total, 0.7 * invariance + 0.3 * normality)
    torch.testing.assert_close(loss.parts["invariance"] + loss.parts["normality"], loss.total)


def test_all_asked_views_come_near_the_mean_of_the_answers():
    views = Views((), KEY, asking=(0, 1, 2), answering=(0, 1))
    loss = SIGReg().agree((A, B, C), (A, B), views)
    center = (A + B) / 2
    expected = torch.stack([(z - center).square().mean() for z in (A, B, C)]).mean()
    torch.testing.assert_close(loss.parts["invariance"], 0.98 * expected)


def test_directions_are_even_and_a_function_of_seed_and_step():
    objective = SIGReg(slices=4000)
    first = objective.directions(3, FIRST)
    torch.testing.assert_close(first.norm(dim=0), torch.ones(4000))
    torch.testing.assert_close(first @ first.T / 4000, torch.eye(3) / 3, atol=0.02, rtol=0)
    assert first.mean(1).abs().max() < 0.04
    assert torch.equal(first, objective.directions(3, FIRST))
    for other in (objective.directions(3, FIRST + 1), SIGReg(slices=4000, seed=1).directions(3, FIRST)):
        cosines = (first.T @ other).abs().max(1).values
        assert (cosines > 1 - 1e-7).float().mean() < 0.01


def test_each_training_step_draws_its_own_directions_and_evaluation_none():
    views, criterion = Views((), KEY), SIGReg(slices=3).build(4)
    values = [criterion((A, B), (A, B), views).total.item() for _ in range(3)]
    assert len(set(values)) == 3
    assert values[0] == SIGReg(slices=3)(A, B, KEY).total.item()
    criterion.eval()
    assert criterion((A, B), (A, B), views).total.item() == criterion((A, B), (A, B), views).total.item()
    again = SIGReg(slices=3).build(4)
    again.load_state_dict(criterion.state_dict())
    criterion.train()
    assert again((A, B), (A, B), views).total.item() == criterion((A, B), (A, B), views).total.item()


def test_training_on_it_makes_a_sample_normal():
    x = torch.rand(256, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    optimizer, criterion = torch.optim.Adam([x], lr=0.05), SIGReg(slices=16).build(2)
    for _ in range(150):
        optimizer.zero_grad()
        criterion((x, x), (x, x), Views((), torch.arange(256))).total.backward()
        optimizer.step()
    torch.testing.assert_close(torch.cov(x.detach().T), torch.eye(2, dtype=torch.float64), atol=0.1, rtol=0)
    assert x.detach().mean(0).abs().max() < 0.1


def test_bad_options_and_spaces_without_a_normal_law_are_refused():
    for weight in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"write objective\.weight=0\.02"):
            SIGReg(weight=weight)
    with pytest.raises(ValueError, match="write slices=256"):
        SIGReg(slices=0)
    SIGReg().check(Euclidean())
    for space in (Sphere(), Simplex()):
        with pytest.raises(ValueError, match="write space=Euclidean"):
            SIGReg().check(space)
    with pytest.raises(ValueError, match="two views"):
        SIGReg().agree((A,), (A,), Views((), KEY, asking=(0,), answering=(0,)))
