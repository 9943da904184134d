"""`kontrast compare`: whether several runs learned the same thing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from kontrast.comparing import compare
from kontrast.files import write_json
from kontrast.probes import Comparison
from kontrast.questions import asked, whereabouts
from kontrast.report import print_scores
from kontrast.run import Run
from kontrast.words import split_words

USAGE = "kontrast compare RUN RUN [...] [consistency] [udr] [consistency.by=affine]"
USUAL = ("consistency", "udr")


def compare_command(words: list[str]) -> None:
    """Encode the same rows with two or more runs, print what they have in common, and write it where out= says."""
    named, given = split_words(words)
    folders = [word for word in named if (Path(word) / "experiment.json").is_file()]
    if len(folders) < 2:
        missing = next((word for word in named if word not in folders and "/" in word), None)
        raise ValueError(f"{missing} is no run" if missing else f"say which runs to compare: {USAGE}")
    names = [word for word in named if word not in folders] or [*USUAL]
    out, layer, where = given.pop("out", None), given.pop("layer", None), whereabouts(given)
    chosen = asked(names, given, layer, [Comparison]).comparisons
    found = compare(
        [Run(folder) for folder in folders],
        *chosen,
        step=where.step,
        limit=where.limit,
        data=where.data,
        cache=where.cache,
    )
    console = Console()
    for number, folder in enumerate(folders):
        console.print(Text(f"run {number}: {folder}", "dim"), soft_wrap=True)
    print_scores(found.scores, console)
    if out is not None:
        panels = [{"probe": probe, "kind": type(panel).__name__, **asdict(panel)} for probe, panel in found.panels]
        write_json(Path(out), {"runs": folders, "scores": [asdict(score) for score in found.scores], "panels": panels})
        console.print(Text(f"all numbers: {out}", "dim"), soft_wrap=True)
