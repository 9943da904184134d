import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata, spearmanr, special_ortho_group

from kontrast.probes import MCC
from kontrast.probes.dependence import rdc
from kontrast.probes.matching import correlations, crossed, match
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
    kinds = ("pearson", "spearman", "rdc")
    assert list(scores.values) == [
        *("mcc/pearson", "mcc/spearman", *(f"mcc/pearson/z{i}" for i in range(5)), "mcc/rdc"),
        *(f"{variant}_mcc/{kind}" for variant in ("matched", "in_sample") for kind in kinds),
    ]
    assert scores.values == pytest.approx(dict.fromkeys(scores.values, 1.0), abs=1e-5)
    exact = [name for name in scores.values if not name.endswith("rdc")]
    assert [scores.values[name] for name in exact] == pytest.approx([1.0] * len(exact), abs=1e-12)
    assert scores.null["mcc/pearson"] == pytest.approx(0, abs=0.03)


def test_the_matching_and_the_sign_come_from_train() -> None:
    train = np.array([[0.9, 0.2], [0.1, -0.8]])
    test = np.array([[0.5, 0.95], [0.95, 0.4]])
    np.testing.assert_allclose(crossed(train, test), [0.5, -0.4])


def test_rotations_of_ten_uniform_factors_score_059_on_average() -> None:
    z = uniform(2000, 10)
    rotations = special_ortho_group(10, seed=0).rvs(30)
    found = [MCC(permutations=0, resamples=0)(*split(z @ rotation, z)).values["mcc/pearson"] for rotation in rotations]
    assert np.mean(found) == pytest.approx(0.59, abs=0.015)
    assert 0.02 < np.std(found) < 0.06


@pytest.mark.parametrize(("rows", "codes", "level"), [(1000, 10, 0.054), (4096, 10, 0.027), (1000, 512, 0.104)])
def test_noise_has_a_level_in_sample_and_none_of_ours(rows: int, codes: int, level: float) -> None:
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(10, 2 * rows, 10)), rng.normal(size=(10, 2 * rows, codes))
    usual = np.mean([in_sample(a[:rows], b[:rows]) for a, b in zip(z, h, strict=True)])
    assert usual == pytest.approx(level, abs=0.004)
    tables = [
        [correlations(a[half], b[half]) for half in np.split(np.arange(2 * rows), 2)] for a, b in zip(z, h, strict=True)
    ]
    ours = [float(np.mean(crossed(*pair))) for pair in tables]
    assert np.mean(ours) == pytest.approx(0, abs=4 / math.sqrt(rows * 100))
    probed = MCC(permutations=0, resamples=0)(*split(h[0], z[0])).values["mcc/pearson"]
    assert probed == pytest.approx(ours[0], abs=1e-12)


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
    assert [name for name in scores.values if name.startswith("mcc/pearson/")] == ["mcc/pearson/x"]
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
    for name, value in plain.items():
        assert other[name] == pytest.approx(value, abs=1e-5 if name.endswith("rdc") else 1e-10)


@settings(deadline=None, max_examples=40)
@given(power=st.sampled_from([1 / 3, 3, 5]), scale=st.floats(0.1, 10), exponential=st.booleans())
def test_spearman_is_invariant_to_monotone_maps(power: float, scale: float, exponential: bool) -> None:
    z = uniform(300, 4)
    h = z @ np.random.default_rng(1).normal(size=(4, 4))
    bent = np.exp(scale * h) if exponential else np.sign(h) * np.abs(scale * h) ** power
    plain, other = (MCC(permutations=0)(*split(v, z)).values for v in (h, bent))
    assert other["mcc/spearman"] == pytest.approx(plain["mcc/spearman"], abs=1e-12)
    assert np.argsort(bent, 0).tolist() == np.argsort(h, 0).tolist()


def peers(z: np.ndarray, h: np.ndarray, spearman: bool = False) -> float:
    """What icebeem and cl-ica report: the mean of the matched absolute correlations of these very rows."""
    d = z.shape[1]
    table = np.abs(spearmanr(z, h).statistic if spearman else np.corrcoef(z, h, rowvar=False))[:d, d:]
    return float(table[linear_sum_assignment(-table)].mean())


@pytest.mark.parametrize("codes", [3, 5, 9])
def test_in_sample_is_what_others_report(codes: int) -> None:
    rng = np.random.default_rng(codes)
    z = rng.normal(size=(400, 5))
    h = z @ rng.normal(size=(5, codes)) + rng.normal(size=(400, codes))
    values = MCC(permutations=0)(*split(h, z)).values
    assert values["in_sample_mcc/pearson"] == pytest.approx(peers(z[200:], h[200:]), abs=1e-12)
    assert values["in_sample_mcc/spearman"] == pytest.approx(peers(z[200:], h[200:], spearman=True), abs=1e-12)
    fewer = min(5, codes)
    assert values["matched_mcc/pearson"] == pytest.approx(values["mcc/pearson"] * 5 / fewer, abs=1e-12)


def test_out_of_sample_without_the_sign_is_what_icebeem_reports() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 4))
    h = z @ rng.normal(size=(4, 4)) + 0.1 * rng.normal(size=(400, 4))
    tables = [np.corrcoef(z[rows], h[rows], rowvar=False)[:4, 4:] for rows in (slice(200), slice(200, 400))]
    pairs = linear_sum_assignment(-np.abs(tables[0]))
    assert (np.sign(tables[0][pairs]) == np.sign(tables[1][pairs])).all()
    expected = np.abs(tables[1][pairs]).mean()
    assert MCC(permutations=0)(*split(h, z)).values["mcc/pearson"] == pytest.approx(expected, abs=1e-12)


def test_dropped_codes_are_one_in_public_numbers_and_warned_about() -> None:
    z = uniform(2000, 10)
    scores = MCC()(*split(z[:, :4], z))
    for kind in ("pearson", "spearman"):
        assert scores.values[f"mcc/{kind}"] == pytest.approx(0.4)
        assert scores.values[f"matched_mcc/{kind}"] == pytest.approx(1)
        assert scores.values[f"in_sample_mcc/{kind}"] == pytest.approx(1)
    for name in ("matched_mcc/pearson", "in_sample_mcc/rdc"):
        assert "6 factors cannot be found, and are left out of the mean" in scores.warnings[name]
    assert "mcc/pearson" not in scores.warnings


def test_more_codes_than_factors_are_warned_about() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3))
    scores = MCC()(*split(np.concatenate([np.sin(z), np.cos(z)], 1), z))
    assert scores.warnings[""].startswith("6 features for 3 factors: a factor that several features share")
    assert "compare with the null" in scores.warnings["in_sample_mcc/pearson"]
    assert MCC()(*split(z, z)).warnings == {}


def test_padding_matches_noise_as_for_kitti() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3))
    h = np.concatenate([z + 0.5 * rng.normal(size=z.shape), rng.normal(size=(2000, 4))], 1)
    scores = MCC(padded=True, permutations=0, seed=5)(*split(h, z))
    noise = np.random.default_rng(6).normal(size=(1000, 4))
    table = np.abs(spearmanr(np.concatenate([z[1000:], noise], 1), h[1000:]).statistic[:7, 7:])
    rows, columns = linear_sum_assignment(-table)
    expected = table[rows, columns][:3].mean()
    assert scores.values["in_sample_mcc/spearman"] == pytest.approx(expected, abs=1e-12)
    assert list(scores.values)[2:5] == ["mcc/pearson/z0", "mcc/pearson/z1", "mcc/pearson/z2"]
    assert "4 columns of noise beside the factors" in scores.protocol


def test_rdc_sees_what_is_not_monotone() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 3))
    h = np.stack([z[:, 2] ** 2, np.abs(z[:, 0]), np.cos(z[:, 1])], 1)
    values = MCC(permutations=0)(*split(h, z)).values
    assert values["mcc/rdc"] > 0.99
    assert abs(values["mcc/spearman"]) < 0.1
    noise = MCC(permutations=0)(*split(rng.normal(size=(4000, 3)), z)).values
    assert abs(noise["mcc/rdc"]) < 0.05 < noise["in_sample_mcc/rdc"]


def test_rdc_agrees_with_a_plain_restatement() -> None:
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(500, 2)), rng.normal(size=(500, 2))
    h[:, 0] += z[:, 1] ** 2
    for i, j in itertools.product(range(2), range(2)):
        waves = []
        for column, seed in ((z[:, i], 0), (h[:, j], 1)):
            slope, phase = np.random.default_rng(seed).normal(size=(2, 10)) * math.sqrt(1 / 6)
            u = (rankdata(column) - 0.5) / 500 - 0.5
            made = np.concatenate([np.sin(phase + np.outer(u, s * slope)) for s in (1, -1)], 1)
            left, size, _ = np.linalg.svd(made - made.mean(0), full_matrices=False)
            waves.append(left[:, size**2 > 1e-8 * size[0] ** 2])
        expected = np.linalg.svd(waves[0].T @ waves[1])[1][0]
        assert rdc(z, h)[i, j] == pytest.approx(expected, abs=1e-6)


def test_intervals_hold_the_values() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1000, 3))
    scores = MCC()(*split(z + rng.normal(size=z.shape), z))
    assert list(scores.interval) == list(scores.values)
    for name, (low, high) in scores.interval.items():
        assert low <= scores.values[name] <= high
        assert high - low < 0.2
    r = scores.values["mcc/pearson/z0"]
    low, high = scores.interval["mcc/pearson/z0"]
    assert high - low == pytest.approx(2 * 1.96 * (1 - r**2) / math.sqrt(500), rel=0.25)


def test_shows_the_table_of_correlations() -> None:
    z = uniform(200, 3)
    (panel,) = MCC()(*split(z[:, [2, 0, 1]], z)).panels
    assert panel.rows == ("z0", "z1", "z2")
    assert panel.columns == ("2", "3", "1")
    np.testing.assert_allclose(np.diag(panel.values), 1, atol=1e-12)
