"""How the site is written as HTML: where lines may be broken, and figures that can be seen in full."""

from __future__ import annotations

import html
import posixpath
import re
from urllib.parse import quote

from docutils import nodes
from sphinx.writers.html5 import HTML5Translator

INSIDE = re.compile(r"(?<=[^\W\d_][._])(?=[^\W\d_])|(?<=,)(?=\S)")
"""Where a command or a dotted name may be broken: behind dots and underscores between letters, and behind commas."""
LONG = 20
"""Letters from which on code is a command, and a word of it may be broken at `JOINTS`, too, to leave others room."""
JOINTS = re.compile(rf"{INSIDE.pattern}|(?<=[^\W_]-)(?=[^\W\d_])|(?<==)(?=\w)")
"""The same, and behind hyphens and equal signs."""
DEVIATION = re.compile(r" ± (?=[\d.])")
BRACKET = re.compile(r"(?<=\w\()(?=\w)")
"""Where a part with another one in it may be broken, as Alignment(Cosine)."""
PROSE = 40
"""Letters from which on a cell of a table is read as a sentence."""


def broken(encoded: str) -> str:
    """A dotted name, encoded for HTML, that may go on in a new line."""
    return INSIDE.sub("<wbr>", encoded)


def literal(encoded: str) -> str:
    """A word of code in a table or heading, encoded for HTML: in one line, or else broken where it may be."""
    joints = JOINTS if len(encoded) >= LONG else INSIDE
    pieces = [f'<span class="pre">{piece}</span>' for piece in joints.split(encoded)]
    return pieces[0] if len(pieces) == 1 else f'<span class="word">{"<wbr>".join(pieces)}</span>'


def whole(text: str) -> str:
    """Text in which a mean and its deviation stand in one line."""
    return DEVIATION.sub("\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}", text)


def within(node: nodes.Node, *kinds: type[nodes.Node]) -> bool:
    """Whether a node stands in one of any of these kinds."""
    above = node.parent
    while above is not None and not isinstance(above, kinds):
        above = above.parent
    return above is not None


class Writer(HTML5Translator):
    """HTML of a page: see `literal`, `broken` and `whole`; and a figure is a link to itself."""

    def visit_Text(self, node: nodes.Text) -> None:
        """Text, by where it stands."""
        before = len(self.body)
        super().visit_Text(node)
        made, self.body[before:] = self.body[before:], []
        if not self.protect_literal_text:
            self.body += [self._text(node, whole(each)) for each in made]
        elif within(node, nodes.entry, nodes.title):
            words = (re.fullmatch(r'<span class="pre">(.*)</span>', each, re.DOTALL) for each in made)
            self.body += [literal(word[1]) if word else each for word, each in zip(words, made, strict=True)]
        else:
            self.body += made

    def _text(self, node: nodes.Text, encoded: str) -> str:
        if within(node, nodes.title, nodes.thead):
            return broken(encoded)
        return BRACKET.sub("<wbr>", encoded) if within(node, nodes.entry) else encoded

    def visit_entry(self, node: nodes.entry) -> None:
        """A cell of a table, marked where it holds a sentence, and where it holds a command."""
        coded = [len(each.astext()) for each in node.findall(nodes.literal)]
        if len(node.astext()) - sum(coded) > PROSE:
            node["classes"].append("prose")
        if max(coded, default=0) >= LONG:
            node["classes"].append("command")
        super().visit_entry(node)

    def visit_image(self, node: nodes.image) -> None:
        """A picture, and around it a link to it as large as it is."""
        if not within(node, nodes.reference) and node["uri"] in self.builder.images:
            target = posixpath.join(self.builder.imgpath, quote(self.builder.images[node["uri"]]))
            self.body.append(f'<a class="figure" href="{html.escape(target)}" title="The figure by itself">')
            super().visit_image(node)
            self.body.append("</a>")
        else:
            super().visit_image(node)
