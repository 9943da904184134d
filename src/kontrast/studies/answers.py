"""The answers of a study, written into its folder: its table in every format, and its page."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from kontrast.citing import sources
from kontrast.files import write_whole
from kontrast.report import write_study
from kontrast.results import Results, effects, latex, markdown, print_table, table, to_csv, to_json
from kontrast.studies.collect import collect
from kontrast.studies.records import read_study

WIDE = 200
"""Letters in a line of table.txt."""


def answers(folder: Path | str) -> Results:
    """The results of a study's folder, with what was published of the parts that it uses."""
    folder = Path(folder)
    results, study = collect(folder), read_study(folder)
    experiments = [study.experiment(cell) for cell in study.cells() if cell.seed == study.seeds[0]]
    return replace(results, references=tuple(sources(*experiments)))


def write_answers(folder: Path | str, out: Path | str | None = None) -> Results:
    """Write table.txt, .md, .tex and .csv, results.json and report.html with its figures; the results.

    Into the study's folder, or another, `out`, where no runs are that the page could lead to.
    """
    results, folder = answers(folder), Path(folder if out is None else out)
    if results.columns:
        tabled = results.settled()
        made = [each for each in (table(tabled), effects(tabled)) if each is not None]
        text = io.StringIO()
        console = Console(file=text, width=WIDE, no_color=True)
        for each in made:
            print_table(each, console)
        written = {
            "table.txt": text.getvalue(),
            "table.md": "\n".join(map(markdown, made)),
            "table.tex": "\n".join(map(latex, made)),
            "table.csv": to_csv(tabled),
            "results.json": to_json(tabled),
        }
        for name, content in written.items():
            write_whole(folder / name, content.encode())
    write_study(results, folder)
    return results
