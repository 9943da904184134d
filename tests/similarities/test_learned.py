"""Similarities that learn, or that depend on the batch."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.directional import log_normalizer
from kontrast.draws import generator
from kontrast.similarities import Additive, Cosine, Diagonal, ExpectedLikelihood, LatentClass, Lp, Mahalanobis
from kontrast.spaces import Box, Product, Sphere
from kontrast.spaces import Euclidean as RealSpace

X = torch.randn(12, 4, generator=generator(0, "x"), dtype=torch.float64)
Y = torch.randn(12, 4, generator=generator(0, "y"), dtype=torch.float64)
Q = torch.rand(6, 5, generator=generator(0, "q"), dtype=torch.float64).add(0.05)
Q = Q / Q.sum(1, keepdim=True)


def test_mahalanobis_is_its_definition():
    pool = torch.cat([X, Y])
    inverse = torch.linalg.inv(torch.cov(pool.T, correction=0))
    difference = X[:, None] - Y[None]
    distance = torch.einsum("ijk,kl,ijl->ij", difference, inverse, difference)
    torch.testing.assert_close(Mahalanobis()(X, Y), 1 / (1 + distance))
    torch.testing.assert_close(Mahalanobis(shape="power")(X, Y), -distance)


def test_its_mean_distance_is_twice_the_dimension():
    torch.testing.assert_close(Mahalanobis(shape="power")(X, X).mean(), torch.tensor(-8.0, dtype=torch.float64))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_invertible_linear_maps_change_nothing(seed):
    linear = torch.randn(4, 4, generator=generator(seed, "map"), dtype=torch.float64) + 3 * torch.eye(4)
    if torch.linalg.cond(linear) < 1e3:
        torch.testing.assert_close(Mahalanobis()(X @ linear, Y @ linear), Mahalanobis()(X, Y), rtol=1e-8, atol=1e-8)


def test_too_few_rows_are_refused_before_and_at_work():
    with pytest.raises(ValueError, match="batch=5 or more"):
        Mahalanobis()(X[:2], Y[:2])
    with pytest.raises(ValueError, match=r"ridge=0\.1"):
        Mahalanobis().check_batch(4, 4)
    Mahalanobis().check_batch(5, 4)
    Mahalanobis(ridge=0.1).check_batch(2, 4)
    assert Mahalanobis(ridge=0.1)(X[:2], Y[:2]).isfinite().all()
    with pytest.raises(ValueError, match="do not vary"):
        Mahalanobis()(torch.ones(9, 3), torch.ones(9, 3))


def test_the_gradient_stops_at_the_covariance_where_asked():
    one, two = (X.clone().requires_grad_() for _ in range(2))
    Mahalanobis(shape="power")(one, one).sum().backward()
    torch.testing.assert_close(one.grad, torch.zeros_like(X), atol=1e-10, rtol=0)
    Mahalanobis(shape="power", detach=True)(two, two).sum().backward()
    assert two.grad.abs().max() > 1e-3


def test_a_running_covariance_follows_what_it_observes():
    metric = Mahalanobis(covariance="running", momentum=0.5).build(4)
    first = torch.cov(torch.cat([X, Y]).T, correction=0)
    both = torch.cat([X, Y])
    metric.observe(both)
    torch.testing.assert_close(metric.covariance, first)
    metric.observe(3 * both)
    torch.testing.assert_close(metric.covariance, 5 * first)
    metric(X, Y)
    torch.testing.assert_close(metric.covariance, 5 * first)
    x = X.clone().requires_grad_()
    metric(x, x).dense().sum().backward()
    assert x.grad.abs().max() > 1e-3


def test_the_diagonal_is_a_weighted_distance_and_learns():
    weights = (0.5, 1.0, 2.0, 4.0)
    expected = -((X[:, None] - Y[None]).square() * torch.tensor(weights)).sum(-1)
    torch.testing.assert_close(Diagonal(weights=weights)(X, Y), expected)
    metric = Diagonal(weights=weights).build(4)
    metric(X, Y).dense().sum().backward()
    slope = -((X[:, None] - Y[None]).square().sum((0, 1)) * torch.tensor(weights)).float()
    torch.testing.assert_close(metric.log_weights.grad, slope)
    assert not [*Diagonal(learned=False).build(4).parameters()]
    with pytest.raises(ValueError, match="3 weights for 4 coordinates"):
        Diagonal(weights=(1.0, 2.0, 3.0))(X, Y)
    for wrong in ((), (0.0,), (-1.0,), (math.inf,)):
        with pytest.raises(ValueError, match="write weights=1"):
            Diagonal(weights=wrong)


def test_the_diagonal_draws_by_its_weights():
    x = torch.zeros(40_000, 2)
    drawn = Diagonal(weights=(5.0, 20.0)).sample(x, 2.0, RealSpace(), generator(0, "t"))
    torch.testing.assert_close(drawn.std(0), torch.tensor([0.2, 0.05]).sqrt(), rtol=0.02, atol=0)


def test_latent_classes_meet_in_the_log_of_a_sum():
    torch.testing.assert_close(LatentClass(floor=0.0)(Q, Q), torch.log(Q @ Q.T))
    torch.testing.assert_close(LatentClass(floor=0.2)(Q, Q), torch.log((Q @ Q.T).clamp_min(0.2)))
    apart = torch.eye(3)
    assert LatentClass(floor=1e-4)(apart, apart)[0, 1].item() == pytest.approx(math.log(1e-4))
    assert LatentClass(floor=0.0)(apart, apart).isfinite().all()


def test_a_prior_divides_and_follows_the_classes_shares():
    metric = LatentClass(floor=0.0, prior=True, momentum=0.25).build(5).double()
    torch.testing.assert_close(metric(Q, Q).dense(), torch.log(5 * Q @ Q.T))
    metric.observe(Q)
    expected = 0.75 / 5 + 0.25 * Q.mean(0)
    torch.testing.assert_close(metric.share, expected)
    torch.testing.assert_close(metric(Q, Q).dense(), torch.log((Q / expected) @ Q.T))


def test_expected_likelihood_is_the_integral_over_the_circle():
    x, y = torch.tensor([[3.0, 1.0]], dtype=torch.float64), torch.tensor([[-0.5, 2.0]], dtype=torch.float64)
    angle = torch.linspace(0, 2 * math.pi, 4001, dtype=torch.float64)[:-1]
    circle = torch.stack([angle.cos(), angle.sin()])

    def density(z):
        return (log_normalizer(z.norm(dim=1), 2)[:, None] + z @ circle).exp()

    product = (density(x) * density(y)).mean(1, keepdim=True) * 2 * math.pi
    torch.testing.assert_close(ExpectedLikelihood()(x, y)[0, 0], product.log()[0, 0], rtol=1e-9, atol=1e-9)


def test_sums_add_over_blocks_and_draw_in_products():
    similarity = Additive(first=Lp(p=1), second=Cosine(), split=1, weight=2.0)
    torch.testing.assert_close(similarity(X, Y), Lp(p=1)(X[:, :1], Y[:, :1]) + 2 * Cosine()(X[:, 1:], Y[:, 1:]))
    space = Product(first=Box(), second=Sphere(), split=1)
    x = space.uniform(4000, 4, generator(0, "x"))
    drawn = similarity.sample(x, 0.2, space, generator(0, "t"))
    assert (drawn[:, 1:] * x[:, 1:]).sum(1).mean() == pytest.approx(1 / math.tanh(10) - 0.1, abs=0.01)
    for wrong, words in ((Box(), "data.space=Product"), (Product(split=2), "split=2")):
        with pytest.raises(ValueError, match=words):
            similarity.sample(x, 0.2, wrong, generator(0, "t"))
    with pytest.raises(ValueError, match="cannot be split"):
        Additive(split=4)(X, Y)


def test_too_few_rows_are_too_few_for_a_running_covariance_also():
    with pytest.raises(ValueError, match="batch=5 or more"):
        Mahalanobis(covariance="running").check_batch(4, 4)


def test_what_is_not_finite_is_left_to_whoever_watches_the_loss():
    x = X.clone()
    x[3, 0] = torch.nan
    assert Mahalanobis()(x, Y).isnan().any()


def test_directions_mean_nothing_across_a_box():
    with pytest.raises(ValueError, match="similarity=Additive"):
        Cosine().check(Product(first=Box(), second=Sphere()))
    Cosine().check(Product(first=Sphere(), second=Sphere()))
    with pytest.raises(ValueError, match="space=Simplex"):
        Additive(first=LatentClass()).check(RealSpace())
