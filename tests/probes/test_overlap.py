"""Test rows that are training rows too: refused, or counted where they are few or must be."""

from dataclasses import replace

import numpy as np
import pytest

from kontrast.probes import KNN, Recovery
from kontrast.probes.probe import repeated
from kontrast.views import Factor, Features


def features(n=100, seed=0, origin="data/train/0", first=0):
    rng = np.random.default_rng(seed)
    digest = np.arange(seed * 1000, seed * 1000 + n, dtype=np.uint64)
    labels = np.arange(n) % 2
    index = np.arange(first, first + n)
    return Features(rng.normal(size=(n, 3)), labels, None, ("a", "b"), index=index, digest=digest, origin=origin)


def test_rows_of_one_origin_and_index_are_refused():
    train, test = features(), features(seed=1, first=99)
    with pytest.raises(ValueError, match="1 of 100 are rows of both; give two splits"):
        KNN()(train, test)
    assert KNN()(train, replace(test, index=test.index + 1)).values
    assert KNN()(train, replace(test, origin="data/test/0")).values
    assert KNN()(replace(train, origin=""), replace(test, origin="")).values


@pytest.mark.parametrize(("same", "refused"), [(0, False), (10, False), (11, True), (100, True)])
def test_a_few_equal_observations_are_counted_and_many_refused(same, refused):
    train, test = features(), features(seed=1, origin="data/test/0")
    test.digest[:same] = train.digest[50]
    assert repeated(train, test) == same
    if refused:
        with pytest.raises(ValueError, match=f"{same} of 100 are equal to one of them"):
            KNN()(train, test)
    else:
        assert KNN()(train, test).values


def known(seed, kinds):
    rng = np.random.default_rng(seed)
    factors = tuple(Factor(kind, kind, size=3 if kind == "discrete" else None) for kind in kinds)
    columns = [rng.integers(0, 3, 200) if kind == "discrete" else rng.uniform(size=200) for kind in kinds]
    latents = np.stack(columns, 1).astype(np.float32)
    values = latents + 0.1 * rng.normal(size=latents.shape)
    digest = np.zeros(200, np.uint64)  # all pictures look alike
    return Features(values, None, latents, (), factors, None, np.arange(200), None, digest, f"world/{seed}")


def test_pictures_that_look_alike_are_not_the_same_row_where_their_latents_differ():
    train, test = known(0, ["continuous", "discrete"]), known(1, ["continuous", "discrete"])
    assert repeated(train, test) == 0
    assert Recovery()(train, test).values
    again = replace(test, latents=train.latents.copy(), values=test.values)
    assert repeated(train, again) == 200
    with pytest.raises(ValueError, match="200 of 200 are equal"):
        Recovery()(train, again)


def test_a_world_of_few_rows_repeats_them_without_a_leak():
    train, test = known(0, ["discrete"]), known(1, ["discrete"])
    assert repeated(train, test) == 200
    assert Recovery()(train, test).values
