"""RankMe, alpha-ReQ and the spectrum of the covariance: published equations, golden values, invariances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.panels import Curves
from kontrast.probes import AlphaReQ, RankMe, Spectrum
from kontrast.probes.geometry import jackknife
from kontrast.probes.geometry.alpha_req import power_law
from kontrast.probes.geometry.rankme import effective_rank
from kontrast.probes.geometry.spectrum import components, eigenvalues, participation_ratio, positive
from kontrast.views import Features


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def ask(probe, values):
    return probe(Features(values.copy()), Features(values))


def rotation(d, seed):
    return np.linalg.qr(drawn(d, d, seed=seed))[0]


def only(scores):
    (value,) = scores.values.values()
    return value


@pytest.mark.parametrize(
    ("spectrum", "epsilon", "golden"),
    [
        (np.ones(64), 1e-7, 64.0013),
        (np.eye(1, 512)[0], 1e-7, 1.0008),
        (np.ones(64), 1e-5, 64.13),
        (np.eye(1, 512)[0], 1e-5, 1.061),
    ],
)
def test_golden_values_of_rankme(spectrum, epsilon, golden):
    assert effective_rank(spectrum, epsilon) == pytest.approx(golden, abs=0.5 * 10 ** -len(str(golden).split(".")[1]))


def test_rankme_of_rows_has_the_golden_values():
    flat = np.concatenate([rotation(64, seed) for seed in range(4)])
    scores = ask(RankMe(), flat)
    assert list(scores.values) == ["rankme/singular,eps=1e-07"]
    assert only(scores) == pytest.approx(64.0013, abs=5e-5)
    line = np.outer(drawn(1000), drawn(512, seed=1))
    assert only(ask(RankMe(), line)) == pytest.approx(1.0008, abs=5e-5)
    assert only(ask(RankMe(epsilon=1e-5), line)) == pytest.approx(1.061, abs=5e-4)


def test_rankme_is_the_published_equation_and_is_not_centered():
    z = drawn(40, 7) + 3
    singular = np.linalg.svd(z, compute_uv=False)
    p = singular / singular.sum() + 1e-7
    assert only(ask(RankMe(), z)) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-12)
    assert only(ask(RankMe(), z)) < only(ask(RankMe(), z - z.mean(0))) - 1


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e6))
def test_rankme_knows_neither_rotation_nor_scale_nor_order(seed, scale):
    z = drawn(60, 5) * [1, 2, 3, 4, 5]
    moved = scale * (z @ rotation(5, seed))[np.random.default_rng(seed).permutation(60)]
    assert only(ask(RankMe(), moved)) == pytest.approx(only(ask(RankMe(), z)), abs=1e-10)


def test_rankme_of_nothing_is_a_line_and_of_few_rows_is_warned_of():
    assert only(ask(RankMe(), np.zeros((20, 8)))) == pytest.approx(1, abs=1e-4)
    scores = ask(RankMe(), drawn(10, 30))
    assert only(scores) <= 10.001
    assert "10 rows cannot show a rank above 10" in next(iter(scores.warnings.values()))
    assert not scores.interval
    assert only(ask(RankMe(), 1e300 * drawn(10, 3))) == pytest.approx(only(ask(RankMe(), drawn(10, 3))))


def test_alpha_of_a_power_law_is_its_exponent():
    spectrum = np.arange(1, 201.0) ** -1.3
    for first, last in ((4, 50), (6, 50), (4, 100), (12, 100), (1, 200)):
        assert power_law(spectrum, first, last)[0] == pytest.approx(1.3, abs=1e-12)
    z = rotation(200, 0) * np.sqrt(spectrum)
    z = np.concatenate([z, -z])
    scores = ask(AlphaReQ(), z)
    assert list(scores.values) == ["alpha_req/11-100"]
    assert only(scores) == pytest.approx(1.300000, abs=1e-10)


def test_alpha_is_the_weighted_least_squares_of_its_range():
    spectrum = np.sort(np.random.default_rng(0).exponential(size=120))[::-1]
    j = np.arange(4, 51)
    design, weight = np.stack([-np.log(j), np.ones(len(j))], 1), 1 / j
    solved = np.linalg.solve(design.T @ (design * weight[:, None]), design.T @ (weight * np.log(spectrum[3:50])))
    alpha, explained = power_law(spectrum, 4, 50)
    assert alpha == pytest.approx(solved[0], rel=1e-12)
    assert 0 < explained < 1
    assert len({round(power_law(spectrum, *span)[0], 3) for span in ((4, 50), (6, 50), (4, 100), (12, 100))}) == 4


def test_the_range_that_was_fitted_is_in_the_name():
    scores = ask(AlphaReQ(first=3, last=50), drawn(200, 20))
    assert list(scores.values) == ["alpha_req/3-20"]
    assert "20 eigenvalues" in scores.warnings["alpha_req/3-20"]
    assert list(ask(AlphaReQ(), drawn(200, 12)).values) == ["alpha_req/1-12"]
    assert list(ask(AlphaReQ(), drawn(200, 120)).warnings) == []
    for values in (np.ones((50, 4)), drawn(50, 1)):
        scores = ask(AlphaReQ(), values)
        assert scores.values == {"alpha_req/1-1": 0.0}
        assert "no power law" in scores.warnings["alpha_req/1-1"]
    with pytest.raises(ValueError, match=r"alphareq\.first=11"):
        AlphaReQ(first=5, last=5)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_the_spectrum_knows_neither_rotation_nor_scale_nor_place(seed, scale, shift):
    z = drawn(80, 6) * [1, 2, 3, 4, 5, 6]
    moved = scale * (z @ rotation(6, seed)) + shift
    for probe in (AlphaReQ(first=1, last=6), Spectrum()):
        plain, other = ask(probe, z).values, ask(probe, moved).values
        assert {k: v for k, v in other.items() if "dead" not in k} == pytest.approx(
            {k: v for k, v in plain.items() if "dead" not in k}, abs=1e-9
        )


def test_the_spectrum_of_known_variances():
    z = np.concatenate([np.diag([4.0, 3, 2, 1, 0]), -np.diag([4.0, 3, 2, 1, 0])])
    z[:, 4] = 7
    scores = ask(Spectrum(), z)
    variances = np.array([16, 9, 4, 1])
    assert scores.values["participation_ratio"] == pytest.approx(variances.sum() ** 2 / (variances**2).sum())
    assert scores.values["components/90%"] == 3  # 25 of 30 is less, 29 of 30 more
    assert scores.values["components/99%"] == 4
    assert scores.values["dead/below=0.001"] == 1
    (panel,) = scores.panels
    assert isinstance(panel, Curves)
    assert panel.logarithmic == "xy"
    np.testing.assert_allclose(panel.lines[0].y, variances / 30)
    assert panel.lines[0].x == (1, 2, 3, 4)


def test_eigenvalues_are_those_of_the_covariance():
    z = drawn(50, 9)
    expected = np.linalg.eigvalsh(np.cov(z.T, bias=True))[::-1]
    np.testing.assert_allclose(eigenvalues(z), expected, rtol=1e-12)
    assert positive(eigenvalues(drawn(5, 9))) == 4
    assert participation_ratio(np.ones(7)) == pytest.approx(7)
    assert components(np.ones(10), 0.9) == 9


def test_rows_without_variance_are_said_to_be_so():
    for values in (np.full((30, 4), 0.1, np.float32), np.zeros((30, 4))):
        scores = ask(Spectrum(), values)
        assert set(scores.values.values()) == {0.0, 4.0}
        assert scores.values["dead/below=0.001"] == 4
        assert "no variance" in scores.warnings[""]
        assert scores.panels == ()


@pytest.mark.parametrize("probe", [RankMe(), AlphaReQ(first=1, last=4), Spectrum()], ids=lambda p: type(p).__name__)
def test_intervals_cover_what_other_rows_would_give(probe):
    """The jackknife's width is near that of the scores of independent samples."""
    found = [ask(probe, drawn(300, 4, seed=seed) * [1, 2, 3, 4]) for seed in range(40)]
    name = next(iter(found[0].values))
    values = np.array([scores.values[name] for scores in found])
    inside = [scores.interval[name][0] <= values.mean() <= scores.interval[name][1] for scores in found]
    assert np.mean(inside) > 0.8
    half = np.mean([np.diff(scores.interval[name])[0] / 2 for scores in found])
    assert 0.6 < half / (2.26 * values.std()) < 1.7


def test_the_scatter_without_a_block_is_that_of_the_other_rows():
    rows = drawn(57, 3) + 100
    for block, scatter in zip(jackknife.blocks(), jackknife.scatters(rows, True), strict=True):
        np.testing.assert_allclose(scatter, np.cov(np.delete(rows, block, 0).T, bias=True), atol=1e-10)
    for block, scatter in zip(jackknife.blocks(), jackknife.scatters(rows, False), strict=True):
        other = np.delete(rows, block, 0)
        np.testing.assert_allclose(scatter, other.T @ other / len(other), rtol=1e-12)
