import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from kontrast.probes import Recovery, Scores
from kontrast.views import Factor, Features

TURN = 2 * math.pi
ANGLE = Factor("angle", "periodic", 0.0, TURN)


def split(values: np.ndarray, latents: np.ndarray, factors: tuple[Factor, ...] = ()) -> tuple[Features, Features]:
    factors = factors or tuple(Factor(f"z{i}") for i in range(latents.shape[1]))
    half = len(values) // 2
    return Features(values[:half], latents=latents[:half], factors=factors), Features(
        values[half:], latents=latents[half:], factors=factors
    )


def r2(scores: Scores) -> dict[str, float]:
    return {name: value for name, value in scores.values.items() if name.startswith("r2/")}


def mixed(n: int = 400, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1, 1, (n, 3))
    return np.tanh(z @ rng.normal(size=(3, d))) + 0.05 * rng.normal(size=(n, d)), z


def test_agrees_with_scikit_learn() -> None:
    x, z = mixed()
    scores = Recovery()(*split(x, z))
    fit = LinearRegression().fit(x[:200], z[:200])
    expected = r2_score(z[200:], fit.predict(x[200:]), multioutput="raw_values")
    for i, value in enumerate(expected):
        assert scores.values[f"r2/z{i}"] == pytest.approx(value, abs=1e-12)
    assert scores.values["r2/mean"] == pytest.approx(expected.mean(), abs=1e-12)
    assert 0.5 < expected.min() < expected.max() < 0.999


@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_raw_angle_hides_that_it_is_known(order: int) -> None:
    angle = (np.arange(40_000) + 0.5) / 40_000 * TURN
    angle = np.random.default_rng(0).permutation(angle)[:, None]
    x = np.concatenate([np.cos(order * angle), np.sin(order * angle)], 1)
    raw = Recovery(permutations=0, resamples=0)(*split(x, angle, (Factor("angle"),)))
    assert raw.values["r2/angle"] == pytest.approx(6 / (math.pi * order) ** 2, abs=6e-3)
    own = Recovery(permutations=0, resamples=0)(*split(x, angle, (ANGLE._replace(symmetry=(order,)),)))
    assert own.values["r2/angle"] == pytest.approx(1, abs=1e-9)
    if order > 1:
        blind = Recovery(permutations=0, resamples=0)(*split(x, angle, (ANGLE,)))
        assert blind.values["r2/angle"] == pytest.approx(0, abs=1e-3)


def test_symmetry_that_depends_on_the_shape() -> None:
    rng = np.random.default_rng(0)
    shape, angle = rng.integers(0, 3, 4000), rng.uniform(0, TURN, 4000)
    seen = np.array([4, 2, 1])[shape] * angle
    x = np.stack([np.cos(seen), np.sin(seen), shape == 0, shape == 1], 1).astype(np.float32)
    latents = np.stack([angle, shape], 1)
    shapes = Factor("shape", "discrete", size=3)
    by_shape = (ANGLE._replace(symmetry=(4, 2, 1), symmetry_by="shape"), shapes)
    assert r2(Recovery()(*split(x, latents, by_shape))) == pytest.approx(
        {"r2/angle": 1, "r2/shape": 1, "r2/mean": 1}, abs=1e-9
    )
    assert Recovery()(*split(x, latents, (ANGLE, shapes))).values["r2/angle"] < 0.4


def test_noise_scores_below_zero_where_in_sample_it_would_not() -> None:
    n, d = 2048, 512
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2 * n, d)), rng.uniform(size=(2 * n, 4))
    in_sample = np.mean([LinearRegression().fit(x[:n], t).score(x[:n], t) for t in z[:n].T])
    assert in_sample == pytest.approx(d / (n - 1), abs=0.03)
    value = Recovery(permutations=0)(*split(x, z)).values["r2/mean"]
    assert value == pytest.approx(-d / (n - d - 1), abs=0.06)


def test_the_null_is_that_of_noise() -> None:
    rng = np.random.default_rng(0)
    n, d = 1000, 100
    z = rng.uniform(size=(2 * n, 5))
    x = np.concatenate([z, rng.normal(size=(2 * n, d - 5))], 1)
    scores = Recovery(permutations=20)(*split(x, z))
    assert scores.values["r2/mean"] == pytest.approx(1)
    assert list(scores.null) == list(scores.values)
    assert scores.null["r2/mean"] == pytest.approx(-d / (n - d - 1), abs=0.03)
    assert "null from 20 permutations" in scores.protocol


def test_the_seed_moves_the_null_and_nothing_else() -> None:
    pair = split(*mixed())
    one, other = Recovery(seed=1)(*pair), Recovery(seed=2)(*pair)
    assert one.values == other.values
    assert one.null != other.null
    assert Recovery(permutations=0)(*pair).null == {}


def test_an_intercept_is_fitted() -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(0, 1, (2000, 5))
    x = z @ rng.normal(size=(5, 5)) + rng.normal(size=5)
    assert Recovery()(*split(x, z)).values["r2/mean"] == pytest.approx(1, abs=1e-12)
    bare, *_ = np.linalg.lstsq(x[:1000], z[:1000], rcond=None)
    assert r2_score(z[1000:], x[1000:] @ bare) < 0.95


def test_negative_values_stay_negative() -> None:
    x, z = mixed()
    train, test = split(x, z)
    scores = Recovery()(train, Features(-5 * test.values, latents=test.latents, factors=test.factors))
    assert scores.values["r2/mean"] < -5


def test_features_that_depend_on_each_other_change_nothing() -> None:
    x, z = mixed()
    plain = Recovery()(*split(x, z))
    wide = np.concatenate([x, x[:, :2], x @ np.ones((6, 1)), np.full((400, 1), 0.1)], 1)
    scores = Recovery()(*split(wide, z))
    assert r2(scores) == pytest.approx(r2(plain), abs=1e-10)
    assert "10 features of rank 6; fitted on 200 rows and scored on 200" in scores.protocol


def test_constant_features_score_about_zero() -> None:
    _, z = mixed(4000)
    scores = Recovery()(*split(np.full((4000, 4), 0.1, dtype=np.float32), z))
    assert -0.01 < scores.values["r2/mean"] <= 0


def test_a_factor_constant_in_test_is_left_out_and_named() -> None:
    x, z = mixed()
    known = np.arange(400) < 200
    angle = np.where(known, np.arange(400) * 0.1, TURN * (np.arange(400) % 2))
    shape = np.arange(400) % 3 * known
    flat = np.where(known, z[:, 0], 0.1)
    latents = np.column_stack([z, flat, angle, shape]).astype(np.float32)
    factors = (*map(Factor, "abc"), Factor("flat"), ANGLE, Factor("shape", "discrete", size=3))
    scores = Recovery()(*split(x, latents, factors))
    assert list(r2(scores)) == ["r2/a", "r2/b", "r2/c", "r2/mean"]
    assert list(scores.values) == list(scores.null)
    assert "mean over 3 factors; flat, angle and shape constant in test and left out" in scores.protocol
    plain = Recovery()(*split(x, z.astype(np.float32)))
    assert scores.values["r2/mean"] == pytest.approx(plain.values["r2/mean"], abs=1e-12)


def test_a_value_missing_in_test_leaves_the_others() -> None:
    rng = np.random.default_rng(0)
    shape = np.concatenate([rng.integers(0, 3, 300), rng.integers(0, 2, 300)])
    x = np.eye(3)[shape][:, :2]
    scores = Recovery()(*split(x, shape[:, None] * 1.0, (Factor("shape", "discrete", size=3),)))
    assert r2(scores) == pytest.approx({"r2/shape": 1, "r2/mean": 1})


def test_what_cannot_be_scored_is_refused() -> None:
    x, z = mixed(20, d=9)
    with pytest.raises(ValueError, match=r"10 rows cannot fit 9 dimensions .* at least 11 rows"):
        Recovery()(*split(x, z))
    x, z = mixed()
    with pytest.raises(ValueError, match="every factor is constant"):
        Recovery()(*split(x, np.ones((400, 2))))
    with pytest.raises(ValueError, match="not known"):
        Recovery().check(Features(x))
    with pytest.raises(ValueError, match="; write "):
        Recovery(permutations=-1)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_invariant_to_affine_maps_of_features(seed: int, scale: float, shift: float) -> None:
    x, z = mixed()
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    mapped = x @ (rotation * rng.uniform(0.5, 2, 6)) * scale + shift
    plain, other = (r2(Recovery(permutations=0)(*split(v, z))) for v in (x, mapped))
    assert plain == pytest.approx(other, abs=1e-10)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100))
def test_invariant_to_units_and_order(seed: int, shift: float) -> None:
    x, z = mixed()
    rng = np.random.default_rng(seed)
    units = np.exp(rng.uniform(-5, 5, 3)) * rng.choice([-1, 1], 3)
    order, rows = rng.permutation(6), np.concatenate([rng.permutation(200), 200 + rng.permutation(200)])
    plain, other = (
        r2(Recovery(permutations=0)(*split(v, w))) for v, w in ((x, z), (x[rows][:, order], (z * units + shift)[rows]))
    )
    assert plain == pytest.approx(other, abs=1e-10)


def test_pooled_agrees_with_scikit_learn() -> None:
    x, z = mixed()
    z = z * [1, 5, 0.1]
    predicted = LinearRegression().fit(x[:200], z[:200]).predict(x[200:])
    expected = r2_score(z[200:], predicted, multioutput="variance_weighted")
    assert Recovery()(*split(x, z)).values["pooled_r2"] == pytest.approx(expected, abs=1e-12)


def test_explained_is_what_the_factors_tell_of_the_features() -> None:
    rng = np.random.default_rng(0)
    z, noise = rng.normal(size=(4000, 3)), rng.normal(size=(4000, 3))
    x = np.concatenate([z @ rng.normal(size=(3, 3)), noise], 1)
    scores = Recovery()(*split(x, z))
    told = x[2000:, :3].var(0).sum() / x[2000:].var(0).sum()
    assert scores.values["r2/mean"] == pytest.approx(1)
    assert scores.values["explained"] == pytest.approx(told, abs=0.01)
    assert f"explains {scores.values['explained']:.2f} of the features" in scores.warnings["explained"]
    assert scores.null["explained"] == pytest.approx(0, abs=0.01)
    assert Recovery()(*split(np.ones((40, 2)), rng.normal(size=(40, 2)))).values["explained"] == 0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_explained_is_invariant_to_rotations_of_features_and_affine_maps_of_factors(seed: int) -> None:
    x, z = mixed()
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))
    mixing = np.random.default_rng(seed).normal(size=(3, 3)) + 3 * np.eye(3)
    values = [Recovery(permutations=0)(*split(*pair)).values for pair in ((x, z), (3 * x @ rotation + 1, z @ mixing))]
    assert values[0]["explained"] == pytest.approx(values[1]["explained"], abs=1e-10)


def test_intervals_hold_the_score_of_other_rows() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 2))
    x = z + rng.normal(size=z.shape)
    train, test = split(x, z)
    scores = Recovery()(train, test)
    assert list(scores.interval) == list(scores.values)
    low, high = scores.interval["r2/mean"]
    assert low < scores.values["r2/mean"] < high
    fit = LinearRegression().fit(train.values, z[:300])
    drawn = []
    for _ in range(400):
        fresh = rng.normal(size=(300, 2))
        drawn.append(r2_score(fresh, fit.predict(fresh + rng.normal(size=(300, 2)))))
    assert high - low == pytest.approx(np.subtract(*np.quantile(drawn, [0.975, 0.025])), rel=0.25)
    assert Recovery(resamples=0)(train, test).interval == {}


def test_three_test_rows_are_enough_for_an_interval() -> None:
    """Every ninth resample is of one row alone, where no factor varies."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(11, 2)), rng.normal(size=(11, 1))
    parts = [Features(x[rows], latents=z[rows], factors=(Factor("z"),)) for rows in (slice(8), slice(8, 11))]
    scores = Recovery()(*parts)
    assert np.isfinite(list(scores.interval.values())).all()
    assert set(scores.interval) == set(scores.values)


def test_says_where_it_leaves_its_domain() -> None:
    x, z = mixed()
    assert Recovery()(*split(x, z)).warnings == {}
    both = np.column_stack([z, z[:, 0] + 0.1 * z[:, 1]])
    told = Recovery()(*split(x, both)).warnings[""]
    assert "z0 (1.00)" in told
    assert "z2" not in told
    dead = np.column_stack([x, np.ones((400, 2))])
    assert "2 of 8 features are constant" in Recovery()(*split(dead, z)).warnings[""]
    few = Recovery()(*split(x[:40], z[:40])).warnings[""]
    assert "20 training rows are few for 6 dimensions; 20 test rows are few" in few


def test_a_map_without_intercept_scores_078() -> None:
    """An exact affine map of uniform factors on [0, 1]: what public code without intercept makes of it."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        z = rng.uniform(size=(4000, 5))
        x = z @ np.linalg.qr(rng.normal(size=(5, 5)))[0] + rng.normal(size=5)
        bare, *_ = np.linalg.lstsq(x[:2000], z[:2000], rcond=None)
        found.append(r2_score(z[2000:], x[2000:] @ bare))
        assert Recovery(permutations=0, resamples=0)(*split(x, z)).values["r2/mean"] == pytest.approx(1)
    assert 0.7 < np.mean(found) < 0.95
