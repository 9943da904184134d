import math

import chz
import pytest
import torch
from scipy import stats

from kontrast.datasets import Mixing
from kontrast.datasets.mixing import _uniform
from kontrast.draws import generator
from kontrast.marginals import Around, Uniform
from kontrast.similarities import Cosine, Lp
from kontrast.spaces import Box, Euclidean, Product, Ranges, Simplex, Space, Sphere, VonMisesFisher

CPU = torch.device("cpu")
RANGES = Ranges(low=(0, -1, 0), high=(2, 1, 6.28), periodic=(False, False, True), discrete=(True, False, False))


def test_weights_are_the_best_conditioned_of_a_pool_with_unit_columns() -> None:
    weights = Mixing()._matrices()
    torch.testing.assert_close(weights.norm(dim=1), torch.ones(3, 10, dtype=torch.float64))
    condition = torch.linalg.cond(weights)
    assert condition.tolist() == sorted(condition.tolist())
    pool = 2 * torch.rand(25_000, 10, 10, generator=generator(0, "mixing"), dtype=torch.float64) - 1
    every = torch.linalg.cond(pool / pool.norm(dim=1, keepdim=True))
    torch.testing.assert_close(condition, every.sort().values[:3])
    assert condition.min() > 3  # 3.3 to 4.1 is what the best of 25,000 comes to at d = 10
    assert condition.max() < 4.5


def test_a_ratio_takes_matrices_up_to_the_quantile_of_the_pool() -> None:
    pool = 2 * torch.rand(1000, 6, 6, generator=generator(0, "mixing"), dtype=torch.float64) - 1
    condition = torch.linalg.cond(pool / pool.norm(dim=1, keepdim=True))
    threshold = condition.sort().values[250]
    taken = torch.linalg.cond(Mixing(dim=6, layers=10, pool=1000, ratio=0.25)._matrices())
    torch.testing.assert_close(taken, condition[condition < threshold][:10])
    assert taken.tolist() != taken.sort().values.tolist()
    everything = torch.linalg.cond(Mixing(dim=6, layers=10, pool=1000, ratio=1)._matrices())
    torch.testing.assert_close(everything, condition[:10])
    assert torch.equal(Mixing(ratio=1e-9)._matrices(), Mixing()._matrices())


def test_conditions_below_a_quantile_are_those_of_drawing_until_they_are() -> None:
    taken = torch.cat([Mixing(dim=3, layers=10, pool=400, ratio=0.5, seed=seed)._matrices() for seed in range(40)])
    pool = 2 * torch.rand(20_000, 3, 3, generator=generator(0, "t"), dtype=torch.float64) - 1
    every = torch.linalg.cond(pool / pool.norm(dim=1, keepdim=True)).sort().values
    below = every[:10_000]  # the threshold itself varies a little from pool to pool
    assert stats.ks_2samp(torch.linalg.cond(taken).numpy(), below.numpy()).statistic < 0.1


def test_orthogonal_weights_are_uniform_among_rotations_and_reflections() -> None:
    weights = Mixing(dim=4, layers=2000, weights="orthogonal")._matrices()
    torch.testing.assert_close(weights @ weights.mT, torch.eye(4, dtype=torch.float64).expand(2000, 4, 4))
    # An entry of a Haar matrix is a coordinate of a uniform point of the sphere.
    for entry in (weights[:, 0, 0], weights[:, 3, 1]):
        assert stats.kstest(((1 + entry) / 2).numpy(), stats.beta(1.5, 1.5).cdf).pvalue > 1e-3
    assert abs((torch.linalg.det(weights) > 0).double().mean() - 0.5) < 3 * 0.5 / 2000**0.5


def test_options_of_the_pool_leave_orthogonal_weights_alone() -> None:
    one, two = Mixing(weights="orthogonal"), Mixing(weights="orthogonal", pool=10, ratio=0.5)
    assert torch.equal(one._matrices(), two._matrices())
    assert not torch.equal(one._matrices(), Mixing(weights="orthogonal", seed=1)._matrices())


def test_weights_are_a_function_of_the_seed() -> None:
    latents = Mixing().sample(5, torch.Generator().manual_seed(0))
    first = Mixing(seed=3).render(latents, CPU)
    _uniform.cache_clear()
    assert torch.equal(Mixing(seed=3).render(latents, CPU), first)
    assert not torch.allclose(Mixing(seed=4).render(latents, CPU), first)
    golden = [-0.0680585, 0.3085877, 0.2086326, -0.2502878]
    ones = torch.full((1, 10), math.sqrt(0.1))
    assert Mixing().render(ones, CPU)[0, :4].tolist() == pytest.approx(golden, abs=1e-6)


def test_large_dimensions_stay_quick() -> None:
    assert Mixing(dim=300, layers=2)._matrices().shape == (2, 300, 300)


def test_rows_do_not_depend_on_their_batch() -> None:
    latents = Mixing().sample(1000, torch.Generator().manual_seed(0))
    whole = Mixing().render(latents, CPU)
    parts = torch.cat([Mixing().render(part, CPU) for part in latents.split(7)])
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-8)


def test_factors_have_the_bounds_of_the_space() -> None:
    assert [factor.name for factor in Mixing(dim=3).factors] == ["z0", "z1", "z2"]
    assert {(factor.low, factor.high) for factor in Mixing(space=Box(low=-2, high=3)).factors} == {(-2.0, 3.0)}
    assert {(factor.low, factor.high) for factor in Mixing(space=Sphere(radius=2)).factors} == {(-2.0, 2.0)}
    assert {(factor.low, factor.high) for factor in Mixing(space=Euclidean()).factors} == {(-math.inf, math.inf)}
    ranged = Mixing(space=RANGES, dim=3).factors
    assert [factor.kind for factor in ranged] == ["discrete", "continuous", "periodic"]
    assert [(factor.low, factor.high, factor.size) for factor in ranged] == [(0, 2, 3), (-1, 1, None), (0, 6.28, None)]


def test_factors_of_a_product_follow_one_another() -> None:
    space = Product(first=Box(low=-1), second=Product(first=RANGES, second=Simplex(), split=3), split=2)
    factors = Mixing(space=space, dim=7).factors
    assert [factor.name for factor in factors] == [f"z{k}" for k in range(7)]
    assert [(factor.low, factor.high) for factor in factors[:2] + factors[5:]] == [(-1, 1)] * 2 + [(0, 1)] * 2
    assert [factor.kind for factor in factors[2:5]] == ["discrete", "continuous", "periodic"]


@pytest.mark.parametrize("space", [Box(low=-2, high=3), Sphere(radius=2)])
def test_latents_are_uniform_on_the_space(space: Space) -> None:
    latents = Mixing(space=space, dim=3).sample(20_000, torch.Generator().manual_seed(1))
    low, high = (-2, 3) if isinstance(space, Box) else (-2, 2)  # on the sphere in R^3 too (Archimedes)
    for column in latents.T:
        unit = ((column - low) / (high - low)).sort().values
        assert (unit - (torch.arange(20_000) + 0.5) / 20_000).abs().max() < 1.95 / math.sqrt(20_000)
    if isinstance(space, Sphere):
        torch.testing.assert_close(latents.norm(dim=1), torch.full((20_000,), 2.0))


def test_latents_on_all_of_space_are_standard_normal() -> None:
    latents = Mixing(space=Euclidean(), dim=4).sample(50_000, torch.Generator().manual_seed(0))
    assert latents.mean(0).abs().max() < 0.02
    assert (latents.T.cov() - torch.eye(4)).abs().max() < 0.03


def test_real_coordinates_of_a_product_are_standard_normal_and_the_rest_uniform() -> None:
    latents = Mixing(space=Product(first=Euclidean(), second=Box(), split=1), dim=2).sample(20_000, torch.Generator())
    assert stats.kstest(latents[:, 0].numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(latents[:, 1].numpy(), "uniform").pvalue > 1e-3


def test_latents_follow_their_marginal() -> None:
    marginal = Around(similarity=Lp(p=1), temperature=0.5)
    mixing = Mixing(space=Euclidean(), marginal=marginal, dim=3)
    latents = mixing.sample(20_000, torch.Generator().manual_seed(0))
    for column in latents.T:
        assert stats.kstest(column.numpy(), stats.laplace(scale=0.5).cdf).pvalue > 1e-3
    draws = torch.Generator().manual_seed(0)
    assert torch.equal(latents, marginal.sample(20_000, 3, Euclidean(), draws))
    uniform = Mixing(space=Box(), marginal=Uniform()).sample(9, torch.Generator().manual_seed(0))
    assert torch.equal(uniform, Mixing(space=Box()).sample(9, torch.Generator().manual_seed(0)))


def test_rows_come_from_the_source() -> None:
    [rows] = Mixing(dim=5).open("test", "cpu").chunks(100, 12)
    assert rows.latents is not None
    assert torch.equal(rows.observations, Mixing(dim=5).render(rows.latents, CPU))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dim": 1}, "at least 2 coordinates, not 1"),
        ({"dim": 0, "space": Box()}, "at least dim=1"),
        ({"layers": -1}, "write layers=3"),
        ({"slope": 0.0}, "write slope=0.2"),
        ({"slope": 1.5}, "write slope=0.2"),
        ({"space": RANGES}, "write dim=3"),
        ({"space": Product(), "dim": 3}, "write a dimension of 4 or more"),
        ({"space": VonMisesFisher()}, "write data.space=Sphere"),
        ({"space": Sphere(learned=True)}, r"write data\.space\.learned=False"),
        ({"space": Product(first=Box(learned=True))}, r"write data\.space\.learned=False"),
        ({"space": Euclidean(), "marginal": Uniform()}, "no uniform law"),
        ({"space": Box(), "marginal": Around(similarity=Cosine())}, r"write marginal\.similarity=Lp"),
        ({"activation": "leaky"}, "did you mean 'leaky_relu'"),
        ({"weights": "orthogonl"}, "did you mean 'orthogonal'"),
        ({"pool": 0}, "write pool=25000"),
        ({"ratio": 1.5}, "write ratio=0"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Mixing(**options)


def test_latents_of_another_dimension() -> None:
    with pytest.raises(ValueError, match=r"\[n, 10\]"):
        Mixing().render(torch.zeros(3, 9), CPU)


def test_command_line() -> None:
    chosen = chz.Blueprint(Mixing).make_from_argv(["space=Box", "space.low=-1", "dim=3"])
    assert chosen == Mixing(space=Box(low=-1), dim=3)
    words = ["space=Euclidean", "marginal.similarity=Lp", "marginal.temperature=0.5", "activation=elu"]
    other = chz.Blueprint(Mixing).make_from_argv(words)
    assert other.marginal == Around(similarity=Lp(), temperature=0.5)
    assert other.activation == "elu"
    assert chz.Blueprint(Mixing).apply(chz.beta_to_blueprint_values(chosen)).make() == chosen
