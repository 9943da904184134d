"""Writes the sources of the site: the pages of docs as they are in the repository, and those that a program writes."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from sitegen import catalog, outline, reference

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages beside docs, and which page of the site has what they say."""
MARK = re.compile(r"<!-- written here: (\w+) -->")
LINK = re.compile(r"\]\(([^)\s:]+)\)")
PAGE = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s:#]+\.html)\)")
WRITTEN: dict[str, Callable[[], str]] = {
    "catalog": catalog.overview,
    "navigation": outline.navigation,
    "reference": reference.overview,
    "studies": outline.studies,
}


def stage(out: Path) -> None:
    """Write all sources into a folder, emptied first. ValueError for a link to a finished page that is not there."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(DOCS, out, ignore=shutil.ignore_patterns("*.py", "__pycache__", "sitegen", "*.md"))
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS)
        if name.parts[0] == "studies" and len(name.parts) > 2:
            continue  # a file of a study, as its table is, and no page
        write(out / name, sourced(path.read_text(encoding="utf-8"), name))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = LINK.sub(lambda m: f"]({m[1].removeprefix('docs/')})", (ROOT / name).read_text(encoding="utf-8"))
        write(out / OUTSIDE[name], sourced(text, Path(OUTSIDE[name])))
    for folder, written in (("catalog", catalog.pages()), ("reference", reference.pages())):
        for key, text in written.items():
            write(out / folder / f"{key}.md", text)


def write(path: Path, text: str) -> None:
    """Write a page and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def sourced(text: str, name: Path) -> str:
    """A page of the repository as a page of the site: what is written here in place, and links that stay inside."""
    text = MARK.sub(lambda mark: WRITTEN[mark[1]](), text)
    if name.name == "index.md" and len(name.parts) > 1:
        text += "\n" + outline.toctree(["*"], "glob:") + "\n"
    text = LINK.sub(lambda m: f"]({_inside(m[1], name)})", text)
    return PAGE.sub(lambda m: _finished(m[1], m[2], name), text)


def _inside(target: str, name: Path) -> str:
    """The target of a link, where it leads out of docs, as the page of the site that has the same."""
    path, hash_, anchor = target.partition("#")
    up = "../" * (len(name.parts) - 1)
    for outside, page in OUTSIDE.items():
        if path in (f"{up}../{outside}", outside if len(name.parts) == 1 else None):
            return f"{up}{page}{hash_}{anchor}"
    return target


def _finished(label: str, target: str, name: Path) -> str:
    """A link to a page that is finished already, as those of studies are: copied beside the others as it is."""
    if not (DOCS / name.parent / target).is_file():
        raise ValueError(f"{name}: there is no {target}")
    return f'<a href="{target}">{label}</a>'


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
