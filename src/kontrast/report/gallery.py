"""Pictures of a report: the pairs that the encoder saw, and the nearest neighbors of some held-out rows."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kontrast.report import colors
from kontrast.report.record import Record
from kontrast.text import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERIES, NEIGHBORS, PAIRS, WIDEST = 6, 8, 12, 96


@dataclass(frozen=True)
class Thumbnail:
    """A small picture as a data address, in words, with the line below it; `other` than it was asked for or not."""

    address: str
    alt: str
    caption: str = ""
    other: bool = False


def as_pictures(array: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 [n, h, w, 3] of pictures, or of vectors [n, d] as strips: blue for negative, red for positive.

    Pictures of zeros and ones become black and white; large ones are left as they are.
    """
    if array.ndim == 2:
        finite = np.nan_to_num(array.astype(np.float64))
        scale = np.quantile(np.abs(finite), 0.99) or 1.0
        strip = colors.diverging()(np.clip(finite / scale, -1, 1) / 2 + 0.5)[..., :3]
        tall = max(4, array.shape[1] // 3)
        return np.repeat((strip * 255).round().astype(np.uint8)[:, None], tall, axis=1)
    gray = array if array.ndim == 3 else array[..., 0] if array.shape[-1] == 1 else None
    rgb = array if gray is None else np.repeat(gray[..., None], 3, axis=-1)
    return np.asarray(rgb * np.uint8(255) if rgb.max(initial=0) <= 1 else rgb, dtype=np.uint8)


def png(picture: NDArray[np.uint8], widest: int | None = None) -> bytes:
    """A picture [h, w, 3] as a PNG file, no wider or higher than `widest` pixels."""
    from PIL import Image

    made, file = Image.fromarray(picture), io.BytesIO()
    if widest is not None:
        made.thumbnail((widest, widest))
    made.save(file, "PNG")
    return file.getvalue()


def sheet(rows: list[list[NDArray[np.uint8]]], gap: int = 2) -> bytes:
    """Rows of pictures of one size as one PNG file, on white."""
    high, wide, _ = rows[0][0].shape
    columns = max(map(len, rows))
    page = np.full((len(rows) * (high + gap) - gap, columns * (wide + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            page[i * (high + gap) :][:high, j * (wide + gap) :][:, :wide] = picture
    return png(page)


def thumbnail(picture: NDArray[np.uint8], alt: str, caption: str = "", other: bool = False) -> Thumbnail:
    """A picture as a part of the page."""
    code = base64.b64encode(png(picture, WIDEST)).decode()
    return Thumbnail(f"data:image/png;base64,{code}", alt, caption, other)


def neighbors(record: Record) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Queries [q], their nearest rows [q, k] among the pictures, nearest first, and the cosines [q, k]."""
    if record.embedding is None or record.pictures is None or len(record.pictures) < 2:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.int64), np.zeros((0, 0))
    z = np.nan_to_num(record.embedding[record.rows].astype(np.float64))
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    z = z / np.where(norms > 0, norms, 1)
    queries = _queries(record, len(z))
    cosines = z[queries] @ z.T
    cosines[np.arange(len(queries)), queries] = -np.inf
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(NEIGHBORS, len(z) - 1)]
    return queries, nearest, np.take_along_axis(cosines, nearest, axis=1)


def _queries(record: Record, count: int) -> NDArray[np.int64]:
    """The same rows for every run: the first of each of some classes, or rows at equal distances."""
    if record.labels is not None:
        labels, first = np.unique(record.labels[record.rows], return_index=True)
        first = first[labels >= 0]
        if len(first) >= QUERIES:
            return np.asarray(first[np.linspace(0, len(first) - 1, QUERIES).astype(int)], dtype=np.int64)
    return np.unique(np.linspace(0, count - 1, min(QUERIES, count)).astype(np.int64))


def neighbor_rows(record: Record) -> tuple[list[list[Thumbnail]], bytes | None]:
    """A row of thumbnails for each query, itself first, and all of them as one sheet."""
    queries, nearest, cosines = neighbors(record)
    if record.pictures is None or not len(queries):
        return [], None
    used = np.unique(np.concatenate([queries, nearest.ravel()]))
    shown = dict(zip(used.tolist(), as_pictures(record.pictures[used]), strict=True))
    rows, plates = [], []
    for query, near, cosine in zip(queries.tolist(), nearest.tolist(), cosines.tolist(), strict=True):
        mine, label = _named(record, query)
        row = [thumbnail(shown[query], f"Query: picture {query + 1}{mine and f', {mine}'}", mine or "query")]
        for rank, (at, x) in enumerate(zip(near, cosine, strict=True), start=1):
            name, other = _named(record, at)
            words = f"Neighbor {rank}, cosine {x:.2f}{name and f', {name}'}"
            row.append(thumbnail(shown[at], words, f"{x:.2f}", other != label))
        rows.append(row)
        plates.append([shown[query], *(shown[at] for at in near)])
    return rows, sheet(plates)


def _named(record: Record, picture: int) -> tuple[str, int]:
    """The name and number of a picture's class; none where there are no labels."""
    label = -1 if record.labels is None else int(record.labels[record.rows[picture]])
    if label < 0:
        return "", -1
    return plain(record.classes[label] if label < len(record.classes) else label, 40), label


def pair_rows(record: Record) -> tuple[list[tuple[Thumbnail, Thumbnail]], bytes | None]:
    """Some pairs of views as thumbnails, and as one sheet of two rows."""
    if record.pairs is None or not len(record.pairs[0]):
        return [], None
    both = as_pictures(np.concatenate([side[:PAIRS] for side in record.pairs]))
    one, two = both[: len(both) // 2], both[len(both) // 2 :]
    rows = [
        (thumbnail(a, f"Pair {at}, one view"), thumbnail(b, f"Pair {at}, other view"))
        for at, (a, b) in enumerate(zip(one, two, strict=True), start=1)
    ]
    return rows, sheet([list(one), list(two)])
