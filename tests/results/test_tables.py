"""Tables of a study: what stands in them, and that no format reads a hostile name as more than text."""

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
from rich.console import Console

from kontrast.cli import answering, main
from kontrast.results import (
    Cell,
    Column,
    Outcome,
    Results,
    Table,
    choice,
    effects,
    latex,
    leading,
    markdown,
    print_table,
    setting_named,
    table,
    to_csv,
    to_json,
)
from kontrast.results.letters import tex
from kontrast.scores import Score

HOSTILE = ("[4,4]", "a|b_c & 50% #1 {x} \\input{y} ~^$ <b>é", "*-- `` `\n=1+1", "\x1b[31m[bold]x[/bold]")


def outcome(levels, seed, value, **more):
    rows = (
        Score("Linear", "accuracy", value, untrained=0.5 + seed / 100, raw=0.6, chance=0.1, seed=seed),
        Score("Linear", "nll", 1 - value, seed=seed),
        Score("KNN", "accuracy", value - 0.1, seed=seed),
    )
    return Outcome(levels, seed, "x", scores=rows, **more)


def study(levels=("a", "b"), seeds=range(3)):
    cells = [
        outcome((level, norm), s, 0.9 - 0.1 * at - 0.02 * (norm == "no") + 0.001 * s * s + 0.002 * (s == at))
        for at, level in enumerate(levels)
        for norm in ("yes", "no")
        for s in seeds
    ]
    axes = {"objective.similarity": tuple(levels), "head.norm": ("yes", "no")}
    return Results("Study", "Why?", axes, tuple(cells), "Linear: accuracy", (levels[0], "yes"), "kontrast sweep x")


def printed(made, width):
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(made, console)
    return console.export_text()


def column(made, head):
    at = [each.head for each in made.heads].index(head)
    return [row[at] for row in made.rows]


def test_a_table_has_axes_then_the_answer_then_other_scores():
    made = table(study())
    heads = [each.head for each in made.heads]
    assert heads[:3] == ["similarity", "norm", "Linear: accuracy"] and heads[-1] == "KNN: accuracy"
    assert "Linear: nll" not in heads and "cells" not in heads and "raw input" not in heads
    assert column(made, "Linear: accuracy")[0] == Cell("0.902 ± 0.002 (3)", strong=True)
    assert [cell.text for cell in column(made, "verdict")] == ["baseline", "not told apart", "worse", "worse"]
    assert column(made, "difference")[1].text == "-0.020" and column(made, "p (Holm)")[1].text == ".25"  # never varies
    notes = " ".join(made.notes)
    assert "Why?" in notes and "seeds 0, 1, 2" in notes and "Holm-corrected for 3 comparisons" in notes
    assert "0.600 of the raw input, 0.100 by chance" in notes and "coarse over 3 seeds" in notes


def test_less_of_a_loss_is_better():
    made = table(study(), "nll", columns=["KNN"])
    assert [cell.strong for cell in column(made, "Linear: nll")] == [True, False, False, False]
    assert column(made, "difference")[3].text.startswith("+") and column(made, "verdict")[3].text == "worse"


def test_failed_missing_and_broken_cells_are_shown():
    made = study()
    cells = [
        replace(each, state="failed", why="the loss is nan", scores=()) if each.levels[0] == "b" else each
        for each in made.outcomes[:-1]
    ]
    cells[0] = outcome(("a", "yes"), 0, math.nan)
    shown = table(replace(made, outcomes=tuple(cells)))
    assert column(shown, "Linear: accuracy")[3].text == "2 failed, 1 missing"
    assert column(shown, "Linear: accuracy")[0].text.endswith("(2)")
    assert not column(shown, "Linear: accuracy")[0].strong  # of two seeds, beside one of three
    notes = "\n".join(shown.notes)
    assert "Failed: similarity=b, norm=yes, seed 0: the loss is nan" in notes
    assert "Missing: similarity=b, norm=no, seed 2." in notes
    assert "Not a number: similarity=a, norm=yes, seed 0" in notes
    assert column(shown, "verdict")[1].text == "too few seeds" and column(shown, "verdict")[2].text == "no shared seed"


def test_one_seed_one_setting_and_nothing_at_all_are_tables_too():
    one = table(replace(study(), outcomes=study().outcomes[:1]))
    assert [each.head for each in one.heads][:3] == ["similarity", "norm", "Linear: accuracy"]
    assert one.rows[0][2].text == "0.902 (1)" and not one.rows[0][2].strong
    bare = tuple(replace(each, state="waiting", scores=()) for each in study().outcomes)
    none = replace(study(), outcomes=bare)
    assert table(none).rows[0][-1].text == "3 waiting" and effects(none) is None
    assert "Waiting: similarity=a, norm=yes, seeds 0, 1, 2." in table(none).notes
    for written in (printed(table(none), 80), markdown(table(none)), latex(table(none)), to_csv(none)):
        assert "a" in written
    assert json.loads(to_json(none))["score"] == ""
    assert printed(Table("", (Column("run", words=True),), ()), 40)


@pytest.mark.parametrize("width", [30, 80, 120, 300])
def test_the_terminal_is_never_too_narrow(width):
    made = table(study(levels=("a" * 90, "b" * 90)))
    text = printed(made, width)
    head = text.split("Why?")[0]
    assert all(len(line) <= max(width, 50) for line in head.splitlines())
    assert ("No room for" in " ".join(text.split())) == (width < 300)
    assert "0.902 ± 0.002 (3)" in head and ("a" * 90 in head) == (width == 300)


def test_hostile_levels_are_text_everywhere():
    results = study(levels=HOSTILE)
    results = replace(results, title="T\\end{table}", question="<script>alert(1)</script>")
    made = table(results)
    assert "[bold]x[/bold]" in printed(made, 400) and "\x1b" not in printed(made, 400)
    rows = [line for line in markdown(made).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "<script" not in markdown(made) and "<b>" not in markdown(made)
    written = latex(made)
    body = written[written.index("\\midrule") : written.index("\\bottomrule")].splitlines()[1:]
    assert len(body) == 8 and len({row.replace(r"\&", "").count("&") for row in body}) == 1
    assert not any(row.lstrip().startswith(("[", "*")) for row in body)
    assert r"\input" not in written and written.count(r"\end{table}") == 1
    read = list(csv.reader(io.StringIO(to_csv(results))))
    assert {row[0] for row in read[1:]} == set(HOSTILE) and {len(row) for row in read} == {len(read[0])}


def test_every_sign_of_latex_is_escaped():
    every = "".join(map(chr, range(32, 127)))
    said = re.sub(r"\\text[a-z]+\{\}|\\[{}$&#%_]|\{\[\}|\{\]\}|\{\*\}", "", tex(every))
    assert not set(said) & set("\\{}$&#%_^~<>|\"'`[]*")
    assert tex("a--b,,c") == "a{-}-b{,},c" and tex("50%_é²") == r"50\%\_é\textsuperscript{2}"
    signs = Table("", (Column("x"),), ((Cell("[-0.1, +.2e-05]"),),))
    assert "{[}$-0.1$, $+.2e-05${]}" in latex(signs)


def test_csv_and_json_have_every_number_as_it_is():
    results = study()
    read = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert len(read) == 4 * 3 and read[0]["score"] == "Linear: accuracy"
    assert float(read[0]["mean"]) == sum([0.902, 0.901, 0.904]) / 3 or float(read[0]["mean"]) == pytest.approx(
        0.9023333
    )
    assert float(read[1]["p_holm"]) >= float(read[1]["p"]) > 0 and read[0]["p"] == ""
    made = json.loads(to_json(replace(results, outcomes=(*results.outcomes[:-1], outcome(("b", "no"), 2, math.nan)))))
    assert made["records"][0]["values"] == {str(s): results.outcomes[s].scores[0].value for s in range(3)}
    assert made["records"][3]["not_a_number"] == [2] and made["outcomes"][-1]["scores"]["Linear: accuracy"] is None
    assert [one["level"] for one in made["main_effects"]["objective.similarity"]] == ["a", "b"]
    assert len(json.loads(to_json(results, columns=["KNN"]))["records"]) == 8


def test_the_mean_of_many_things_stands_for_a_probe():
    names = ("Recovery: r2/x", "Recovery: r2/mean", "Linear: accuracy", "Linear: accuracy/mean")
    assert leading(names) == ("Recovery: r2/mean", "Linear: accuracy/mean")
    assert leading(names[2:3]) == ("Linear: accuracy",)


def test_settings_are_named_by_levels_axes_or_both():
    results = study(levels=("[4,4]", "b=1"))
    assert setting_named(results, choice(results, "[4,4],norm=NO")) == ("[4,4]", "no")
    assert setting_named(results, choice(results, "b=1")) == ("b=1", "yes")  # the rest as in the baseline
    assert choice(results, "objective.similarity=[4,4],no") == {"objective.similarity": "[4,4]", "head.norm": "no"}
    for words, match in (("norn=yes", "norm"), ("norm=yess", "did you mean 'yes'"), ("cosine", "no level")):
        with pytest.raises(ValueError, match=match):
            choice(results, words)
    with pytest.raises(ValueError, match=r"say objective\.similarity too"):
        setting_named(replace(results, baseline=()), choice(results, "no"))


def test_the_command_prints_every_format(monkeypatch, capsys):
    monkeypatch.setattr("kontrast.studies.collect", lambda folder: study())
    monkeypatch.setenv("COLUMNS", "100")
    for form, said in (
        ("text", "Main effects"),
        ("markdown", "| similarity |"),
        ("latex", "\\toprule"),
        ("csv", "p_holm"),
    ):
        assert main(["table", "x", f"format={form}"]) == 0
        assert said in capsys.readouterr().out
    assert main(["table", "x", "format=json", "where=norm=no", "baseline=b,no"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["baseline"] == {"objective.similarity": "b", "head.norm": "no"} and len(made["outcomes"]) == 6
    for words, said in (
        (["format=txt"], "did you mean 'text'"),
        (["score=acuracy"], "KNN: accuracy"),
        (["base=a"], "baseline"),
        (["baseline=c"], "no level"),
        (["where=norm=maybe"], "no level of head.norm"),
    ):
        assert main(["table", "x", *words]) == 2
        assert said in capsys.readouterr().err
    assert main(["table"]) == 2


def test_a_main_score_that_no_run_has_is_stood_for_and_said(monkeypatch, capsys):
    monkeypatch.setattr("kontrast.studies.collect", lambda folder: replace(study(), score="Linear: acuracy"))
    assert main(["table", "x", "format=csv"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split(",")[2] == "Linear: accuracy"
    assert said.err == "No column is called Linear: acuracy; Linear: accuracy stands for it.\n"


def test_where_without_a_setting_is_refused():
    with pytest.raises(ValueError, match="together"):
        answering.narrowed(replace(study(), outcomes=study().outcomes[:3]), "b,no")


def warned(results, texts, probe="Linear"):
    """The same, where runs have warnings of a probe, by the number of their outcome."""
    outcomes = [
        replace(each, scores=tuple(replace(s, warning=texts[at] if s.probe == probe else "") for s in each.scores))
        if at in texts
        else each
        for at, each in enumerate(results.outcomes)
    ]
    return replace(results, outcomes=tuple(outcomes))


def test_warnings_of_scores_reach_every_format():
    results = warned(study(), {1: "it has not converged after 3 steps", 4: "it has not converged after 9 steps"})
    made = table(results)
    marked = [cell.text.endswith(" †") for cell in column(made, "Linear: accuracy")]
    assert marked == [True, True, False, False]
    assert not any("†" in cell.text for cell in column(made, "KNN: accuracy"))
    (note,) = [note for note in made.notes if note.startswith("† Warning of 2 of 12 runs, Linear")]
    assert "it has not converged after 3 steps" in note
    assert note in printed(made, 1000) and r"\textdagger{} Warning of 2 of 12 runs" in latex(made)
    records = json.loads(to_json(results))["records"]
    assert records[0]["warnings"] == {"1": "it has not converged after 3 steps"} and records[2]["warnings"] == {}
    assert "warnings" not in to_csv(results) and "†" not in "".join(table(study()).notes)


def test_records_say_of_a_setting_what_the_table_says():
    results = study()
    alone = outcome(("c", "no"), 7, 0.5)
    axes = {"objective.similarity": ("a", "b", "c"), "head.norm": ("yes", "no")}
    results = replace(results, axes=axes, outcomes=(*results.outcomes, alone))
    said = [
        row["verdict"] for row in csv.DictReader(io.StringIO(to_csv(results))) if row["score"] == "Linear: accuracy"
    ]
    assert said == [cell.text for cell in column(table(results), "verdict")]
    assert said[0] == "baseline" and said[-1] == "no shared seed"
    bare = json.loads(to_json(replace(results, baseline=())))["records"]
    assert {one["verdict"] for one in bare} == {""}


def test_an_axis_that_is_called_as_a_number_has_a_heading_of_its_own():
    results = replace(study(), axes={"mean": ("a", "b"), "n": ("yes", "no")})
    read = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert (read[0]["setting mean"], read[0]["setting n"], read[0]["n"]) == ("a", "yes", "3")
    assert float(read[0]["mean"]) > 0.9


def test_latex_sets_greek_and_signs_and_names_letters_that_it_lacks():
    assert tex("α→β−1, 10⁻²") == r"$\alpha$$\to$$\beta$$-$1, 10⁻\textsuperscript{2}"
    assert tex("e\u0301 x₁") == r"é x\textsubscript{1}"
    assert "lualatex" not in latex(table(study(levels=("τ=1 ±2²", "naïve “œ” †"))))
    first = latex(replace(table(study(levels=("日本", "b"))), title="Ж")).splitlines()[0]
    assert first.startswith("% pdflatex has no Ж 日 本: use lualatex or xelatex")


def test_fields_that_go_together_are_both_in_the_heading():
    levels = ("32+0.1", "64+1")
    made = Results("t", "", {"batch+objective.temperature": levels}, tuple(outcome((x,), 0, 0.5) for x in levels))
    made = replace(made, baseline=levels[:1])
    said = table(made)
    assert said.heads[0].head == "batch+temperature" and any("batch+temperature=32+0.1" in note for note in said.notes)
    assert choice(made, "batch+temperature=64+1") == {"batch+objective.temperature": "64+1"}
