"""Panels: values that fit each other, and the file that keeps them."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.panels import MOST, Bars, Curves, Heat, Line, Panel, Points, read_panels, write_panels

PANELS: tuple[Panel, ...] = (
    Heat("h", ("a", "b"), ("x", "y", "z"), ((1, 2, 3), (4, math.nan, 6)), center=0.5, row="r", column="c", note="n"),
    Heat("bounded", ("a",), ("x",), ((0.5,),), low=((0.4,),), high=((0.6,),)),
    Curves("c", "x", "y", (Line("l", (1, 2), (3, 4), (2, 3), (4, 5)), Line("empty", (), ())), "xy", True, True, "n"),
    Points("p", (1.0, 2.0), (0.0, -1.0), (0, 1), ("a", "b"), "class", "n"),
    Bars("b", ("a", "b"), (1.0, 2.0), (0.5, 1.5), (1.5, 2.5), {"chance": 0.1}, "share", "n"),
    Bars("none", (), ()),
)


def test_a_file_gives_back_what_was_written(tmp_path: Any) -> None:
    rows = [(f"probe {at}", panel) for at, panel in enumerate(PANELS)]
    write_panels(tmp_path / "panels.json", rows)
    assert read_panels(tmp_path / "panels.json") == rows


@given(values=st.lists(st.floats(width=64), max_size=8))
def test_numbers_survive_and_those_that_are_not_finite_are_gaps(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("run") / "panels.json"
    panel = Bars("b", tuple(map(str, range(len(values)))), tuple(values))
    write_panels(path, [("p", panel)])
    ((_, found),) = read_panels(path)
    assert found == panel
    assert isinstance(found, Bars)
    for x, y in zip(values, found.values, strict=True):
        assert (x == y) if math.isfinite(x) else math.isnan(y)


def test_the_file_is_json_as_the_standard_has_it(tmp_path: Any) -> None:
    write_panels(tmp_path / "panels.json", [("p", Bars("b", ("a", "c"), (math.nan, -math.inf)))])
    text = (tmp_path / "panels.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)[0]["values"] == [None, None]


def test_numbers_of_any_kind_become_floats_and_arrays_tuples() -> None:
    given_ = Bars("b", ["a", "c"], np.array([1, 2], dtype=np.float32), references={"x": np.int64(3)})  # type: ignore[arg-type]
    assert given_ == Bars("b", ("a", "c"), (1.0, 2.0), references={"x": 3.0})
    assert all(type(x) is float for x in (*given_.values, *given_.references.values()))
    matrix = Heat("h", ("a",), ("x", "y"), np.ones((1, 2)))  # type: ignore[arg-type]
    assert matrix.values == ((1.0, 1.0),)


def test_panels_with_gaps_are_equal() -> None:
    assert Points("p", (float("nan"),), (1,)) == Points("p", (np.nan * 2,), (1,))


def test_panels_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PANELS[0].title = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Heat("h", ("a",), ("x", "y"), ((1.0,),)), "do not fit"),
        (lambda: Heat("h", ("a", "b"), ("x",), ((1.0,), (1.0, 2.0))), "do not fit"),
        (lambda: Heat("h", ("a",), ("x",), ((1.0,),), low=((1.0, 2.0),)), "the low of"),
        (lambda: Heat("h", ("a",), ("x",), "ab"), "rows of numbers"),  # type: ignore[arg-type]
        (lambda: Heat("h", "ab", ("x",), ((1.0,), (2.0,))), "list of texts"),  # type: ignore[arg-type]
        (lambda: Heat("h", ("a",), ("x",), ((1.0,),), center="0"), "must be numbers"),  # type: ignore[arg-type]
        (lambda: Line("l", (1.0,), (1.0, 2.0)), "1 x but 2 y"),
        (lambda: Line("l", (1.0,), (1.0,), low=(1.0, 2.0)), "1 x but 2 low"),
        (lambda: Line("l", 3, 4), "must be at most"),  # type: ignore[arg-type]
        (lambda: Line(3, (), ()), "must be text"),  # type: ignore[arg-type]
        (lambda: Curves("c", "x", "y", (1,)), "values of Line"),  # type: ignore[arg-type]
        (lambda: Curves("c", "x", "y", (), "z"), "logarithmic"),
        (lambda: Curves("c", "x", "y", (), filled=1), "true or false"),  # type: ignore[arg-type]
        (lambda: Points("p", (1.0,), (1.0,), (1.0, 2.0)), "1 x but 2 color"),
        (lambda: Points("p", ("1",), (1.0,)), "must be numbers"),  # type: ignore[arg-type]
        (lambda: Points("p", (True,), (1.0,)), "must be numbers"),
        (lambda: Points("p", (10**400,), (1.0,)), "beyond 1e308"),
        (lambda: Bars("b", ("a",), (1.0, 2.0)), "1 names but 2 values"),
        (lambda: Bars("b", ("a",), (1.0,), references=[1.0]), "by name"),  # type: ignore[arg-type]
        (lambda: Bars("b", (), (0.0,) * (MOST + 1)), "at most 1,000,000"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


BAR = {"probe": "p", "kind": "Bars", "title": "t", "names": ["a"], "values": [1.0]}
HEAT = {"probe": "p", "kind": "Heat", "title": "t", "rows": ["a"], "columns": ["x"], "values": [[1.0]]}
CURVES = {"probe": "p", "kind": "Curves", "title": "t", "x": "x", "y": "y", "lines": []}
HOSTILE = [
    "",
    "{}",
    "7",
    "null",
    "[1]",
    "[[]]",
    "[" * 100_000,
    json.dumps([BAR])[:-9],
    json.dumps([{**BAR, "probe": 3}]),
    json.dumps([{**BAR, "kind": "Pie"}]),
    json.dumps([{**BAR, "kind": ["Bars"]}]),
    json.dumps([{**BAR, "color": "red"}]),
    json.dumps([{key: value for key, value in BAR.items() if key != "values"}]),
    json.dumps([{**BAR, "title": None}]),
    json.dumps([{**BAR, "title": ["t"]}]),
    json.dumps([{**BAR, "names": "a"}]),
    json.dumps([{**BAR, "names": [1]}]),
    json.dumps([{**BAR, "values": ["1"]}]),
    json.dumps([{**BAR, "values": [True]}]),
    json.dumps([{**BAR, "values": [[1.0]]}]),
    json.dumps([{**BAR, "values": {"a": 1.0}}]),
    json.dumps([{**BAR, "values": [1.0, 2.0]}]),
    json.dumps([{**BAR, "values": [float("nan")]}]),
    json.dumps([{**BAR, "values": [float("-inf")]}]),
    json.dumps([{**BAR, "values": [10**400]}]),
    json.dumps([BAR]).replace("1.0", "1e999"),
    json.dumps([BAR]).replace("1.0", "9" * 5000),
    json.dumps([{**BAR, "references": [1.0]}]),
    json.dumps([{**BAR, "references": {"a": "b"}}]),
    json.dumps([{**HEAT, "values": [[1.0, 2.0]]}]),
    json.dumps([{**HEAT, "values": [1.0]}]),
    json.dumps([{**HEAT, "values": [[1.0], [1.0]]}]),
    json.dumps([{**HEAT, "low": [[]]}]),
    json.dumps([{**HEAT, "center": "middle"}]),
    json.dumps([{**CURVES, "lines": [1]}]),
    json.dumps([{**CURVES, "lines": {"name": "l"}}]),
    json.dumps([{**CURVES, "lines": [{"name": "l", "x": [1], "y": [1, 2]}]}]),
    json.dumps([{**CURVES, "lines": [{"name": "l", "x": [1], "y": [1], "__class__": "x"}]}]),
    json.dumps([{**CURVES, "logarithmic": None}]),
    json.dumps([{**CURVES, "filled": "yes"}]),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:60])
def test_other_files_are_refused_in_one_sentence(tmp_path: Any, text: str) -> None:
    path = tmp_path / "panels.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="does not hold panels") as error:
        read_panels(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400 + len(str(path))


def test_a_file_that_is_no_text_is_refused(tmp_path: Any) -> None:
    (tmp_path / "panels.json").write_bytes(b"\xff\xfe[]")
    with pytest.raises(ValueError, match="does not hold panels"):
        read_panels(tmp_path / "panels.json")
