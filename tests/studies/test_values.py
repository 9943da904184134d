"""Several values of one field: how words are read, and what is drawn."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontrast.studies.values import Listed, Span, drawn, read, size


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", None),
        ("", None),
        ("../data", None),
        ("1e-3", None),
        ("{seed}", None),
        ("/pictures[1]", None),
        ("a,b,c", Listed(("a", "b", "c"))),
        ("64, 128", Listed(("64", "128"))),
        ("/a[1],/b[2]", Listed(("/a[1]", "/b[2]"))),
        ("[4,4],[8]", Listed(("4,4", "8"))),
        ("[4,4]", Listed(("4,4",))),
        ("[]", Listed(("",))),
        ("0..3", Listed(("0", "1", "2", "3"))),
        ("0..0", Listed(("0",))),
        ("-1..1", Listed(("-1", "0", "1"))),
        ("0.1..0.9", Span(0.1, 0.9)),
        ("log:1e-4..1", Span(1e-4, 1.0, log=True)),
        ("2.0..2.0", Listed(("2.0",))),
        ("0.1..0.9:5", Listed(("0.1", "0.3", "0.5", "0.7", "0.9"))),
        ("log:1e-4..1e-2:3", Listed(("1e-4", "0.001", "1e-2"))),
        ("log:16..1024:4", Listed(("16", "64", "256", "1024"))),
        ("0..10000000:3", Listed(("0", "5000000", "10000000"))),
    ],
)
def test_values_are_read(text, values):
    assert read("field", text) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3..1", "write f=1..3"),
        ("log:3..1", "write f=log:1..3"),
        ("log:0..1", "no logarithm"),
        ("log:-1..1:5", "no logarithm"),
        ("0..9999999", "too many.*write f=0.0..9999999.0"),
        ("0..1e999", "no end"),
        ("0.1..0.9:0", "write at least :2"),
        ("0.1..0.9:1", "write at least :2"),
        ("1..1:3", "write at least :2"),
        ("0..1:99999999", "write at least :2"),
        (",", "write f=a,b"),
        ("64,", "write f=64$"),
        ("64,,128", "write f=64,128"),
        ("4,4", r"f has 4 twice; leave out one of them; one value with commas is f=\[4,4\]"),
        ("0.1,0.10", "0.1 and 0.10, which are equal"),
        ("[4,4],[4,4]", "4,4 twice"),
        ("4,[8,8]", r"write f=\[4,4\],\[8\]"),
        ("[4,4],8", r"write f=\[4,4\],\[8\]"),
        ("[4,4", r"write f=\[4,4\],\[8\]"),
        ("1.0000001..1.0000003:4", "1 twice"),
    ],
)
def test_what_means_nothing_is_refused_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=said):
        read("f", text)


@given(st.text("0123456789.,:e-+log[]{} ab", max_size=14))
def test_any_words_are_read_or_refused_in_one_sentence(text):
    said, values = "f", None
    try:
        values = read("f", text)
    except ValueError as error:
        said = str(error)
    assert "\n" not in said and said.startswith("f")
    if isinstance(values, Listed):
        assert values.values and len(set(values.values)) == len(values.values)


def test_draws_are_distinct_and_follow_their_law():
    varied = {"a": Listed(("1", "2", "3")), "b": Listed(("x", "y"))}
    assert sorted(map(str, drawn(varied, 50, 0))) == sorted(str({"a": a, "b": b}) for a in "123" for b in "xy")
    assert drawn({}, 9, 0) == [{}]
    spans = {"even": Span(0.0, 2.0), "log": Span(1e-4, 1e-2, log=True)}
    found = drawn(spans, 2000, 1)
    assert found[:10] == drawn(spans, 10, 1) != drawn(spans, 10, 2)
    even, log = (np.array([float(one[name]) for one in found]) for name in spans)
    assert np.mean(even < 1) == pytest.approx(0.5, abs=0.05)
    assert np.mean(log < 1e-3) == pytest.approx(0.5, abs=0.05)


numbers = st.floats(1e-6, 1e6)
values_of = st.one_of(
    st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=4, unique=True).map(tuple).map(Listed),
    st.tuples(numbers, numbers, st.booleans()).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: Span(*ends)),
)


@given(st.dictionaries(st.sampled_from("xyz"), values_of, max_size=3), st.integers(0, 12), st.integers(0, 99))
def test_draws_lie_within_and_a_smaller_count_begins_a_larger_one(varied, count, seed):
    found = drawn(varied, count, seed)
    assert found == drawn(varied, count + 5, seed)[: len(found)]
    assert len(found) <= min(count, size(varied))
    assert not any(one == other for one, other in itertools.combinations(found, 2))
    if size(varied) < 100 and all(isinstance(values, Listed) for values in varied.values()):
        assert len(found) == min(count, size(varied))
    for one in found:
        for name, values in varied.items():
            if isinstance(values, Listed):
                assert one[name] in values.values
            else:
                assert values.low <= float(one[name]) <= values.high
