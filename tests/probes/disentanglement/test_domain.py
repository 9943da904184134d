"""What all scores of disentanglement do with what is degenerate, and what they say of it."""

import math

import numpy as np
import pytest

from kontrast import parts
from kontrast.probes import DCI, DCIES, IRS, MIG, SAP, BetaVAE, Explicitness, FactorVAE, InfoMEC, Modularity
from kontrast.probes.disentanglement.domain import dependent
from kontrast.probes.disentanglement.suite import NO_BETTER, Disentanglement
from kontrast.probes.disentanglement.truth import truths
from kontrast.views import Factor

QUICK = (
    MIG(permutations=1),
    SAP(),
    Modularity(permutations=1),
    Explicitness(),
    IRS(permutations=1),
    FactorVAE(votes=500),
    BetaVAE(points=500),
    InfoMEC(),
    DCIES(doublings=3),
    DCI(trees=5),
)
EVERY = pytest.mark.parametrize("probe", QUICK, ids=lambda probe: type(probe).__name__)


def test_every_score_is_here():
    assert {type(probe).__name__ for probe in QUICK} == set(parts.known(Disentanglement))


@EVERY
def test_the_protocol_says_what_the_truth_scores_and_names_hold_the_constants(probe, mixed):
    found = probe(*mixed(300))
    assert "the true factors themselves score" in found.protocol
    assert "3 features and 3 factors" in found.protocol
    assert list(found.null) == list(found.values)
    assert all("=" in name or "fourier" in name or name == "size" for name in found.values)


@EVERY
def test_a_constant_factor_is_left_out_and_all_constant_is_said(probe, mixed):
    pair = mixed(300)
    for split in pair:
        split.latents[:, 0] = 0.5
    found = probe(*pair)
    assert "x constant and left out" in found.protocol
    assert not any(name.endswith("/x") for name in found.values)
    for split in pair:
        split.latents[:] = 0
    with pytest.raises(ValueError, match="every factor is constant"):
        probe(*pair)


@EVERY
def test_one_factor_is_a_documented_value_or_one_sentence(probe, normal):
    pair = normal(300, 1, lambda z, rng: np.concatenate([z, rng.standard_normal((len(z), 2))], 1))
    if isinstance(probe, Modularity | FactorVAE | BetaVAE):
        with pytest.raises(ValueError, match="compares factors, of which only 1 varies"):
            probe(*pair)
        return
    found = probe(*pair)
    assert all(math.isfinite(value) for value in found.values.values())
    assert not any("disentanglement" in name or "modularity" in name for name in found.values)


@EVERY
def test_more_and_fewer_features_than_factors_are_said(probe, normal):
    few = probe(*normal(100, 3, lambda z, rng: z[:, :2])).warnings[""]
    assert "2 features for 3 factors" in few
    assert "100 rows are few" in few
    many = probe(*normal(100, 3, lambda z, rng: np.concatenate([z, z], 1))).warnings[""]
    assert "more features (6) than factors (3)" in many


@EVERY
def test_options_out_of_range_are_one_sentence(probe):
    for option, value in (("seed", -1), ("permutations", -1), ("bins", 1)):
        with pytest.raises(ValueError, match=f"{option} of {type(probe).__name__} cannot be {value}; write {option}="):
            type(probe)(**{option: value})


@EVERY
def test_what_the_null_reaches_is_no_better_and_the_factors_themselves_are(probe, mixed, normal):
    """DCI-ES aside, in which what no model reads counts as explicit: that is said in its place."""
    noise = probe(*normal(300, 3, lambda z, rng: rng.standard_normal(z.shape)))
    own = probe(*normal(600, 3))
    if isinstance(probe, DCIES):
        assert "no model reads z0, z1 and z2" in noise.warnings[""]
        assert "no model reads" not in own.warnings.get("", "") and NO_BETTER not in noise.warnings.values()
        return
    reached = {name for name, value in noise.values.items() if noise.null[name] >= value}
    assert {name for name, said in noise.warnings.items() if said == NO_BETTER} == reached
    # The compactness of InfoMEC is a ratio of what is told, and as high where next to nothing is.
    assert not {name for name, said in own.warnings.items() if said == NO_BETTER and "compactness" not in name}


def test_a_score_that_is_its_null_is_warned_of(normal):
    found = MIG(permutations=1)(*normal(300, 3, lambda z, rng: np.ones_like(z)))
    assert found.warnings["mig/bins=20"] == found.warnings["mig/bins=20/z1"] == NO_BETTER
    assert "null from 1 permutation of the factors' rows" in found.protocol


def test_names_are_read_as_what_is_measured_and_how(normal):
    """A name never repeats that of its probe before the factor, so that tables need not either."""
    pair = normal(300, 3)
    for probe in (DCI(trees=5), InfoMEC(), DCIES(doublings=3)):
        found = probe(*pair)
        heads = {name.partition("/")[0] for name in found.values}
        assert heads <= {
            "disentanglement", "completeness", "informativeness", "modularity", "compactness", "explicitness", "size"
        }  # fmt: skip
        for head in ("informativeness", "explicitness"):
            titles = [panel.title for panel in found.panels if panel.title.startswith(f"{head} of each factor (")]
            assert bool(titles) == (head in heads)


def test_without_permutations_there_is_no_null(normal):
    assert MIG(permutations=0)(*normal(100)).null == {}


def test_dependent_factors_are_named_and_independent_ones_are_not(made):
    rng = np.random.default_rng(0)
    factors = [Factor("x"), Factor("y"), Factor("shape", "discrete", size=3), Factor("square")]
    pairs = {}
    for n in (200, 5000):
        z = [rng.normal(size=n), rng.normal(size=n), rng.integers(0, 3, n)]
        z = np.stack([*z, z[0] ** 2 + 0.1 * rng.normal(size=n)], 1)
        pairs[n] = truths(made(z, z, factors), made(z.copy(), z, factors), 20)[1]
        assert dependent(pairs[n]) == ["square and x"]
    alarms = 0
    for seed in range(60):
        z = np.random.default_rng(seed).normal(size=(150, 4))
        three = [Factor(name) for name in "abcd"]
        alarms += bool(dependent(truths(made(z, z, three), made(z.copy(), z, three), 20)[1]))
    assert alarms <= 3


def test_the_ends_of_a_turn_are_one_point(made):
    turns = np.linspace(0, 2 * np.pi, 41, dtype=np.float32)
    for symmetry, distinct in (((1,), 40), ((4,), 10), ((0,), 1)):
        factors = [Factor("angle", "periodic", 0.0, 2 * np.pi, symmetry=symmetry), Factor("x")]
        z = np.stack([np.repeat(turns, 2), np.tile([0, 1], 41)], 1)
        truth, _, flat = truths(made(z, z, factors), made(z.copy(), z, factors), 40)
        if distinct == 1:
            assert flat == ["angle"]
        else:
            assert len(np.unique(truth.levels[:, 0])) == distinct
            assert truth.levels[0, 0] == truth.levels[-1, 0] == 0
