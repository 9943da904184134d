"""dSprites, rendered: a sprite by its shape, scale, orientation and position, and its color if it has one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, get_args

import chz
import torch
from torch import Tensor

from kontrast.datasets.dataset import Generative
from kontrast.datasets.dsprites import NAME
from kontrast.datasets.sprites import archive, colors, shapes, table
from kontrast.datasets.sprites.shapes import SHAPES
from kontrast.datasets.sprites.table import Grid
from kontrast.datasets.writing import Order, Writable
from kontrast.parts import choose
from kontrast.views import Factor

Law = Literal["continuous", "grid"]


@chz.chz
class Sprites(Generative, Writable):
    """dSprites: one square, ellipse or heart, by shape, scale, orientation and position; white on black at first.

    Observations are uint8 [n, c, size, size], 0 outside the sprite and 255 inside (the published array says 0 and 1).
    A pixel is inside when its center is; the pixel under the sprite's center is always lit. Latents [n, 5] are

    - shape, the number of a name in `shapes`;
    - scale in [0.5, 1]: the square's side is 0.3 scale size pixels;
    - orientation in [0, 2 pi): counterclockwise, the square looks the same at every quarter, the ellipse at every half;
    - x and y in [0, 1]: the sprite turns about the point ((1/4 + x/2) size, (1/4 + y/2) size), y downward, so that no
      part of it ever leaves the picture.

    They may be any real numbers. By `law` they are drawn uniformly from these ranges, or from the 737,280 rows of the
    published file (`grid` gives them). Its 40 orientations go from 0 to 2 pi inclusive, so that the last is the first
    again: 39 are different, and one of them is drawn twice as often. At 64 x 64 the pictures are nearly the published
    ones: of the 320 frames of its animation 280 are the same to the pixel, and none differs in more than 4 pixels, all
    on the outline. ValueError for latents that are not finite, or a shape that is not the number of one.

    `color` "hue" adds a latent in [0, 1) that goes around the circle of saturated colors, 10 of them on the grid;
    "palette" adds the number of one of 7 colors. "random" colors are no latent: each channel is uniform between half
    and full brightness (Color-dSprites). `background` "noise" is uniform in each channel of every pixel, as that of
    Noisy-dSprites; "gray-noise" is the same in one channel. What is random is a hash of the latents, so that a picture
    is a function of them: equal latents have equal noise, all others their own. c is 3 where there is color, else 1.

    `write` makes the published file, which DSprites reads as long as the sprites are those of dSprites. `kontrast data
    render` writes all others, of another size or in color, as folders of pictures, for Rendered to read.

    Source: Matthey, Higgins, Hassabis, Lerchner, "dSprites: Disentanglement testing Sprites dataset" (2017),
    https://github.com/google-deepmind/dsprites-dataset; the heart's curve is given in its issue 2. Colors and noise:
    Locatello et al. 2019, arXiv 1811.12359.
    """

    size: int = chz.field(default=64, doc="side of the picture in pixels, at least 8; hearts need 32")
    shapes: tuple[str, ...] = chz.field(default=tuple(SHAPES), doc="the shapes: any of square, ellipse and heart")
    law: Law = chz.field(default="continuous", doc="latents anywhere in their ranges, or on the published grid")
    color: colors.Color = chz.field(default="white", doc="white, hue or palette (then a latent), or random")
    background: colors.Background = chz.field(default="black", doc="black, noise, or gray-noise")

    @chz.validate
    def _large_enough(self) -> None:
        if self.size < 8:
            raise ValueError(f"sprites need pictures of at least 8 x 8 pixels, not size={self.size}; write size=64")

    @chz.validate
    def _known_words(self) -> None:
        choose(self.law, get_args(Law), "law of sprites")
        choose(self.color, get_args(colors.Color), "color of sprites")
        choose(self.background, get_args(colors.Background), "background of sprites")
        for name in self.shapes:
            choose(name, SHAPES, "shape")
        if not self.shapes or len(set(self.shapes)) < len(self.shapes):
            raise ValueError(f"name each shape once, not {self.shapes}; write shapes=square,ellipse,heart")

    @property
    def shape(self) -> tuple[int, ...]:
        return (colors.channels(self.color, self.background), self.size, self.size)

    @property
    def factors(self) -> tuple[Factor, ...]:
        count = len(self.shapes)
        symmetry = tuple(SHAPES[name].symmetry for name in self.shapes)
        return (
            Factor("shape", "discrete", 0.0, count - 1.0, size=count),
            Factor("scale", low=0.5, high=1.0, grid=6),
            Factor("orientation", "periodic", 0.0, math.tau, symmetry=symmetry, symmetry_by="shape", grid=39),
            Factor("x", grid=32),
            Factor("y", grid=32),
            *colors.color_factor(self.color),
        )

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        if self.law == "grid":
            return self.grid(torch.randint(self.rows, (n,), generator=generator)).latents
        return self.latent_space.uniform(n, len(self.factors), generator)

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        device = torch.device(device)
        self._check(latents)
        lit = torch.zeros(len(latents), 1, self.size, self.size, dtype=torch.uint8, device=device)
        shapes.draw(latents[:, :5], self.shapes, lit)
        return colors.paint(lit, latents, self.color, self.background)

    @property
    def rows(self) -> int:
        """The rows of the table: 245,760 for each shape, and each color where color is a latent."""
        return table.count(self.shapes, colors.color_values(self.color))

    def grid(self, rows: Tensor | None = None) -> Grid:
        """Rows of the dSprites table by their numbers int64 [n]; all of them without `rows`.

        With all three shapes in the usual order and no color there are 737,280 and row k is row k of the published
        file: color 1, shape 3, scale 6, orientation 40, posX 32, posY 32, the last column fastest. With other `shapes`
        there are 245,760 for each, in their order. ValueError for a number that is not one of a row.
        """
        numbers = torch.arange(self.rows) if rows is None else rows
        return table.rows_of(numbers, self.shapes, colors.color_values(self.color))

    @property
    def reader(self) -> str:
        published = chz.replace(self, law="continuous") == Sprites()
        return "DSprites" if published else "Rendered"

    def write(self, out: Path, order: Order) -> None:
        """Write the whole grid into a folder, as the npz file of dSprites: `imgs`, `latents_values`, `latents_classes`.

        `imgs` is uint8 [n, size, size] of 0 and 1, or [n, size, size, 3] from 0 to 255 where there is color, and [n,
        size, size] from 0 to 255 on gray noise. The published file has pickled `metadata` too, which this one has not.
        Equal sprites give equal bytes, whatever the number of workers. Nothing larger than a piece of 4,096 pictures is
        ever in memory. Pieces are kept in a hidden folder beside the file until it is whole, so that it can go on.
        """
        if any(order.rows.values()):
            raise ValueError(f"sprites are written on their whole grid of {self.rows:,} rows; leave out rows")
        if order.shard != (1, 1):
            raise ValueError("one file cannot be written by several machines; leave out shard=")
        if out.exists() and not out.is_dir():
            raise ValueError(f"{out} is a file; give another out=")
        archive.write(self, out / NAME, order)

    def _check(self, latents: Tensor) -> None:
        width = len(self.factors)
        if latents.ndim != 2 or latents.shape[1] != width:
            raise ValueError(f"latents of sprites are a matrix [n, {width}], not of shape {tuple(latents.shape)}")
        if not latents.isfinite().all():
            raise ValueError("latents of sprites must be finite numbers; some are not")
        for k, factor in enumerate(self.factors):
            column = latents[:, k]
            if (
                factor.kind == "discrete"
                and not ((column == column.round()) & (column >= factor.low) & (column <= factor.high)).all()
            ):
                raise ValueError(f"the {factor.name} of a sprite is a whole number from 0 to {factor.high:g}")
