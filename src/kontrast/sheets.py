"""Sheets: many small pictures on one, with or without words. Arrays in, arrays and PNG files out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Picture = NDArray[np.uint8]
SIDE = 128
"""About how large a picture is shown, in pixels, where it is smaller: by a whole factor, every pixel a square."""
LARGEST = 176
GAP, BLOCK_GAP, MARGIN = 6, 22, 18
INK, MUTED, LINE = "#17191c", "#5c6470", "#dadfe6"
FONT = 13


class Column(NamedTuple):
    """One column of a labeled sheet: its title, a line of detail, the block it belongs to, and its pictures."""

    title: str
    detail: str
    block: str
    pictures: Sequence[Picture]


def grid(rows: Sequence[Sequence[Picture]], gap: int = 2) -> Picture:
    """Rows of pictures uint8 [h, w, 3] as one [H, W, 3] on white; smaller ones are in the middle of their places."""
    high = max(picture.shape[0] for row in rows for picture in row)
    wide = max(picture.shape[1] for row in rows for picture in row)
    columns = max(map(len, rows))
    page = np.full((len(rows) * (high + gap) - gap, columns * (wide + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            h, w, _ = picture.shape
            top, left = i * (high + gap) + (high - h) // 2, j * (wide + gap) + (wide - w) // 2
            page[top : top + h, left : left + w] = picture
    return page


def enlarged(picture: Picture, factor: int) -> Picture:
    """A picture with every pixel as a square of `factor` x `factor`: nothing is smoothed."""
    return picture.repeat(factor, 0).repeat(factor, 1)


def labeled(columns: Sequence[Column], names: Sequence[str]) -> bytes:
    """A PNG file: a row for each picture, which `names` says, and columns with titles, side by side in their blocks.

    Pictures are enlarged to about 128 pixels by a whole factor, one for all, so that small views are small; those of
    more than 176 are reduced.
    """
    from PIL import Image, ImageDraw

    font, small = _font(FONT), _font(FONT - 2)
    shown = _sized([column.pictures for column in columns])
    wide = [
        max(*(p.shape[1] for p in pictures), _wide(font, column.title), _wide(small, column.detail))
        for column, pictures in zip(columns, shown, strict=True)
    ]
    high = max(picture.shape[0] for pictures in shown for picture in pictures)
    _widen(columns, wide, font)
    left = MARGIN + max((_wide(font, name) for name in names), default=0) + (2 * GAP if any(names) else 0)
    places = _places(columns, wide, left)
    top = MARGIN + 3 * (FONT + 6) + GAP
    page = Image.new("RGB", (places[-1] + wide[-1] + MARGIN, top + len(names) * (high + GAP) - GAP + MARGIN), "white")
    draw = ImageDraw.Draw(page)
    _headings(draw, columns, places, wide, font, small)
    for row, name in enumerate(names):
        y = top + row * (high + GAP)
        draw.text((MARGIN, y + high // 2), name, INK, font, anchor="lm")
        for place, width, pictures in zip(places, wide, shown, strict=True):
            h, w, _ = pictures[row].shape
            left_edge, upper = place + (width - w) // 2, y + (high - h) // 2
            page.paste(Image.fromarray(pictures[row]), (left_edge, upper))
            # A frame, or what augmentations make white would be lost on the page.
            draw.rectangle((left_edge - 1, upper - 1, left_edge + w, upper + h), outline=LINE)
    file = io.BytesIO()
    page.save(file, "PNG", optimize=True)
    return file.getvalue()


def _sized(columns: Sequence[Sequence[Picture]]) -> list[list[Picture]]:
    """All pictures enlarged or reduced by one factor."""
    from PIL import Image

    side = max(max(picture.shape[:2]) for pictures in columns for picture in pictures)
    if side <= LARGEST:
        factor = max(1, round(SIDE / side))
        return [[enlarged(picture, factor) for picture in pictures] for pictures in columns]

    def less(picture: Picture) -> Picture:
        size = (max(1, round(picture.shape[k] * LARGEST / side)) for k in (1, 0))
        return np.asarray(Image.fromarray(picture).resize((next(size), next(size)), Image.Resampling.LANCZOS))

    return [[less(picture) for picture in pictures] for pictures in columns]


def _widen(columns: Sequence[Column], wide: list[int], font: FreeTypeFont) -> None:
    """Give the last column of each block what its heading needs more than its columns have."""
    for block in dict.fromkeys(column.block for column in columns):
        mine = [k for k, column in enumerate(columns) if column.block == block]
        lacking = _wide(font, block) - sum(wide[k] for k in mine) - GAP * (len(mine) - 1)
        wide[mine[-1]] += max(0, lacking)


def _places(columns: Sequence[Column], wide: Sequence[int], left: int) -> list[int]:
    """Where each column begins: blocks are further apart than columns."""
    places = [left]
    for k in range(1, len(columns)):
        gap = GAP if columns[k].block == columns[k - 1].block else BLOCK_GAP
        places.append(places[-1] + wide[k - 1] + gap)
    return places


def _headings(
    draw: ImageDraw,
    columns: Sequence[Column],
    places: Sequence[int],
    wide: Sequence[int],
    font: FreeTypeFont,
    small: FreeTypeFont,
) -> None:
    line = FONT + 6
    for k, column in enumerate(columns):
        if not k or columns[k - 1].block != column.block:
            last = max(j for j in range(k, len(columns)) if all(c.block == column.block for c in columns[k : j + 1]))
            if column.block:
                draw.text((places[k], MARGIN), column.block, INK, font)
                y = MARGIN + line - 1
                draw.line((places[k], y, places[last] + wide[last], y), LINE)
        middle = places[k] + wide[k] // 2
        draw.text((middle, MARGIN + line + 4), column.title, INK, font, anchor="ma")
        draw.text((middle, MARGIN + 2 * line + 2), column.detail, MUTED, small, anchor="ma")


def _font(size: int) -> FreeTypeFont:
    """The font of the figures, which has the letters of most scripts that class names are written in."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def _wide(font: FreeTypeFont, text: str) -> int:
    return int(font.getlength(text)) + 1
