"""LiDAR, alignment and uniformity: published equations, golden values, invariances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast import objectives
from kontrast.probes import AlignmentUniformity, LiDAR, RankMe
from kontrast.probes.geometry.alignment_uniformity import floor
from kontrast.views import Features


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def seen(centers, noise, q, seed=1):
    """Test features with q noisy views of each row."""
    rng = np.random.default_rng(seed)
    views = {f"view {k}": Features(centers + noise * rng.normal(size=centers.shape)) for k in range(q)}
    return Features(centers, extra=views)


def ask(probe, test):
    return probe(Features(test.values.copy()), test)


def rotation(d, seed):
    return np.linalg.qr(drawn(d, d, seed=seed))[0]


def only(scores):
    (value,) = scores.values.values()
    return value


def moved(test, change):
    return Features(change(test.values), extra={k: Features(change(v.values)) for k, v in test.extra.items()})


@pytest.mark.parametrize(
    ("n", "golden"),
    [(2, -1.575027), (3, -2.079777), (10, -3.246504), (64, -3.875236), (128, -3.937530), (512, -3.984375)],
)
def test_golden_floors_of_uniformity(n, golden):
    assert floor(n) == pytest.approx(golden, abs=5e-7)


@pytest.mark.parametrize("t", [0.5, 2.0, 200.0])
def test_the_floor_is_the_mean_over_the_sphere(t):
    assert floor(1, t) == pytest.approx(math.log((1 + math.exp(-4 * t)) / 2), abs=1e-12)
    circle = np.linspace(0, 2 * math.pi, 100_001)[:-1]
    assert floor(2, t) == pytest.approx(math.log(np.exp(2 * t * (np.cos(circle) - 1)).mean()), abs=1e-10)


def naive(x, y, t, alpha):
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    pairs = [np.exp(-t * np.square(x[i] - x[j]).sum()) for i in range(len(x)) for j in range(i)]
    return math.log(np.mean(pairs)), np.mean(np.linalg.norm(x - y, axis=1) ** alpha)


def test_alignment_and_uniformity_are_the_published_equations():
    z, x, y = (drawn(40, 5, seed=seed) for seed in range(3))
    scores = ask(AlignmentUniformity(alpha=1, t=3), Features(z, extra={"view 0": Features(x), "view 1": Features(y)}))
    assert list(scores.values) == ["alignment/alpha=1", "uniformity/t=3", "uniformity/floor"]
    assert scores.values["uniformity/t=3"] == pytest.approx(naive(z, z, 3, 1)[0], abs=1e-12)
    assert scores.values["alignment/alpha=1"] == pytest.approx(naive(x, y, 3, 1)[1], abs=1e-12)


def test_they_are_the_terms_of_the_objective_of_that_name():
    x, y = (torch.nn.functional.normalize(torch.from_numpy(drawn(30, 4, seed=seed))) for seed in (0, 1))
    objective = objectives.AlignmentUniformity()
    loss = objective(x, y, torch.arange(30))
    views = {"view 0": Features(x.numpy()), "view 1": Features(y.numpy())}
    found = [ask(AlignmentUniformity(), Features(z, extra=views)).values for z in (x.numpy(), y.numpy())]
    assert float(loss.parts["alignment"]) == pytest.approx(found[0]["alignment/alpha=2"], abs=1e-6)
    uniformity = sum(values["uniformity/t=2"] for values in found) / 2
    assert float(loss.parts["uniformity"]) == pytest.approx(uniformity, abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e6))
def test_they_know_neither_rotation_nor_length_nor_order(seed, scale):
    test = seen(drawn(50, 4), 0.1, 2)
    order = np.random.default_rng(seed).permutation(50)
    other = moved(test, lambda rows: scale * (rows @ rotation(4, seed))[order])
    plain, changed = (ask(AlignmentUniformity(), split).values for split in (test, other))
    assert changed == pytest.approx(plain, abs=1e-10)


def test_even_points_reach_the_floor_and_collapsed_ones_0():
    scores = ask(AlignmentUniformity(), seen(drawn(3000, 64), 0, 2))
    assert scores.values["uniformity/t=2"] == pytest.approx(scores.values["uniformity/floor"], abs=1e-3)
    assert scores.values["alignment/alpha=2"] == 0
    assert ask(AlignmentUniformity(), seen(np.ones((30, 4)), 0, 2)).values["uniformity/t=2"] == pytest.approx(
        0, abs=1e-12
    )


def test_intervals_cover_what_other_rows_would_give():
    found = [ask(AlignmentUniformity(), seen(drawn(150, 3, seed=s) + 0.5, 0.3, 2, s)) for s in range(60)]
    for name in ("alignment/alpha=2", "uniformity/t=2"):
        values = np.array([scores.values[name] for scores in found])
        half = np.mean([np.diff(scores.interval[name])[0] / 2 for scores in found])
        assert 0.75 < half / (1.96 * values.std()) < 1.35


def test_what_has_no_direction_or_no_views_is_said():
    values = drawn(20, 3)
    values[4] = 0
    scores = ask(AlignmentUniformity(), Features(values))
    assert list(scores.values) == ["uniformity/t=2", "uniformity/floor"]
    assert scores.warnings[""].startswith("1 rows have length 0")
    with pytest.raises(ValueError, match="there is only one"):
        AlignmentUniformity().check(Features(values[:1]))
    with pytest.raises(ValueError, match="alpha=2 t=2"):
        AlignmentUniformity(t=0)


def test_golden_values_of_lidar():
    centers = drawn(1000, 64)
    assert only(ask(LiDAR(views=50), seen(centers, 1.0, 50))) == pytest.approx(61.97, abs=0.2)
    centers[:, 8:] = 0
    test = seen(centers, 0.1, 50)
    assert only(ask(LiDAR(views=50), test)) == pytest.approx(8.07, abs=0.02)
    assert only(ask(RankMe(), test.extra["view 0"])) == pytest.approx(34.8, abs=0.5)


def test_lidar_is_the_published_equation():
    test = seen(drawn(40, 6), 0.5, 4)
    views = np.stack([view.values for view in test.extra.values()], 1)
    between, within = np.zeros((6, 6)), 1e-4 * np.eye(6)
    mean = views.mean((0, 1))
    for members in views:
        center = members.mean(0)
        between += np.outer(center - mean, center - mean) / 40
        within += sum(np.outer(one - center, one - center) for one in members) / 160
    values, vectors = np.linalg.eigh(within)
    root = vectors / np.sqrt(values) @ vectors.T
    spectrum = np.linalg.eigvalsh(root @ between @ root)
    p = spectrum / spectrum.sum() + 1e-8
    scores = ask(LiDAR(views=4), test)
    assert list(scores.values) == ["lidar/q=4,delta=0.0001,eps=1e-08"]
    assert only(scores) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-10)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), shift=st.floats(-10, 10))
def test_lidar_knows_neither_rotation_nor_place(seed, shift):
    test = seen(drawn(60, 5), 0.3, 3)
    other = moved(test, lambda rows: rows @ rotation(5, seed) + shift)
    assert only(ask(LiDAR(views=3), other)) == pytest.approx(only(ask(LiDAR(views=3), test)), abs=1e-9)


def test_lidar_asks_for_as_many_views_as_it_takes():
    asked = LiDAR(views=5, seed=3).extra()
    assert [(one.view, one.seed) for one in asked.values()] == [(0, 3), (1, 3), (0, 4), (1, 4), (0, 5)]
    with pytest.raises(ValueError, match="no views"):
        ask(LiDAR(), Features(drawn(20, 3)))
    with pytest.raises(ValueError, match="belong to no rows"):
        ask(LiDAR(), Features(drawn(20, 3), extra={f"view {k}": Features(drawn(19, 3)) for k in (0, 1)}))
    with pytest.raises(ValueError, match="write views=10"):
        LiDAR(views=1)


def test_lidar_says_where_its_constants_decide():
    warnings = ask(LiDAR(views=4), seen(drawn(100, 4), 1e-3, 4)).warnings
    assert "delta=0.0001 exceeds" in next(iter(warnings.values()))
    assert not ask(LiDAR(views=4), seen(drawn(100, 4), 1.0, 4)).warnings
    few = ask(LiDAR(views=4), seen(drawn(5, 8), 1.0, 4))
    assert "5 things cannot show a rank above 5" in next(iter(few.warnings.values()))
    assert only(ask(LiDAR(views=4), seen(np.ones((20, 4)), 0, 4))) == pytest.approx(1, abs=1e-5)


def test_the_interval_of_lidar_covers_what_other_things_would_give():
    found = [ask(LiDAR(views=4), seen(drawn(200, 4, seed=s) * [1, 1, 2, 4], 0.5, 4, s)) for s in range(40)]
    name = next(iter(found[0].values))
    values = np.array([scores.values[name] for scores in found])
    half = np.mean([np.diff(scores.interval[name])[0] / 2 for scores in found])
    assert 0.6 < half / (2.26 * values.std()) < 1.7
