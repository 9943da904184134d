"""What probes show: each kind of panel as one kind of figure."""

from __future__ import annotations

from collections.abc import Sequence

from kontrast.panels import Bars, Curves, Heat, Panel
from kontrast.report.bars import draw_bars
from kontrast.report.curves import draw_curves
from kontrast.report.figures import Drawing
from kontrast.report.heat import draw_heat
from kontrast.report.maps import draw_points
from kontrast.report.record import Record

MOST_PANELS = 100


def draw(panel: Panel, name: str = "panel") -> Drawing:
    """The figure of a panel, under a file name. Whatever its texts say is text."""
    if isinstance(panel, Heat):
        return draw_heat(panel, name)
    if isinstance(panel, Curves):
        return draw_curves(panel, name)
    return draw_bars(panel, name) if isinstance(panel, Bars) else draw_points(panel, name)


def looking(record: Record) -> dict[str, list[Drawing]]:
    """The figures of the panels of a record, by the probe that gave them, in its order; at most a hundred of them."""
    found: dict[str, list[Drawing]] = {}
    for at, (probe, panel) in enumerate(record.panels[:MOST_PANELS]):
        found.setdefault(probe, []).append(draw(panel, f"panel-{at}-{probe}-{panel.title}"))
    return found


def span(group: Sequence[Drawing]) -> int:
    """How many of the three columns of the page the figures of one probe take: four small ones go two by two."""
    widest = max({"": 1, "two": 2, "three": 3}[drawn.size] for drawn in group)
    small = sum(drawn.size == "" for drawn in group)
    beside = 3 if widest == 2 and small else widest
    return max(beside, 2 if small == 4 else min(3, small))
