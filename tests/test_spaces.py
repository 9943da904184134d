import math

import pytest
import torch
from scipy import stats

from kontrast.draws import generator
from kontrast.spaces import Box, Euclidean, Ranges, Sphere

RANGES = Ranges(
    low=(0.0, 0.5, 0.0), high=(2.0, 1.0, 2 * math.pi), periodic=(False, False, True), discrete=(True, False, False)
)


def test_uniform_on_the_sphere_is_on_it_and_looks_the_same_in_every_direction():
    z = Sphere(radius=2.0).uniform(20_000, 3, generator(2, "t"))
    torch.testing.assert_close(z.norm(dim=1), torch.full((20_000,), 2.0))
    # Archimedes: each coordinate of a uniform point on the 2-sphere is uniform.
    for column in z.T:
        assert stats.kstest(column.numpy(), "uniform", args=(-2, 4)).pvalue > 1e-3


def test_uniform_in_the_box_fills_it():
    z = Box(low=-1.0, high=3.0).uniform(20_000, 2, generator(0, "t"))
    for column in z.T:
        assert stats.kstest(column.numpy(), "uniform", args=(-1, 4)).pvalue > 1e-3


def test_real_space_has_no_uniform_law():
    with pytest.raises(ValueError, match="no uniform law"):
        Euclidean().uniform(3, 2, generator(0, "t"))


@pytest.mark.parametrize(
    "space", [Euclidean(), Sphere(), Sphere(radius=0.1), Box(), Box(low=-2.0, high=-1.0), RANGES], ids=repr
)
def test_projection_lands_inside_differentiably(space):
    z = (10 * torch.randn(50, 3, generator=generator(0, "t"))).requires_grad_()
    inside = space.project(z)
    if isinstance(space, Sphere):
        torch.testing.assert_close(inside.norm(dim=1), torch.full((50,), space.radius))
    if isinstance(space, Box):
        assert (inside >= space.low).all()
        assert (inside <= space.high).all()
    inside.square().sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_noise_in_a_box_is_the_truncated_law():
    draws = generator(0, "t")
    center = torch.full((20_000, 1), 0.1)
    kept = Box().keep(center, lambda: 0.2 * torch.randn(center.shape, generator=draws))
    law = stats.truncnorm(-0.5, 4.5, loc=0.1, scale=0.2)
    assert stats.kstest(kept[:, 0].numpy(), law.cdf).pvalue > 1e-3


def test_noise_too_wide_for_the_box_is_refused():
    with pytest.raises(ValueError, match="lower its temperature"):
        Box().keep(torch.zeros(4, 1), lambda: torch.full((4, 1), 5.0))


def test_ranges_wrap_angles_keep_classes_and_truncate_the_rest():
    z = RANGES.uniform(5000, 3, generator(0, "t"))
    assert set(z[:, 0].tolist()) == {0.0, 1.0, 2.0}
    draws = generator(1, "t")
    moved = RANGES.keep(z, lambda: 0.1 * torch.randn(z.shape, generator=draws))
    assert torch.equal(moved[:, 0], z[:, 0])
    assert (moved[:, 1] >= 0.5).all()
    assert (moved[:, 1] <= 1.0).all()
    assert (moved[:, 2] >= 0).all()
    assert (moved[:, 2] < 2 * math.pi + 1e-5).all()
    turn = torch.remainder(moved[:, 2] - z[:, 2] + math.pi, 2 * math.pi) - math.pi
    assert turn.std().item() == pytest.approx(0.1 * 2 * math.pi, rel=0.05)


def test_points_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="2 coordinates do not fit a space of 3"):
        RANGES.uniform(4, 2, generator(0, "t"))


@pytest.mark.parametrize("make", [lambda: Sphere(radius=0.0), lambda: Box(low=1.0, high=1.0)])
def test_spaces_without_points_are_refused(make):
    with pytest.raises(ValueError, match=r"write radius=1|needs low < high"):
        make()
