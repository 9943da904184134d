"""A world in which the posterior of every observation is known, and its pairs."""

import numpy as np
import pytest
import torch

from kontrast.datasets import Digits, Mixing, Posteriors
from kontrast.directional import resultant
from kontrast.draws import Draws, generator
from kontrast.pairings import Observed


def parts(latents, dim):
    return latents[:, :dim], latents[:, dim : 2 * dim], latents[:, -1]


def near(values, expected):
    """The mean is the expected one to within three and a half standard errors."""
    assert abs(values.mean() - expected) < 3.5 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("options", [{}, {"dim": 2, "low": 1.0, "high": 3.0}, {"dim": 3, "low": 8.0, "high": 8.0}])
def test_directions_are_seen_with_their_own_concentration(options):
    data = Posteriors(**options)
    z, mean, kappa = parts(data.sample(20_000, generator(0)).double(), data.dim)
    for unit in (z, mean):
        torch.testing.assert_close(unit.norm(dim=1), torch.ones(20_000).double(), rtol=0, atol=1e-5)
        assert unit.mean(0).abs().max() < 0.03
    assert data.low <= kappa.min() <= kappa.max() <= data.high
    near(kappa, (data.low + data.high) / 2) if data.low < data.high else None
    cosine = (z * mean).sum(1)
    for some in (kappa <= kappa.median(), kappa >= kappa.median()):
        near((cosine - resultant(kappa, data.dim))[some], 0)


def test_what_is_shown_is_the_posterior_and_nothing_else():
    data = Posteriors()
    latents = data.sample(500, generator(1))
    _, mean, kappa = parts(latents, 10)
    shown = data.render(latents, torch.device("cpu"))
    assert shown.shape == (500, 11)
    back = data.mixing.invert(shown)
    torch.testing.assert_close(back[:, :10] / 10**0.5, mean.double(), rtol=0, atol=1e-4)
    torch.testing.assert_close(24 + back[:, 10] * 8 / 3**0.5, kappa.double(), rtol=0, atol=1e-3)
    assert 0.9 < back.var(0).mean() < 1.1
    other = torch.cat((latents[:, 10:20], latents[:, 10:]), 1)
    assert torch.equal(data.render(other, torch.device("cpu")), shown)


def test_pairs_have_the_law_of_the_model():
    data, draws = Posteriors(layers=0), Draws(3, 7, 20_000)
    source = data.open("train")
    things = source.batch(draws)
    views = Observed()(things, source, draws)
    one, two = (view[:, :10].double() / 10**0.5 for view in views.views)
    kappa = 24 + views.views[1][:, 10].double() * 8 / 3**0.5
    z, mean, own = parts(things.latents.double(), 10)
    torch.testing.assert_close(one, mean, rtol=0, atol=1e-5)
    # Given z, the mean of mu+ is z times the mean resultants of the pair and of its own observation.
    twenty = resultant(torch.tensor(20.0).double(), 10)
    near((z * two).sum(1) - twenty * resultant(kappa, 10), 0)
    near((one * two).sum(1) - twenty * resultant(kappa, 10) * resultant(own, 10), 0)
    assert abs(np.corrcoef(kappa, own)[0, 1]) < 0.03
    assert (views.asking, views.answering) == ((0, 1), (0, 1))


def test_processes_together_draw_what_one_would():
    source = Posteriors(dim=3).open("train")
    whole = Draws(0, 5, 8)
    one = Observed()(source.batch(whole), source, whole)
    for rank in (0, 1):
        draws = Draws(0, 5, 8, rank, 2)
        own = Observed()(source.batch(draws), source, draws)
        assert torch.equal(own.views[1], one.views[1][4 * rank : 4 * rank + 4])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 1}, "data.dim=10"),
        ({"low": 0.0}, "low=16 data.high=32"),
        ({"low": 5.0, "high": 4.0}, "low=16 data.high=32"),
        ({"high": float("inf")}, "low=16 data.high=32"),
        ({"activation": "sine"}, "no activation named 'sine'"),
        ({"layers": -1}, "layers"),
    ],
)
def test_worlds_that_cannot_be_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Posteriors(**options)


@pytest.mark.parametrize("data", [Digits(), Mixing()])
def test_other_data_are_not_observed(data):
    with pytest.raises(ValueError, match="write data=Posteriors"):
        Observed().check(data)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_width_is_positive_and_finite(temperature):
    with pytest.raises(ValueError, match=r"write pairing.temperature=0.05"):
        Observed(temperature=temperature)


def test_latents_of_another_world_are_refused():
    with pytest.raises(ValueError, match=r"\[n, 21\]"):
        Posteriors().render(torch.zeros(2, 20), torch.device("cpu"))
