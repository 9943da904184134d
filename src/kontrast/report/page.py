"""One page that shows a run: a single file without scripts and without anything to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kontrast.files import write_whole
from kontrast.report import gallery, layout
from kontrast.report.answer import RECOVERED, answer
from kontrast.report.bars import bars
from kontrast.report.curves import curves
from kontrast.report.document import check_folder, inlined, render, write_figures
from kontrast.report.figures import style
from kontrast.report.maps import maps
from kontrast.report.panels import MOST_PANELS, looking, span
from kontrast.report.record import Record, flat
from kontrast.text import plain

QUESTIONS = {
    "pairing": "Which views belong together?",
    "space": "Where do embeddings live?",
    "teacher": "Whose embedding is the answer?",
    "objective": "What counts as agreement, and what stops collapse?",
}
FIRST = ("data", "dataset", "pairing", "encoder", "head", "space", "teacher", "objective")


def write_page(record: Record, folder: Path | str) -> Path:
    """Write report.html into a folder, and its figures as SVG and PNG into `figures` beside it; the path of the page.

    The same record gives the same bytes. The page runs nothing and loads nothing: its policy forbids both.
    """
    folder = Path(folder)
    check_folder(folder)
    with style():
        drawings = {"curves": curves(record.metrics), "bars": bars(record), "maps": maps(record)}
        seen = looking(record)
    neighbors, neighbor_sheet = gallery.neighbor_rows(record)
    pairs, pair_sheet = gallery.pair_rows(record)
    every = [drawn for group in (*drawings.values(), *seen.values()) for drawn in group]
    write_figures(folder, every)
    for name, content in (("neighbors.png", neighbor_sheet), ("pairs.png", pair_sheet)):
        if content is not None:
            write_whole(folder / "figures" / name, content)
    page = folder / "report.html"
    shown: dict[str, Any] = {name: [inlined(drawn) for drawn in group] for name, group in drawings.items()}
    shown["looking"] = [(plain(probe, 60), span(group), [*map(inlined, group)]) for probe, group in seen.items()]
    shown["unseen"] = max(0, len(record.panels) - MOST_PANELS)
    write_whole(page, _render(record, neighbors=neighbors, pairs=pairs, **shown).encode())
    return page


def _render(record: Record, **shown: Any) -> str:
    """The page's text. Whatever the record says is escaped by the template."""
    made = layout.layout(record.scores)
    return render(
        "page.html.jinja",
        title=plain(record.title, 120),
        answer=answer(record),
        command=plain(record.command, 4000),
        parts=_parts(record.experiment),
        environment={plain(key, 60): plain(value, 400) for key, value in flat(record.environment).items()},
        table=made,
        heads=layout.COLUMNS,
        meaning=[(key, layout.COLUMNS[key], layout.MEANING[key]) for key in made.columns],
        recovered=RECOVERED,
        vectors=record.pictures is None or record.pictures.ndim == 2,
        spreads=any(line.spread for section in made.sections for line in section.lines),
        deviations=any(row.deviation for row in record.scores),
        interval=layout.INTERVAL if any(row.low is not None for row in record.scores) else "",
        count=0 if record.pictures is None else len(record.pictures),
        named=record.labels is not None,
        **shown,
    )


def _parts(experiment: Mapping[str, object]) -> list[dict[str, Any]]:
    """A row for each part of the experiment, the parts of the four questions first, and its options under it."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in flat(experiment).items():
        name, _, option = key.partition(".")
        row = found.setdefault(name, {"name": plain(name, 60), "value": "", "options": []})
        if option:
            row["options"].append((plain(option, 80), plain(value)))
        else:
            row["value"] = plain(value)
        row["question"] = QUESTIONS.get(name, "")
    order = sorted(found, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    parts = [found[name] for name in order]
    single = [part for part in parts if not part["options"] and part["name"] not in FIRST]
    rest = {"name": "run", "value": "", "options": [(part["name"], part["value"]) for part in single], "question": ""}
    return [part for part in parts if part not in single] + ([rest] if single else [])
