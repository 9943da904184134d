"""The scores that hold a factor fixed: IRS, FactorVAE and BetaVAE."""

import numpy as np
import pytest

from kontrast.probes import IRS, BetaVAE, FactorVAE
from kontrast.probes.disentanglement.interventions import groups
from kontrast.probes.disentanglement.irs import robustness
from kontrast.views import Factor

FACTOR = "factor_vae/batch=64,prune=0.05"


def first(scores):
    return next(iter(scores.values.values()))


def test_rows_that_are_drawn_share_the_level():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, (200, 3))
    found = groups(levels)
    factor, row = found.held(500, 7, rng)
    other = found.drawn(factor, row, rng)
    assert factor.shape == row.shape == other.shape == (500, 7)
    assert (factor == factor[:, :1]).all()
    np.testing.assert_array_equal(levels[row, factor], levels[other, factor])
    assert set(np.unique(factor)) == {0, 1, 2}
    counts = np.bincount(found.drawn(np.zeros(40_000, int), np.zeros(40_000, int), rng), minlength=200)
    mates = levels[:, 0] == levels[0, 0]
    assert (counts > 0).tolist() == mates.tolist()
    assert counts[mates].std() < 1.5 * np.sqrt(counts[mates].mean())


def test_rows_whose_level_is_their_own_are_never_held():
    levels = np.array([[0], [0], [1], [2], [2]])
    _, row = groups(levels).held(300, 2, np.random.default_rng(0))
    assert set(np.unique(row)) == {0, 1, 3, 4}
    with pytest.raises(ValueError, match="no two rows share"):
        groups(np.arange(5)[:, None]).held(3, 2, np.random.default_rng(0))


def naive_irs(codes, levels, quantile):
    """The published score, level by level, of features that all vary."""
    reach = np.abs(codes - codes.mean(0)).max(0)
    table = np.zeros((codes.shape[1], levels.shape[1]))
    for k in range(levels.shape[1]):
        moved = []
        for level in np.unique(levels[:, k]):
            rows = codes[levels[:, k] == level]
            moved.append(np.quantile(np.abs(rows - rows.mean(0)), quantile, axis=0))
        table[:, k] = 1 - np.mean(moved, 0) / reach
    return np.average(table.max(1), weights=reach)


@pytest.mark.parametrize("seed", range(5))
def test_irs_is_the_reference_and_constant_features_do_not_count(seed, made):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 4, (300, 3))
    codes = levels @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(300, 4))
    factors = [Factor(f"f{k}", "discrete", size=4) for k in range(3)]
    wide = np.concatenate([codes, np.full((300, 2), 3.7)], 1)
    found = IRS(permutations=0)(
        made(wide.copy(), levels.astype(float), factors), made(wide, levels.astype(float), factors)
    )
    assert first(found) == pytest.approx(naive_irs(codes, levels, 0.99), abs=1e-12)
    matrix, reach = robustness(wide, levels, 1.0)
    assert reach[4:].tolist() == [0, 0]
    assert matrix[4:].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_irs_of_axes_and_of_a_rotation(mixed):
    axes = IRS(permutations=1)(*mixed(4000))
    assert first(axes) > 0.6 > 0.4 > next(iter(axes.null.values()))
    dense = IRS(permutations=0)(
        *mixed(4000, lambda z, rng: z @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0])
    )
    assert first(dense) < first(axes)


def plainly(codes, levels, deviation, votes, batch, seed):
    """Votes of FactorVAE, one by one."""
    rng = np.random.default_rng(seed)
    table = np.zeros((levels.shape[1], codes.shape[1]))
    for _ in range(votes):
        k = rng.integers(levels.shape[1])
        level = rng.choice(levels[:, k])
        rows = rng.choice(np.flatnonzero(levels[:, k] == level), batch)
        table[k, (codes[rows].var(0) / deviation**2).argmin()] += 1
    return table


def test_factor_vae_is_its_definition_but_for_the_draws(made):
    rng = np.random.default_rng(0)
    factors = [Factor(f"f{k}", "discrete", size=5) for k in range(3)]
    pair = []
    for _ in range(2):
        z = rng.integers(0, 5, (1500, 3)).astype(float)
        pair.append(made(z @ np.array([[1, 0.4, 0], [0.3, 1, 0.8], [0, 0.9, 1.0]]), z, factors))
    train, test = pair
    found = FactorVAE(permutations=0, votes=6000)(train, test)
    deviation = train.values.std(0)
    learned = plainly(train.values, train.latents.astype(int), deviation, 3000, 64, 1)
    held = plainly(test.values, test.latents.astype(int), deviation, 3000, 64, 2)
    expected = held[learned.argmax(0), np.arange(3)].sum() / held.sum()
    assert found.values[FACTOR] == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("probe", [FactorVAE(votes=2000), BetaVAE(points=2000)])
def test_axes_are_perfect_and_noise_is_chance(probe, mixed):
    def axes(z, rng):
        return np.stack([z[:, 2] % np.pi, -z[:, 0], z[:, 1], np.ones(len(z))], 1)

    found = probe(*mixed(3000, axes))
    assert first(found) > 0.97
    assert "1 of 4 features is constant" in found.warnings[""]
    assert "the true factors themselves score 1.000" in found.protocol or first(found) < 1
    assert next(iter(found.null.values())) < 0.6
    noise = probe(*mixed(3000, lambda z, rng: rng.standard_normal(z.shape)))
    assert first(noise) < 0.6


@pytest.mark.parametrize("probe", [FactorVAE(votes=500, permutations=0), BetaVAE(points=500, permutations=0)])
def test_scale_and_sign_of_features_do_not_matter(probe, mixed):
    one = probe(*mixed(500, lambda z, rng: z @ np.ones((3, 3)) + z)).values
    two = probe(*mixed(500, lambda z, rng: -4 * (z @ np.ones((3, 3)) + z))).values
    assert two == pytest.approx(one, abs=1e-10)


@pytest.mark.parametrize("rows", [300, 2000])
def test_a_factor_that_no_feature_holds_can_score_one_by_elimination_and_is_named(rows, normal):
    probe, said = BetaVAE(points=2000, permutations=0), "may be told by elimination"
    four = probe(*normal(rows, 5, lambda z, rng: np.delete(z, 2, 1)))
    assert four.values["beta_vae/batch=64/z2"] > 0.95
    assert f"z2 {said}" in four.warnings[""]
    assert not any(said in each for each in probe(*normal(rows, 5)).warnings.values())
    noise = probe(*normal(rows, 5, lambda z, rng: rng.standard_normal(z.shape)))
    assert not any(said in each for each in noise.warnings.values())


def test_features_that_hardly_vary_are_pruned(mixed):
    def encode(z, rng):
        return np.concatenate([z / z.std(0), 1e-3 * rng.standard_normal((len(z), 2))], 1)

    assert "3 features active" in FactorVAE(votes=200, permutations=0)(*mixed(500, encode)).protocol
    assert "5 features active" in FactorVAE(votes=200, permutations=0, prune=0)(*mixed(500, encode)).protocol
