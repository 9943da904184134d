"""The outline of the site, and the list of its studies."""

from __future__ import annotations

from pathlib import Path

from kontrast.studies import library
from sitegen.prose import inline, row

DOCS = Path(__file__).parents[1]
OUTLINE = {
    "Begin": "start idea choose",
    "Guides": (
        "guides/your-images guides/your-latents guides/studies guides/reproduce-a-paper guides/add-a-part "
        "guides/many-gpus guides/slurm"
    ),
    "In depth": "pictures latents inversion probes",
    "Look up": "catalog reference",
    "Results": "results sources/index",
    "Behind it": "log design contributing changelog",
}
"""Pages by the headings of the sidebar. A page that is missing here is an error when the site is built."""


def toctree(entries: list[str], *options: str) -> str:
    """Pages below the one that holds this."""
    return "\n".join(["```{toctree}", ":hidden:", *(f":{option}" for option in options), "", *entries, "```"])


def navigation() -> str:
    """The sidebar."""
    return "\n\n".join(toctree(pages.split(), f"caption: {heading}") for heading, pages in OUTLINE.items())


def studies() -> str:
    """A table of the studies that come along: question, command, and the page of the answer where there is one."""
    rows = []
    for name in library.known():
        study = library.load(name)
        there = (DOCS / "studies" / f"{name}.md").is_file()
        answer = f"[{name}](studies/{name}.md)" if there else "not run"
        rows.append(row(inline(study.question), f"`kontrast sweep {name}`", str(len(study.settings)), answer))
    table = "\n".join(["| question | command | settings | answer |", "|---|---|---|---|", *rows])
    answered = any((DOCS / "studies").glob("*.md"))
    return f"{table}\n\n{toctree(['studies/*'], 'glob:')}" if answered else table
