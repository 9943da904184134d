"""The outlines of dSprites, and how they are drawn: square, ellipse and heart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

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


class Shape(NamedTuple):
    """A shape: how many turns of it look the same, and which points (u to the right, v up) are inside it."""

    symmetry: int
    inside: Callable[[Tensor, Tensor], Tensor]


SHAPES = {"square": Shape(4, _square), "ellipse": Shape(2, _ellipse), "heart": Shape(1, _heart)}
"""The shapes in the order of dSprites, at scale 1 and in units of the square's side."""
RADIUS = math.sqrt(0.5)
"""No shape reaches farther from its center than the corners of the square."""


def draw(latents: Tensor, names: Sequence[str], pictures: Tensor) -> None:
    """Light the sprites of latents [n, 5] in black pictures uint8 [n, 1, size, size], on the device of the pictures."""
    size, device = pictures.shape[-1], pictures.device
    largest = max(1.0, float(latents[:, 1].max())) if len(latents) else 1.0
    patch = min(size, math.ceil(2 * RADIUS * SIDE * size * largest))
    exact = latents.to("cpu" if device.type == "mps" else device, torch.float64)
    tile = max(1, (2**18 if device.type == "cpu" else 2**22) // patch**2)
    for start in range(0, len(latents), tile):
        _draw(exact[start : start + tile], names, patch, pictures[start : start + tile])


def _draw(latents: Tensor, names: Sequence[str], patch: int, pictures: Tensor) -> None:
    """Light the sprites of latents float64 [n, 5] in black pictures, each within a patch about its center."""
    size = pictures.shape[-1]
    scale, turn = latents[:, 1:2] * (SIDE * size), latents[:, 2:3]
    center = (START + SPAN * latents[:, 3:5]) * size
    corner = (center - patch / 2).round_().clamp_(0, size - patch)
    steps = torch.arange(patch, device=latents.device)
    away = corner[:, :, None] + (steps + 0.5) - center[:, :, None]
    right, down = away[:, 0], away[:, 1]
    under = ((away > -0.5) & (away <= 0.5)).to(pictures.device)
    cos, sin = turn.cos() / scale, turn.sin() / scale
    edges = [edge.to(pictures.device, torch.float32) for edge in (cos * right, sin * down, sin * right, cos * down)]
    inside = under[:, 1, :, None] & under[:, 0, None, :]
    for number, name in enumerate(names):
        rows = (latents[:, 0] == number).nonzero()[:, 0].to(pictures.device)
        a, b, c, d = (edge[rows] for edge in edges)
        inside[rows] |= SHAPES[name].inside(a[:, None] - b[:, :, None], -c[:, None] - d[:, :, None])
    first = (corner[:, 1] * size + corner[:, 0]).to(pictures.device, torch.int64)
    pixels = (steps[:, None] * size + steps).flatten().to(pictures.device)
    lit = inside.flatten(1).to(torch.uint8).mul_(255)
    pictures.flatten(1).scatter_(1, first[:, None] + pixels, lit)
