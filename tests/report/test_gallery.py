"""Neighbors, pairs, and pictures of vectors."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from made_records import classification, sprites
from PIL import Image

from kontrast.report.gallery import NEIGHBORS, QUERIES, as_pictures, neighbor_rows, neighbors, pair_rows, png


def opened(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


@pytest.mark.parametrize("make", [sprites, classification])
def test_neighbors_are_the_largest_cosines(make):
    record = make()
    queries, nearest, cosines = neighbors(record)
    assert nearest.shape == cosines.shape == (QUERIES, NEIGHBORS)
    z = record.embedding[: len(record.pictures)]
    for query, near, found in zip(queries, nearest, cosines, strict=True):
        naive = [(z[query] @ v) / np.linalg.norm(z[query]) / np.linalg.norm(v) for v in z]
        order = [i for i in np.argsort(naive)[::-1] if i != query][:NEIGHBORS]
        assert list(near) == order
        np.testing.assert_allclose(found, np.array(naive)[order], atol=1e-9)


def test_queries_are_of_different_classes_and_the_same_each_time():
    record = classification()
    queries = neighbors(record)[0]
    assert len(set(record.labels[queries])) == QUERIES
    assert list(queries) == list(neighbors(record)[0])


def test_pictures_may_show_other_rows_than_the_first():
    record = classification()
    rows = np.arange(3000)[::-1][:50]
    moved = classification(pictures=record.pictures[:50], pictured=rows)
    queries, nearest, cosines = neighbors(moved)
    z = record.embedding[rows]
    np.testing.assert_allclose(cosines[0, 0], z[queries[0]] @ z[nearest[0, 0]], atol=1e-12)
    assert len(set(record.labels[rows[queries]])) == QUERIES


def test_neighbors_of_another_class_are_marked():
    record = classification(embedding=np.random.default_rng(0).normal(size=(3000, 2)))
    queries, nearest, _ = neighbors(record)
    rows, _ = neighbor_rows(record)
    marked = [[item.other for item in row] for row in rows]
    expected = [[False, *(record.labels[n] != record.labels[q])] for q, n in zip(queries, nearest, strict=True)]
    assert marked == expected
    assert rows[0][0].caption == "airplane"


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_pictures(count):
    record = sprites(pictures=sprites().pictures[:count])
    rows, sheet = neighbor_rows(record)
    assert (len(rows), sheet is None) == ((count, False) if count > 1 else (0, True))
    assert all(len(row) == count for row in rows)


def test_rows_of_zeros_and_rows_that_are_not_finite_have_neighbors():
    z = sprites().embedding.copy()
    z[:10], z[10:20] = 0, np.nan
    _, _, cosines = neighbors(sprites(embedding=z))
    assert np.isfinite(cosines).all()


def test_pictures_are_shown_as_they_are():
    gray = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    for array in (gray, gray[..., None], np.repeat(gray[..., None], 3, axis=-1)):
        np.testing.assert_array_equal(as_pictures(array)[..., 1], gray)
    np.testing.assert_array_equal(as_pictures((gray > 9).astype(np.uint8))[..., 0], np.where(gray > 9, 255, 0))


def test_vectors_are_strips_of_signed_color():
    strip = as_pictures(np.array([[-1.0, 0.0, 1.0, np.nan]]))[0, 0].astype(int)
    assert strip[0, 2] > strip[0, 0] + 50
    assert strip[2, 0] > strip[2, 2] + 50
    assert np.ptp(strip[1]) < 12
    np.testing.assert_array_equal(strip[3], strip[1])


def test_pairs_stand_beside_each_other():
    record = sprites()
    rows, sheet = pair_rows(record)
    assert len(rows) == 12
    for at, (one, two) in enumerate(rows):
        np.testing.assert_array_equal(opened(one.address)[..., 0], record.pairs[0][at])
        np.testing.assert_array_equal(opened(two.address)[..., 0], record.pairs[1][at])
    assert Image.open(io.BytesIO(sheet)).size == (12 * 66 - 2, 2 * 66 - 2)
    assert pair_rows(sprites(pairs=None)) == ([], None)
    assert len(pair_rows(sprites(pairs=(np.ones((40, 5)), np.ones((40, 5)))))[0]) == 12


def test_large_pictures_become_small():
    assert max(Image.open(io.BytesIO(png(np.zeros((300, 200, 3), np.uint8), 96))).size) == 96
