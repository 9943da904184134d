"""Maps: the two principal components of an embedding, and any points in the plane, colored by what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.panels import Points
from kontrast.report import colors
from kontrast.report.figures import Drawing, caption, figure, finish, legend, tick
from kontrast.report.record import Record
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MOST_MAPS, MOST_POINTS = 4, 4000


def maps(record: Record) -> list[Drawing]:
    """The embedding's two widest directions, colored by label or by the first factors that vary."""
    if record.embedding is None:
        return []
    rows = np.flatnonzero(np.isfinite(record.embedding).all(axis=1))
    rows = (
        rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).astype(int))] if len(rows) else rows
    )
    if len(rows) < 3:
        return []
    points, shares = _flatten(record.embedding[rows].astype(np.float64))
    if record.latents is not None:
        every = list(enumerate(record.factors))
        varying = [(at, factor) for at, factor in every if np.ptp(record.latents[rows, at]) > 0]
        columns = (varying or every)[:MOST_MAPS]
        return [_map(at, points, shares, record.latents[rows, at], factor=factor) for at, factor in columns]
    labels = np.zeros(len(rows), int) if record.labels is None else record.labels[rows]
    return [_map(0, points, shares, labels, classes=record.classes if record.labels is not None else None)]


def _flatten(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two principal components of the rows, and the share of the variance that each explains."""
    from sklearn.decomposition import PCA

    z = z if z.shape[1] > 1 else np.concatenate([z, np.zeros_like(z)], axis=1)
    if not np.ptp(z, axis=0).any():
        return z[:, :2] - z[:, :2].mean(axis=0), np.zeros(2)
    pca = PCA(2, svd_solver="full").fit(z)
    return pca.transform(z), pca.explained_variance_ratio_


def _map(
    at: int,
    points: NDArray[np.float64],
    shares: NDArray[np.float64],
    values: NDArray[Any],
    *,
    factor: Any = None,
    classes: Sequence[str] | None = None,
) -> Drawing:
    made, axes = figure(3.1, 2.9)
    look: dict[str, Any] = {"s": _size(len(points)), "linewidths": 0, "alpha": 0.85, "rasterized": True}
    name = plain(factor.name, 40) if factor is not None else "rows" if classes is None else "class"
    if factor is None or factor.kind == "discrete":
        _by_class(axes, points, np.where(np.isfinite(values), values, -1).round().astype(int), classes, look)
        legend(made, axes.get_legend_handles_labels()[0], below=True, dots=True)
    else:
        ring = factor.kind == "periodic"
        shown = (values - factor.low) / ((factor.high - factor.low) or 1.0)
        shown = shown % 1 if ring else np.clip(shown, 0, 1)
        look |= {"c": shown, "cmap": colors.cyclic() if ring else colors.sequential(), "vmin": 0, "vmax": 1}
        dots = axes.scatter(points[:, 0], points[:, 1], **look)
        _bar(made, axes, dots, (factor.low, (factor.low + factor.high) / 2, factor.high))
    axes.set(xticks=[], yticks=[], xlabel=f"PC 1 · {shares[0]:.0%}", ylabel=f"PC 2 · {shares[1]:.0%}")
    axes.set_aspect("equal", adjustable="datalim")
    alt = f"Map of {len(points)} held-out rows along two principal components, colored by {name}"
    alt = alt.removesuffix(", colored by rows")
    return finish(made, f"map-{at}-{name}", name, alt)


def _by_class(
    axes: Axes, points: NDArray[np.float64], labels: NDArray[Any], classes: Sequence[str] | None, look: dict[str, Any]
) -> None:
    """Points colored by class: ten of them, the others gray."""
    known, counts = np.unique(labels[labels >= 0], return_counts=True)
    shown = np.sort(known[np.argsort(-counts, kind="stable")[: len(colors.CLASSES)]])
    position = np.searchsorted(shown, labels) if len(shown) else np.zeros(len(labels), int)
    hit = np.isin(labels, shown)
    palette = np.array([*colors.CLASSES[: len(shown)], colors.OTHERS])
    chosen = palette[np.where(hit, position, len(shown))] if classes is not None or len(shown) > 1 else colors.TRAINED
    axes.scatter(points[:, 0], points[:, 1], c=chosen, **look)
    if len(shown) < 2 and classes is None:
        return
    for label, color in zip(shown, colors.CLASSES, strict=False):
        name = classes[label] if classes and label < len(classes) else label
        axes.plot([], [], "o", color=color, markersize=4, label=caption(name, 12))
    if not hit.all():
        axes.plot([], [], "o", color=colors.OTHERS, markersize=4, label="others")


def draw_points(panel: Points, name: str) -> Drawing:
    """Points in the plane, of equal scale on both axes, in the colors of their classes or of a value."""
    points = np.array([panel.x, panel.y], dtype=np.float64).T
    color = np.array(panel.color) if panel.color else np.zeros(len(points))
    kept = np.flatnonzero((np.abs(points) < 1e300).all(1))
    if len(kept) > MOST_POINTS:
        kept = kept[np.linspace(0, len(kept) - 1, MOST_POINTS).astype(int)]
    points, color = points[kept], color[kept]
    made, axes = figure(3.1, 2.9)
    look: dict[str, Any] = {"s": _size(len(points)), "linewidths": 0, "alpha": 0.85, "rasterized": True}
    if panel.names or not panel.color:
        of = np.where((color >= 0) & (color < max(1, len(panel.names))), color, -1).astype(int)
        _by_class(axes, points, of, panel.names or None, look)
        legend(made, axes.get_legend_handles_labels()[0], below=True, dots=True)
    elif np.isfinite(color).any():
        low, high = float(np.nanmin(color)), float(np.nanmax(color))
        known = np.isfinite(color)
        axes.scatter(points[~known, 0], points[~known, 1], c=colors.OTHERS, **look)
        look |= {"c": color[known], "cmap": colors.sequential(), "vmin": low, "vmax": high}
        dots = axes.scatter(points[known, 0], points[known, 1], **look)
        _bar(made, axes, dots, (low, (low + high) / 2, high))
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set_visible(False)
    heading, by = plain(panel.title, 80), plain(panel.colored_by, 40)
    alt = f"{heading}: {len(points)} points{by and f', colored by {by}'}"
    left = f"{len(points):,} of {len(panel.x):,} points. " if len(points) < len(panel.x) else ""
    return finish(made, name, heading, alt, left + plain(panel.note, 400))


def _size(count: int) -> float:
    return float(np.clip(9000 / max(1, count), 3, 14))


def _bar(made: Figure, axes: Axes, dots: Any, marks: tuple[float, float, float]) -> None:
    """The colors of a value, with its ends and its middle, below a map."""
    bar = made.colorbar(dots, ax=axes, location="bottom", aspect=36, shrink=0.9, pad=0.04)
    low, high = bar.mappable.get_clim()
    bar.set_ticks([low, (low + high) / 2, high], labels=[tick(float(f"{x:.3g}")) for x in marks])
    if bar.solids is not None:
        bar.solids.set(alpha=1, rasterized=True)
    bar.outline.set_visible(False)
