"""Axes and the settings that they make: how many, in what order, and what is refused."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.studies import Axis, Setting, each, grid, paired, settings_of
from kontrast.studies.axes import MOST, axes_of

levels = st.lists(st.text("abc=,+.", min_size=1, max_size=3), min_size=1, max_size=4, unique=True)
axes = st.dictionaries(st.sampled_from(["a", "b.c", "b.d", "...p"]), levels, max_size=3).map(
    lambda found: [Axis.of(name, *values) for name, values in found.items()]
)


@given(axes)
def test_a_grid_is_the_product_and_the_last_axis_changes_fastest(found):
    made = grid(*found)
    assert len(made) == math.prod(len(axis.levels) for axis in found)
    assert len({tuple(one.levels.items()) for one in made}) == len(made)
    places = [tuple(list(axis.levels).index(one.levels[axis.name]) for axis in found) for one in made]
    assert all(one < other for one, other in pairwise(places))
    assert all(one.words == {axis.name: one.levels[axis.name] for axis in found} for one in made)
    assert axes_of(made) == {axis.name: tuple(axis.levels) for axis in found}


@given(axes)
def test_single_changes_are_nothing_and_each_alone(found):
    made = grid(each(*found))
    assert len(made) == 1 + sum(len(axis.levels) for axis in found)
    assert made[0] == Setting({"change": "nothing"}, {})
    assert [dict(one.words) for one in made[1:]] == [{axis.name: level} for axis in found for level in axis.levels]


def test_pairs_go_together_level_by_level():
    axis = paired(Axis.of("a", 1, 2), Axis.of("b", "x", "y"))
    assert axis.name == "a+b"
    assert axis.levels == {"1+x": {"a": "1", "b": "x"}, "2+y": {"a": "2", "b": "y"}}
    drawn = settings_of([{"a+b": "2+y", "c": "5"}], [axis])
    assert drawn == (Setting({"a+b": "2+y", "c": "5"}, {"a": "2", "b": "y", "c": "5"}),)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Axis.of("batch"), "no value to take; write batch=a,b"),
        (lambda: Axis.of("batch", 64, "64"), "64 twice"),
        (lambda: paired(Axis.of("a", 1, 2), Axis.of("b", 1)), "as many of each, not 2 of a and 1 of b"),
        (lambda: paired(Axis.of("a", 1, 2)), "two or more"),
        (lambda: paired(Axis.of("a", 1, 2), Axis.of("a", 1, 2)), "two or more different fields"),
        (lambda: paired(Axis.of("a", "x", "x+y"), Axis.of("b", "y+z", "z")), r"two levels are called x\+y\+z"),
        (lambda: grid(Axis.of("a", 1), Axis("b", {"on": {"a": "2"}})), "a and b both set a"),
        (lambda: grid(Axis("n", {"x": {"a": "1"}}), Axis("n", {"y": {"b": "1"}})), "n varies twice"),
        (lambda: grid(*(Axis.of(f"f{at}", *range(1000)) for at in range(3))), "1,000,000,000 settings, more than"),
    ],
)
def test_axes_that_mean_nothing_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_largest_grid_is_made():
    assert len(grid(Axis.of("a", *range(100)), Axis.of("b", *range(MOST // 100)))) == MOST
