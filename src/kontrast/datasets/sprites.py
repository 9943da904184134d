"""dSprites, rendered: white squares, ellipses and hearts on black, at any real latents."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import chz
import numpy as np
import torch
from torch import Tensor

from kontrast.datasets.dataset import Generative
from kontrast.parts import choose
from kontrast.views import Factor

SIDE = 0.3
"""Side of the square at scale 1, as a share of the picture."""
START, SPAN = 0.25, 0.5
"""A position p in [0, 1] puts the sprite's center at START + SPAN p, as a share of the picture."""
STRETCH = 1.33
"""The ellipse is a circle of diameter 1 made STRETCH times longer and as much narrower."""
LIFT = 0.075
"""How far the heart's curve is raised above the point that it turns about."""


def _square(u: Tensor, v: Tensor) -> Tensor:
    """|u| < 1/2 and |v| < 1/2."""
    return (u.abs() < 0.5) & (v.abs() < 0.5)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    """(u / a)^2 + (v a)^2 < 1/4 with a = 1.33."""
    return (u / STRETCH).square_().add_((v * STRETCH).square_()) < 0.25


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """The inside of x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, with u = x / 32, v = y / 29 + 0.075.

    With c = |cos t| the two values of y at one x are (4 - 2 c^2 - 8 c^4) +- c (19 - 8 c^2); c^2 = 1 - |x / 16|^(2/3) is
    taken in double precision, so that the last bit of a logarithm, which may depend on the place in the batch, changes
    no pixel.
    """
    precise = torch.float32 if u.device.type == "mps" else torch.float64
    power = u.abs().mul_(2).to(precise).log_().mul_(2 / 3).exp_()
    cos2 = 1 - power.float().clamp_(max=1)
    middle = 4 - cos2 * (2 + 8 * cos2)
    reach = cos2.sqrt() * (19 - 8 * cos2)
    return (29 * (v - LIFT) - middle).abs_() < reach


class _Shape(NamedTuple):
    """A shape: how many turns of it look the same, and which points (u to the right, v up) are inside it."""

    symmetry: int
    inside: Callable[[Tensor, Tensor], Tensor]


SHAPES = {"square": _Shape(4, _square), "ellipse": _Shape(2, _ellipse), "heart": _Shape(1, _heart)}
"""The shapes in the order of dSprites, at scale 1 and in units of the square's side."""
_RADIUS = math.sqrt(0.5)
"""No shape reaches farther from its center than the corners of the square."""

GRID: dict[str, Tensor] = {
    "color": torch.ones(1, dtype=torch.float64),
    "shape": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
    "scale": torch.from_numpy(np.linspace(0.5, 1, 6)),
    "orientation": torch.from_numpy(np.linspace(0, 2 * np.pi, 40)),
    "posX": torch.from_numpy(np.linspace(0, 1, 32)),
    "posY": torch.from_numpy(np.linspace(0, 1, 32)),
}
"""The values of each column of dSprites; the last orientation is the first again."""


class Grid(NamedTuple):
    """Rows of the dSprites table, in the layout of the published file, and what `render` needs for them.

    `classes` int64 [n, 6] and `values` float64 [n, 6] have the columns color, shape, scale, orientation, posX, posY.
    `latents` float32 [n, 5] are in the units of the factors of `Sprites`.
    """

    classes: Tensor
    values: Tensor
    latents: Tensor


@chz.chz
class Sprites(Generative):
    """dSprites: one white square, ellipse or heart on black, by shape, scale, orientation and position.

    Observations are uint8 [n, 1, size, size], 0 outside the sprite and 255 inside (the published array says 0 and 1).
    A pixel is inside when its center is; the pixel under the sprite's center is always lit. Latents [n, 5] are

    - shape, the number of a name in `shapes`;
    - scale in [0.5, 1]: the square's side is 0.3 scale size pixels;
    - orientation in [0, 2 pi): counterclockwise, the square looks the same at every quarter, the ellipse at every half;
    - x and y in [0, 1]: the sprite turns about the point ((1/4 + x/2) size, (1/4 + y/2) size), y downward, so that no
      part of it ever leaves the picture.

    They may be any real numbers, and `grid` gives those of the 737,280 rows of the published file. At 64 x 64 the
    pictures are nearly the published ones: of the 320 frames of its animation 280 are the same to the pixel, and none
    differs in more than 4 pixels, all on the outline. ValueError for latents that are not finite, or a shape that is
    not the number of one.

    Source: Matthey, Higgins, Hassabis, Lerchner, "dSprites: Disentanglement testing Sprites dataset" (2017),
    https://github.com/google-deepmind/dsprites-dataset; the heart's curve is given in its issue 2.
    """

    size: int = chz.field(default=64, doc="side of the picture in pixels, at least 8; hearts need 32")
    shapes: tuple[str, ...] = chz.field(default=tuple(SHAPES), doc="the shapes: any of square, ellipse and heart")

    @chz.validate
    def _large_enough(self) -> None:
        if self.size < 8:
            raise ValueError(f"sprites need pictures of at least 8 x 8 pixels, not size={self.size}; write size=64")

    @chz.validate
    def _known_shapes(self) -> None:
        for name in self.shapes:
            choose(name, SHAPES, "shape")
        if not self.shapes or len(set(self.shapes)) < len(self.shapes):
            raise ValueError(f"name each shape once, not {self.shapes}; write shapes=square,ellipse,heart")

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.size, self.size)

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
        )

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        device = torch.device(device)
        self._check(latents)
        pictures = torch.zeros(len(latents), *self.shape, dtype=torch.uint8, device=device)
        largest = max(1.0, float(latents[:, 1].max())) if len(latents) else 1.0
        patch = min(self.size, math.ceil(2 * _RADIUS * SIDE * self.size * largest))
        exact = latents.to("cpu" if device.type == "mps" else device, torch.float64)
        tile = max(1, (2**18 if device.type == "cpu" else 2**22) // patch**2)
        for start in range(0, len(latents), tile):
            self._draw(exact[start : start + tile], patch, pictures[start : start + tile])
        return pictures

    def grid(self, rows: Tensor | None = None) -> Grid:
        """Rows of the dSprites table by their numbers int64 [n]; all of them without `rows`.

        With all three shapes in the usual order there are 737,280 and row k is row k of the published file: color 1,
        shape 3, scale 6, orientation 40, posX 32, posY 32, the last column fastest. With other `shapes` there are
        245,760 for each, in their order. ValueError for a number that is not one of a row.
        """
        sizes = [len(self.shapes) if name == "shape" else len(values) for name, values in GRID.items()]
        rows = torch.arange(math.prod(sizes)) if rows is None else rows.to("cpu", torch.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < math.prod(sizes)):
            raise ValueError(f"rows of the dSprites table are numbered 0 to {math.prod(sizes) - 1:,}")
        classes = torch.stack(torch.unravel_index(rows, sizes), 1)
        shape = classes[:, 1].clone()
        classes[:, 1] = torch.tensor([list(SHAPES).index(name) for name in self.shapes])[shape]
        values = torch.stack([column[classes[:, k]] for k, column in enumerate(GRID.values())], 1)
        latents = torch.cat([shape[:, None], values[:, 2:]], 1)
        latents[:, 2] %= math.tau
        return Grid(classes, values, latents.float())

    def _check(self, latents: Tensor) -> None:
        if latents.ndim != 2 or latents.shape[1] != 5:
            raise ValueError(f"latents of sprites are a matrix [n, 5], not of shape {tuple(latents.shape)}")
        if not latents.isfinite().all():
            raise ValueError("latents of sprites must be finite numbers; some are not")
        shape = latents[:, 0]
        if not ((shape == shape.round()) & (shape >= 0) & (shape < len(self.shapes))).all():
            raise ValueError(f"the shape of a sprite is a whole number from 0 to {len(self.shapes) - 1}")

    def _draw(self, latents: Tensor, patch: int, pictures: Tensor) -> None:
        """Light the sprites of latents float64 [n, 5] in black pictures, each within a patch about its center."""
        scale, turn = latents[:, 1:2] * (SIDE * self.size), latents[:, 2:3]
        center = (START + SPAN * latents[:, 3:]) * self.size
        corner = (center - patch / 2).round_().clamp_(0, self.size - patch)
        steps = torch.arange(patch, device=latents.device)
        away = corner[:, :, None] + (steps + 0.5) - center[:, :, None]
        right, down = away[:, 0], away[:, 1]
        under = ((away > -0.5) & (away <= 0.5)).to(pictures.device)
        cos, sin = turn.cos() / scale, turn.sin() / scale
        edges = [edge.to(pictures.device, torch.float32) for edge in (cos * right, sin * down, sin * right, cos * down)]
        inside = under[:, 1, :, None] & under[:, 0, None, :]
        for number, name in enumerate(self.shapes):
            rows = (latents[:, 0] == number).nonzero()[:, 0].to(pictures.device)
            a, b, c, d = (edge[rows] for edge in edges)
            inside[rows] |= SHAPES[name].inside(a[:, None] - b[:, :, None], -c[:, None] - d[:, :, None])
        first = (corner[:, 1] * self.size + corner[:, 0]).to(pictures.device, torch.int64)
        pixels = (steps[:, None] * self.size + steps).flatten().to(pictures.device)
        lit = inside.flatten(1).to(torch.uint8).mul_(255)
        pictures.flatten(1).scatter_(1, first[:, None] + pixels, lit)
