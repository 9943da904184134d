import math

import chz
import numpy as np
import pytest
import torch
from scipy import integrate, stats

from kontrast.directional import resultant
from kontrast.draws import generator
from kontrast.marginals import Around, Marginal, Uniform
from kontrast.parts import known, summary
from kontrast.similarities import Additive, Cosine, Euclidean, Lp
from kontrast.spaces import Box, Product, Ranges, Simplex, Sphere, VonMisesFisher
from kontrast.spaces import Euclidean as RealSpace

N = 20_000
RANGES = Ranges(low=(0, -1, 0), high=(2, 1, 6.28), periodic=(False, False, True), discrete=(True, False, False))
MARGINALS = [
    Uniform(),
    Around(),
    Around(similarity=Lp(p=1), temperature=0.1),
    Around(similarity=Cosine(), temperature=0.1),
]
EVERY = pytest.mark.parametrize("marginal", MARGINALS, ids=repr)


def follows(sample, law):
    return stats.kstest(np.asarray(sample), law).pvalue > 1e-3


def test_every_marginal_is_covered():
    assert {type(marginal).__name__ for marginal in MARGINALS} == set(known(Marginal))


@EVERY
def test_points_are_in_the_space_and_a_function_of_the_generator(marginal):
    space = Sphere(radius=2.0)
    marginal.check(space, 4)
    z = marginal.sample(100, 4, space, generator(0, "t"))
    assert z.shape == (100, 4)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=1), torch.full((100,), 2.0))
    before = torch.get_rng_state()
    assert torch.equal(z, marginal.sample(100, 4, space, generator(0, "t")))
    assert torch.equal(before, torch.get_rng_state())


@EVERY
def test_it_is_a_value_that_explains_itself(marginal):
    assert marginal == chz.Blueprint(type(marginal)).apply(chz.beta_to_blueprint_values(marginal)).make()
    assert summary(type(marginal)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(marginal).values())


def test_uniform_is_that_of_the_space():
    assert torch.equal(Uniform().sample(9, 3, Box(), generator(0, "t")), Box().uniform(9, 3, generator(0, "t")))
    with pytest.raises(ValueError, match="no uniform law"):
        Uniform().check(RealSpace(), 3)


def test_in_real_space_the_default_is_standard_normal():
    z = Around().sample(N, 2, RealSpace(), generator(1, "t"))
    for column in z.T:
        assert follows(column, stats.norm.cdf)
    assert abs(z.T.corrcoef()[0, 1]) < 3 / N**0.5


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_in_real_space_lp_is_generalized_normal(p):
    z = Around(similarity=Lp(p=p), temperature=0.3, center=2.0).sample(N, 2, RealSpace(), generator(2, "t"))
    for column in z.T:
        assert follows(column, stats.gennorm(p, loc=2.0, scale=0.3 ** (1 / p)).cdf)
    assert z.mean().item() == pytest.approx(2.0, abs=3 * z.std().item() / (2 * N) ** 0.5)


@pytest.mark.parametrize(("p", "center"), [(1.0, None), (2.0, 0.0), (3.0, 0.9)])
def test_in_a_box_the_law_is_cut_off(p, center):
    similarity = Euclidean() if p == 2 else Lp(p=p)
    space, scale = Box(low=-0.5, high=1.0), 0.2 ** (1 / p)
    z = Around(similarity=similarity, temperature=0.2, center=center).sample(N, 2, space, generator(3, "t"))
    law = stats.gennorm(p, loc=0.25 if center is None else center, scale=scale)
    low, high = law.cdf(-0.5), law.cdf(1.0)
    for column in z.T:
        assert follows(column, lambda u: (law.cdf(u) - low) / (high - low))
    moment, _ = integrate.quad(lambda u: u * law.pdf(u) / (high - low), -0.5, 1.0)
    assert z.mean().item() == pytest.approx(moment, abs=3 * z.std().item() / (2 * N) ** 0.5)


@pytest.mark.parametrize(
    ("similarity", "temperature", "kappa"), [(Cosine(), 0.1, 10), (Euclidean(), 2.0, 4), (Lp(p=2), 0.5, 16)], ids=repr
)
def test_on_a_sphere_it_is_von_mises_fisher_about_the_first_axis(similarity, temperature, kappa):
    z = Around(similarity=similarity, temperature=temperature).sample(N, 5, Sphere(radius=2.0), generator(4, "t"))
    along = z[:, 0] / 2
    assert abs(along.mean() - resultant(torch.tensor(float(kappa)), 5)) < 3 * along.std() / N**0.5
    assert (z[:, 1:].mean(0).abs() < 3.5 * z[:, 1:].std(0) / N**0.5).all()


def angles_of(sample, density):
    """The angles of points on the circle, and the distribution function of a density [grid of angles]."""
    grid = np.linspace(-math.pi, math.pi, 2001)
    mass = integrate.cumulative_trapezoid([density(a) for a in grid], grid, initial=0)
    return torch.atan2(sample[:, 1], sample[:, 0]).numpy(), lambda a: np.interp(a, grid, mass / mass[-1])


@pytest.mark.parametrize(
    ("similarity", "projected", "power"), [(Euclidean(), True, 2), (Lp(p=1), False, 1), (Lp(p=3), False, 3)], ids=repr
)
def test_on_a_sphere_noise_of_real_space_is_projected(similarity, projected, power):
    temperature, radii = 0.6, np.linspace(0, 8, 1601)

    def density(a):
        far = np.abs(radii * math.cos(a) - 1) ** power + np.abs(radii * math.sin(a)) ** power
        return integrate.simpson(radii * np.exp(-far / temperature), x=radii)

    marginal = Around(similarity=similarity, temperature=temperature, projected=projected)
    marginal.check(Sphere(), 2)
    sample, law = angles_of(marginal.sample(N, 2, Sphere(), generator(5, "t")), density)
    assert follows(sample, law)


def test_a_number_is_a_direction_of_the_sphere():
    z = Around(similarity=Cosine(), temperature=1e-4, center=-1.0).sample(50, 4, Sphere(radius=2.0), generator(6, "t"))
    torch.testing.assert_close(z, torch.full((50, 4), -1.0), atol=0.1, rtol=0)


def test_a_product_takes_a_sum_of_similarities():
    space = Product(first=Box(), second=Sphere(), split=2)
    marginal = Around(similarity=Additive(first=Lp(p=1), second=Cosine(), split=2), temperature=0.1)
    marginal.check(space, 6)
    z = marginal.sample(N, 6, space, generator(7, "t"))
    law = stats.laplace(0.5, 0.1)
    assert follows(z[:, 0], lambda u: (law.cdf(u) - law.cdf(0)) / (law.cdf(1) - law.cdf(0)))
    along = z[:, 2]
    assert abs(along.mean() - resultant(torch.tensor(10.0), 4)) < 3 * along.std() / N**0.5


def test_ranges_keep_their_classes_uniform():
    z = Around(temperature=1e-4).sample(3000, 3, RANGES, generator(8, "t"))
    assert [(z[:, 0] == k).float().mean().item() for k in range(3)] == pytest.approx([1 / 3] * 3, abs=0.03)
    torch.testing.assert_close(z[:, 1:].mean(0), torch.tensor([0.0, 3.14]), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("marginal", "space", "words"),
    [
        (Around(similarity=Cosine()), Box(), "write marginal.similarity=Lp"),
        (Around(similarity=Cosine(), projected=True), Sphere(), "write marginal.similarity=Lp"),
        (Around(), Product(split=1), "write marginal.similarity=Additive"),
        (Around(), Simplex(), "write"),
        (Around(), VonMisesFisher(), "write"),
        (Around(center=2.0), Box(), "write marginal.center=None"),
        (Around(center=0.0), Sphere(), "write marginal.center=1"),
        (Around(), RANGES, "write dim=3"),
        (Uniform(), VonMisesFisher(), "no uniform law"),
    ],
)
def test_laws_that_a_space_does_not_have(marginal, space, words):
    with pytest.raises(ValueError, match=words):
        marginal.check(space, 4)


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"temperature": math.inf}, {"center": math.nan}])
def test_options_that_mean_nothing(options):
    with pytest.raises(ValueError, match=r"write marginal\."):
        Around(**options)
