"""A page as one file: its style inside it, a policy that forbids all else, and whatever it says escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kontrast.files import write_whole
from kontrast.report.figures import Drawing
from kontrast.report.inline import inline
from kontrast.text import plain

SOURCE = re.compile(r"arXiv[: ](\d{4}\.\d{4,5})|(?:doi[: ]|https://doi\.org/)(10\.\d{4,9}/[\w.()/:;-]*[\w)])")


def render(template: str, **shown: Any) -> str:
    """A page's text from one of the templates beside this file. Whatever is shown is escaped by the template."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    files = resources.files(__package__)
    sheet = files.joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(files.joinpath(template).read_text(encoding="utf-8"))
    return page.render(style=Markup(sheet), policy=policy, **shown)


def check_folder(folder: Path) -> None:
    """ValueError where the figures of a page would be written through a link to another place."""
    if (folder / "figures").is_symlink():
        raise ValueError(f"{folder / 'figures'} is a link to another place; remove it")


def write_figures(folder: Path, drawings: Iterable[Drawing]) -> None:
    """Write drawings into `figures` below a folder, as SVG and PNG."""
    for drawn in drawings:
        write_whole(folder / "figures" / f"{drawn.name}.svg", drawn.svg.encode())
        write_whole(folder / "figures" / f"{drawn.name}.png", drawn.png)


def inlined(drawn: Drawing) -> dict[str, object]:
    """A drawing as templates show it."""
    svg = inline(drawn.svg, drawn.name, drawn.alt)
    return {"title": drawn.title, "svg": svg, "note": drawn.note, "size": drawn.size}


def linked(text: str) -> list[tuple[str, str]]:
    """A text in pieces, each with its address or "": those that name an arXiv number or a DOI lead there."""
    pieces, end, line = list[tuple[str, str]](), 0, plain(text, 600)
    for found in SOURCE.finditer(line):
        address = f"https://arxiv.org/abs/{found[1]}" if found[1] else f"https://doi.org/{quote(found[2])}"
        pieces += [(line[end : found.start()], ""), (found[0], address)]
        end = found.end()
    return [piece for piece in [*pieces, (line[end:], "")] if piece[0]]


def address(folder: Path, path: str) -> str:
    """The address of a run below a folder, relative to it: its page, or the folder itself; "" where there is none.

    A path that would lead out of the folder has none.
    """
    parts = Path(path).parts
    if not path or Path(path).is_absolute() or ".." in parts or "\x00" in path or not (folder / path).is_dir():
        return ""
    if (folder / path / "report.html").is_file():
        parts = (*parts, "report.html")
    return "./" + "/".join(quote(part, safe="") for part in parts)
