import pytest
import torch

from kontrast.objectives import VICReg
from kontrast.spaces import Box, Euclidean, Sphere

from golden import A, B

KEY = torch.arange(6)


def naive(x, y, invariance, variance, covariance):
    """The definition, term by term."""
    n, dim = x.shape
    hinge, together = 0.0, 0.0
    for z in (x, y):
        spread = torch.cov(z.T, correction=1)
        for k in range(dim):
            hinge = hinge + max(0.0, 1 - (spread[k, k] + 1e-4) ** 0.5) / dim / 2
            together = together + sum(spread[k, m] ** 2 for m in range(dim) if m != k) / dim
    return invariance * (x - y).square().sum() / (n * dim) + variance * hinge + covariance * together


@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 0.0, 3.0), (0.0, 2.0, 0.0)])
def test_it_is_the_definition(weights):
    names = ("invariance", "variance", "covariance")
    loss = VICReg(**dict(zip(names, weights, strict=True)))(A, B, KEY)
    torch.testing.assert_close(loss.total, naive(A, B, *weights))
    torch.testing.assert_close(torch.stack([loss.parts[name] for name in names]).sum(), loss.total)


def test_embeddings_that_became_one_pay_the_whole_variance():
    one = A[:1].expand(6, 4)
    loss = VICReg()(one, one, KEY)
    assert loss.parts["variance"].item() == pytest.approx(25 * 0.99)
    assert loss.parts["invariance"].item() == loss.parts["covariance"].item() == 0


def test_equal_views_that_vary_alone_cost_nothing():
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    assert VICReg()(signs, signs, torch.arange(8)).total.item() == pytest.approx(0, abs=1e-6)


def test_only_coordinates_without_bounds_are_taken():
    VICReg().check(Euclidean())
    for space in (Sphere(), Box()):
        with pytest.raises(ValueError, match="write space=Euclidean"):
            VICReg().check(space)


@pytest.mark.parametrize("name", ["invariance", "variance", "covariance"])
def test_weights_are_not_negative(name):
    with pytest.raises(ValueError, match=f"write objective.{name}=1"):
        VICReg(**{name: -1.0})
    with pytest.raises(ValueError, match="at least two rows"):
        VICReg()(A[:1], B[:1], KEY[:1])
