import math

import pytest
import torch
from scipy import integrate, special, stats

from kontrast.draws import generator
from kontrast.similarities import Cosine, Dot, Euclidean, Lp
from kontrast.spaces import Box, Sphere
from kontrast.spaces import Euclidean as RealSpace

X = torch.randn(7, 4, generator=generator(0, "x"), dtype=torch.float64)
Y = torch.randn(5, 4, generator=generator(0, "y"), dtype=torch.float64)


def resultant(dim, kappa):
    return special.ive(dim / 2, kappa) / special.ive(dim / 2 - 1, kappa)


def test_squared_distances_stay_exact_far_from_the_origin():
    shift = 1000.0
    near = Euclidean()(X.float() + shift, X.float() + shift)
    torch.testing.assert_close(near, Euclidean()(X, X).float(), atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize("similarity", [Euclidean(), Lp(p=2)], ids=repr)
def test_near_pairs_keep_their_distance_at_a_large_scale(similarity):
    x = 1e3 * torch.randn(200, 10, generator=generator(0, "large"))
    y = x + 0.01 * torch.randn(200, 10, generator=generator(0, "small"))
    true = (x.double() - y.double()).square().sum(-1)
    assert 1e-4 < true.mean() < 1e-2
    torch.testing.assert_close(-similarity(x, y).diagonal().double(), true, rtol=1e-2, atol=0)


@pytest.mark.parametrize("similarity", [Euclidean(), Lp(p=2), Lp(p=0.5)], ids=repr)
def test_gradients_are_those_of_the_definition(similarity):
    x, y = (torch.randn(n, 11, generator=generator(n, "x"), dtype=torch.float64).requires_grad_() for n in (6, 4))
    assert torch.autograd.gradcheck(similarity, (x, y))


def test_small_exponents_keep_no_array_of_all_coordinates():
    x = torch.randn(64, 32, generator=generator(0, "x")).requires_grad_()
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda kept: sizes.append(kept.numel()) or kept, lambda kept: kept):
        scores = Lp(p=0.5)(x, x)
    assert sum(sizes) <= 4 * 64 * 64
    scores.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("p", [0.5, 1, 2, 3])
@pytest.mark.parametrize("temperature", [0.05, 2.0])
def test_draws_in_real_space_follow_the_density(p, temperature):
    similarity = Euclidean() if p == 2 else Lp(p=p)
    x = torch.zeros(20_000, 1)
    draws = similarity.sample(x, temperature, RealSpace(), generator(1, "t"))[:, 0]
    law = stats.gennorm(p, scale=temperature ** (1 / p))
    assert stats.kstest(draws.numpy(), law.cdf).pvalue > 1e-3


def test_laplace_and_normal_are_the_cases_one_and_two():
    x = torch.zeros(20_000, 1)
    laplace = Lp(p=1).sample(x, 0.3, RealSpace(), generator(2, "t"))[:, 0]
    assert stats.kstest(laplace.numpy(), stats.laplace(scale=0.3).cdf).pvalue > 1e-3
    normal = Lp(p=2).sample(x, 0.5, RealSpace(), generator(2, "t"))[:, 0]
    assert stats.kstest(normal.numpy(), stats.norm(scale=0.5).cdf).pvalue > 1e-3


def test_draws_in_the_box_follow_the_density_at_its_wall():
    x = torch.full((20_000, 1), 0.02)
    draws = Lp(p=1).sample(x, 0.1, Box(), generator(3, "t"))[:, 0].numpy()
    assert draws.min() >= 0
    mass = integrate.quad(lambda u: math.exp(-abs(u - 0.02) / 0.1), 0, 1, points=[0.02])[0]
    law = stats.laplace(0.02, 0.1)
    assert stats.kstest(draws, lambda u: (law.cdf(u) - law.cdf(0)) * 0.2 / mass).pvalue > 1e-3


def test_cosine_and_squared_distance_draw_the_same_law_on_a_sphere():
    space = Sphere(radius=2.0)
    x = space.uniform(5000, 5, generator(6, "x"))
    cosine = Cosine().sample(x, 0.2, space, generator(6, "t"))
    distance = Euclidean().sample(x, 2 * 4.0 * 0.2, space, generator(6, "t"))
    torch.testing.assert_close(cosine, distance)
    torch.testing.assert_close(cosine.norm(dim=1), torch.full((5000,), 2.0))


def test_exponent_two_draws_the_exact_law_on_a_sphere():
    space, n = Sphere(radius=2.0), 4000
    x = space.uniform(1, 5, generator(7, "x")).expand(n, 5)
    drawn = Lp(p=2).sample(x, 4.0, space, generator(7, "t"))
    assert torch.equal(drawn, Euclidean().sample(x, 4.0, space, generator(7, "t")))
    along = (drawn * x).sum(1) / 4
    assert abs(along.mean() - resultant(5, 2.0)) < 3.5 * along.std() / n**0.5


def test_drawing_is_repeatable_and_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    x = torch.rand(10, 3, generator=generator(0, "x"))
    one, two = (Lp(p=3).sample(x, 0.1, Box(), generator(0, "t")) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_means_nothing_is_refused():
    with pytest.raises(ValueError, match="write space=Sphere"):
        Cosine().check(Box())
    with pytest.raises(ValueError, match="similarity=Lp"):
        Cosine().sample(X, 0.1, Box(), generator(0, "t"))
    with pytest.raises(ValueError, match="exponent of Lp must be positive"):
        Lp(p=0)
    with pytest.raises(ValueError, match="temperature must be positive"):
        Lp().sample(X, 0.0, RealSpace(), generator(0, "t"))


@pytest.mark.parametrize("p", [0.5, 1, 2, 3])
def test_shapes_are_functions_of_the_power_sum(p):
    power = -Lp(p=p)(X, Y)
    torch.testing.assert_close(Lp(p=p, shape="norm")(X, Y), -power.pow(1 / p))
    torch.testing.assert_close(Lp(p=p, shape="inverse")(X, Y), 1 / (1 + power))
    torch.testing.assert_close(Euclidean(shape="norm")(X, Y), -torch.cdist(X, Y))


def test_only_the_power_is_drawn():
    for shape in ("norm", "inverse"):
        with pytest.raises(ValueError, match="shape=power"):
            Lp(shape=shape).sample(X, 0.1, RealSpace(), generator(0, "t"))


def test_the_dot_product_draws_by_the_radius():
    space = Sphere(radius=2.0)
    x = space.uniform(500, 5, generator(6, "x"))
    dot = Dot().sample(x, 0.4, space, generator(6, "t"))
    torch.testing.assert_close(dot, Cosine().sample(x, 0.1, space, generator(6, "t")))
    torch.testing.assert_close(Dot()(X, Y), X @ Y.T)
