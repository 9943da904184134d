"""Tables of scores in the terminal and in Markdown."""

from __future__ import annotations

import io

import pytest
from made_records import classification, sprites
from rich.console import Console

from kontrast.report import markdown, print_scores
from kontrast.report.layout import layout, number
from kontrast.scores import Score


def printed(rows, width=100):
    file = io.StringIO()
    print_scores(rows, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.85312, "0.853"),
        (-0.0123, "-0.012"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (1.0, "1.000"),
        (12.345, "12.35"),
        (345.678, "345.7"),
        (1234567.0, "1.2e6"),
        (1.2e-7, "1.2e-7"),
        (1e-12, "1.0e-12"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_sensible_digits(value, text):
    assert number(value) == text


def test_cells_of_a_row_share_their_digits():
    (section,) = layout([Score("Ridge", "r2/x", 0.9, null=-0.0001)]).sections
    assert section.lines[0].cells == ("0.900", "0.000")
    (section,) = layout([Score("Collapse", "variance", 2e-7, untrained=1e-9)]).sections
    assert section.lines[0].cells == ("2.0e-7", "1.0e-9")


def test_only_columns_with_values_are_shown():
    assert layout([Score("a", "b", 1.0)]).columns == ("value",)
    rows = [Score("a", "b", 1.0, chance=0.1), Score("a", "c", 1.0, raw=0.2)]
    assert layout(rows).columns == ("value", "raw", "chance")


def test_rows_are_grouped_by_probe_and_metric_with_the_mean_first():
    rows = [Score(p, m, 0.5) for p, m in (("A", "r2/x"), ("B", "mcc"), ("A", "mae/x"), ("A", "r2/y"), ("A", "r2/mean"))]
    made = layout(rows)
    assert [section.probe for section in made.sections] == ["A", "B"]
    found = [(line.name, line.of) for line in made.sections[0].lines]
    assert found == [("R²", "mean"), ("R²", "x"), ("R²", "y"), ("mae", "x")]


def test_intervals_stand_beside_values_with_as_many_digits():
    rows = [
        Score("A", "accuracy", 0.853, low=0.8401, high=0.861),
        Score("A", "l2", 37.12, low=-0.5, high=40.0, raw=12.0),
        Score("A", "r2", 0.5, deviation=0.01, low=-0.2, high=1.0),
        Score("A", "half", 0.5, low=0.4),
    ]
    (section,) = layout(rows).sections
    spreads = [line.spread for line in section.lines]
    assert spreads == ["[.840, .861]", "[-.50, 40.00]", "± 0.010 [-.200, 1.000]", ""]
    text = printed(rows)
    assert "0.853 [.840, .861]" in text
    assert "[low, high]: 95 % interval" in text
    assert "**0.853** \\[.840, .861\\]" in markdown(rows)


def test_a_narrow_terminal_goes_without_intervals_and_then_without_the_ends_of_names():
    rows = [Score("Linear layer=stem", "accuracy/of a long name indeed", 0.5, 0.1, 0.1, 0.1, 0.1, low=0.4, high=0.6)]
    wide, narrow, tiny = printed(rows, 110), printed(rows, 80), printed(rows, 64)
    assert "[.400, .600]" in wide
    assert "[.400" not in narrow and "Intervals are in scores.json." in narrow and "name indeed" in narrow
    assert "of a lo…" in tiny and "name indeed" not in tiny
    for text, width in ((wide, 110), (narrow, 80), (tiny, 64)):
        assert max(map(len, text.splitlines())) <= width
        assert "Linear layer=stem\n" in text


def test_the_ceiling_stands_beside_the_value():
    made = layout([Score("A", "accuracy", 0.8, untrained=0.4, ceiling=0.9)])
    assert made.columns == ("value", "ceiling", "untrained")
    assert made.sections[0].lines[0].cells == ("0.800", "0.900", "0.400")


def test_warnings_have_marks_of_their_own():
    rows = [Score("A", "x", 1.0, protocol="p", warning="far"), Score("A", "y", 1.0, protocol="p"), Score("B", "z", 1.0)]
    rows[2:] = [Score("B", name, 1.0, warning="wide") for name in "zw"]
    made = layout(rows)
    assert made.warnings == (("†", "far"), ("‡", "wide"))
    assert [section.mark for section in made.sections] == ["¹", "‡"]
    assert [line.mark for line in made.sections[0].lines] == ["†", ""]
    assert "† far" in printed(rows) and "† far" in markdown(rows)
    many = layout([Score("A", f"m{i}", 1.0, warning=f"w{i}") for i in range(30)])
    assert len({mark for mark, _ in many.warnings}) == 30


def test_values_of_many_things_go_below_a_long_table_only():
    few = [Score("A", f"accuracy/{i}", i / 10) for i in range(10)]
    assert layout(few).below == ()
    rows = [Score("A", "accuracy", 0.5), *(Score("A", f"accuracy/{i}", i / 70) for i in range(70))]
    rows += [Score("A", "accuracy/mean", 0.4), *(Score("A", f"r2/{i}", 0.1) for i in range(3))]
    rows += [Score("B", f"gap/{i}", float("nan")) for i in range(9)]
    made = layout(rows)
    assert [(line.name, line.of) for line in made.sections[0].lines] == [
        ("accuracy", ""), ("accuracy", "mean"), ("R²", "0"), ("R²", "1"), ("R²", "2"),
    ]  # fmt: skip
    assert [section.probe for section in made.sections] == ["A"]
    assert [(group.probe, len(group.lines)) for group in made.below] == [("A", 70), ("B", 9)]
    assert made.below[0].said == "accuracy of 70: 0.000 (0) to 0.986 (69), median 0.500"
    assert made.below[1].said == "gap of 9: no number"
    assert len(printed(rows).splitlines()) < 15
    assert markdown(rows).count("| **") == 84
    only = [Score("A", f"accuracy/{i}", 0.5) for i in range(70)]
    assert "accuracy of 70" in printed(only)


def test_equal_rows_are_all_shown():
    assert len(layout([Score("A", "x", 1.0)] * 3).sections[0].lines) == 3


def test_footnotes_are_numbered_once_each():
    rows = [
        Score("A", "r2", 1.0, protocol="one"),
        Score("A", "mcc", 1.0, protocol="one"),
        Score("B", "x", 1, protocol="two"),
    ]
    rows += [Score("B", "y", 1.0, protocol="one"), Score("C", "z", 1.0)]
    made = layout(rows)
    assert made.notes == (("¹", "one"), ("²", "two"))
    assert [section.mark for section in made.sections] == ["¹", "", ""]
    assert [line.mark for line in made.sections[1].lines] == ["²", "¹"]


def test_markdown_of_known_scores():
    rows = [
        Score("Linear", "accuracy", 0.8531, 0.4213, None, 0.3962, 0.1, "L-BFGS", 5, 0.0041),
        Score("Linear", "r2/a|b", 0.5, protocol="L-BFGS", seeds=5),
    ]
    assert markdown(rows) == (
        "| probe | metric | trained | untrained | raw input | chance |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| Linear ¹ | accuracy | **0.853** ± 0.004 | 0.421 | 0.396 | 0.100 |\n"
        "|  | R² a\\|b | **0.500** |  |  |  |\n"
        "\n¹ L-BFGS; mean ± standard deviation over 5 seeds\n"
    )


@pytest.mark.parametrize("make", [sprites, classification])
def test_every_score_is_printed_with_its_protocol(make):
    rows = make().scores
    text = printed(rows, width=200)
    for row in rows:
        assert row.protocol in text
        assert row.probe in text
        assert number(row.value) in text
        assert row.of in text


def test_values_stay_in_line_beside_deviations():
    rows = [Score("A", "x", 0.5, deviation=0.1, untrained=0.1), Score("A", "y", 0.75, untrained=0.2)]
    lines = printed(rows).splitlines()
    assert lines[2].index("0.500") == lines[3].index("0.750")
    assert lines[2].rindex("0.100") == lines[3].index("0.200")


@pytest.mark.parametrize(
    "name", ["[red]x[/red]", "\x1b[2J\x1b]0;pwned\x07", "[/]", "\\[", "a\nb", ":cat:", "{{7*7}}", "[link=x]"]
)
def test_names_are_printed_and_not_obeyed(name):
    rows = [Score(name, f"r2/{name}", 0.5, protocol=name), Score(name, name, 0.5, protocol=name)]
    text = printed(rows)
    assert "\x1b" not in text
    assert "\x07" not in text
    shown = name.replace("\n", " ").replace("\x1b", "\ufffd").replace("\x07", "\ufffd")
    assert shown in text
    assert len(text.splitlines()) == 5


@pytest.mark.parametrize(
    "name", ["a|b", "<script>alert(1)</script>", "[x](javascript:alert(1))", "**b**", "a\n\n# head", "`x`", "$x$"]
)
def test_names_in_markdown_are_text(name):
    text = markdown([Score(name, name, 0.5, protocol=name)])
    assert len(text.splitlines()) == 5
    assert "<script" not in text
    assert "](" not in text.replace("\\]", "")
    assert text.splitlines()[2].replace("\\|", "").count("|") == 4


def test_no_scores():
    assert printed([]) == "There are no scores yet.\n"
    assert markdown([]) == "There are no scores yet.\n"
