import pytest
import torch
from sklearn.metrics import r2_score

from kontrast.draws import generator
from kontrast.objectives import MeanSquaredError

X, Y = torch.randn(2, 50, 3, generator=generator(0, "xy"), dtype=torch.float64).unbind(0)
KEY = torch.arange(50)


def test_in_units_of_variance_the_loss_is_one_minus_r2():
    truth = Y * torch.tensor([0.01, 1.0, 100.0])
    guess = truth + 0.1 * X * truth.std(0)
    expected = r2_score(truth.numpy(), guess.numpy())
    loss = MeanSquaredError(unit="variance")(guess, truth, KEY)
    assert loss.total.item() == pytest.approx(1 - expected)
    assert loss.measures["r2"].item() == pytest.approx(expected)


def test_by_default_it_is_the_mean_squared_error():
    loss = MeanSquaredError()(X, Y, KEY)
    torch.testing.assert_close(loss.total, torch.nn.functional.mse_loss(X, Y))
    assert loss.measures["r2"].item() == pytest.approx(r2_score(Y.numpy(), X.numpy()))
