"""The figures of a report: how they look, and how one is finished."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kontrast.report import colors
from kontrast.text import shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "kontrast",
    "font.size": 9,
    "text.color": colors.INK,
    "axes.labelcolor": colors.MUTED,
    "axes.edgecolor": colors.LINE,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": colors.INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": colors.FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": colors.LINE,
    "ytick.color": colors.LINE,
    "xtick.labelcolor": colors.MUTED,
    "ytick.labelcolor": colors.MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.2,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0,
}
Size = Literal["", "two", "three"]
WIDTH: dict[Size, float] = {"": 3.1, "two": 6.5, "three": 9.9}
"""Inches of a figure by how many columns of the page it takes, so that letters are of one size in all."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Drawing:
    """A finished figure: a file name without its ending, the two files, and what it shows in words.

    `note` is a line to go below it, and `size` how many columns of the page it takes: "" for one, "two" or "three".
    """

    name: str
    title: str
    alt: str
    svg: str
    png: bytes
    note: str = ""
    size: Size = ""


@contextmanager
def style() -> Iterator[None]:
    """The report's look and fixed bytes for the same figure, whatever the user's own settings are; then those again."""
    import matplotlib.style

    with warnings.catch_warnings(), matplotlib.style.context(["default", STYLE], after_reset=True):
        for kind in (UserWarning, RuntimeWarning):
            warnings.filterwarnings("ignore", category=kind, module=r"matplotlib|kontrast")
        yield


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own, known to no global state, with one pair of axes; sizes in inches."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.add_subplot()


def finish(made: Figure, name: str, title: str, alt: str, note: str = "", size: Size = "") -> Drawing:
    """Render a figure as SVG without a background and as PNG on white."""
    svg, png = io.StringIO(), io.BytesIO()
    blank = {"Date": None, "Creator": None, "Format": None, "Type": None}
    made.savefig(svg, format="svg", dpi=220, transparent=True, metadata=blank)
    made.savefig(png, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return Drawing(slug, title, alt, svg.getvalue(), png.getvalue(), note, size)


def caption(text: object, limit: int) -> str:
    """A short text for a legend, which leaves out labels that are empty or begin with an underscore."""
    short = shortened(text, limit)
    return f"\u2009{short}" if short.startswith("_") else short.strip() or "\u2013"


def captions(names: Iterable[str], limit: int) -> list[str]:
    """A short text for each name, never one for two names: of those that would read the same, what differs is kept."""
    names = list(names)
    found = {name: caption(name, limit) for name in names}
    for text in [*dict.fromkeys(found.values())]:
        group = [name for name in found if found[name] == text]
        if len(group) > 1:
            found.update(zip(group, _apart(group, limit), strict=True))
    return [found[name] for name in names]


def _apart(group: Sequence[str], limit: int) -> list[str]:
    """Different texts for names that are cut to the same: the words in which they differ, or else their numbers."""
    for boundary in (r"[\s=,·]", ""):
        start = _shared(group, boundary)
        end = _shared([name[start:][::-1] for name in group], boundary)
        room = limit - 2 - max(len(name) - start - end for name in group)
        tail = min(end, max(0, room // 2))
        head = min(start, max(0, room - tail))
        cut = [f"{name[:head]}…{name[start : len(name) - end]}…{name[len(name) - tail :]}" for name in group]
        texts = [caption(re.sub(r"\s*…[\s…]*", "…", text), limit) for text in cut]
        if room >= 0 and len(set(texts)) == len(group):
            return texts
    return [f"{caption(name, limit - len(str(at)) - 3)} ({at})" for at, name in enumerate(group, start=1)]


def _shared(names: Sequence[str], boundary: str) -> int:
    """With how many letters all of some names begin, up to the end of a word."""
    alike = "".join(each[0] for each in itertools.takewhile(lambda each: len({*each}) == 1, zip(*names, strict=False)))
    return len(alike) - (len(re.split(boundary, alike)[-1]) if boundary else 0)


def legend(
    made: Figure, keys: Sequence[Artist], inches: float = WIDTH[""], *, below: bool = False, dots: bool = False
) -> None:
    """A legend outside the axes, in as many columns as fit, read from left to right; none if there are no keys."""
    if not keys:
        return
    widest = max(len(str(key.get_label())) for key in keys)
    columns = max(1, min(len(keys), int(inches * 72 // (4.6 * widest + (11 if dots else 26)))))
    order = [keys[at] for column in range(columns) for at in range(column, len(keys), columns)]
    look: dict[str, Any] = {"ncols": columns, "columnspacing": 0.9, "handletextpad": 0.1 if dots else 0.5}
    look |= {"handlelength": 1.0} if dots else {}
    made.legend(handles=order, loc="outside lower left" if below else "outside upper left", **look)


def tick(value: float, _: object = None) -> str:
    """A number at an axis: 12k, 0.25, 10⁻⁵."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1e12:
            return f"{value / size:.4g}{letter}".replace("-", "\u2212")
    if value and not 1e-4 <= abs(value) < 1e12:
        digits, power = f"{value:.2e}".split("e")
        digits, ten = digits.rstrip("0").rstrip("."), f"10{str(int(power)).translate(SUPERSCRIPTS)}"
        return ten if digits == "1" else f"{digits}·{ten}".replace("-", "\u2212")
    return f"{value:.4g}".replace("-", "\u2212")


def ticks(axis: Axis, logarithmic: bool = False, most: int = 5) -> None:
    """A few ticks for an axis, as plain text; at powers of ten only where the axis is logarithmic and goes over any."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    if logarithmic:
        low, high = sorted(axis.get_view_interval())
        wide = high >= 100 * low
        axis.set_major_locator(LogLocator(10, (1.0,) if wide else (1.0, 2.0, 5.0), numticks=most))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(tick)


def listed(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    more = f"; {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more
