"""Panels as figures."""

from __future__ import annotations

import warnings
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
import pytest
from made_records import panels

from kontrast.panels import Bars, Curves, Heat, Line, Points
from kontrast.report import Record, colors
from kontrast.report.figures import WIDTH, style
from kontrast.report.panels import draw, looking, span

NAN, HUGE = float("nan"), 1e307
ODD = ["$x_1$", "\\alpha", "%s {0}", "猫", "", "_hidden", "x" * 500, "a\nb", "]]>", "<b>"]


def drawn(panel):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with style():
            found = draw(panel)
    ElementTree.fromstring(found.svg)
    assert found.png[:4] == b"\x89PNG"
    return found


def matrix(rows, columns, low=None, high=None, value=0.5, **options):
    values = np.full((rows, columns), value)
    bounds = {} if low is None else {"low": values + low, "high": values + high}
    return Heat("h", [f"r{i}" for i in range(rows)], [f"c{i}" for i in range(columns)], values, **bounds, **options)


@pytest.mark.parametrize("at", range(8))
def test_every_kind_is_drawn_twice_the_same(at):
    _, panel = panels()[at]
    found = drawn(panel)
    assert found == drawn(panel)
    assert found.title == panel.title
    assert len(found.alt) > 25
    assert panel.note in found.note


@pytest.mark.parametrize(
    "panel",
    [
        Heat("h", (), (), ()),
        matrix(1, 1, value=NAN),
        matrix(2, 2, value=0.0),
        matrix(2, 2, value=HUGE),
        matrix(2, 2, value=-1e-12, center=0.0),
        matrix(2, 2, value=1.0, center=NAN),
        Heat("h", ("a", "b"), ("x",), ((HUGE,), (-HUGE,))),
        Curves("c", "x", "y", ()),
        Curves("c", "x", "y", (Line("l", (), ()),), filled=True, diagonal=True),
        Curves("c", "x", "y", (Line("l", (NAN, 1), (1, NAN)),)),
        Curves("c", "x", "y", (Line("l", (-1, 0), (-1, 0)),), "xy", diagonal=True),
        Curves("c", "x", "y", (Line("l", (1, 1), (2, 2)),), "xy"),
        Curves("c", "x", "y", (Line("l", (-HUGE, HUGE), (-HUGE, HUGE)),)),
        Curves("c", "x", "y", (Line("l", (1, 10), (1, 2), (0, -1), (2, NAN)),), "y", filled=True),
        Points("p", (), ()),
        Points("p", (NAN, 1.0), (1.0, 2.0), (NAN, NAN)),
        Points("p", (1.0, 1.0), (1.0, 1.0), (3.0, 3.0)),
        Points("p", (1.0, 2.0), (1.0, 2.0), (-1.0, 7.0), ("a", "b")),
        Points("p", (HUGE, 2.0), (1.0, -HUGE), (HUGE, -HUGE)),
        Bars("b", (), ()),
        Bars("b", ("a", "b", "c"), (NAN, HUGE, -1.0), (NAN, 0.0, -2.0), (NAN, 0.0, 0.0), {"x": NAN, "y": 3.0}),
    ],
    ids=lambda panel: f"{type(panel).__name__}",
)
def test_degenerate_panels_are_drawn(panel):
    drawn(panel)


@pytest.mark.parametrize("name", ODD)
def test_names_are_text(name):
    three = tuple(f"{name}{i}" for i in range(3))
    found = [
        drawn(Heat(name, three, three, np.eye(3), center=0, row=name, column=name, note=name)),
        drawn(Curves(name, name, name, tuple(Line(x, (0, 1), (1, 2)) for x in three), note=name)),
        drawn(Points(name, (1, 2, 3), (1, 2, 3), (0, 1, 2), three, name, name)),
        drawn(Bars(name, three, (1, 2, 3), references=dict.fromkeys(three, 1.0), y=name, note=name)),
    ]
    if 1 < len(name) < 9 and "\n" not in name:
        shown = escape(three[0])
        assert all(f">{shown}<" in each.svg or f">\u2009{shown}<" in each.svg for each in found)


def test_cells_hold_their_numbers_and_intervals_where_they_fit():
    found = drawn(matrix(3, 3, -0.125, 0.25, center=0))
    assert ">0.50<" in found.svg and ">[0.38, 0.75]<" in found.svg
    assert found.size == ""
    assert drawn(matrix(9, 5, -0.1, 0.1)).size == "two"
    tight = drawn(matrix(10, 20, -0.1, 0.1))
    assert ">0.50<" in tight.svg and "[" not in "".join(ElementTree.fromstring(tight.svg).itertext())
    assert ">0.50<" not in drawn(matrix(100, 5, value=0.5)).svg.replace(">0.50<", "", 1)
    assert ">7<" in drawn(matrix(2, 2, value=7.0)).svg
    assert ">\u2013<" in drawn(Heat("h", ("a",), ("x", "y"), ((1.0, NAN),))).svg


def tints(panel):
    """Fill and opacity of each cell that has a color, row by row."""
    found = []
    for path in ElementTree.fromstring(drawn(panel).svg).iter("{http://www.w3.org/2000/svg}path"):
        style_ = dict(part.strip().split(": ") for part in path.get("style", "").split(";") if ": " in part)
        if style_.get("fill") in (colors.TRAINED, colors.BELOW):
            found.append((style_["fill"], float(style_.get("opacity", 1))))
    return found


def test_tints_grow_with_the_distance_from_the_center():
    found = tints(Heat("h", ("a",), ("x", "y", "z"), ((-2.0, 0.0, 1.0),), center=0.0))
    assert [color for color, _ in found] == [colors.BELOW, colors.TRAINED]
    assert [opacity for _, opacity in found] == [0.62, 0.31]
    assert [opacity for _, opacity in tints(Heat("h", ("a",), ("x", "y"), ((0.5, 1.0),), center=0.5))] == [0.62]
    assert [opacity for _, opacity in tints(Heat("h", ("a",), ("x", "y"), ((0.5, 1.0),), center=0.5, reach=1))] == [
        0.31
    ]


def test_large_matrices_are_one_picture_and_their_ends_are_said():
    found = drawn(matrix(450, 410, value=0.25))
    assert found.svg.count("<image") == 1
    assert found.size == "three"
    assert "first 400 rows and the first 400 columns" in found.note
    assert len(found.svg) < 400_000


def test_the_same_names_have_the_same_colors():
    x = tuple(range(30))
    names = ("null", "entropy", "raw input", "untrained", "trained", "norm")
    found = drawn(Curves("c", "x", "y", tuple(Line(name, x, x) for name in names))).svg
    for color in (colors.FLOOR, colors.SERIES[0], colors.RAW, colors.UNTRAINED, colors.TRAINED, colors.SERIES[1]):
        assert f"stroke: {color}" in found
    assert f"stroke: {colors.SERIES[2]}" not in found


def test_many_curves_points_and_bars_are_thinned_and_counted():
    x = np.linspace(0, 1, 50_000)
    long = drawn(Curves("c", "x", "y", tuple(Line(f"l{i}", x, x * i) for i in range(20))))
    assert len(long.svg) < 600_000
    assert long.note.startswith("The first 16 of 20 curves.")
    assert "5,000 points" in drawn(Points("p", x[:5000], x[:5000])).note
    bars = drawn(Bars("b", [f"n{i}" for i in range(100)], x[:100]))
    assert bars.note.startswith("The first 24 of 100.")
    assert bars.svg.count(">n") == 24


def test_figures_fit_the_columns_of_the_page():
    for size, rows, columns in (("", 3, 3), ("two", 8, 12), ("three", 8, 20)):
        found = drawn(matrix(rows, columns))
        assert found.size == size
        wide = float(ElementTree.fromstring(found.svg).get("width").removesuffix("pt"))
        assert wide == pytest.approx(72 * WIDTH[size])


def test_they_are_grouped_by_probe_in_the_order_given():
    shown = panels()
    with style():
        found = looking(Record("t", "c", {}, {}, panels=[*shown, shown[0]]))
    assert list(found) == ["PairSimilarity", "Effects", "DCI", "Spectrum", "Uncertainty", "Map method=umap"]
    assert len(found["PairSimilarity"]) == 2
    names = [each.name for group in found.values() for each in group]
    assert len(set(names)) == len(names) == 9
    assert [span(group) for group in found.values()] == [2, 1, 2, 1, 2, 2]
    small, wide = found["Spectrum"][0], found["DCI"][0]
    assert [span([small] * count) for count in (1, 2, 3, 4, 5)] == [1, 2, 3, 2, 3]
    assert wide.size == "two" and span([wide, small]) == 3
