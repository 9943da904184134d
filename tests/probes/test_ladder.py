import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from kontrast.probes import Ladder
from kontrast.probes.rungs import RUNGS, WITHIN
from kontrast.views import Factor, Features

D = 5
ORDER = [2, 0, 1, 4, 3]
TURN = ortho_group(D, seed=0).rvs()
BENT: list[Callable[[np.ndarray], np.ndarray]] = [
    np.sinh,
    lambda x: x**3 + 0.1 * x,
    np.exp,
    np.tanh,
    lambda x: -np.arctan(2 * x),
]
COPIES = [0, 1, 2, 3, 4, 1, 1, 3]


def conditioned(m: int) -> np.ndarray:
    """A dense matrix [m, D] of singular values from 1 to .1."""
    left, _, right = np.linalg.svd(np.random.default_rng(7).normal(size=(m, D)), full_matrices=False)
    return left @ np.diag(np.linspace(1, 0.1, D)) @ right


ENCODERS: dict[str, tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], str, int]] = {
    "itself": (lambda z, rng: z, "identity", 5),
    "order and sign": (lambda z, rng: z[:, ORDER] * [1, -1, -1, 1, -1] + 3, "permutation", 5),
    "one linear code each": (lambda z, rng: z[:, ORDER] * [2, -0.5, 3, 1, -0.1] + 1, "scale", 5),
    "one monotone code each": (
        lambda z, rng: np.stack([f(z[:, j]) for j, f in enumerate(BENT)], 1)[:, ORDER],
        "monotone",
        5,
    ),
    "dense linear": (lambda z, rng: z @ conditioned(D).T, "affine", 5),
    "rotated": (lambda z, rng: 2 * z @ TURN + 1, "orthogonal", 5),
    "some dropped": (lambda z, rng: z[:, :3] * [1, 2, -3], "scale", 3),
    "several linear codes each": (lambda z, rng: z[:, COPIES] * [1, 2, 3, 4, 5, -1, 0.2, 0.7], "scale", 5),
    "several nonlinear codes each": (
        lambda z, rng: np.stack([BENT[j % 5](z[:, k]) for j, k in enumerate(COPIES)], 1),
        "monotone",
        5,
    ),
    "more codes, dense linear": (lambda z, rng: z @ conditioned(2 * D).T, "affine", 5),
    "sin and cos": (lambda z, rng: np.concatenate([np.sin(z), np.cos(z)], 1), "block", 5),
    "mixed and bent": (
        lambda z, rng: np.sinh(1.5 * z @ TURN),
        "nonlinear",
        5,
    ),
    "normal noise": (lambda z, rng: rng.normal(size=z.shape), "nothing", 0),
    "uniform noise": (lambda z, rng: rng.uniform(size=z.shape), "nothing", 0),
}


def encoded(name: str, n: int, seed: int, dependent: float = 0.0) -> Features:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, D)) + dependent * rng.normal(size=(n, 1))
    return Features(ENCODERS[name][0](z, rng), latents=z, factors=tuple(Factor(f"z{i}", low=-1.0) for i in range(D)))


@pytest.mark.parametrize("n", [200, 500])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_kind_of_encoder_gets_its_verdict(name: str, n: int) -> None:
    _, rung, read = ENCODERS[name]
    climb = Ladder().climb(encoded(name, n, 1), encoded(name, n, 2))
    assert climb.overall == rung
    assert len(climb.strongest) == read
    assert climb.verdict.startswith(f"{rung}: {read} of 5 factors, mean R^2 " if read else "nothing: the best of 5")


@pytest.mark.parametrize("name", ["itself", "one linear code each", "one monotone code each", "dense linear"])
def test_verdicts_hold_for_dependent_factors(name: str) -> None:
    pair = encoded(name, 500, 1, dependent=0.8), encoded(name, 500, 2, dependent=0.8)
    scores = Ladder(resamples=50)(*pair)
    assert scores.protocol.startswith(f"verdict {ENCODERS[name][1]}: 5 of 5 factors")
    assert "can be told from the other factors" in scores.warnings[""]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "trials"), [(50, 100), (100, 100), (500, 40)])
def test_noise_is_called_nothing(n: int, trials: int) -> None:
    """N rows, half of them for fitting."""
    probe = Ladder(resamples=20)
    found = [
        probe.climb(encoded("normal noise", n // 2, s), encoded("normal noise", n // 2, s + 5000))
        for s in range(trials)
    ]
    assert sum(climb.overall == "nothing" for climb in found) >= 0.95 * trials
    shares = np.array([climb.p for climb in found])
    assert np.mean(shares <= 0.25) < 0.4


def test_little_noise_is_called_nothing() -> None:
    probe = Ladder(resamples=20)
    found = [
        probe.climb(encoded("normal noise", 25, s), encoded("normal noise", 25, s + 5000)).overall for s in range(30)
    ]
    assert found.count("nothing") >= 28


def test_a_weak_signal_is_found() -> None:
    def rows(seed: int) -> Features:
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(500, 2))
        factors = (Factor("seen"), Factor("unseen"))
        return Features(
            np.stack([z[:, 0] + 1.5 * rng.normal(size=500), rng.normal(size=500)], 1), latents=z, factors=factors
        )

    climb = Ladder().climb(rows(1), rows(2))
    assert list(climb.strongest) == ["seen"]
    assert climb.overall == "scale"
    assert "1 of 2 factors" in climb.verdict


def test_the_score_shows_every_rung() -> None:
    scores = Ladder()(encoded("rotated", 400, 1), encoded("rotated", 400, 2))
    assert list(scores.values) == [f"rung_{name}" for name in RUNGS]
    assert set(scores.interval) == set(scores.null) == set(scores.values)
    assert scores.values["rung_orthogonal"] == pytest.approx(1, abs=1e-12)
    assert scores.values["rung_monotone"] < 0.7
    assert max(scores.null.values()) < 0.1
    assert scores.protocol.startswith("verdict orthogonal: 5 of 5 factors, mean R^2 1.00; fitted on 400 rows")
    (panel,) = scores.panels
    assert panel.columns == tuple(RUNGS)
    assert panel.rows == tuple(f"z{i}" for i in range(D))
    assert panel.note == "orthogonal: 5 of 5 factors, mean R^2 1.00"
    np.testing.assert_allclose(np.mean(panel.values, 0), list(scores.values.values()), atol=1e-12)
    assert (np.array(panel.low) <= np.array(panel.values) + 1e-12).all()


def test_identity_is_asked_only_where_it_can_be() -> None:
    scores = Ladder()(encoded("some dropped", 200, 1), encoded("some dropped", 200, 2))
    assert "rung_identity" not in scores.values
    assert "3 features for 5 factors: not each factor has a feature of its own" in scores.warnings[""]
    more = Ladder()(encoded("sin and cos", 200, 1), encoded("sin and cos", 200, 2))
    assert "what is read of a factor may lie in several" in more.warnings[""]


def test_angles_and_classes_begin_at_blocks() -> None:
    factors = (Factor("angle", "periodic", 0.0, 2 * math.pi), Factor("shape", "discrete", size=3), Factor("x"))

    def rows(seed: int) -> Features:
        rng = np.random.default_rng(seed)
        angle, shape, x = rng.uniform(0, 2 * math.pi, 600), rng.integers(0, 3, 600), rng.uniform(size=600)
        h = np.column_stack([np.cos(angle), np.sin(angle), np.eye(3)[shape], 2 * x + 1])
        return Features(h, latents=np.stack([angle, shape, x], 1), factors=factors)

    climb = Ladder().climb(rows(1), rows(2))
    assert climb.strongest == {"angle": "block", "shape": "block", "x": "scale"}
    assert climb.overall == "block"
    scores = Ladder()(rows(1), rows(2))
    assert scores.values["rung_scale"] == pytest.approx(1)
    assert "each rung is the mean over x, of which all are asked" in scores.protocol
    in_all = replace(rows(1), factors=factors[:2], latents=rows(1).latents[:, :2])
    other = replace(rows(2), factors=factors[:2], latents=rows(2).latents[:, :2])
    scores = Ladder()(in_all, other)
    assert list(scores.values) == ["rung_block", "rung_affine", "rung_nonlinear"]
    assert "of which all" not in scores.protocol


@pytest.mark.parametrize("unread", ["periodic", "discrete"])
def test_rungs_are_of_the_same_factors_and_so_in_the_order_of_their_classes(unread: str) -> None:
    """A factor that only some classes are asked of, and that cannot be read, takes nothing from those alone."""
    extra = Factor("lost", "periodic", 0.0, 2 * math.pi) if unread == "periodic" else Factor("lost", "discrete", size=3)

    def rows(seed: int) -> Features:
        rng = np.random.default_rng(seed)
        z, lost = rng.normal(size=(800, 3)), rng.integers(0, 3, 800)
        h = z @ ortho_group(3, seed=3).rvs() * [1, 1.1, 0.9] + 0.1 * rng.normal(size=z.shape)
        names = (*(Factor(name) for name in ("scale", "affine", "x")), extra)
        return Features(h, latents=np.column_stack([z, lost]), factors=names)

    scores = Ladder()(rows(1), rows(2))
    for rung, inner in WITHIN.items():
        for name in inner:
            if f"rung_{name}" in scores.values:
                assert scores.values[f"rung_{name}"] <= scores.values[f"rung_{rung}"] + 0.02
    assert scores.values["rung_orthogonal"] > 0.9
    assert not any("/" in name for name in scores.values)
    assert "verdict " in scores.protocol and "3 of 4 factors" in scores.protocol


def test_declared_blocks_are_read_from_features_of_their_own() -> None:
    mixing = np.random.default_rng(3).normal(size=(2, 2)) + 2 * np.eye(2)

    def rows(seed: int) -> Features:
        z = np.random.default_rng(seed).uniform(-1, 1, (600, 4))
        first, second = z[:, :2] @ mixing, z[:, 2:] @ mixing.T
        h = np.concatenate([first**3 + first, np.tanh(second)], 1)
        return Features(h, latents=z, factors=tuple(Factor(f"z{i}", low=-1.0) for i in range(4)))

    blocks = Ladder(blocks=(("z0", "z1"), ("z2", "z3")))
    assert blocks.climb(rows(1), rows(2)).overall == "block"
    assert Ladder().climb(rows(1), rows(2)).overall == "nonlinear"


def test_what_it_cannot_do_is_said() -> None:
    for options in ({"level": 0.0}, {"level": 0.01, "tests": 50}, {"slack": -1.0}, {"rows": 3}, {"resamples": 0}):
        with pytest.raises(ValueError, match="; write "):
            Ladder(**options)
    with pytest.raises(ValueError, match="train on 6 or more"):
        Ladder()(encoded("itself", 4, 1), encoded("itself", 4, 2))
    with pytest.raises(ValueError, match="no factor named"):
        Ladder(blocks=(("w",),)).check(encoded("itself", 10, 1))


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_each_rung_keeps_its_score_under_its_own_maps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    train, test = encoded("dense linear", 120, 1), encoded("dense linear", 120, 2)
    noise = 0.3 * np.random.default_rng(9).normal(size=(240, D))
    turn, flips, units = ortho_group(D, seed=seed).rvs(), rng.choice([-1, 1], D), np.exp(rng.uniform(-1, 1, D))
    order = rng.permutation(D)
    maps: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "permutation": lambda h: (h * flips)[:, order] + 2,
        "scale": lambda h: (h * flips * units)[:, order] + 2,
        "monotone": lambda h: np.sinh(h * units)[:, order],
        "orthogonal": lambda h: 3 * h @ turn - 1,
        "affine": lambda h: h @ (turn * units) + 5,
    }

    def score(change: Callable[[np.ndarray], np.ndarray], rung: str) -> float:
        halves = (noise[:120], noise[120:])
        moved = [
            Features(change(part.values + own), latents=part.latents, factors=part.factors)
            for part, own in zip((train, test), halves, strict=True)
        ]
        fit = Ladder()._fit(*moved)
        made = RUNGS[rung](fit)
        assert made is not None
        return float(np.square(made - moved[1].latents).mean())

    for rung, change in maps.items():
        tolerance = 1e-2 if rung == "monotone" else 1e-10
        assert score(change, rung) == pytest.approx(score(lambda h: h, rung), abs=tolerance)
