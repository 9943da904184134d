"""The nonlinear mixing against its equation, and its inverse against the mixing."""

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kontrast.datasets import Mixing
from kontrast.datasets.mixing import Activation, Weights, _activate, _inverse
from kontrast.spaces import Box, Euclidean, Product, Simplex, Space, Sphere

CPU = torch.device("cpu")
ACTIVATIONS: dict[str, Callable[[float, float], float]] = {
    "leaky_relu": lambda a, slope: a if a > 0 else slope * a,
    "relu": lambda a, slope: max(a, 0.0),
    "elu": lambda a, slope: a if a > 0 else math.expm1(a),
    "smooth_leaky_relu": lambda a, slope: slope * a + (1 - slope) * math.log1p(math.exp(a)),
    "softplus": lambda a, slope: math.log1p(math.exp(a)),
}
INVERTIBLE = [name for name in ACTIVATIONS if name != "relu"]


def naive(mixing: Mixing, z: list[float]) -> list[float]:
    """x = W_L s(... s(W_1 z)) of one point, entry by entry."""
    for layer, matrix in enumerate(mixing._matrices().tolist()):
        if layer:
            z = [ACTIVATIONS[mixing.activation](a, mixing.slope) for a in z]
        z = [sum(w * a for w, a in zip(row, z, strict=True)) for row in matrix]
    return z


def drawn(mixing: Mixing, n: int = 256) -> Tensor:
    return mixing.sample(n, torch.Generator().manual_seed(0))


def test_every_activation_is_covered() -> None:
    assert set(ACTIVATIONS) == set(get_args(Activation))


@pytest.mark.parametrize("space", [Sphere(radius=2), Box(low=-1), Euclidean(), Product(), Simplex()])
@pytest.mark.parametrize(("dim", "layers"), [(5, 1), (5, 3), (10, 3), (10, 5)])
def test_invert_undoes_render(space: Space, dim: int, layers: int) -> None:
    mixing = Mixing(space=space, dim=dim, layers=layers)
    latents = drawn(mixing, 512)
    observations = mixing.render(latents, CPU)
    assert observations.dtype == torch.float32
    assert observations.shape == (512, dim)
    assert (mixing.invert(observations) - latents).abs().max() < 1e-4


@pytest.mark.parametrize("layers", range(1, 11))
@pytest.mark.parametrize("activation", INVERTIBLE)
@pytest.mark.parametrize("weights", get_args(Weights))
def test_every_activation_is_inverted_at_every_depth(activation: Activation, layers: int, weights: Weights) -> None:
    """The latents come back up to the rounding of the observations, times how much the inverse stretches it there."""
    mixing = Mixing(dim=6, layers=layers, activation=activation, weights=weights, space=Box(low=-1))
    z = drawn(mixing, 64).double()
    x = mixing._mix(z)
    slopes = torch.func.vmap(torch.func.jacrev(lambda row: mixing._mix(row[None])[0]))(z)
    stretch = x.norm(dim=1) / torch.linalg.svdvals(slopes)[:, -1]
    assert ((mixing.invert(x) - z).norm(dim=1) < 4e-15 * stretch + 1e-15).all()
    assert ((mixing.invert(mixing.render(z.float(), CPU)) - z).norm(dim=1) < 1.2e-7 * stretch + 1e-7).all()


def test_relu_has_no_inverse() -> None:
    mixing = Mixing(activation="relu")
    with pytest.raises(ValueError, match=r"write data\.activation=leaky_relu"):
        mixing.invert(mixing.render(drawn(mixing), CPU))


@pytest.mark.parametrize("activation", INVERTIBLE)
@pytest.mark.parametrize("slope", [0.01, 0.2, 1.0])
def test_inverses_hold_far_out_and_at_the_edge_of_the_range(activation: Activation, slope: float) -> None:
    a = torch.tensor([-30.0, -5.0, -1e-3, 0.0, 1e-9, 1.0, 20.0, 500.0], dtype=torch.float64)
    y = _activate(a, activation, slope)
    near = a > -20 if activation == "elu" else a > -1000  # elu is -1 to its last digits from there on
    torch.testing.assert_close(_inverse(y, activation, slope)[near], a[near], rtol=1e-8, atol=1e-8)
    assert _inverse(torch.tensor([-1.1, -1.0, 0.0], dtype=torch.float64), activation, slope).isfinite().all()


def test_newton_finds_the_same_inverse() -> None:
    mixing = Mixing(dim=4)
    latents = mixing.sample(64, torch.Generator().manual_seed(0)).double()
    guess = torch.zeros_like(latents)
    for _ in range(60):  # Newton: piecewise linear, so it ends exactly
        point = guess.clone().requires_grad_()
        x = point
        for layer, weight in enumerate(mixing._matrices()):
            x = (torch.nn.functional.leaky_relu(x, mixing.slope) if layer else x) @ weight.T
        slopes = torch.stack([torch.autograd.grad(x[:, k].sum(), point, retain_graph=True)[0] for k in range(4)], 1)
        guess = (
            guess - torch.linalg.solve(slopes, (x.detach() - mixing.render(latents, CPU).double())[..., None])[..., 0]
        )
    assert (guess - latents).abs().max() < 1e-5


@given(
    st.integers(1, 6),
    st.integers(0, 4),
    st.sampled_from([0.1, 0.2, 1.0]),
    st.integers(0, 3),
    st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from(["uniform", "orthogonal"]),
)
@settings(max_examples=40, deadline=None)
def test_render_is_the_equation(
    dim: int, layers: int, slope: float, seed: int, activation: Activation, weights: Weights
) -> None:
    mixing = Mixing(
        space=Box(low=-1), dim=dim, layers=layers, slope=slope, seed=seed, activation=activation, weights=weights
    )
    latents = mixing.sample(3, torch.Generator().manual_seed(seed))
    expected = torch.tensor([naive(mixing, row) for row in latents.tolist()])
    torch.testing.assert_close(mixing.render(latents, CPU), expected)


def test_no_layers_are_the_identity() -> None:
    latents = torch.randn(9, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Mixing(layers=0).render(latents, CPU), latents)
    assert torch.equal(Mixing(layers=0).invert(latents).float(), latents)
