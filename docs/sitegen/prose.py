"""Docstrings as Markdown: plain text, in which code spans, lists, indented blocks and doctests mean something."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator

Link = Callable[[str], str | None]
"""The target of a link for a name within a code span, where there is one."""
ITEM = "- "
BAR = r"\|"
SPAN = re.compile(r"`([^`]+)`")
ARXIV = re.compile(r"arXiv[: ]\s*(\d{4}\.\d{4,5})")
SPECIAL = re.compile(r"([\\*_\[\]<>&#{}$~`])")
START = re.compile(r"^(\d*)([-+=%:.)])")
"""What would begin a list, a heading or a comment at the start of a line."""


def nothing(name: str) -> None:
    """No name has a target."""


def inline(text: str, link: Link = nothing) -> str:
    """A paragraph: its code spans, linked where they name something, and the sources that it cites by number."""
    pieces = SPAN.split(" ".join(text.split()))
    plain = [ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", SPECIAL.sub(r"\\\1", each)) for each in pieces[::2]]
    spans = [code(each, link) for each in pieces[1::2]]
    whole = "".join(each for pair in zip(plain, [*spans, ""], strict=True) for each in pair)
    return START.sub(r"\1\\\2", whole)


def code(text: str, link: Link = nothing) -> str:
    """A code span, which is a link where it names something."""
    span = f"`{' '.join(text.split())}`"
    target = link(text)
    return f"[{span}]({target})" if target else span


def row(*cells: str) -> str:
    """A row of a table."""
    return f"| {' | '.join(each.replace('|', BAR) for each in cells)} |"


def markdown(docstring: str, link: Link = nothing) -> str:
    """A docstring as Markdown. What is indented by four spaces is shown as it is, and so is every sign elsewhere."""
    return "\n\n".join(_block(kind, lines, link) for kind, lines in _blocks(inspect.cleandoc(docstring).splitlines()))


def _blocks(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Runs of lines that belong together, each with its kind."""
    kind, found = "", list[str]()
    for line in [*lines, ""]:
        here = _kind(line, kind)
        if here != kind and not (here == "" and kind == "indented"):
            if any(found):
                yield kind, found
            kind, found = here, []
        found.append(line)
    if any(found):
        yield kind, found


def _kind(line: str, before: str) -> str:
    if not line.strip():
        return ""
    if line.startswith(">>>") or (before == "doctest"):
        return "doctest"
    if line.startswith(ITEM) or (before == "list" and line.startswith("  ")):
        return "list"
    return "indented" if line.startswith("    ") else "paragraph"


def _block(kind: str, lines: list[str], link: Link) -> str:
    if kind == "paragraph":
        return inline("\n".join(lines), link)
    if kind == "list":
        items = "\n".join(["", *lines]).split(f"\n{ITEM}")[1:]
        return "\n".join(f"{ITEM}{inline(item, link)}" for item in items)
    text = inspect.cleandoc("\n" + "\n".join(lines).rstrip())
    return f"```{'pycon' if kind == 'doctest' else 'text'}\n{text}\n```"
