"""`kontrast table`: what a study found, as a table in any format."""

from __future__ import annotations

import sys
from pathlib import Path

from kontrast import parts
from kontrast.results import (
    Results,
    choice,
    effects,
    latex,
    markdown,
    print_table,
    setting_named,
    table,
    to_csv,
    to_json,
)
from kontrast.text import plain
from kontrast.words import split_words

FORMATS = ("text", "markdown", "latex", "csv", "json")
OPTIONS = ("format", "score", "baseline", "columns", "where")


def table_command(words: list[str]) -> None:
    """Print the table of the study in a folder: means over seeds, and differences to the baseline."""
    named, given = split_words(words)
    if len(named) != 1:
        raise ValueError("say which study: kontrast table studies/x format=latex")
    for name in given:
        parts.choose(name, OPTIONS, "option of kontrast table")
    form = parts.choose(given.get("format", "text"), FORMATS, "format")
    from kontrast.studies import collect

    results = narrowed(collect(Path(named[0])), given.get("where", ""))
    results = results if given.get("score") else settled(results)
    print(written(results, form, given), end="")


def settled(results: Results) -> Results:
    """Results whose main score is there; where the study names one that is not, that is said."""
    found = results.settled()
    if results.columns and results.score and not results.find(results.score):
        print(f"No column is called {plain(results.score, 80)}; {found.score} stands for it.", file=sys.stderr)
    return found


def narrowed(results: Results, where: str) -> Results:
    """The results of the settings that have some levels. ValueError where there are none together."""
    if not where:
        return results
    levels = choice(results, where)
    kept = results.where(**levels)
    if not kept.outcomes:
        said = ", ".join(f"{axis}={level}" for axis, level in levels.items())
        raise ValueError(f"no setting has {said} together; leave out one of them")
    return kept


def written(results: Results, form: str, given: dict[str, str]) -> str:
    """A study's table in a format; a text table goes to the terminal itself, as wide as that is, and "" is left."""
    score, columns = given.get("score", ""), words_of(given.get("columns", ""))
    baseline = setting_named(results, choice(results, given["baseline"])) if given.get("baseline") else None
    if form in ("csv", "json"):
        return (to_csv if form == "csv" else to_json)(results, score, baseline, columns)
    made = [table(results, score, baseline, columns), effects(results, score, baseline)]
    if form == "text":
        for at, each in enumerate(filter(None, made)):
            print("\n" if at else "", end="")
            print_table(each)
        return ""
    return "\n".join((markdown if form == "markdown" else latex)(each) for each in made if each is not None)


def words_of(text: str) -> list[str]:
    """Words between commas."""
    return [word for each in text.split(",") if (word := each.strip())]
