"""Which figures a study has, by what varied; and the numbers behind them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_results import changes, draws, grid, similarities, study, temperatures

from kontrast.report import changed, crossed, seeds, studied
from kontrast.report.figures import style
from kontrast.report.scatter import Scatter, draw_scatter, rank_correlation
from kontrast.report.seeds import Center


@pytest.fixture
def drawn(monkeypatch):
    """What would be drawn, as (kind, name, value), without drawing it."""
    found = []

    def record(kind):
        return lambda *given: found.append((kind, given[-1], given)) or found[-1]

    for name in ("draw_bars", "draw_facets", "draw_scatter", "draw_effects"):
        monkeypatch.setattr(studied, name, record(name))
    for name in ("draw_heat", "draw_effects"):
        monkeypatch.setattr(crossed, name, record(name))
    monkeypatch.setattr(changed, "draw_heat", record("draw_heat"))

    def of(results):
        found.clear()
        return [(kind.removeprefix("draw_"), name) for kind, name, _ in studied.figures(results)]

    of.found = found
    return of


def test_figures_follow_from_what_varied(drawn):
    things = [("heat", "things-0")]
    beside = [("scatter", "scatter-0")]
    assert drawn(similarities()) == [("bars", "score"), ("effects", "differences"), *things, *beside]
    assert drawn(changes()) == [("bars", "score"), ("effects", "differences"), *things, *beside]
    assert drawn(temperatures()) == [("facets", "score"), ("heat", "grid"), *beside]
    assert drawn(grid()) == [("effects", "effects"), ("facets", "score"), *things, *beside]
    over = [("scatter", "by-optimizer.rate"), ("scatter", "by-objective.temperature")]
    assert drawn(draws()) == [("bars", "score"), *over, *beside]
    assert drawn(study({"batch": ("64", "128", "256")}, [0.1])) == [("facets", "score")]
    assert drawn(replace(similarities(), outcomes=())) == []
    named = replace(similarities(), against=("KNN", "Recovery: r2/shape", "none such"))
    assert drawn(named)[-2:] == [("scatter", "scatter-0"), ("scatter", "scatter-1")]
    assert [given[0].x for _, _, given in drawn.found[-2:]] == ["KNN accuracy", "Recovery R² shape"]


def test_curves_go_along_numbers_and_names_along_the_most_levels(drawn):
    drawn(temperatures())
    facets = drawn.found[0][2][0]
    assert facets.numbers == (0.05, 0.1, 0.2, 0.5, 1, 2)
    assert facets.logarithmic
    assert facets.colors == ("batch 64", "batch 128", "batch 256", "batch 512")
    drawn(grid())
    facets = drawn.found[1][2][0]
    assert facets.facets == ("norm on", "norm off")
    assert facets.colors == ("Cosine", "Euclidean", "Mahalanobis")
    assert facets.rows[0] == "none" and not facets.numbers
    assert len(facets.values) == 42


def test_things_are_differences_to_the_baseline_seed_by_seed(drawn):
    made = similarities()
    drawn(made)
    panel = drawn.found[2][2][0]
    assert panel.center == 0
    assert panel.rows == ("Euclidean", "Mahalanobis", "Dot", "Laplace")
    assert [name.partition(" (")[0] for name in panel.columns] == [
        "shape",
        "scale",
        "orientation",
        "position x",
        "position y",
    ]
    euclidean, cosine = (made.of((name,), "Recovery: r2/scale") for name in ("Euclidean", "Cosine"))
    expected = [euclidean[seed].value - cosine[seed].value for seed in range(3)]
    assert panel.values[0][1] == pytest.approx(np.mean(expected))
    assert panel.low[0][1] >= min(expected) - 1e-12


def test_with_three_axes_levels_stand_for_settings(drawn):
    drawn(grid())
    panel = drawn.found[2][2][0]
    assert panel.rows == ("Euclidean", "Mahalanobis", "norm off", "crop", "flip", "rotate", "blur", "noise", "all")


def test_an_axis_alone_is_what_was_put_in():
    made = study({"a": ("x", "y"), "b": ("p", "q", "r")}, [0.1, 0.0], noise=0.0)
    found = seeds.alone(made, "a", "Linear: accuracy")
    first = next(score.value for score in made.of(("x", "p"), "Linear: accuracy").values())
    second = next(score.value for score in made.of(("y", "p"), "Linear: accuracy").values())
    assert found["x"].value == pytest.approx((first - second) / 2)
    assert found["x"].value == pytest.approx(-found["y"].value)
    assert seeds.reach(made, "a", "Linear: accuracy") == pytest.approx(abs(first - second))
    assert math.isnan(seeds.reach(draws(), "optimizer.rate", "Linear: accuracy"))


@pytest.mark.parametrize(
    ("levels", "numbers", "logarithmic"),
    [
        (["0.1", "0.2", "0.5", "1"], True, True),
        (["64", "128", "256"], True, True),
        (["1", "2", "3", "4", "5"], True, False),
        (["0", "1", "10"], True, False),
        (["-1", "1", "100"], True, False),
        (["1", "2"], False, False),
        (["1", "nan", "3"], False, False),
        (["1", "two", "3"], False, False),
        (["1", "1", "1"], False, False),
    ],
)
def test_numbers_and_factors_are_told(levels, numbers, logarithmic):
    found = seeds.numeric(levels)
    assert (found is not None) == numbers
    if found:
        assert seeds.geometric(found) == logarithmic


def test_names_of_settings_say_what_varies():
    made = grid()
    assert seeds.setting_name(made, ("Cosine", "on", "crop")) == "Cosine · norm on · crop"
    assert seeds.level_name(made, "objective.similarity", "") == "similarity"
    both = replace(made, axes={"a.rate": ("1",), "b.rate": ("2",)})
    assert seeds.last("a.rate", both) == "a.rate"


def test_rank_correlation():
    def at(x):
        return Center(x, math.nan, math.nan, (x,))

    pairs = tuple((at(x), at(y)) for x, y in ((1, 10), (2, 30), (3, 20), (4, 40)))
    assert rank_correlation(Scatter("t", "x", "y", ("a",) * 4, pairs)) == pytest.approx(0.8)
    assert math.isnan(rank_correlation(Scatter("t", "x", "y", ("a",) * 3, pairs[:3])))
    assert math.isnan(rank_correlation(Scatter("t", "x", "y", ("a",) * 4, tuple((at(1), y) for _, y in pairs))))


def test_what_there_is_no_room_for_is_never_the_best_or_the_baseline(drawn):
    letters = tuple(f"o{at}" for at in range(11))
    made = study(
        {"optimizer": letters, "rate": tuple(f"r{at}" for at in range(26))}, [0.02, 0.01], baseline=("o9", "r25")
    )
    drawn(made)
    facets = drawn.found[0][2][0]
    values = seeds.shown(made, "Linear: accuracy")
    best = max(values, key=lambda one: values[one].value)
    for levels in (best, ("o9", "r25")):
        assert levels[0] in facets.colors + facets.rows and levels[1] in facets.colors + facets.rows
    assert (len(facets.colors), len(facets.rows)) == (8, 24) and set(facets.rows) <= set(made.axes["rate"])
    assert "8 of 11 levels of optimizer, the best" in facets.note and "24 of 26 levels of rate, the best" in facets.note
    many = study({"optimizer": tuple(f"o{at}" for at in range(60))}, [0.02], baseline=("o59",))
    drawn(many)
    bars = drawn.found[0][2][0]
    values = seeds.shown(many, "Linear: accuracy")
    assert "o59" in bars.names and max(values, key=lambda one: values[one].value)[0] in bars.names
    assert len(bars.names) == 24 and "24 of 60 settings, the best and the baseline's" in bars.note


def test_a_table_of_what_seeds_alone_do_is_pale(drawn):
    drawn(study({"a": ("x", "y"), "b": ("p", "q", "r")}, [0.0, 0.0], noise=0.01))
    (panel,) = (given[0] for kind, _, given in drawn.found if kind == "draw_heat")
    assert panel.reach == pytest.approx(0.04, rel=0.5)
    assert max(abs(x - panel.center) for row in panel.values for x in row) < panel.reach


def test_names_that_differ_at_their_ends_are_told_apart_where_there_is_little_room():
    made = study(
        {"loss": ("latent classes of many words", "NT-Xent"), "objective.temperature": ("0.1", "1.0")}, [0.01, 0.0]
    )
    names = {seeds.setting_name(made, levels, 30) for levels in made.settings}
    assert len(names) == 4 and all(len(name) <= 30 for name in names)
    assert any("…" in name and name.endswith(" 0.1") for name in names)
    assert seeds.say("MCC: mcc/pearson") == "MCC pearson"


def test_names_of_points_stand_beside_them_only_where_they_fit():
    point = Center(0.5, 0.4, 0.6, (0.5,))
    for name, beside in (("Cosine", True), ("latent classes · temperature 0.1", False)):
        names = tuple(f"{name} {at}" for at in range(4))
        with style():
            found = draw_scatter(Scatter("t", "x", "y", names, ((point, point),) * 4), "s")
        assert (f"1 {names[0]}" in found.note) != beside
