"""Maps of an embedding: its two principal components, colored by what is known of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.report import colors
from kontrast.report.figures import Drawing, caption, figure, finish
from kontrast.report.record import Record
from kontrast.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
    size = float(np.clip(9000 / len(points), 3, 14))
    look: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.85, "rasterized": True}
    name = plain(factor.name, 40) if factor is not None else "rows" if classes is None else "class"
    if factor is None or factor.kind == "discrete":
        _by_class(axes, points, np.where(np.isfinite(values), values, -1).round().astype(int), classes, look)
        if axes.get_legend_handles_labels()[0]:
            made.legend(loc="outside lower left", ncols=4, columnspacing=0.7, handletextpad=0.1)
    else:
        ring = factor.kind == "periodic"
        shown = (values - factor.low) / ((factor.high - factor.low) or 1.0)
        shown = shown % 1 if ring else np.clip(shown, 0, 1)
        look |= {"c": shown, "cmap": colors.cyclic() if ring else colors.sequential(), "vmin": 0, "vmax": 1}
        dots = axes.scatter(points[:, 0], points[:, 1], **look)
        bar = made.colorbar(dots, ax=axes, location="bottom", aspect=36, shrink=0.9, pad=0.04, ticks=[0, 0.5, 1])
        if bar.solids is not None:
            bar.solids.set(alpha=1, rasterized=True)
        bar.outline.set_visible(False)
        middle = (factor.low + factor.high) / 2
        bar.set_ticklabels([f"{x:.3g}" for x in (factor.low, middle, factor.high)])
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
