"""Lower bounds of mutual information."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_views import pair
from torch import nn

from kontrast.probes import MutualInformation
from kontrast.probes.looking.mutual_information import _batches, _bound, _mixed, _scores
from kontrast.views import Features


def gaussians(n: int, d: int, rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x.astype(np.float32), (rho * x + math.sqrt(1 - rho**2) * rng.normal(size=(n, d))).astype(np.float32)


def asked(probe: MutualInformation, train, test):
    extra = {f"train {v}": Features(x) for v, x in enumerate(train)} | {
        f"test {v}": Features(x) for v, x in enumerate(test)
    }
    return probe(Features(train[0]), Features(test[0], extra=extra))


@pytest.mark.slow
def test_correlated_gaussians_of_ten_dimensions_within_a_tenth():
    """I = -5 log(1 - rho^2), of which an estimate on other rows may be short, but never by more than a tenth."""
    probe = MutualInformation(steps=600, width=128, rate=2e-3)
    found = asked(probe, gaussians(60_000, 10, 0.5, 1), gaussians(4000, 10, 0.5, 2))
    truth = -5 * math.log(1 - 0.25)
    assert found.values["mine"] == pytest.approx(truth, rel=0.1)
    assert found.values["infonce"] < min(truth, math.log(64))
    assert found.values["infonce"] > 0.8 * truth


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_two_correlated_numbers(rho):
    probe = MutualInformation(steps=300, width=32, rate=5e-3, candidates=32)
    found = asked(probe, gaussians(4000, 1, rho, 1), gaussians(3000, 1, rho, 2))
    truth = -0.5 * math.log(1 - rho**2)
    assert found.values["mine"] == pytest.approx(truth, abs=0.03 + 0.1 * truth)
    assert found.values["infonce"] == pytest.approx(truth, abs=0.03 + 0.1 * truth)
    low, high = found.interval["mine"]
    assert low < found.values["mine"] < high < low + 0.4


def test_noise_is_not_learned_by_heart():
    """A bound on the rows that were trained on would be far above 0."""
    found = asked(MutualInformation(width=128), gaussians(300, 30, 0.0, 1), gaussians(300, 30, 0.0, 2))
    assert abs(found.values["mine"]) < 0.1
    assert abs(found.values["infonce"]) < 0.1


def test_scale_and_shift_of_features_change_nothing_much():
    (a, b), test = gaussians(500, 2, 0.8, 1), gaussians(500, 2, 0.8, 2)
    probe = MutualInformation(epochs=20, width=32)
    one = asked(probe, (a, b), test).values["mine"]
    moved = [tuple((100 * x + 7).astype(np.float32) for x in each) for each in ((a, b), test)]
    assert asked(probe, *moved).values["mine"] == pytest.approx(one, abs=1e-3)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    MutualInformation(epochs=2, width=8)(*pair(n=40))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_bounds_are_what_their_equations_say():
    rng = np.random.default_rng(0)
    joint, others = rng.normal(size=50) + 300, rng.normal(size=(50, 7)) + 300
    values, intervals = MutualInformation()._bounds(joint, others)
    mine = joint.mean() - 300 - np.log(np.exp(others - 300).mean())
    every = np.concatenate([joint[:, None], others], 1) - 300
    infonce = np.log(8) + np.mean(joint - 300 - np.log(np.exp(every).sum(1)))
    assert values == {"mine": pytest.approx(mine), "infonce": pytest.approx(infonce)}
    assert all(low < values[name] < high for name, (low, high) in intervals.items())
    certain, _ = MutualInformation()._bounds(np.zeros(50), np.full((50, 7), -5000.0))
    assert certain["infonce"] == pytest.approx(math.log(8))
    assert math.isfinite(certain["mine"])


class Product(nn.Module):
    def forward(self, x):
        return x[:, 0] * x[:, 1]


def test_partners_are_other_rows():
    a, b = torch.arange(1.0, 8)[:, None], torch.arange(1.0, 8)[:, None]
    joint, others = _scores(Product(), a, b, 7, 0)
    assert sorted(joint) == [i**2 for i in range(1, 8)]
    for own, row in zip(joint, others, strict=True):
        root = math.isqrt(int(own))
        assert sorted(row) == [root * j for j in range(1, 8) if j != root]
    assert _bound(Product(), a / 7, b / 7, 0) == pytest.approx(0, abs=0.5)


def test_moving_averages_and_batches():
    one, two = torch.tensor(2.0), torch.tensor(-1.0)
    expected = math.log(0.95 * math.exp(2) + 0.05 * math.exp(-1))
    assert float(_mixed(one, two, 0.05)) == pytest.approx(expected, rel=1e-6)
    assert _mixed(one, two, 1.0) is two
    batches = _batches(torch.arange(10), 4, torch.Generator().manual_seed(0))
    first = torch.cat([next(batches), next(batches)])
    assert len(first.unique()) == 8
    assert len(torch.cat([next(batches), next(batches)]).unique()) == 8


def test_a_bound_beyond_the_rows_has_a_warning():
    x = np.random.default_rng(0).normal(size=(4, 60, 2)).astype(np.float32) * 3
    found = asked(MutualInformation(width=64, rate=5e-3), (x[0], x[0]), (x[1], x[1]))
    assert ("mine" in found.warnings) == (found.values["mine"] > math.log(60) - 1)
    assert found.values["infonce"] <= math.log(60)


def test_what_is_missing_is_said():
    train, test = pair(n=40)
    probe = MutualInformation(epochs=1)
    with pytest.raises(ValueError, match="two views of each row"):
        probe(train, replace(test, extra={}))
    with pytest.raises(ValueError, match="eight rows"):
        probe(train, replace(test, extra={**test.extra, "test 1": Features(np.ones((40, 3)))}))
    with pytest.raises(ValueError, match="NaN or infinite"):
        probe(train, replace(test, extra={**test.extra, "train 0": Features(np.full((40, 8), np.nan))}))
    with pytest.raises(ValueError, match="7 rows"):
        probe.check(Features(np.ones((7, 2))))
    for options in ({"batch": 1}, {"candidates": 1}, {"steps": 0}, {"rate": 0.0}, {"ema": 0.0}):
        with pytest.raises(ValueError, match=r"MutualInformation needs|the rate must"):
            MutualInformation(**options)
