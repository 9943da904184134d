"""Drawings as part of a page: an SVG reduced to shapes and text, its colors handed to the page's theme."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from kontrast.report.colors import THEME

if TYPE_CHECKING:
    from markupsafe import Markup

SPACE, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
TAGS = {"svg", "g", "defs", "clipPath", "path", "rect", "use", "text", "tspan", "image"}
ATTRIBUTES = {"x", "y", "width", "height", "transform", "viewBox"}
STYLES = {
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-opacity",
    "fill-opacity",
    "opacity",
    "font-size",
    "text-anchor",
}
PICTURE = "data:image/png;base64,"


def inline(svg: str, name: str, alt: str) -> Markup:
    """An SVG that matplotlib made, as an element of a page.

    Only the tags, attributes and styles listed here are kept, so nothing in it can run, load or restyle. Names of
    clips and markers get the prefix `name`, which must differ from one drawing of a page to the next.
    """
    from markupsafe import Markup

    root = _copy(ElementTree.fromstring(svg.encode()), name)
    assert root is not None
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": alt}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _copy(old: ElementTree.Element, name: str) -> ElementTree.Element | None:
    tag = old.tag.removeprefix(SPACE) if isinstance(old.tag, str) else ""
    if tag not in TAGS:
        return None
    new = ElementTree.Element(tag, {key: value for key, value in old.attrib.items() if key in ATTRIBUTES})
    if "d" in old.attrib:
        new.set("d", _rounded(old.attrib["d"]))
    if tag in ("path", "clipPath") and "id" in old.attrib:
        new.set("id", f"{name}-{old.attrib['id']}")
    _refer(old, new, name)
    _restyle(old.attrib.get("style", ""), new)
    if tag in ("text", "tspan"):
        new.text = old.text
    for child in old:
        kept = _copy(child, name)
        if kept is not None:
            new.append(kept)
    return new


def _rounded(path: str) -> str:
    """A path's coordinates to a hundredth of a point, and its line breaks as spaces."""
    short = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", path)
    return re.sub(r"[^A-Za-z0-9.,+-]+", " ", short).strip()


def _refer(old: ElementTree.Element, new: ElementTree.Element, name: str) -> None:
    """References to parts of the same drawing, and pictures that it carries with it."""
    link, clip = old.attrib.get(LINK, ""), re.fullmatch(r"url\(#([\w.-]+)\)", old.attrib.get("clip-path", ""))
    if clip:
        new.set("clip-path", f"url(#{name}-{clip[1]})")
    if new.tag == "use" and re.fullmatch(r"#[\w.-]+", link):
        new.set("href", f"#{name}-{link[1:]}")
    elif new.tag == "image" and link.startswith(PICTURE):
        new.set("href", PICTURE + re.sub(r"[^A-Za-z0-9+/=]", "", link.removeprefix(PICTURE)))


def _restyle(style: str, new: ElementTree.Element) -> None:
    """Styles as attributes, and the colors of the theme as classes."""
    classes = []
    for declaration in style.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in ("fill", "stroke"):
            if value in THEME:
                classes.append(f"{key}-{THEME[value]}")
            elif value == "none" or re.fullmatch(r"#[0-9a-f]{6}", value):
                new.set(key, value)
        elif key in STYLES and re.fullmatch(r"[\w.,% -]+", value):
            new.set(key, value)
    if classes:
        new.set("class", " ".join(classes))
