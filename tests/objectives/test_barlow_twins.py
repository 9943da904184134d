import pytest
import torch

from kontrast.objectives import BarlowTwins

from golden import A, B

KEY = torch.arange(6)


def naive(x, y, weight, correction, eps):
    """The definition, coordinate by coordinate."""
    n, dim = x.shape
    x, y = ((z - z.mean(0)) / (z.var(0, correction=correction) + eps).sqrt() for z in (x, y))
    total = 0.0
    for k in range(dim):
        for m in range(dim):
            correlation = sum(x[i, k] * y[i, m] for i in range(n)) / n
            total = total + ((1 - correlation) ** 2 if k == m else weight * correlation**2)
    return total


def test_golden_value():
    loss = BarlowTwins(deviation="unbiased", eps=0.0)(A, B, KEY)
    assert loss.total.item() == pytest.approx(0.199722, abs=5e-7)
    torch.testing.assert_close(loss.parts["invariance"] + loss.parts["redundancy"], loss.total)


@pytest.mark.parametrize(("deviation", "correction"), [("biased", 0), ("unbiased", 1)])
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.3])
def test_it_is_the_definition(deviation, correction, eps):
    objective = BarlowTwins(weight=0.02, deviation=deviation, eps=eps)
    torch.testing.assert_close(objective(A, B, KEY).total, naive(A, B, 0.02, correction, eps))


def test_normalization_is_that_of_a_batch_norm_layer():
    layer = torch.nn.BatchNorm1d(4, affine=False).double()
    correlation = layer(A).T @ layer(B) / 6
    off = correlation - torch.diag(correlation.diagonal())
    expected = (1 - correlation.diagonal()).square().sum() + 5e-3 * off.square().sum()
    torch.testing.assert_close(BarlowTwins()(A, B, KEY).total, expected)


def test_equal_views_leave_the_floor_of_the_divisor():
    alike = BarlowTwins(weight=0.0, eps=0.0)(A, A, KEY).total.item()
    assert alike == pytest.approx(0, abs=1e-12)
    unbiased = BarlowTwins(weight=0.0, eps=0.0, deviation="unbiased")(A, A, KEY).total.item()
    assert unbiased == pytest.approx(4 / 6**2)


def test_location_and_scale_do_not_matter():
    scale = torch.tensor([0.5, 2.0, 1.0, 30.0], dtype=torch.float64)
    objective = BarlowTwins(eps=0.0)
    torch.testing.assert_close(objective(A * scale + 7, B - 3, KEY).total, objective(A, B, KEY).total)


def test_a_coordinate_that_does_not_vary_costs_one_and_passes_a_finite_gradient():
    x = torch.cat([A, torch.ones(6, 1, dtype=torch.float64)], 1).requires_grad_()
    loss = BarlowTwins(weight=0.0)(x, x * 1.0, KEY).total
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-4)
    assert x.grad.isfinite().all()


def test_bad_options_and_single_rows_are_refused():
    with pytest.raises(ValueError, match=r"write objective\.weight=0\.005"):
        BarlowTwins(weight=-1.0)
    with pytest.raises(ValueError, match=r"write objective\.eps=1e-5"):
        BarlowTwins(eps=-1e-5)
    with pytest.raises(ValueError, match="at least two rows"):
        BarlowTwins()(A[:1], B[:1], KEY[:1])
