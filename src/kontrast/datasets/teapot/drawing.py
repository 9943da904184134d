"""The fast renderer: rays through a grid of signed distances, many scenes at a time, on any device."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from kontrast.datasets.teapot import scene
from kontrast.datasets.teapot.light import STEPS, Points, Steady, crossing, lit, lit_ground, steady
from kontrast.datasets.teapot.rubber import LEAST
from kontrast.datasets.teapot.scene import Scene
from kontrast.datasets.teapot.solids import Solid

RAYS = 2
"""Rays along each side of a pixel."""
MARCH = 32
"""Steps of a ray at most."""
HIT = 0.004
"""Distance to the object at which a ray has met it."""
MOST_FINE = 4
"""How many times more places than at 64 pixels a ray to a lamp has at most."""
LIFTED = 0.03
"""How far points of the object are raised above it before it is asked what shades them."""


def draw(scenes: Scene, solid: Solid, size: int) -> Tensor:
    """Pictures uint8 [n, 3, size, size] of scenes with one solid in them, in sRGB."""
    count, fine = len(scenes.center), size * RAYS
    light = _ground(scenes, solid, size)
    light = light.repeat_interleave(RAYS, 1).repeat_interleave(RAYS, 2).reshape(-1, 3)
    rows, colors = _object(scenes, solid, fine)
    light[rows] = colors
    mean = light.reshape(count, size, RAYS, size, RAYS, 3).mean((2, 4)).clamp(0, 1)
    shown = torch.where(mean <= 0.0031308, 12.92 * mean, 1.055 * mean.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)
    return (255 * shown + 0.5).to(torch.uint8).permute(0, 3, 1, 2).contiguous()


def rays(size: int, device: torch.device) -> Tensor:
    """The directions [size size, 3] of the camera's rays, row by row from above."""
    # The camera looks down at 45 degrees; its right is y.
    half = math.sqrt(0.5)
    reach = scene.SENSOR / 2 / scene.LENS
    across = ((torch.arange(size, device=device) + 0.5) / size * 2 - 1) * reach
    down, right = torch.meshgrid(across, across, indexing="ij")
    return functional.normalize(torch.stack([half * (down - 1), right, -half * (1 + down)], -1).reshape(-1, 3), dim=1)


@functools.lru_cache(maxsize=4)
def _floor(size: int, device: torch.device) -> tuple[Tensor, Tensor, Steady]:
    """What is alike in every scene: places [size size, 3] of the ground, ways to the camera, what fixed lamps give."""
    ways = rays(size, device)
    camera = torch.tensor(scene.CAMERA, device=device)
    places = camera + ways * ((scene.GROUND - camera[2]) / ways[:, 2])[:, None]
    none = torch.zeros(1, len(scene.NAMES), device=device)
    return places, -ways, steady(_on_ground(scene.scene(none), places, -ways, size))


def _on_ground(scenes: Scene, places: Tensor, views: Tensor, size: int) -> Points:
    """The points of the ground in scenes, those of one after those of the other."""
    count, device = len(scenes.center), places.device
    up = torch.zeros_like(places)
    up[:, 2] = 1
    which = torch.arange(count, device=device).repeat_interleave(len(places))
    return _points(scenes, which, places.repeat(count, 1), up.repeat(count, 1), views.repeat(count, 1), 2, size)


def _ground(scenes: Scene, solid: Solid, size: int) -> Tensor:
    """The radiance [n, size, size, 3] of the ground."""
    places, views, given = _floor(size, scenes.center.device)
    light = lit_ground(_on_ground(scenes, places, views, size), solid, given)
    return light.reshape(len(scenes.center), size, size, 3)


def _object(scenes: Scene, solid: Solid, size: int) -> tuple[Tensor, Tensor]:
    """The pixels int64 [m] that show the object, in pictures of `size` x `size` in a row, and their radiance [m, 3]."""
    device = scenes.center.device
    ways, camera = rays(size, device), torch.tensor(scene.CAMERA, device=device)
    inward = scenes.turn.transpose(1, 2)
    start = torch.einsum("nij,nj->ni", inward, camera - scenes.center)
    step = torch.einsum("nij,mj->nmi", inward, ways)
    near, far = crossing(start[:, None], step, solid.low, solid.high)
    which, pixel = (far > near).nonzero(as_tuple=True)
    begin, way = start[which], step[which, pixel]
    t, hit = _march(begin, way, near[which, pixel].clamp_min(0), far[which, pixel], solid)
    which, pixel, t = which[hit], pixel[hit], t[hit]
    normal = torch.einsum("nij,nj->ni", scenes.turn[which], solid.normal(begin[hit] + way[hit] * t[:, None]))
    view = -ways[pixel]
    # A normal that points away from who sees it is bent to be just seen.
    short = (LEAST - (normal * view).sum(1, keepdim=True)).clamp_min(0)
    normal = functional.normalize(normal + short * view, dim=1)
    places = camera - view * t[:, None] + LIFTED * normal
    return which * size**2 + pixel, lit(_points(scenes, which, places, normal, view, 0, size // RAYS), solid)


def _march(begin: Tensor, way: Tensor, t: Tensor, end: Tensor, solid: Solid) -> tuple[Tensor, Tensor]:
    """Where rays are after marching by the distance to the solid, and which [m] of them met it, as numbers."""
    t, alive = t.clone(), torch.arange(len(t), device=t.device)
    met = torch.zeros(len(t), dtype=torch.bool, device=t.device)
    for _ in range(MARCH):
        if not len(alive):
            break
        distance = solid.at(begin[alive] + way[alive] * t[alive, None])
        t[alive] += 0.95 * distance
        close = distance < HIT
        met[alive[close]] = True
        alive = alive[~close & (t[alive] < end[alive])]
    return t, met.nonzero()[:, 0]


def _points(
    scenes: Scene, which: Tensor, places: Tensor, normal: Tensor, view: Tensor, surface: int, size: int
) -> Points:
    """Points of the object (surface 0) or the ground (2) of scenes."""
    colors = scenes.colors[which]
    # Where pixels are finer, so is what they show of a shadow.
    steps = STEPS * min(MOST_FINE, max(1, -(-size // 64)))
    center, turn, spot = scenes.center[which], scenes.turn[which], scenes.spot[which]
    return Points(places, normal, view, colors[:, surface], center, turn, spot, colors[:, 1], 0.08, steps)
