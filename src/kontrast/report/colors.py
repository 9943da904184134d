"""The colors of a report: one for each role everywhere, and color maps that can be read on light and on dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from numpy.typing import NDArray

# What a drawing says in these colors follows the page's theme: page.css gives each name its light and dark color.
INK, MUTED, LINE, FAINT, PAGE = "#17191c", "#5c6470", "#dadfe6", "#eef1f4", "#fffffe"
TRAINED, UNTRAINED, RAW, FLOOR = "#2458d3", "#c8620b", "#0d8068", "#77808d"
SERIES = ("#2458d4", "#9f9612", "#5997de", "#a14d67", "#6d1e04", "#3212a5", "#532c59", "#cf6e93")
DARK = ("#6095fa", "#dee763", "#88d1ff", "#a55489", "#fb6022", "#6565d1", "#d078ad", "#fe9ea7")
"""The same on a dark page. Whoever lacks one kind of cones tells them apart as well (Machado et al. 2009)."""
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")
"""The mark of each, so that color is never the only sign."""
ROLES = {"trained": TRAINED, "untrained": UNTRAINED, "raw input": RAW, "null": FLOOR, "chance": FLOOR}
"""Colors of lines and marks with these names, so that they mean the same in every figure."""
BELOW = "#b5533c"
"""Values below the one that has no color; those above it are as the trained encoder's."""
THEME = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    FAINT: "faint",
    PAGE: "page",
    TRAINED: "trained",
    UNTRAINED: "untrained",
    RAW: "raw",
    FLOOR: "floor",
    BELOW: "below",
    **{color: f"series-{at}" for at, color in enumerate(SERIES)},
}
# Ten classes that stay apart on white and on black.
CLASSES = (
    "#4269d0",
    "#f0a21c",
    "#f2635a",
    "#3fb8c9",
    "#3ca951",
    "#f584b8",
    "#9a60e8",
    "#a2774a",
    "#8db3f0",
    "#a8b53a",
)
OTHERS = "#9aa1ab"


def mark(color: str) -> str:
    """The mark of a series or of a role by its color; a dot for every other color."""
    return {**dict(zip(SERIES, MARKS, strict=True)), UNTRAINED: "<", RAW: ">", FLOOR: "d"}.get(color, "o")


def dash(color: str) -> tuple[float, tuple[float, ...]]:
    """How a line that values are read against is broken: each role its own way, others in turns."""
    ways = ((3.0, 2.0), (4.0, 1.5, 1.0, 1.5), (1.0, 1.5), (7.0, 2.0))
    of = {UNTRAINED: 0, RAW: 1, FLOOR: 2}
    return 0.0, ways[of.get(color, (SERIES.index(color) if color in SERIES else 0) + 2) % len(ways)]


def oklch(lightness: NDArray[Any], chroma: NDArray[Any], hue: NDArray[Any]) -> NDArray[np.float64]:
    """sRGB in [0, 1] of colors in OKLCH (hue in degrees): equal steps there look equal (Ottosson 2020)."""
    angle = np.deg2rad(hue)
    lab = np.stack(np.broadcast_arrays(lightness, chroma * np.cos(angle), chroma * np.sin(angle)))
    to_cone = [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    to_linear = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.array(to_linear) @ (np.array(to_cone) @ lab) ** 3, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.moveaxis(coded, 0, -1), dtype=np.float64)


def sequential() -> ListedColormap:
    """Dark blue to yellow, for what goes from low to high."""
    from matplotlib.colors import ListedColormap

    t = np.linspace(0, 1, 256)
    return ListedColormap(oklch(0.50 + 0.34 * t, 0.13 - 0.03 * np.sin(np.pi * t), 285 - 190 * t), name="kontrast")


def cyclic() -> ListedColormap:
    """A ring of hues whose two ends meet, for angles; lightness helps where hue cannot be told."""
    from matplotlib.colors import ListedColormap

    t = np.linspace(0, 1, 256)
    return ListedColormap(oklch(0.68 + 0.10 * np.cos(2 * np.pi * t), 0.135 + 0 * t, 30 + 360 * t), name="ring")


def diverging() -> ListedColormap:
    """Blue for negative, near gray for zero, red for positive."""
    from matplotlib.colors import ListedColormap

    t = np.linspace(-1, 1, 256)
    return ListedColormap(oklch(0.93 - 0.42 * np.abs(t), 0.16 * np.abs(t), np.where(t < 0, 260, 28)), name="signed")
