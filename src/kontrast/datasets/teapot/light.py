"""Light: what a point of the scene sends toward the camera, lit by three lamps that the object stands before."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kontrast.datasets.teapot import scene
from kontrast.datasets.teapot.solids import REACH, Solid

STEPS = 16
"""Places at which a ray to a lamp asks how near it passes the object."""
STRETCHES = 4
"""Stretches of such a ray that are asked first whether anything is near."""
APEXES = 5
"""Points of the spotlight from which its cone is drawn."""
ROUGHLY = 0.05
"""How far off a rough distance may be."""
NARROW = 0.04
"""Least radius of the bundle of rays to a lamp."""
PAD = 0.9
"""How far around the object its shadow's soft edge can reach."""
LEAST = 0.08
"""Least cosine of the angle to the camera, where the surface turns away from it."""


class Points(NamedTuple):
    """m points of surfaces, each of one scene: where they are, their normals, the way to the camera, their color.

    `center`, `turn`, `spot` and `shine` are those of their scenes: the object's place [m, 3] and rotation [m, 3, 3],
    the spotlight's place and color [m, 3]. `start` is how far from the point something has to be to shade it.
    """

    place: Tensor
    normal: Tensor
    view: Tensor
    color: Tensor
    center: Tensor
    turn: Tensor
    spot: Tensor
    shine: Tensor
    start: float

    def some(self, rows: Tensor) -> Points:
        """Some of them."""
        place, normal, view, color, center, turn, spot, shine = (column[rows] for column in self[:-1])
        return Points(place, normal, view, color, center, turn, spot, shine, self.start)


def lit(points: Points, solid: Solid) -> Tensor:
    """The radiance [m, 3] of points: direct light of the sun, the square lamp and the spotlight."""
    up = torch.zeros_like(points.place)
    up[:, 2] = 1
    far = torch.full_like(up[:, 0], 1e4)
    total = _from(points, solid, up, far, 1e4 * math.tan(scene.SUN_ANGLE / 2), torch.full_like(far, scene.SUN))

    way, away = _toward(points, torch.tensor(scene.AREA_PLACE, device=points.place.device))
    power = scene.AREA / math.pi * way[:, 2].clamp_min(0) / away**2
    # As far as it is from its rays that matters, a square is the disk of its area.
    total += _from(points, solid, way, away, scene.AREA_SIDE / math.sqrt(math.pi), power)

    way, away = _toward(points, points.spot)
    power = scene.SPOT / (4 * math.pi) * cone(points) / away**2
    return total + points.shine * _from(points, solid, way, away, scene.SPOT_SIZE, power)


def _toward(points: Points, lamp: Tensor) -> tuple[Tensor, Tensor]:
    """Directions [m, 3] and distances [m] from points to a lamp."""
    toward = lamp - points.place
    away = torch.linalg.vector_norm(toward, dim=1)
    return toward / away[:, None], away


def _from(points: Points, solid: Solid, way: Tensor, away: Tensor, radius: float, power: Tensor) -> Tensor:
    """White light [m, 3] of a lamp `away` [m] in the direction `way` [m, 3] that gives the irradiance `power` [m]."""
    light = torch.zeros_like(points.place)
    rows = ((power > 0) & ((points.normal * way).sum(1) > 0)).nonzero()[:, 0]
    if len(rows):
        some = points.some(rows) if len(rows) < len(way) else points
        way = way[rows]
        power = power[rows] * seen(some, solid, way, away[rows], radius)
        light.index_copy_(0, rows, power[:, None] * reflected(some, way))
    return light


def cone(points: Points) -> Tensor:
    """The share [m] of the spotlight's cone at each point: the mean over apexes on the lamp's disk, hence soft."""
    from_spot = points.place - points.spot
    axis = functional.normalize(points.center - points.spot, dim=1)
    side = functional.normalize(torch.stack([axis[:, 2], torch.zeros_like(axis[:, 0]), -axis[:, 0]], 1), dim=1)
    depth, right, down = ((from_spot * e).sum(1) for e in (axis, side, torch.linalg.cross(axis, side)))
    edge = math.cos(scene.SPOT_ANGLE / 2)
    total = torch.zeros_like(depth)
    for apex in range(APEXES):
        radius, angle = scene.SPOT_SIZE * math.sqrt((apex + 0.5) / APEXES), apex * math.pi * (3 - math.sqrt(5))
        aside = (right - radius * math.cos(angle)) ** 2 + (down - radius * math.sin(angle)) ** 2
        share = ((depth / (aside + depth**2).sqrt() - edge) / ((1 - edge) * scene.SPOT_BLEND)).clamp(0, 1)
        total += share * share * (3 - 2 * share)
    return total / APEXES


def seen(points: Points, solid: Solid, way: Tensor, away: Tensor, radius: float) -> Tensor:
    """The share [m] of a round lamp that the object leaves free, seen from points in the direction `way` [m, 3].

    Of the cone of rays to a disk `away` [m] with this radius, an edge at the signed distance d from its axis leaves a
    share of 1/2 + (asin x + x sqrt(1 - x^2)) / pi with x = d / (radius of the cone there); the least along the axis.
    """
    start = torch.einsum("nji,nj->ni", points.turn, points.place - points.center)
    step = torch.einsum("nji,nj->ni", points.turn, way)
    opening = radius / away
    beyond = torch.linalg.vector_norm(start, dim=1) + REACH
    pad = (opening * torch.minimum(beyond, away)).clamp(NARROW, PAD)[:, None]
    near, far = crossing(start, step, solid.low - pad, solid.high + pad)
    near, far = near.clamp_min(points.start), torch.minimum(far, away)
    rows = (far > near).nonzero()[:, 0]
    free = torch.ones_like(away)
    if len(rows):
        x = _passed(solid, start[rows], step[rows], near[rows], far[rows], opening[rows])
        free[rows] = 0.5 + (torch.asin(x) + x * (1 - x * x).sqrt()) / math.pi
    return free


def _passed(solid: Solid, start: Tensor, step: Tensor, near: Tensor, far: Tensor, opening: Tensor) -> Tensor:
    """The least, in [-1, 1], of how far a ray passes the solid over the radius of its cone there, `opening` t: [m].

    Of the `STEPS` places those are left out whose stretch of the ray, seen from its middle, has nothing near.
    """
    long = (far - near) / STRETCHES
    middle = near[:, None] + long[:, None] * (torch.arange(STRETCHES, device=near.device) + 0.5)
    gap = solid.at(start[:, None] + step[:, None] * middle[..., None], rough=True) - long[:, None] / 2 - ROUGHLY
    wide = (opening[:, None] * (middle + long[:, None] / 2)).clamp_min(NARROW)
    row, part = (gap < wide).nonzero(as_tuple=True)
    each = STEPS // STRETCHES
    share = (torch.arange(each, device=near.device) + 0.5) / each
    t = near[row, None] + long[row, None] * (part[:, None] + share)
    distance = solid.at(start[row, None] + step[row, None] * t[..., None])
    found = (distance / (opening[row, None] * t).clamp_min(NARROW)).amin(1)
    return torch.ones_like(near).scatter_reduce_(0, row, found, "amin").clamp_min(-1)


def crossing(start: Tensor, step: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave a box; they miss it where they leave before they enter."""
    inverse = 1 / torch.where(step.abs() < 1e-9, torch.full_like(step, 1e-9), step)
    one, two = (low - start) * inverse, (high - start) * inverse
    return torch.minimum(one, two).amax(-1), torch.maximum(one, two).amin(-1)


def reflected(points: Points, way: Tensor) -> Tensor:
    """What rubber sends toward the camera of light from a direction, per irradiance: [m, 3], cosine included."""
    to_view = (points.normal * points.view).sum(1).clamp(LEAST, 1)
    to_lamp = (points.normal * way).sum(1).clamp(0, 1)
    half = functional.normalize(points.view + way, dim=1)
    middle = (points.normal * half).sum(1).clamp(1e-3, 0.99999)
    aside = (half * points.view).sum(1).clamp_min(1e-3)
    velvet, gloss = _fresnel(to_view, scene.VELVET_INDEX), _fresnel(to_view, scene.GLOSS_INDEX)
    body = (1 - velvet) * to_lamp / math.pi + velvet * _velvet(to_view, to_lamp, middle, aside)
    return ((1 - gloss) * body)[:, None] * points.color + (gloss * _gloss(to_view, to_lamp, middle))[:, None]


def _fresnel(cosine: Tensor, index: float) -> Tensor:
    """The share of unpolarized light that a dielectric reflects."""
    g = (index**2 - 1 + cosine**2).sqrt()
    return (
        0.5
        * ((g - cosine) / (g + cosine)) ** 2
        * (1 + ((cosine * (g + cosine) - 1) / (cosine * (g - cosine) + 1)) ** 2)
    )


def _velvet(to_view: Tensor, to_lamp: Tensor, middle: Tensor, aside: Tensor) -> Tensor:
    """Ashikhmin's velvet: microfacets that stand up."""
    square = middle**2
    sine = 1 - square
    facets = torch.exp(-square / sine / scene.VELVET**2) / (scene.VELVET**2 * math.pi * sine**2)
    hidden = (2 * middle / aside * torch.minimum(to_view, to_lamp)).clamp_max(1)
    return 0.25 * facets * hidden / to_view * (to_lamp > 0)


def _gloss(to_view: Tensor, to_lamp: Tensor, middle: Tensor) -> Tensor:
    """A gray gloss of Beckmann's microfacets, shadowed and masked as by Smith."""
    square, width = middle**2, scene.GLOSS**2
    facets = torch.exp((square - 1) / (square * width)) / (math.pi * width * square**2)
    hidden = _smith(to_view) * _smith(to_lamp)
    return scene.GLOSS_GRAY * facets * hidden / (4 * to_view) * (to_lamp > 0)


def _smith(cosine: Tensor) -> Tensor:
    a = cosine / (scene.GLOSS * (1 - cosine**2).clamp_min(1e-6).sqrt())
    return torch.where(a < 1.6, (3.535 * a + 2.181 * a * a) / (1 + 2.276 * a + 2.577 * a * a), torch.ones_like(a))
