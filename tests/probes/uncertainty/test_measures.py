"""Every measure of uncertainty against its equation, done slowly."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from kontrast import Features
from kontrast.parts import known, summary
from kontrast.probes.uncertainty import (
    BALD,
    Concentration,
    DropoutEntropy,
    Entropy,
    ExpectedEntropy,
    Gallery,
    KNNDistance,
    LeastConfidence,
    Measure,
    Norm,
    RetrievalEntropy,
    SoftmaxEntropy,
)
from kontrast.similarities import LatentClass
from kontrast.spaces import Simplex, VonMisesFisher

from golden import A


def rows(n=150, d=5, seed=0, **options):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    values = rng.normal(size=(n, d)) + 1.5 * np.eye(3, d)[labels]
    return Features(**{"values": values, "labels": labels, **options})


def simplex(n=60, d=5, seed=0, passes=0):
    z = torch.randn(max(passes, 1), n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Simplex().project(z).numpy()


def entropies(q):
    return np.array([[-sum(p * math.log(p) for p in row if p > 0) for row in one] for one in np.atleast_3d(q)])


TRAIN, TEST = rows(), rows(90, seed=1)


def test_the_entropy_is_the_golden_one():
    q = Simplex().project(A).numpy()
    found = Entropy()(TRAIN, Features(q)) * math.log(4)
    np.testing.assert_allclose(found, [1.333306, 1.343651, 1.297467, 1.344660, 1.275866, 1.237907], atol=1e-6)
    certain = torch.from_numpy(q)
    np.testing.assert_allclose(math.log(4) - found, Simplex().concentration(certain).numpy(), atol=1e-12)


def test_entropy_goes_from_none_to_all():
    q = np.concatenate([np.eye(4), np.full((1, 4), 0.25)])
    np.testing.assert_allclose(Entropy()(TRAIN, Features(q)), [0, 0, 0, 0, 1], atol=1e-12)


def passed(samples=4):
    """Features of passes as an encoding gives them, with each of the passes."""
    each = simplex(passes=samples)
    mean = each.mean(0)
    total, expected = entropies(mean[None])[0], entropies(each).mean(0)
    found = Features(mean, concentration=math.log(5) - total, spread=total - expected)
    return replace(found, extra={f"{samples} passes": found}), total, expected


def test_the_entropy_of_passes_has_two_parts():
    test, total, expected = passed()
    bald, rest = BALD(samples=4)(TRAIN, test), ExpectedEntropy(samples=4)(TRAIN, test)
    np.testing.assert_allclose(rest * math.log(5), expected, atol=1e-10)
    np.testing.assert_allclose(bald * math.log(5), total - expected, atol=1e-10)
    np.testing.assert_allclose(bald + rest, Entropy()(TRAIN, test), atol=1e-10)
    assert (bald >= 0).all()


def test_off_the_simplex_passes_disagree_by_their_directions():
    spread = np.linspace(0, 1, 90)
    test = replace(TEST, extra={"16 passes": replace(TEST, spread=spread)})
    np.testing.assert_array_equal(BALD()(TRAIN, test), spread)
    assert "no probabilities" in ExpectedEntropy().lacks(TRAIN, test)


def test_concentration_and_length_are_turned_around():
    certain = replace(TEST, concentration=np.arange(90.0))
    np.testing.assert_array_equal(Concentration()(TRAIN, certain), -np.arange(90.0))
    np.testing.assert_allclose(Norm()(TRAIN, TEST), [-math.hypot(*row) for row in TEST.values])
    z = VonMisesFisher().project(torch.randn(20, 6))
    kappa = VonMisesFisher().concentration(z)
    test = Features(z.numpy(), concentration=kappa.numpy())
    assert Norm().lacks(TRAIN, test) == "the length of a row is its concentration"


@pytest.mark.parametrize("temperature", [0.05, 0.5, 5.0])
def test_the_partner_is_as_uncertain_as_the_softmax_over_the_gallery(temperature):
    measure = RetrievalEntropy(temperature=temperature, gallery=40, seed=3)
    gallery = TRAIN.values[np.random.default_rng(3).permutation(150)[:40]]
    for found, x in zip(measure(TRAIN, TEST), TEST.values, strict=True):
        cosine = [x @ g / math.hypot(*x) / math.hypot(*g) for g in gallery]
        p = softmax(np.array(cosine) / temperature)
        assert found == pytest.approx(-(p * np.log(p)).sum() / math.log(40), abs=1e-9)


def test_the_partner_is_found_by_any_similarity():
    train, test = Features(simplex(30, seed=1)[0]), Features(simplex(20, seed=2)[0])
    found = RetrievalEntropy(similarity=LatentClass(), temperature=1.0)(train, test)
    share = test.values @ train.values.T
    p = share / share.sum(1, keepdims=True)
    np.testing.assert_allclose(found, -(p * np.log(p)).sum(1) / math.log(30), atol=1e-9)


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_the_distance_is_that_of_the_kth_neighbor(k):
    found = KNNDistance(k=k)(TRAIN, TEST)
    neighbors = NearestNeighbors(n_neighbors=min(k, 150), metric="cosine", algorithm="brute").fit(TRAIN.values)
    np.testing.assert_allclose(found, neighbors.kneighbors(TEST.values)[0][:, -1], atol=1e-6)


def test_a_gallery_of_some_rows_is_drawn_once():
    rows = np.random.default_rng(7).permutation(150)[:20]
    few = replace(TRAIN, values=TRAIN.values[rows], labels=None)
    np.testing.assert_allclose(KNNDistance(gallery=20, seed=7)(TRAIN, TEST), KNNDistance()(few, TEST), atol=1e-6)


def answers(train, values):
    scaler = StandardScaler().fit(train.values)
    strength = 1 / (2 * len(train) * 1e-3)
    model = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(scaler.transform(train.values), train.labels)
    return model.predict_proba(scaler.transform(values))


def test_the_baselines_are_those_of_scikit_learn():
    p = answers(TRAIN, TEST.values)
    np.testing.assert_allclose(SoftmaxEntropy()(TRAIN, TEST), -(p * np.log(p)).sum(1) / math.log(3), atol=5e-3)
    np.testing.assert_allclose(LeastConfidence()(TRAIN, TEST), 1 - p.max(1), atol=5e-3)
    extra = {f"pass {s}": rows(90, seed=10 + s) for s in range(3)}
    mean = np.mean([answers(TRAIN, each.values) for each in extra.values()], axis=0)
    found = DropoutEntropy(samples=3)(TRAIN, replace(TEST, extra=extra))
    np.testing.assert_allclose(found, -(mean * np.log(mean)).sum(1) / math.log(3), atol=5e-3)


def test_unlabeled_rows_teach_the_linear_probe_nothing():
    rng = np.random.default_rng(4)
    more = np.concatenate([TRAIN.values, 100 * rng.normal(size=(30, 5))])
    train = Features(more, np.concatenate([TRAIN.labels, np.full(30, -1)]))
    np.testing.assert_allclose(SoftmaxEntropy()(train, TEST), SoftmaxEntropy()(TRAIN, TEST), atol=1e-12)


@pytest.mark.parametrize(
    ("measure", "test", "said"),
    [
        (Entropy(), TEST, "write|train with space=Simplex"),
        (Entropy(), Features(np.ones((3, 1))), "space=Simplex"),
        (Concentration(), TEST, "space=VonMisesFisher"),
        (Concentration(), replace(TEST, concentration=np.full(90, np.inf)), "90 rows have a concentration"),
        (Concentration(), Features(simplex()[0], concentration=np.ones(60)), "another word for the entropy"),
        (Norm(), Features(np.eye(4)), "one length"),
        (BALD(), TEST, "encoder.dropout=0.3"),
        (BALD(), replace(TEST, extra={"16 passes": replace(TEST, spread=np.full(90, np.nan))}), "NaN or infinity"),
        (ExpectedEntropy(), TEST, "encoder.dropout=0.3"),
        (DropoutEntropy(), TEST, "encoder.dropout=0.3"),
        (KNNDistance(), replace(TEST, values=np.full((90, 5), np.nan)), "90 of 90 rows have features that are NaN"),
    ],
)
def test_what_is_lacking_is_said_in_one_sentence(measure, test, said):
    with pytest.raises(ValueError, match=said) as error:
        measure(TRAIN, test)
    assert ". " not in str(error.value)


@pytest.mark.parametrize("labels", [None, np.full(150, -1), np.ones(150, np.int64)])
def test_a_baseline_needs_two_classes(labels):
    with pytest.raises(ValueError, match="two classes or more"):
        SoftmaxEntropy()(replace(TRAIN, labels=labels), TEST)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RetrievalEntropy(temperature=0.0), "temperature=0.1"),
        (lambda: RetrievalEntropy(gallery=1), "gallery=1000"),
        (lambda: RetrievalEntropy(seed=-1), "seed from 0"),
        (lambda: KNNDistance(k=0), "write k=10"),
        (lambda: KNNDistance(gallery=0), "gallery=10000"),
        (lambda: BALD(samples=1), "samples=16"),
        (lambda: ExpectedEntropy(samples=0), "samples=16"),
        (lambda: DropoutEntropy(samples=1), "samples=16"),
    ],
)
def test_options_out_of_range_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_one_row_is_no_gallery():
    with pytest.raises(ValueError, match="no gallery"):
        RetrievalEntropy()(rows(1), TEST)


def test_the_scale_of_features_changes_no_direction():
    for measure in (RetrievalEntropy(), KNNDistance()):
        scaled = (replace(split, values=1e3 * split.values) for split in (TRAIN, TEST))
        np.testing.assert_allclose(measure(*scaled), measure(TRAIN, TEST), atol=1e-5)


def test_a_gallery_learns_once():
    gallery = Gallery.of(TRAIN)
    assert Gallery.of(gallery) is gallery
    assert gallery.logits(TEST.values) is not None
    assert gallery._linear is gallery._linear
    assert gallery.directions is gallery.directions


@pytest.mark.parametrize("cls", list(known(Measure).values()))
def test_measures_are_documented(cls):
    assert cls.__module__.startswith("kontrast.probes.uncertainty")
    assert summary(cls).endswith((".", ":"))
