"""What tells the things of a figure apart: their names, their places, their marks and how their lines are broken."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from made_results import study

from kontrast.panels import Bars, Curves, Line
from kontrast.report import changed, colors, crossed, seeds
from kontrast.report.bars import draw_bars
from kontrast.report.curves import curves, draw_curves, marks
from kontrast.report.figures import captions, style
from kontrast.report.scatter import Scatter, _beside, draw_scatter
from kontrast.report.seeds import Center

LONG = tuple(
    f"barlow_twins width=64 off_diagonal={x} standardize=true affine=false" for x in ("0.001", "0.005", "0.01")
)


@pytest.mark.parametrize("limit", [44, 26, 18, 10])
def test_names_that_are_cut_keep_the_words_in_which_they_differ(limit):
    found = captions(LONG, limit)
    assert [re.search("…([^…]+)…", text)[1] for text in found] == ["0.001", "0.005", "0.01"]
    assert max(map(len, found)) <= limit


def test_no_two_names_read_the_same():
    middles = [f"{'x' * 40}{at}{'y' * 40}" for at in range(12)]
    assert len({*captions(middles, 14)}) == 12
    apart = [f"{letter * 30}{'y' * 40}" for letter in "abc"]
    alike = [f"x{each}y" for each in apart]
    assert len({*captions(alike, 9)}) == 3 and max(map(len, captions(alike, 9))) <= 9
    assert captions(["", " ", "one", "one"], 9)[2:] == ["one", "one"]
    assert len({*captions(["", " "], 9)}) == 2


def test_small_multiples_have_every_setting_however_long_its_name():
    made = study(
        {"objective": LONG, "norm": ("on", "off"), "rate": ("1", "2", "4", "8")}, [0.05, 0.02, 0.01], noise=0.0
    )
    values = seeds.shown(made, "Linear: accuracy")
    assert len(crossed.facets(made, "Linear: accuracy", values).values) == len(values) == 24
    names = {seeds.setting_name(made, levels, 40) for levels in made.settings}
    assert len(names) == 24 and max(map(len, names)) <= 40


def test_levels_of_the_same_name_are_rows_of_their_own(monkeypatch):
    found = []
    monkeypatch.setattr(changed, "draw_heat", lambda panel, name: found.append(panel))
    axes = {"encoder": ("small", "large"), "head": ("small", "large"), "norm": ("on", "off")}
    list(changed.maps(study(axes, [0.05, 0.02, 0.01], factors=True), "Linear: accuracy"))
    assert found[0].rows == ("encoder large", "head large", "norm off")
    assert {len(row) for row in found[0].values} == {5}


def scatter(names, places):
    points = tuple(tuple(Center(x, math.nan, math.nan, (x,)) for x in place) for place in places)
    with style():
        return draw_scatter(Scatter("t", "x", "y", names, points), "s")


def test_names_stand_beside_points_unless_they_would_cover_each_other():
    names = ("simclr", "supcon", "barlow_twins", "simsiam", "vicreg", "byol")
    places = ((0.772, 0.855), (0.831, 0.876), (0.774, 0.851), (0.742, 0.847), (0.777, 0.86), (0.737, 0.847))
    found = scatter(names, places)
    assert all(f">{name}<" in found.svg for name in names) and "1 simclr" not in found.note
    heap = tuple((0.772 + at / 1e4, 0.855) for at in range(5))
    found = scatter(names, (*heap, (0.9, 0.9)))
    assert ">simclr<" not in found.svg and "1 simclr; 2 supcon" in found.note


def test_texts_are_put_where_they_cover_no_other_and_no_point():
    at, halves = [(100.0, 100.0), (104.0, 101.0), (190.0, 104.0), (193.0, 99.0)], [14.0, 28.0, 16.0, 9.0]
    spots, clear = _beside(at, halves, (0.0, 400.0))
    assert clear
    boxes = [(x + dx, y + dy, half) for (x, y), (dx, dy), half in zip(at, spots, halves, strict=True)]
    for (x, y, half), (u, v, other) in itertools.combinations(boxes, 2):
        assert abs(x - u) >= half + other or abs(y - v) >= 9
    assert not any(abs(x - u) < half and abs(y - v) < 4 for x, y, half in boxes for u, v in at)
    assert not _beside([(50.0, 50.0)], [80.0], (0.0, 90.0))[1]


def test_long_curves_have_marks_where_there_are_several():
    each = [marks(color, 800, several=True) for color in (*colors.SERIES, colors.UNTRAINED, colors.RAW)]
    assert len({look["marker"] for look in each}) == len(each)
    assert len({look["markevery"] for look in each[:8]}) == 8
    assert not marks(colors.SERIES[0], 800, several=False)
    rows = [{"step": i, "loss": 1.0, "loss/a": 2.0} for i in range(200)]
    line = Line("one", tuple(range(50)), tuple(range(50)))
    with style():
        several, alone = (
            draw_curves(Curves("c", "x", "y", (line, line)), "c"),
            draw_curves(Curves("c", "x", "y", (line,)), "c"),
        )
        (found,) = curves(rows)
    assert several.svg.count("<use") >= alone.svg.count("<use") + 12
    assert all(f"fill: {color}" in found.svg or f"stroke: {color}" in found.svg for color in colors.SERIES[:2])


def test_all_parts_of_a_metric_are_drawn():
    with style():
        (found,) = curves([{"step": i} | {f"std/part{at}": float(at) for at in range(10)} for i in range(3)])
    assert all(f">part{at}<" in found.svg for at in range(10))


def test_lines_that_values_are_read_against_are_each_broken_their_own_way():
    floors = {"untrained": 0.3, "raw input": 0.4, "chance": 0.1}
    assert len({colors.dash(colors.ROLES[name]) for name in floors}) == 3
    with style():
        found = draw_bars(Bars("b", ("one", "two"), (0.5, 0.6), references=floors), "b")
    assert len({*re.findall(r"stroke-dasharray: ([^;]+);", found.svg)}) == 3
