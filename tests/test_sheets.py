"""Sheets: where pictures lie on them, and that nothing is smoothed or lost."""

import io

import numpy as np
import pytest
from PIL import Image

from kontrast.sheets import Column, enlarged, grid, labeled


def picture(h, w, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (h, w, 3), dtype=np.uint8)


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def places(page, wanted):
    """Where a picture is on a page, as top left corners."""
    h, w, _ = wanted.shape
    corners = np.argwhere((page[: len(page) - h + 1, : page.shape[1] - w + 1] == wanted[0, 0]).all(2)).tolist()
    return [[y, x] for y, x in corners if np.array_equal(page[y : y + h, x : x + w], wanted)]


def test_a_grid_keeps_every_picture_and_centers_small_ones():
    large, small = picture(8, 6), picture(4, 2, 1)
    page = grid([[large, small], [small]], gap=2)
    assert page.shape == (18, 14, 3)
    assert np.array_equal(page[:8, :6], large)
    assert np.array_equal(page[2:6, 10:12], small)
    assert np.array_equal(page[12:16, 2:4], small)
    assert (page[8:10] == 255).all()


def test_enlarging_makes_squares_of_pixels():
    small = picture(3, 2)
    large = enlarged(small, 4)
    assert large.shape == (12, 8, 3)
    assert np.array_equal(large[::4, ::4], small)
    assert np.array_equal(large[3::4, 3::4], small)


@pytest.mark.parametrize(("side", "factor"), [(8, 16), (28, 5), (32, 4), (64, 2), (96, 1), (150, 1)])
def test_small_pictures_are_enlarged_by_one_whole_factor_for_all(side, factor):
    large, small = [picture(side, side, k) for k in range(2)], [picture(side // 2, side // 2, k) for k in (2, 3)]
    columns = [Column("original", "", "", large), Column("view 1", "p = 0.5", "views", small)]
    page = opened(labeled(columns, ["cat", "a longer name"]))
    found = [places(page, enlarged(each, factor)) for each in (*large, *small)]
    assert [len(each) for each in found] == [1, 1, 1, 1]
    (a, b, c, d) = (each[0] for each in found)
    assert a[1] == b[1]
    assert c[1] == d[1]
    assert d[0] - c[0] == b[0] - a[0]
    assert c[0] > a[0]


def test_large_pictures_are_reduced():
    page = opened(labeled([Column("original", "", "", [picture(400, 300)])], [""]))
    assert page.shape[0] < 300


def test_a_long_heading_has_room():
    short = opened(labeled([Column("a", "", "b", [picture(8, 8)])], [""]))
    long = opened(labeled([Column("a", "", "b" * 60, [picture(8, 8)])], [""]))
    assert long.shape[1] > short.shape[1] + 200


def test_words_are_drawn():
    columns = [Column("original", "28 x 28", "views", [np.full((28, 28, 3), 255, np.uint8)])]
    with_words, without = (opened(labeled(columns, [name])) for name in ("Ankle boot", ""))
    assert (with_words < 100).any()
    assert with_words.shape[1] > without.shape[1]
