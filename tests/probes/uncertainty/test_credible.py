"""Credible regions of directions: their mass, and how often the truth is in them."""

import numpy as np
import pytest
import torch
from scipy.stats import beta

from kontrast import Features
from kontrast.datasets import Posteriors
from kontrast.directional import resultant, von_mises_fisher
from kontrast.draws import generator
from kontrast.probes.uncertainty.credible import level, rotation, truth


@pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0, 1e3, 1e5])
def test_on_the_ordinary_sphere_the_mass_is_known(kappa):
    cosine = np.linspace(-1, 1, 41) if kappa < 100 else 1 - np.linspace(0, 5, 41) / kappa
    expected = np.expm1(kappa * (cosine - 1)) / np.expm1(-2 * kappa)
    np.testing.assert_allclose(level(cosine, np.full(41, kappa), 3), expected, atol=1e-9)


@pytest.mark.parametrize("d", [2, 4, 10, 128, 512])
def test_without_concentration_regions_are_caps(d):
    cosine = np.linspace(-1, 1, 41)
    expected = beta((d - 1) / 2, (d - 1) / 2).sf((cosine + 1) / 2)
    np.testing.assert_allclose(level(cosine, np.full(41, 1e-12), d), expected, atol=1e-9)
    np.testing.assert_allclose(level(cosine, np.zeros(41), d), expected, atol=1e-9)


@pytest.mark.parametrize("d", [2, 3, 10, 512])
@pytest.mark.parametrize("kappa", [0.5, 20.0, 1e4])
def test_draws_are_in_regions_as_often_as_their_mass_and_have_the_mean_cosine(d, kappa):
    n = 5000
    mean = torch.eye(1, d, dtype=torch.float64).expand(n, d)
    cosine = von_mises_fisher(mean, kappa, generator(0, "coverage", d))[:, 0].numpy()
    inside = level(cosine, np.full(n, kappa), d)
    for mass in (0.5, 0.8, 0.95):
        assert (inside <= mass).mean() == pytest.approx(mass, abs=0.02)
    expected = resultant(torch.tensor(kappa, dtype=torch.float64), d).item()
    assert abs(cosine.mean() - expected) < 3 * cosine.std() / n**0.5


def rows(split="test", limit=4000, **options):
    data = Posteriors(**options)
    latents = torch.cat([things.latents for things in data.open(split).chunks(1000, limit)]).numpy()
    return data, Features(np.zeros((limit, 1)), latents=latents, factors=data.factors)


@pytest.mark.parametrize("options", [{}, {"dim": 2, "low": 1.0, "high": 100.0}, {"dim": 3, "low": 5.0, "high": 5.0}])
def test_true_posteriors_cover_the_truth(options):
    data, features = rows(**options)
    known = truth(features)
    cosine = (known.mean * known.latent).sum(1)
    inside = level(cosine, known.concentration, data.dim)
    for mass in (0.5, 0.8, 0.95):
        assert (inside <= mass).mean() == pytest.approx(mass, abs=0.025)
    assert (inside <= 0.95).mean() == pytest.approx(0.95, abs=0.02)
    for factor, wrong in ((4.0, "narrow"), (0.25, "wide")):
        off = (level(cosine, factor * known.concentration, data.dim) <= 0.8).mean()
        assert (off < 0.7) if wrong == "narrow" else (off > 0.9)


def test_a_rotation_is_found():
    known = truth(rows()[1])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    found = 17 * known.mean @ turn
    np.testing.assert_allclose(rotation(found, known.mean), turn.T, atol=1e-6)
    inverse = rotation(found, known.latent)
    assert ((known.mean @ turn @ inverse) * known.mean).sum(1).min() > 0.99


def test_only_named_factors_are_a_truth():
    _, features = rows(limit=10)
    assert truth(Features(np.zeros((10, 1)))) is None
    assert truth(Features(np.zeros((10, 1)), latents=features.latents[:, :-1], factors=features.factors[:-1])) is None
    assert truth(Features(np.zeros((10, 1)), latents=features.latents[:, 1:], factors=features.factors[1:])) is None
