import math

import chz
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.datasets import Mixing
from kontrast.datasets.mixing import _weights
from kontrast.draws import generator
from kontrast.spaces import Box, Euclidean, Ranges, Space, Sphere

CPU = torch.device("cpu")
RANGES = Ranges(low=(0, -1, 0), high=(2, 1, 6.28), periodic=(False, False, True), discrete=(True, False, False))


def naive(mixing: Mixing, z: list[float]) -> list[float]:
    """x = W_L s(... s(W_1 z)) of one point, entry by entry."""
    weights = _weights(mixing.dim, mixing.layers, mixing.seed).tolist()
    for layer, matrix in enumerate(weights):
        if layer:
            z = [a if a > 0 else mixing.slope * a for a in z]
        z = [sum(w * a for w, a in zip(row, z, strict=True)) for row in matrix]
    return z


@pytest.mark.parametrize("space", [Sphere(radius=2), Box(low=-1), Euclidean()])
@pytest.mark.parametrize(("dim", "layers"), [(2, 1), (5, 3), (10, 3), (10, 5)])
def test_invert_undoes_render(space: Space, dim: int, layers: int) -> None:
    mixing = Mixing(space=space, dim=dim, layers=layers)
    latents = mixing.sample(512, torch.Generator().manual_seed(0))
    observations = mixing.render(latents, CPU)
    assert observations.dtype == torch.float32
    assert observations.shape == (512, dim)
    assert (mixing.invert(observations) - latents).abs().max() < 1e-4


def test_newton_finds_the_same_inverse() -> None:
    mixing = Mixing(dim=4)
    latents = mixing.sample(64, torch.Generator().manual_seed(0)).double()
    guess = torch.zeros_like(latents)
    for _ in range(60):  # Newton: piecewise linear, so it ends exactly
        point = guess.clone().requires_grad_()
        x = point
        weights = _weights(4, 3, 0)
        for layer, weight in enumerate(weights):
            x = (torch.nn.functional.leaky_relu(x, mixing.slope) if layer else x) @ weight.T
        slopes = torch.stack([torch.autograd.grad(x[:, k].sum(), point, retain_graph=True)[0] for k in range(4)], 1)
        guess = (
            guess - torch.linalg.solve(slopes, (x.detach() - mixing.render(latents, CPU).double())[..., None])[..., 0]
        )
    assert (guess - latents).abs().max() < 1e-5


@given(st.integers(1, 6), st.integers(0, 4), st.sampled_from([0.1, 0.2, 1.0]), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_render_is_the_equation(dim: int, layers: int, slope: float, seed: int) -> None:
    mixing = Mixing(space=Box(low=-1), dim=dim, layers=layers, slope=slope, seed=seed)
    latents = mixing.sample(3, torch.Generator().manual_seed(seed))
    expected = torch.tensor([naive(mixing, row) for row in latents.tolist()])
    torch.testing.assert_close(mixing.render(latents, CPU), expected)


def test_no_layers_are_the_identity() -> None:
    latents = torch.randn(9, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Mixing(layers=0).render(latents, CPU), latents)
    assert torch.equal(Mixing(layers=0).invert(latents).float(), latents)


def test_weights_are_the_best_conditioned_of_a_pool_with_unit_columns() -> None:
    weights = _weights(10, 3, 0)
    torch.testing.assert_close(weights.norm(dim=1), torch.ones(3, 10, dtype=torch.float64))
    condition = torch.linalg.cond(weights)
    assert condition.tolist() == sorted(condition.tolist())
    pool = 2 * torch.rand(25_000, 10, 10, generator=generator(0, "mixing"), dtype=torch.float64) - 1
    every = torch.linalg.cond(pool / pool.norm(dim=1, keepdim=True))
    torch.testing.assert_close(condition, every.sort().values[:3])
    assert condition.min() > 3  # 3.3 to 4.1 is what the best of 25,000 comes to at d = 10
    assert condition.max() < 4.5


def test_weights_are_a_function_of_the_seed() -> None:
    latents = Mixing().sample(5, torch.Generator().manual_seed(0))
    first = Mixing(seed=3).render(latents, CPU)
    _weights.cache_clear()
    assert torch.equal(Mixing(seed=3).render(latents, CPU), first)
    assert not torch.allclose(Mixing(seed=4).render(latents, CPU), first)
    golden = [-0.0680585, 0.3085877, 0.2086326, -0.2502878]
    ones = torch.full((1, 10), math.sqrt(0.1))
    assert Mixing().render(ones, CPU)[0, :4].tolist() == pytest.approx(golden, abs=1e-6)


def test_large_dimensions_stay_quick() -> None:
    assert _weights(300, 2, 0).shape == (2, 300, 300)


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


def test_rows_come_from_the_source() -> None:
    [rows] = Mixing(dim=5).open("test", "cpu").chunks(100, 12)
    assert rows.latents is not None
    assert torch.equal(rows.observations, Mixing(dim=5).render(rows.latents, CPU))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dim": 1}, "at least dim=2"),
        ({"dim": 0, "space": Box()}, "at least dim=1"),
        ({"layers": -1}, "write layers=3"),
        ({"slope": 0.0}, "write slope=0.2"),
        ({"slope": 1.5}, "write slope=0.2"),
        ({"space": RANGES}, "write dim=3"),
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
    assert chz.Blueprint(Mixing).apply(chz.beta_to_blueprint_values(chosen)).make() == chosen
