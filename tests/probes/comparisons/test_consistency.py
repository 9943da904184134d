"""Consistency over runs: declared indeterminacies, held out, with the faults of others mended."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.panels import Heat
from kontrast.probes import Consistency
from kontrast.probes.comparisons.components import independent
from kontrast.probes.comparisons.indeterminacy import fit
from kontrast.probes.comparisons.rows import mean_of_pairs, over_runs
from kontrast.views import Features

BY = ("identity", "permutation", "orthogonal", "affine")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape)


def rotation(d, seed):
    return np.linalg.qr(drawn(d, d, seed=seed))[0]


def ask(comparison, *codes):
    half = len(codes[0]) // 2
    return comparison([Features(h[:half]) for h in codes], [Features(h[half:]) for h in codes])


def scored(by, *codes, **options):
    return ask(Consistency(by=by, permutations=0, **options), *codes).values[f"consistency/{by}"]


def test_order_sign_shift_and_scale_are_a_permutation():
    """Codes (1 - z3, 1 - z1, 1 - z2) of uncentered z, and 2 h, are the same up to a permutation."""
    z = uniform(400, 3)
    h = 1 - z[:, [2, 0, 1]]
    assert scored("permutation", z, h) == pytest.approx(1, abs=1e-12)
    assert scored("permutation", z, 2 * h) == pytest.approx(1, abs=1e-12)
    assert scored("permutation", z, h, scale=False) == pytest.approx(1, abs=1e-12)
    assert scored("permutation", z, 2 * h, scale=False) == pytest.approx((0.75 + 0) / 2, abs=0.03)
    assert scored("identity", z, h) < -0.5


@pytest.mark.parametrize("by", BY)
def test_each_class_undoes_its_own_maps_and_no_wider_ones(by):
    z = uniform(600, 4)
    maps = {
        "identity": z,
        "permutation": (-3 * z + 5)[:, [1, 3, 0, 2]],
        "orthogonal": 2 * z @ rotation(4, 1) + 1,
        "affine": z @ (drawn(4, 4, seed=2) + 2 * np.eye(4)) - 3,
    }
    for name, h in maps.items():
        score = scored(by, z, h)
        if BY.index(name) <= BY.index(by) and (by, name) != ("orthogonal", "permutation"):
            assert score == pytest.approx(1, abs=1e-10)
        elif (by, name) != ("orthogonal", "permutation"):
            assert score < 0.99
    assert scored("orthogonal", z, maps["permutation"]) == pytest.approx(1, abs=1e-10)  # all of one scale
    assert scored("orthogonal", z, z * [1, 1, 1, 9]) < 0.9
    assert scored("orthogonal", z, 2 * z, scale=False) < 0.9


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), unit=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_scores_are_invariant_under_their_class(seed, unit, shift):
    z, noise = drawn(200, 3, seed=seed), drawn(200, 3, seed=seed + 1)
    h = z @ (drawn(3, 3, seed=5) + np.eye(3)) + 0.5 * noise
    rng = np.random.default_rng(seed)
    order, signs = rng.permutation(3), rng.choice([-1, 1], 3)
    for by, other in {
        "permutation": (h * signs * unit + shift)[:, order],
        "orthogonal": unit * h @ rotation(3, seed) + shift,
        "affine": unit * h @ rotation(3, seed) + shift,
    }.items():
        assert scored(by, z, other) == pytest.approx(scored(by, z, h), abs=1e-9)


@pytest.mark.parametrize("scale", [True, False])
def test_procrustes_is_the_best_orthogonal_map(scale):
    x, y = drawn(50, 3), drawn(50, 3, seed=1) + drawn(50, 3)
    best = fit("orthogonal", x, y, scale)
    error = np.square(y - best(x)).sum()
    assert np.allclose(best.weight @ best.weight.T, np.eye(3) * np.square(best.weight[0]).sum())
    for seed in range(50):
        turn = rotation(3, seed) @ np.diag([1, 1, -1]) if seed % 2 else rotation(3, seed)
        for factor in np.linspace(0.1, 2, 9) if scale else (1.0,):
            tried = factor * x @ turn
            assert np.square(y - tried - (y - tried).mean(0)).sum() >= error - 1e-9


def test_affine_maps_are_least_squares_with_intercept():
    x, y = drawn(80, 3) + 4, drawn(80, 2, seed=1)
    design = np.concatenate([x, np.ones((80, 1))], 1)
    solved = np.linalg.lstsq(design, y, rcond=None)[0]
    found = fit("affine", x, y)
    np.testing.assert_allclose(found.weight, solved[:3], atol=1e-12)
    np.testing.assert_allclose(found.shift, solved[3], atol=1e-12)


def test_the_table_is_the_mean_over_ordered_pairs_held_out():
    codes = [drawn(100, 2, seed=s) + drawn(100, 2, seed=9) for s in range(3)]
    scores = ask(Consistency(by="affine"), *codes)
    table = []
    for i in range(3):
        for j in range(3):
            if i != j:
                design = np.concatenate([codes[i], np.ones((100, 1))], 1)
                weight = np.linalg.lstsq(design[:50], codes[j][:50], rcond=None)[0]
                y, error = codes[j][50:], codes[j][50:] - design[50:] @ weight
                table.append(1 - np.square(error).sum() / np.square(y - y.mean(0)).sum())
    assert scores.values["consistency/affine"] == pytest.approx(np.mean(table), abs=1e-12)
    (panel,) = scores.panels
    assert isinstance(panel, Heat)
    assert panel.values[0][1:] == pytest.approx(tuple(table[:2]))
    assert panel.values[1][1] == 1
    assert scores.null["consistency/affine"] == pytest.approx(-0.05, abs=0.1)
    assert "6 ordered pairs" in scores.protocol


def test_noise_agrees_with_nothing_but_in_sample():
    codes = [drawn(400, 20, seed=s) for s in range(3)]
    scores = ask(Consistency(in_sample=True, pooled=False), *codes)
    assert scores.values["consistency/affine"] < 0.02
    assert scores.values["consistency/in-sample"] == pytest.approx(20 / 199, abs=0.01)
    assert scores.null["consistency/in-sample"] == pytest.approx(20 / 199, abs=0.01)


def test_in_sample_is_linear_regression_of_scikit_learn():
    from sklearn.linear_model import LinearRegression

    codes = [drawn(60, 3, seed=s) + drawn(60, 3, seed=9) for s in range(2)]
    x, y = codes[0][30:], codes[1][30:]
    expected = (LinearRegression().fit(x, y).score(x, y) + LinearRegression().fit(y, x).score(y, x)) / 2
    found = ask(Consistency(in_sample=True), *codes).values["consistency/in-sample"]
    assert found == pytest.approx(expected, abs=1e-12)


def test_independent_components_undo_a_linear_mixing():
    z = uniform(4000, 3)
    codes = [z @ (drawn(3, 3, seed=s) + 2 * np.eye(3)) for s in range(3)]
    scores = ask(Consistency(by="permutation", ica=True), *codes)
    assert scores.values["consistency/permutation"] < 0.9
    assert scores.values["consistency/ica"] > 0.99
    assert list(ask(Consistency(ica=True, permutations=0), *codes).values) == [
        "consistency/affine",
        "consistency/permutation",
        "consistency/ica",
    ]
    assert len(scores.panels) == 2


def test_independent_components_of_what_is_degenerate():
    flat = independent(np.ones((50, 3)), np.ones((20, 3)), 0)
    assert flat.train.shape == (50, 1) and not flat.train.any() and flat.test.shape == (20, 1)
    wide = uniform(500, 2) @ drawn(2, 5)
    assert independent(wide, wide[:9], 0).test.shape == (9, 2)
    twice = [independent(wide, wide, 3).train for _ in range(2)]
    np.testing.assert_array_equal(*twice)


def test_a_warning_always_says_that_consistent_is_not_correct():
    z = uniform(100, 2)
    for by in BY:
        assert "consistent is not correct" in ask(Consistency(by=by), z, z + 0.0).warnings[""]


def test_intervals_are_over_runs():
    codes = [drawn(300, 2, seed=s) + drawn(300, 2, seed=99) for s in range(4)]
    assert not ask(Consistency(), *codes[:2]).interval
    scores = ask(Consistency(), *codes)
    low, high = scores.interval["consistency/affine"]
    assert low < scores.values["consistency/affine"] < high <= 1
    assert over_runs(np.ones((4, 4))) == (1, 1)


def test_the_interval_knows_that_pairs_share_runs():
    """Tables whose entries are q_i q_j: the width is that of other runs, not of independent pairs."""
    rng = np.random.default_rng(0)
    means, halves = [], []
    for _ in range(400):
        quality = rng.uniform(0.5, 0.9, 8)
        table = np.outer(quality, quality)
        low, high = over_runs(table)
        means.append(mean_of_pairs(table))
        halves.append((high - low) / 2)
    covered = np.mean([abs(m - 0.49) < h for m, h in zip(means, halves, strict=True)])
    assert covered == pytest.approx(0.95, abs=0.03)


def test_constant_codes_and_unequal_dimensions():
    z = uniform(100, 3)
    scores = ask(Consistency(), z, np.ones((100, 3)))
    assert scores.values["consistency/affine"] == pytest.approx(0, abs=0.1)
    assert np.isfinite(list(scores.values.values())).all()
    for by in BY:
        scored(by, np.ones((100, 3)), np.zeros((100, 3)))
    assert scored("permutation", z, z[:, :2]) == pytest.approx((1 + 2 / 3) / 2, abs=0.05)
    with pytest.raises(ValueError, match="3 and 2 dimensions cannot be identical"):
        scored("identity", z, z[:, :2])


@pytest.mark.parametrize(
    ("said", "make"),
    [
        ("two or more runs, not 1", lambda z: ([z[:50]], [z[50:]])),
        ("did not encode the same rows", lambda z: ([z[:50], z[:40]], [z[50:], z[50:]])),
        ("nothing would be held out", lambda z: ([z, z], [z, z])),
        ("3 and 2 dimensions", lambda z: ([z[:50], z[:50]], [z[50:], z[50:, :2]])),
        ("NaN or infinite", lambda z: ([z[:50], z[:50] / 0], [z[50:], z[50:]])),
        ("cannot fit an affine map", lambda z: ([z[:4], z[:4]], [z[50:], z[50:]])),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_one_sentence(said, make):
    train, test = (list(map(Features, split)) for split in make(uniform(100, 3) + 1))
    with pytest.raises(ValueError, match=said) as error:
        Consistency()(train, test)
    assert "\n" not in str(error.value)


def test_rows_are_the_same_by_their_numbers_and_hashes():
    z = uniform(40, 2)
    train = [Features(z[:20])] * 2
    for one, other in (
        ({"index": np.arange(20)}, {"index": np.arange(1, 21)}),
        ({"digest": np.arange(20, dtype=np.uint64)}, {"digest": np.zeros(20, np.uint64)}),
        ({"origin": "a"}, {"origin": "b"}),
    ):
        with pytest.raises(ValueError, match="did not encode the same rows"):
            Consistency()(train, [Features(z[20:], **one), Features(z[20:], **other)])


@pytest.mark.parametrize(
    ("options", "said"), [({"by": "linear"}, "by=affine"), ({"permutations": -1}, "permutations=1")]
)
def test_options_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        Consistency(**options)
