import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from kontrast.probes import Ladder
from kontrast.probes.rungs import LEAK, RUNGS, WITHIN, Fit, leak, orthogonal, permutation
from kontrast.views import Factor, Features

MIXING = np.random.default_rng(5).normal(size=(4, 64))


def features(h: np.ndarray, z: np.ndarray) -> Features:
    return Features(h, latents=z, factors=tuple(Factor(f"z{i}", low=-1.0) for i in range(z.shape[1])))


def fit(h: np.ndarray, z: np.ndarray) -> Fit:
    """Of single factors, fitted and taken on the same rows."""
    d = z.shape[1]
    return Fit(z, h, h, range(d), [[i] for i in range(d)], 512, 0)


def dense(z: np.ndarray) -> np.ndarray:
    return z @ MIXING


def bounded(z: np.ndarray) -> np.ndarray:
    found = np.tanh(z @ MIXING) + 0.1
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [400, 3000])
@pytest.mark.parametrize(("code", "rungs"), [(dense, {"affine"}), (bounded, {"affine", "nonlinear"})])
def test_many_mixtures_of_all_factors_are_no_blocks(code, rungs, n):
    drawn = [np.random.default_rng(seed).uniform(-1, 1, (n // 2, 4)) for seed in (1, 2)]
    climb = Ladder().climb(*(features(code(z), z) for z in drawn))
    assert climb.overall in rungs
    assert len(climb.strongest) == 4


@pytest.mark.parametrize(("dependent", "slope"), [(0.0, 1.0), (0.8, 0.7)])
@pytest.mark.parametrize("n", [200, 1000])
def test_waves_of_one_factor_each_are_blocks(n, dependent, slope):
    def encoded(seed):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(n, 4)) + dependent * rng.normal(size=(n, 1))
        return features(np.concatenate([np.sin(slope * z), np.cos(slope * z)], 1), z)

    assert Ladder().climb(encoded(1), encoded(2)).overall == "block"


def test_features_leak_what_they_tell_of_others():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2))
    rows = np.arange(400)
    alone = np.stack([np.sin(z[:, 0]), np.cos(z[:, 0])], 1)
    assert leak(fit(alone, z), rows, np.arange(2), [0]) < 0.1
    both = np.stack([z[:, 0] + 0.2 * z[:, 1], z[:, 0] - 0.2 * z[:, 1]], 1)
    assert leak(fit(both, z), rows, np.arange(2), [0]) > 0.9
    assert leak(fit(both, z), rows, np.arange(1), [0]) < 0.2
    bound = np.stack([z[:, 0], z[:, 0] + 0.3 * z[:, 1]], 1)
    assert leak(fit(bound[:, :1], bound), rows, np.arange(1), [0]) < LEAK
    assert leak(fit(both, z), rows[:8], np.arange(2), [0]) == 0
    assert leak(fit(both, z[:, :1]), rows, np.arange(2), [0]) == 0


def test_leaks_are_counted_beyond_what_factors_tell_of_each_other():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 1)) + 0.5 * rng.normal(size=(400, 2))
    assert np.corrcoef(z.T)[0, 1] ** 2 > 0.6
    assert leak(fit(z[:, :1] ** 3 + z[:, :1], z), np.arange(400), np.arange(1), [0]) < 0.2


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    m=st.integers(1, 12),
    noise=st.sampled_from([0.0, 0.3, 2.0]),
    junk=st.sampled_from([0.1, 1.0, 30.0]),
)
def test_a_rotation_is_as_near_as_a_permutation(seed, m, noise, junk):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(60, 3))
    h = junk * rng.normal(size=(60, m))
    own = rng.permutation(m)[:3]
    h[:, own] = z[:, : len(own)] + noise * rng.normal(size=(60, len(own)))
    errors = []
    for rung in (orthogonal, permutation):
        made = rung(fit(h, z))
        assert made is not None
        errors.append(np.square(made - z).sum())
    assert errors[0] <= errors[1] * (1 + 1e-6) + 1e-12


def test_a_permutation_is_a_rotation():
    assert "permutation" in WITHIN["orthogonal"]
    order = list(RUNGS)
    assert all(order.index(inner) < order.index(rung) for rung, within in WITHIN.items() for inner in within)


@pytest.mark.parametrize("junk", [1.0, 100.0])
def test_a_rotation_is_found_beside_other_features(junk):
    turn = ortho_group(4, seed=0).rvs()

    def encoded(seed):
        rng = np.random.default_rng(seed)
        z = rng.uniform(-1, 1, (500, 4))
        return features(np.concatenate([z @ turn, junk * rng.normal(size=(500, 6))], 1), z)

    assert Ladder().climb(encoded(1), encoded(2)).overall == "orthogonal"
