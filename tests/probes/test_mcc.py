import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr, special_ortho_group

from kontrast.probes import MCC
from kontrast.probes.mcc import correlations, crossed, match
from kontrast.views import Factor, Features


def split(h: np.ndarray, z: np.ndarray, factors: tuple[Factor, ...] = ()) -> tuple[Features, Features]:
    factors = factors or tuple(Factor(f"z{i}") for i in range(z.shape[1]))
    half = len(h) // 2
    return Features(h[:half], latents=z[:half], factors=factors), Features(h[half:], latents=z[half:], factors=factors)


def in_sample(z: np.ndarray, h: np.ndarray) -> float:
    """The usual number: matched and scored on the same rows."""
    found = correlations(z, h)
    return float(np.abs(found[match(found)]).sum() / z.shape[1])


def uniform(n: int = 2000, d: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, d))


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
def test_agrees_with_the_best_of_all_permutations(d: int) -> None:
    rng = np.random.default_rng(d)
    z = rng.normal(size=(60, d))
    h = z @ rng.normal(size=(d, d)) + rng.normal(size=(60, d))
    table = np.abs(np.corrcoef(z, h, rowvar=False)[:d, d:])
    best = max(np.mean([table[i, p[i]] for i in range(d)]) for p in itertools.permutations(range(d)))
    assert in_sample(z, h) == pytest.approx(best, abs=1e-12)


def test_correlations_agree_with_numpy_and_scipy() -> None:
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(50, 3)), rng.integers(0, 4, (50, 2)) * 1.0
    np.testing.assert_allclose(correlations(z, h), np.corrcoef(z, h, rowvar=False)[:3, 3:], atol=1e-14)
    h_test = 2 * z + h[:, [0, 1, 0]]
    scores = MCC(permutations=0)(*split(np.concatenate([h_test, h_test]), np.concatenate([z, z])))
    expected = np.mean([spearmanr(z[:, i], h_test[:, i]).statistic for i in range(3)])
    assert scores.values["mcc/spearman"] == pytest.approx(expected, abs=1e-12)


def test_factors_up_to_order_sign_and_scale_score_one() -> None:
    z = uniform()
    h = (3 * z * [1, -1, 2, -0.1, 5] + 7)[:, [3, 0, 4, 1, 2]]
    scores = MCC()(*split(h, z))
    assert list(scores.values) == ["mcc/pearson", "mcc/spearman", *(f"mcc/pearson/z{i}" for i in range(5))]
    assert scores.values == pytest.approx(dict.fromkeys(scores.values, 1.0), abs=1e-12)
    assert scores.null["mcc/pearson"] == pytest.approx(0, abs=0.03)


def test_the_matching_and_the_sign_come_from_train() -> None:
    train = np.array([[0.9, 0.2], [0.1, -0.8]])
    test = np.array([[0.5, 0.95], [0.95, 0.4]])
    np.testing.assert_allclose(crossed(train, test), [0.5, -0.4])


def test_rotations_of_ten_uniform_factors_score_059_on_average() -> None:
    z = uniform(8000, 10)
    rotations = special_ortho_group(10, seed=0).rvs(30)
    found = [MCC(permutations=0)(*split(z @ rotation, z)).values["mcc/pearson"] for rotation in rotations]
    assert np.mean(found) == pytest.approx(0.59, abs=0.015)
    assert 0.02 < np.std(found) < 0.06


@pytest.mark.parametrize(("rows", "codes", "level"), [(1000, 10, 0.054), (4096, 10, 0.027), (1000, 512, 0.104)])
def test_noise_has_a_level_in_sample_and_none_of_ours(rows: int, codes: int, level: float) -> None:
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(10, 2 * rows, 10)), rng.normal(size=(10, 2 * rows, codes))
    usual = np.mean([in_sample(a[:rows], b[:rows]) for a, b in zip(z, h, strict=True)])
    assert usual == pytest.approx(level, abs=0.004)
    ours = np.mean([MCC(permutations=0)(*split(b, a)).values["mcc/pearson"] for a, b in zip(z, h, strict=True)])
    assert ours == pytest.approx(0, abs=4 / math.sqrt(rows * 100))


@pytest.mark.parametrize("codes", [1, 5, 9])
def test_too_few_codes_do_not_score_one(codes: int) -> None:
    z = uniform(2000, 10)
    scores = MCC()(*split(z[:, :codes], z))
    assert scores.values["mcc/pearson"] == pytest.approx(codes / 10, abs=1e-12)
    assert scores.values["mcc/spearman"] == pytest.approx(codes / 10, abs=1e-12)
    assert scores.values["mcc/pearson/z9"] == 0
    assert f"{10 - codes} factors without a feature count as 0" in scores.protocol


def test_more_codes_than_factors() -> None:
    z = uniform(2000, 3)
    h = np.concatenate([np.random.default_rng(0).normal(size=(2000, 20)), -z], 1)
    assert MCC()(*split(h, z)).values["mcc/pearson"] == pytest.approx(1, abs=1e-12)


def test_constant_columns_count_as_zero_and_are_counted() -> None:
    z = uniform(400, 3)
    h = z.copy()
    h[200:, 1] = 0.1
    scores = MCC()(*split(h, z))
    assert scores.values["mcc/pearson"] == pytest.approx(2 / 3, abs=1e-12)
    assert "1 constant features correlate 0" in scores.protocol
    still = z.copy()
    still[:, 2] = 0.1
    scores = MCC()(*split(z, still))
    assert scores.values["mcc/pearson"] == pytest.approx(2 / 3, abs=1e-12)
    assert "1 constant factors count as 0" in scores.protocol
    assert set(MCC()(*split(np.ones((400, 3)), z)).values.values()) == {0.0}


def test_only_continuous_factors_take_part() -> None:
    z = uniform(400, 3)
    latents = np.column_stack([np.abs(z[:, 0]), z[:, 1], np.arange(400) % 2])
    factors = (Factor("angle", "periodic"), Factor("x"), Factor("shape", "discrete", size=2))
    scores = MCC()(*split(z, latents, factors))
    assert set(scores.values) == {"mcc/pearson", "mcc/spearman", "mcc/pearson/x"}
    assert scores.values["mcc/pearson"] == pytest.approx(1)
    assert "1 factors matched to 3 features on 200 rows and scored on 200" in scores.protocol
    assert "angle (periodic) and shape (discrete) left out" in scores.protocol
    with pytest.raises(ValueError, match="of which there is none"):
        MCC().check(Features(z[:, :1], latents=z[:, :1], factors=(Factor("angle", "periodic"),)))


def test_the_seed_moves_the_null_and_nothing_else() -> None:
    pair = split(uniform(200) ** 3, uniform(200))
    one, other = MCC(seed=1)(*pair), MCC(seed=2)(*pair)
    assert one.values == other.values
    assert one.null != other.null
    assert MCC(permutations=0)(*pair).null == {}
    with pytest.raises(ValueError, match="; write "):
        MCC(seed=-1)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100))
def test_invariant_to_order_sign_and_scale(seed: int, shift: float) -> None:
    z = uniform(300, 4)
    h = z @ np.random.default_rng(1).normal(size=(4, 6))
    rng = np.random.default_rng(seed)
    units, flips = np.exp(rng.uniform(-5, 5, 6)), rng.choice([-1, 1], 6)
    moved = ((h + shift) * units * flips)[:, rng.permutation(6)]
    plain, other = (MCC(permutations=0)(*split(v, z)).values for v in (h, moved))
    assert plain == pytest.approx(other, abs=1e-10)


@settings(deadline=None, max_examples=40)
@given(power=st.sampled_from([1 / 3, 3, 5]), scale=st.floats(0.1, 10), exponential=st.booleans())
def test_spearman_is_invariant_to_monotone_maps(power: float, scale: float, exponential: bool) -> None:
    z = uniform(300, 4)
    h = z @ np.random.default_rng(1).normal(size=(4, 4))
    bent = np.exp(scale * h) if exponential else np.sign(h) * np.abs(scale * h) ** power
    plain, other = (MCC(permutations=0)(*split(v, z)).values for v in (h, bent))
    assert other["mcc/spearman"] == pytest.approx(plain["mcc/spearman"], abs=1e-12)
    assert np.argsort(bent, 0).tolist() == np.argsort(h, 0).tolist()
