"""What settings change of each thing that a metric is of: augmentations down, latents across."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kontrast.panels import Heat
from kontrast.report.figures import Drawing
from kontrast.report.heat import MOST_LETTERS, draw_heat
from kontrast.report.layout import WHOLE
from kontrast.report.seeds import (
    PAIRED,
    Center,
    center,
    differences,
    last,
    level_name,
    of,
    say,
    setting_name,
    varied,
)
from kontrast.results import Results
from kontrast.results.compared import main_effects
from kontrast.results.numbers import direction

MOST_MAPS, MOST_SETTINGS = 2, 24


def maps(results: Results, column: str) -> Iterator[Drawing]:
    """For metrics of several things, as the R2 of each factor, their differences to the baseline; at most two maps.

    Rows are settings; where three axes vary or more, or the settings are many, the levels of each axis against that of
    the baseline, over all other axes.
    """
    groups: dict[str, list[str]] = {}
    for each in results.columns:
        head, _, of = each.partition("/")
        if of not in WHOLE:
            groups.setdefault(head, []).append(each)
    main = column.partition("/")[0]
    several = sorted((head for head, found in groups.items() if len(found) > 1), key=lambda head: head != main)
    if results.baseline not in results.settings:
        return
    for at, head in enumerate(several[:MOST_MAPS]):
        rows = {name: row for name, row in _rows(results, groups[head]).items() if any(x.each for x in row)}
        if rows:
            yield _map(results, head, groups[head], rows, f"things-{at}")


def _rows(results: Results, columns: list[str]) -> dict[str, list[Center]]:
    settings = [levels for levels in results.settings if levels != results.baseline]
    if len(varied(results)) < 3 and len(settings) <= MOST_SETTINGS:
        found = [differences(results, each) for each in columns]
        return {
            setting_name(results, levels, MOST_LETTERS): [each.get(levels, of(None)) for each in found]
            for levels in settings
        }
    rows: dict[tuple[str, str], list[Center]] = {}
    for axis in varied(results):
        for column in columns:
            for each in main_effects(results, axis, column):
                if each.difference is not None:
                    rows.setdefault((axis, each.levels[0]), []).append(of(each.difference))
    names = [level_name(results, *place, MOST_LETTERS) for place in rows]
    full = [f"{last(axis, results)} {level}" for axis, level in rows]
    each_one = zip(names, full, rows.values(), strict=True)
    return {whole if names.count(name) > 1 else name: row for name, whole, row in each_one}


def _map(results: Results, head: str, columns: list[str], rows: dict[str, list[Center]], name: str) -> Drawing:
    bounded = all(math.isfinite(x.low) for row in rows.values() for x in row)
    base = setting_name(results, results.baseline)
    labels = []
    for each in columns:
        value = center({seed: score.value for seed, score in results.of(results.baseline, each).items()}).value
        labels.append(f"{each.partition('/')[2]} ({value:.2f})" if math.isfinite(value) else each.partition("/")[2])
    over = " over all other axes" if len(varied(results)) > 2 else ""
    note = f"Differences to {base}{over}, seed by seed; its own scores stand beside the names. Blue is above it."
    note += " Less is better." if direction(head) < 0 else ""
    note += f" {PAIRED}" if bounded else ""
    bounds = [tuple(tuple(getattr(x, end) for x in row) for row in rows.values()) for end in ("low", "high")]
    values = tuple(tuple(x.value for x in row) for row in rows.values())
    panel = Heat(
        f"{say(head)} of each, less that of the baseline", tuple(rows), tuple(labels), values, center=0.0,
        low=bounds[0] if bounded else (), high=bounds[1] if bounded else (), note=note,
    )  # fmt: skip
    return draw_heat(panel, name)
