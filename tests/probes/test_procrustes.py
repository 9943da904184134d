import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag, orthogonal_procrustes
from scipy.stats import ortho_group

from kontrast.probes import Procrustes
from kontrast.probes.blocks import assign, equal_blocks, off_block
from kontrast.probes.rotations import rotation
from kontrast.views import Factor, Features


def split(h: np.ndarray, z: np.ndarray, factors: tuple[Factor, ...] = ()) -> tuple[Features, Features]:
    factors = factors or tuple(Factor(f"z{i}", low=-1.0) for i in range(z.shape[1]))
    half = len(h) // 2
    return Features(h[:half], latents=z[:half], factors=factors), Features(h[half:], latents=z[half:], factors=factors)


def sphere(n: int, d: int, seed: int = 0) -> np.ndarray:
    z = np.random.default_rng(seed).normal(size=(n, d))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 4))
    h = z @ rng.normal(size=(4, 4)) + rng.normal(size=(200, 4))
    turn, total = orthogonal_procrustes(h - h.mean(0), z - z.mean(0))
    found = rotation(z, h)
    np.testing.assert_allclose(found.turn, turn, atol=1e-10)
    assert found.scale == pytest.approx(total / np.square(h - h.mean(0)).sum())


def test_a_rotation_of_one_scale_scores_one() -> None:
    z = np.random.default_rng(0).uniform(-1, 1, (400, 6))
    turn = ortho_group(6, seed=0).rvs()
    scores = Procrustes()(*split(3 * z @ turn + 2, z))
    for name in (*(f"r2/z{i}" for i in range(6)), "r2/mean", "pooled_r2"):
        assert scores.values[name] == pytest.approx(1, abs=1e-12)
    assert scores.values["distortion"] == pytest.approx(0, abs=1e-12)
    assert scores.values["rigid_distortion"] == pytest.approx(8, abs=1e-10)
    assert scores.values["rigid_pooled_r2"] == pytest.approx(-3, abs=0.2)
    rigid = Procrustes()(*split(z @ turn + 2, z)).values
    assert rigid["rigid_r2/mean"] == pytest.approx(1, abs=1e-12)
    assert rigid["rigid_distortion"] == pytest.approx(0, abs=1e-12)
    assert "cosine" not in rigid


def test_an_affine_map_is_no_rotation() -> None:
    z = np.random.default_rng(0).normal(size=(4000, 3))
    sizes = np.array([1.0, 2.0, 3.0])
    scores = Procrustes()(*split(z * sizes, z))
    gram = np.square(sizes)
    expected = np.linalg.norm(gram / gram.mean() - 1) / math.sqrt(3)
    assert scores.values["distortion"] == pytest.approx(expected, abs=1e-10)
    assert scores.values["rigid_distortion"] == pytest.approx(np.linalg.norm(gram - 1) / math.sqrt(3), abs=1e-10)
    scale = sizes.sum() / gram.sum()
    assert scores.values["r2/mean"] == pytest.approx(1 - np.square(1 - scale * sizes).mean(), abs=0.01)


def test_latents_on_the_sphere_have_a_cosine() -> None:
    z = sphere(2000, 5)
    turn = ortho_group(5, seed=1).rvs()
    noisy = z @ turn + 0.3 * np.random.default_rng(1).normal(size=z.shape)
    scores = Procrustes()(*split(7 * z @ turn, z))
    assert scores.values["cosine"] == pytest.approx(1, abs=1e-12)
    near = Procrustes()(*split(noisy, z))
    inner = (noisy @ turn.T * z).sum(1) / np.linalg.norm(noisy, axis=1)
    assert near.values["cosine"] == pytest.approx(inner[1000:].mean(), abs=0.003)
    assert abs(near.null["cosine"]) < 0.05
    low, high = near.interval["cosine"]
    assert low < near.values["cosine"] < high


def test_features_in_more_dimensions_may_hold_a_rotated_copy() -> None:
    z = np.random.default_rng(0).normal(size=(2000, 3))
    frame = ortho_group(8, seed=0).rvs()[:3]
    scores = Procrustes()(*split(2 * z @ frame, z))
    assert scores.values["r2/mean"] == pytest.approx(1, abs=1e-10)
    assert "only lie in a rotated subspace" in scores.warnings["r2/mean"]
    lost = Procrustes()(*split(z[:, :2], z))
    assert lost.values["r2/mean"] == pytest.approx(2 / 3, abs=0.01)
    assert "2 features for 3 factors: 1 directions are lost" in lost.warnings[""]


def test_blocks_that_are_rotated_within_have_no_energy_outside() -> None:
    rng = np.random.default_rng(0)
    z = sphere(4000, 6)
    turn = block_diag(ortho_group(2, seed=0).rvs(), ortho_group(4, seed=1).rvs())
    h = (z @ turn)[:, rng.permutation(6)]
    blocks = (("z0", "z1"), ("z2", "z3", "z4", "z5"))
    by_name = Procrustes(blocks=blocks)(*split(h, z))
    by_value = Procrustes(precisions=(25.0, 25.0, 5.0, 5.0, 5.0, 5.0))(*split(h, z))
    assert by_name.values["off_block"] == pytest.approx(0, abs=1e-12)
    assert by_value.values == pytest.approx(by_name.values, abs=1e-12)
    mixed = Procrustes(blocks=blocks)(*split(z @ ortho_group(6, seed=2).rvs(), z))
    assert 0.15 < mixed.values["off_block"] < 0.5
    assert by_name.null["off_block"] > 0.15
    assert "off_block" not in Procrustes()(*split(h, z)).values


def test_features_are_assigned_to_blocks() -> None:
    weight = np.array([[1.0, 0.2, 0.1], [0.9, 0.1, 0.0], [0.1, 0.1, 2.0]])
    blocks = [[0], [1, 2]]
    assert assign(weight, blocks).tolist() == [1, 0, 1] or assign(weight, blocks).tolist() == [0, 1, 1]
    assert assign(weight[[0, 1, 2, 2]], blocks).tolist() == [0, 0, 1, 1]
    assert off_block(weight, blocks, np.array([0, 0, 1])) == pytest.approx(
        (0.05 + 0.01 + 0.01) / np.square(weight).sum()
    )
    assert equal_blocks((5.0, 25.0, 5.0), "abc") == (("a", "c"), ("b",))


def test_standardizing_is_for_factors_of_different_units() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3))
    h = z @ ortho_group(3, seed=0).rvs()
    factors = (Factor("a"), Factor("b", high=100.0), Factor("c"))
    pair = split(h, z * [1, 100, 1], factors)
    plain, alike = Procrustes()(*pair), Procrustes(standardize=True)(*pair)
    assert "write" not in plain.warnings[""]
    assert "standardize=True" in plain.warnings[""]
    assert plain.values["r2/mean"] < 0.9
    assert alike.values["r2/mean"] == pytest.approx(1, abs=0.01)
    assert "" not in alike.warnings


def test_noise_scores_zero_and_its_null_too() -> None:
    rng = np.random.default_rng(0)
    scores = Procrustes()(*split(rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4))))
    assert abs(scores.values["r2/mean"]) < 0.02
    assert abs(scores.null["r2/mean"]) < 0.02
    assert scores.null["distortion"] > 0.5


def test_what_it_cannot_do_is_said() -> None:
    z = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(ValueError, match="not both; write"):
        Procrustes(blocks=(("z0",),), precisions=(1.0, 2.0))
    with pytest.raises(ValueError, match="did you mean"):
        Procrustes(blocks=(("z9",),))(*split(z, z))
    with pytest.raises(ValueError, match="each factor belongs to one block"):
        Procrustes(blocks=(("z0",), ("z0", "z1")))(*split(z, z))
    with pytest.raises(ValueError, match="3 precisions for 2 continuous factors"):
        Procrustes(precisions=(1.0, 2.0, 3.0))(*split(z, z))
    with pytest.raises(ValueError, match="there is none here"):
        Procrustes().check(Features(z, latents=np.abs(z[:, :1]), factors=(Factor("a", "periodic"),)))
    with pytest.raises(ValueError, match="every continuous factor is constant"):
        Procrustes()(*split(z, np.ones((40, 2))))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-2, 1e2), shift=st.floats(-100, 100))
def test_invariant_to_rotations_scale_and_origin_of_features(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 4))
    h = z @ rng.normal(size=(4, 4)) + 0.3 * rng.normal(size=(200, 4))
    turn = ortho_group(4, seed=seed).rvs()
    plain, other = (Procrustes(permutations=0, resamples=0)(*split(v, z)).values for v in (h, scale * h @ turn + shift))
    for name in (*(f"r2/z{i}" for i in range(4)), "r2/mean", "pooled_r2", "distortion"):
        assert plain[name] == pytest.approx(other[name], abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_pooled_is_invariant_to_rotations_of_factors(seed: int) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 4))
    h = z @ rng.normal(size=(4, 4)) + 0.3 * rng.normal(size=(200, 4))
    turn = ortho_group(4, seed=seed).rvs()
    plain, other = (Procrustes(permutations=0, resamples=0)(*split(h, w)).values for w in (z, z @ turn))
    for name in ("pooled_r2", "rigid_pooled_r2", "distortion", "rigid_distortion"):
        assert plain[name] == pytest.approx(other[name], abs=1e-10)


@pytest.mark.parametrize("n", [400, 4000])
@pytest.mark.parametrize("junk", ["noisy copy", "large noise"])
def test_features_that_hold_no_factor_do_not_hide_a_rotation(junk: str, n: int) -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, (n, 4))
    own = z @ ortho_group(4, seed=0).rvs()
    noise = rng.normal(size=(n, 4))
    h = np.concatenate([own, 3 * own + 3 * noise if junk == "noisy copy" else 100 * noise], 1)
    assert Procrustes(permutations=0, resamples=0)(*split(h, z)).values["r2/mean"] > 0.99
    found = rotation(z, h)
    np.testing.assert_allclose(found.turn.T @ found.turn, np.eye(4), atol=1e-12)


def test_a_dense_code_of_more_features_is_no_rotation_though_some_orthonormal_columns_reach_it() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3))
    left, _, right = np.linalg.svd(rng.normal(size=(3, 8)), full_matrices=True)
    sizes = np.array([1.0, 0.3, 0.1])
    h = z @ left @ np.diag(sizes) @ right[:3]
    short = np.diag(0.1 / sizes)
    turn = right[:3].T @ short @ left.T + right[3:6].T @ np.sqrt(np.eye(3) - short**2) @ left.T
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(10 * h @ turn, z, atol=1e-10)
    assert Procrustes(permutations=0, resamples=0)(*split(h, z)).values["r2/mean"] < 0.9


def test_few_rows_of_many_features_keep_the_directions_of_most_covariance() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(160, 3))
    h = 3 * z @ ortho_group(60, seed=0).rvs()[:3] + 0.3 * rng.normal(size=(160, 60))
    assert Procrustes(permutations=0, resamples=0)(*split(h, z)).values["r2/mean"] > 0.9


def test_the_protocol_says_what_describes_the_test_rows() -> None:
    z = np.random.default_rng(0).normal(size=(40, 2))
    assert "distortion and off_block of the affine map" in Procrustes(permutations=0)(*split(z, z)).protocol
