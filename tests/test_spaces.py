import math

import pytest
import torch
from scipy import stats

from kontrast.draws import generator
from kontrast.spaces import Box, Euclidean, Product, Ranges, Simplex, Sphere, VonMisesFisher

RANGES = Ranges(
    low=(0.0, 0.5, 0.0), high=(2.0, 1.0, 2 * math.pi), periodic=(False, False, True), discrete=(True, False, False)
)


def normal(n, dim, name="z"):
    return torch.randn(n, dim, generator=generator(0, name))


@pytest.mark.parametrize("dim", [2, 3, 10, 64])
def test_uniform_on_the_sphere_has_squared_coordinates_of_the_beta_law(dim):
    z = Sphere(radius=3.0).uniform(20_000, dim, generator(1, dim)) / 3
    law = stats.beta(0.5, (dim - 1) / 2)
    assert stats.kstest(z[:, 0].square().numpy(), law.cdf).pvalue > 1e-3
    assert z[:, 0].square().mean().item() == pytest.approx(1 / dim, abs=3 * law.std() / 20_000**0.5)


def test_uniform_on_the_simplex_is_the_dirichlet_law_of_ones():
    z = Simplex().uniform(20_000, 4, generator(0, "t"))
    for column in z.T:
        assert stats.kstest(column.numpy(), stats.beta(1, 3).cdf).pvalue > 1e-3
    assert torch.cov(z.T)[0, 1].item() == pytest.approx(-1 / 80, rel=0.05)


def test_uniform_in_a_product_is_uniform_in_both():
    z = Product(first=Box(low=-1.0), second=Sphere(radius=2.0), split=2).uniform(20_000, 5, generator(0, "t"))
    for column in z[:, :2].T:
        assert stats.kstest(column.numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3
    # Archimedes: a coordinate of a uniform point on the 2-sphere is uniform.
    assert stats.kstest(z[:, 4].numpy(), "uniform", args=(-2, 4)).pvalue > 1e-3
    assert abs(z.T.corrcoef()[1, 4]) < 3 / 20_000**0.5


def test_real_space_has_no_uniform_law():
    with pytest.raises(ValueError, match="no uniform law"):
        Euclidean().uniform(3, 2, generator(0, "t"))


def test_real_space_leaves_points_as_they_are():
    z = normal(4, 3)
    assert Euclidean().project(z) is z
    assert Euclidean().build(3)(z) is z


@pytest.mark.parametrize("learned", [False, True])
def test_standardized_coordinates(learned):
    space = Euclidean(standardize=True, scale=2.0, learned=learned)
    module = space.build(3)
    for _ in range(200):
        z = module(5 + 3 * normal(64, 3))
        torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(z.std(0, unbiased=False), torch.full((3,), 2.0), atol=1e-4, rtol=0)
    whole = module.eval()(5 + 3 * normal(64, 3))
    torch.testing.assert_close(whole, z, atol=0.1, rtol=0.05)
    torch.testing.assert_close(module(5 + 3 * normal(64, 3)[:1]), whole[:1])
    assert [value.shape for value in module.parameters()] == [torch.Size([])] * learned


def test_the_sphere_of_a_radius_takes_in_every_ray_at_it():
    z = normal(50, 4)
    points = Sphere(radius=0.5).project(z)
    torch.testing.assert_close(points, 0.5 * z / z.norm(dim=1, keepdim=True))
    torch.testing.assert_close(Sphere(radius=0.5).project(points), points)
    assert Sphere().project(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]


def test_noise_on_a_sphere_respects_the_radius():
    center = Sphere(radius=3.0).uniform(100, 4, generator(0, "t"))
    kept = Sphere(radius=3.0).keep(center, lambda: 0.01 * normal(100, 4, "noise"))
    torch.testing.assert_close(kept.norm(dim=1), torch.full((100,), 3.0))
    assert (kept - center).norm(dim=1).max() < 0.1


def test_a_learned_radius_is_a_logarithm():
    module = Sphere(radius=2.0, learned=True).build(4)
    ((name, value),) = module.named_parameters()
    assert name == "log_radius"
    assert value.item() == pytest.approx(math.log(2))
    torch.nn.init.constant_(value, math.log(5))
    torch.testing.assert_close(module(normal(9, 4)).norm(dim=1), torch.full((9,), 5.0))


def test_learned_widths_grow_from_the_low_corner():
    module = Box(low=-1.0, high=1.0, learned=True).build(3)
    ((name, value),) = module.named_parameters()
    assert name == "log_width"
    torch.testing.assert_close(value.exp(), torch.full((3,), 2.0))
    with torch.no_grad():
        value.copy_(torch.tensor([1.0, 10.0, 100.0]).log())
    torch.testing.assert_close(module(torch.full((1, 3), 100.0)), torch.tensor([[0.0, 9.0, 99.0]]))
    torch.testing.assert_close(module(torch.full((1, 3), -100.0)), torch.full((1, 3), -1.0))


def test_softplus_on_the_simplex_is_the_equation_and_goes_on_where_it_underflows():
    z = normal(30, 6).double()
    u = torch.log(1 + torch.exp(0.8 * z)) / 0.8
    torch.testing.assert_close(Simplex().project(z), u / u.sum(1, keepdim=True))
    torch.testing.assert_close(Simplex(by="softmax").project(z), torch.softmax(z, 1))
    far = Simplex().project(torch.tensor([[-2000.0, -2000.0], [-2000.0, 2000.0], [2000.0, 6000.0]]))
    torch.testing.assert_close(far, torch.tensor([[0.5, 0.5], [0.0, 1.0], [0.25, 0.75]]))
    seam = torch.linspace(-31, -29, 201, dtype=torch.float64) / 0.8
    steps = Simplex().project(torch.stack((seam, torch.zeros_like(seam)), 1))[:, 0].log().diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 0.01), rtol=1e-6, atol=0)


def test_probabilities_of_the_sources_golden_rows():
    i, j = torch.arange(6.0, dtype=torch.float64)[:, None], torch.arange(4.0, dtype=torch.float64)
    q = Simplex().project(torch.sin(1 + 4 * i + j) + 0.3 * torch.cos(i * j))
    torch.testing.assert_close(
        q[0], torch.tensor([0.316415, 0.326289, 0.223946, 0.133350], dtype=torch.float64), atol=5e-7, rtol=0
    )
    entropy = torch.tensor([1.333306, 1.343651, 1.297467, 1.344660, 1.275866, 1.237907], dtype=torch.float64)
    torch.testing.assert_close(math.log(4) - Simplex().concentration(q), entropy, atol=5e-7, rtol=0)


def test_certainty_on_the_simplex_is_information_about_the_class():
    q = torch.tensor([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]], requires_grad=True)
    said = Simplex().concentration(q)
    torch.testing.assert_close(said, torch.tensor([0.0, math.log(4), math.log(2)]))
    said.sum().backward()
    assert q.grad.isfinite().all()


def test_a_von_mises_fisher_point_is_a_direction_times_its_concentration():
    space = VonMisesFisher()
    z = normal(200, 6)
    points = space.project(z)
    torch.testing.assert_close(points / points.norm(dim=1, keepdim=True), z[:, :5] / z[:, :5].norm(dim=1, keepdim=True))
    torch.testing.assert_close(
        space.concentration(points), 1 + 21.6 * torch.log(1 + (math.e - 1) * (z[:, 5] / 4).exp())
    )
    middle = space.concentration(space.project(torch.tensor([[1.0, 0.0, 0.0]])))
    torch.testing.assert_close(middle, torch.tensor([22.6]))
    edges = space.concentration(space.project(torch.tensor([[1.0, 0.0, -2.0], [1.0, 0.0, 2.0], [1.0, 0.0, -1e4]])))
    assert 16 < edges[0] < edges[1] < 32
    assert edges[2] == pytest.approx(1.0)


def test_concentrations_start_between_16_and_32_behind_an_untrained_head():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 11))
    space = VonMisesFisher()
    kappa = space.concentration(space.project(head(normal(1000, 64))))
    assert kappa.min() > 16
    assert kappa.max() < 32


def test_a_product_says_what_its_parts_say():
    one, both = Product(first=VonMisesFisher(), split=2), Product(first=VonMisesFisher(), second=Simplex(), split=2)
    assert Product().concentration(Product().project(normal(9, 5))) is None
    assert one.inputs(5) == 6
    z = normal(9, 6)
    torch.testing.assert_close(one.concentration(one.project(z)), VonMisesFisher().concentration(one.project(z)[:, :2]))
    points = both.project(z)
    expected = points[:, :2].norm(dim=1) + Simplex().concentration(points[:, 2:])
    torch.testing.assert_close(both.concentration(points), expected)


def test_a_product_splits_what_it_is_given():
    space = Product(first=Box(), second=Product(first=Sphere(), second=Euclidean(), split=2), split=1)
    z = normal(7, 5)
    expected = torch.cat((torch.sigmoid(z[:, :1]), Sphere().project(z[:, 1:3]), z[:, 3:]), 1)
    torch.testing.assert_close(space.project(z), expected)
    torch.testing.assert_close(space.build(5)(z), expected)


@pytest.mark.parametrize("space", [Box(), Product(first=Box(), second=Sphere(), split=1)])
def test_noise_in_a_box_is_the_truncated_law(space):
    draws, center = generator(1, "t"), torch.tensor([[0.1, 1.0, 0.0]]).expand(20_000, 3)
    kept = space.keep(center, lambda: 0.2 * torch.randn(center.shape, generator=draws))
    law = stats.truncnorm(-0.5, 4.5, loc=0.1, scale=0.2)
    assert stats.kstest(kept[:, 0].numpy(), law.cdf).pvalue > 1e-3
    assert space == Box() or torch.allclose(kept[:, 1:].norm(dim=1), torch.ones(20_000))


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


def test_whole_numbers_bound_a_range_too():
    space = Ranges(low=(0, -1), high=(2, 1), periodic=(False, False), discrete=(True, False))
    z = space.uniform(100, 2, generator(0, "t"))
    assert torch.equal(space.keep(z, lambda: torch.zeros(100, 2)), z)


@pytest.mark.parametrize(
    ("space", "dim", "words"),
    [
        (Sphere(), 1, "at least 2 coordinates, not 1"),
        (Simplex(), 1, "at least 2 classes, not 1"),
        (VonMisesFisher(), 1, "at least 2 coordinates, not 1"),
        (RANGES, 2, "2 coordinates do not fit a space of 3"),
        (Product(), 3, "write a dimension of 4 or more, or a smaller split"),
        (Product(), 4, "at least 2 coordinates, not 1"),
        (Product(second=Product(first=Box(), second=Box(), split=2)), 5, "write a dimension of 3 or more"),
    ],
)
def test_points_of_another_dimension_are_refused(space, dim, words):
    with pytest.raises(ValueError, match=words):
        space.check(dim)
    with pytest.raises(ValueError, match=words):
        space.build(dim)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sphere(radius=0.0), "write radius=1"),
        (lambda: Sphere(radius=math.inf), "write radius=1"),
        (lambda: Box(low=1.0, high=1.0), "needs low < high"),
        (lambda: Box(high=math.inf), "needs low < high"),
        (lambda: Euclidean(scale=2.0), r"write space\.standardize=True"),
        (lambda: Euclidean(learned=True), r"write space\.standardize=True"),
        (lambda: Euclidean(standardize=True, scale=0.0), r"write space\.scale=1"),
        (lambda: Simplex(by="sofmax"), "did you mean 'softmax'"),
        (lambda: Simplex(beta=0.0), r"write space\.beta=0\.8"),
        (lambda: VonMisesFisher(low=0.0), r"write space\.low=1"),
        (lambda: VonMisesFisher(low=5.0, start=4.0), r"write space\.low=1"),
        (lambda: Product(split=0), r"write space\.split=3"),
        (lambda: Product(first=Sphere(), split=1), "at least 2 coordinates"),
    ],
)
def test_spaces_that_mean_nothing_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
