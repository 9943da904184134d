"""Tables of scores in the terminal and in Markdown."""

from __future__ import annotations

import io

import pytest
from made_records import classification, sprites
from rich.console import Console

from kontrast.report import markdown, print_scores
from kontrast.report.tables import layout, number
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
