"""Light: what a point of the scene sends toward the camera, lit by three lamps that the object stands before."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kontrast.datasets.teapot import scene
from kontrast.datasets.teapot.rubber import reflected
from kontrast.datasets.teapot.solids import REACH, Solid

STEPS = 16
"""Places at which a ray to a lamp asks how near it passes the object, at least."""
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


class Points(NamedTuple):
    """m points of surfaces, each of one scene: where they are, their normals, the way to the camera, their color.

    `center`, `turn`, `spot` and `shine` are those of their scenes: the object's place [m, 3] and rotation [m, 3, 3],
    the spotlight's place and color [m, 3]. `start` is how far from the point something has to be to shade it, and a
    ray to a lamp asks at `steps` places, a multiple of `STRETCHES`, how near it passes the object.
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
    steps: int = STEPS

    def some(self, rows: Tensor) -> Points:
        """Some of them."""
        place, normal, view, color, center, turn, spot, shine = (column[rows] for column in self[:-2])
        return Points(place, normal, view, color, center, turn, spot, shine, self.start, self.steps)


class Steady(NamedTuple):
    """What the sun and the square lamp give to points [m] that are in every scene, were nothing before them.

    Of each lamp, the light that takes the color of the surface and the light that does not, [2, m].
    """

    colored: Tensor
    plain: Tensor


def steady(points: Points) -> Steady:
    """What the two lamps that never move give to points."""
    lamps = (_sun(points), _square(points))
    parts = [[lamp.power * part for part in reflected(points.normal, points.view, lamp.way)] for lamp in lamps]
    colored, plain = (torch.stack(part) for part in zip(*parts, strict=True))
    return Steady(colored, plain)


def lit(points: Points, solid: Solid) -> Tensor:
    """The radiance [m, 3] of points: direct light of the sun, the square lamp and the spotlight."""
    total = _from(points, solid, _sun(points)) + _from(points, solid, _square(points))
    return total + points.shine * _from(points, solid, _spot(points))


def lit_ground(points: Points, solid: Solid, given: Steady) -> Tensor:
    """The same of points of the ground, of which it is known what they get of the lamps that never move."""
    free = torch.stack([seen(points, solid, lamp) for lamp in (_sun(points), _square(points))])
    colored, plain = ((part.repeat(1, free.shape[1] // part.shape[1]) * free).sum(0) for part in given)
    return colored[:, None] * points.color + plain[:, None] + points.shine * _from(points, solid, _spot(points))


class Lamp(NamedTuple):
    """A lamp as points [m] see it: its direction [m, 3], how far it is [m], its radius, its irradiance [m]."""

    way: Tensor
    away: Tensor
    radius: float
    power: Tensor

    def some(self, rows: Tensor) -> Lamp:
        """As some of the points see it."""
        return Lamp(self.way[rows], self.away[rows], self.radius, self.power[rows])


def _sun(points: Points) -> Lamp:
    up = torch.zeros_like(points.place)
    up[:, 2] = 1
    far = torch.full_like(up[:, 0], 1e4)
    return Lamp(up, far, 1e4 * math.tan(scene.SUN_ANGLE / 2), torch.full_like(far, scene.SUN))


def _square(points: Points) -> Lamp:
    way, away = _toward(points, torch.tensor(scene.AREA_PLACE, device=points.place.device))
    # As far as it is from its rays that matters, a square is the disk of its area.
    return Lamp(
        way,
        away,
        scene.AREA_SIDE / math.sqrt(math.pi),
        scene.AREA / math.pi * way[:, 2].clamp_min(0) / away**2,
    )


def _spot(points: Points) -> Lamp:
    way, away = _toward(points, points.spot)
    return Lamp(way, away, scene.SPOT_SIZE, scene.SPOT / (4 * math.pi) * cone(points, way, away) / away**2)


def _toward(points: Points, lamp: Tensor) -> tuple[Tensor, Tensor]:
    """Directions [m, 3] and distances [m] from points to a lamp."""
    toward = lamp - points.place
    away = torch.linalg.vector_norm(toward, dim=1)
    return toward / away[:, None], away


def _from(points: Points, solid: Solid, lamp: Lamp) -> Tensor:
    """White light [m, 3] of a lamp."""
    light = torch.zeros_like(points.place)
    rows = ((lamp.power > 0) & ((points.normal * lamp.way).sum(1) > 0)).nonzero()[:, 0]
    if len(rows):
        some, lamp = points.some(rows), lamp.some(rows)
        colored, plain = reflected(some.normal, some.view, lamp.way)
        power = (lamp.power * seen(some, solid, lamp))[:, None]
        light.index_copy_(0, rows, power * (colored[:, None] * some.color + plain[:, None]))
    return light


def cone(points: Points, way: Tensor, away: Tensor) -> Tensor:
    """The share [m] of the spotlight's cone at each point: the mean over apexes on the lamp's disk, hence soft."""
    axis = functional.normalize(points.center - points.spot, dim=1)
    edge, shares = math.cos(scene.SPOT_ANGLE / 2), torch.zeros_like(away)
    # An apex off the middle sees a point at an angle that is wider by no more than this.
    widest = math.cos(scene.SPOT_ANGLE / 2 + math.asin(scene.SPOT_SIZE / scene.SPOT_HEIGHT))
    rows = (-(way * axis).sum(1) > widest).nonzero()[:, 0]
    axis, from_spot = axis[rows], -way[rows] * away[rows, None]
    side = functional.normalize(torch.stack([axis[:, 2], torch.zeros_like(axis[:, 0]), -axis[:, 0]], 1), dim=1)
    depth, right, down = ((from_spot * e).sum(1) for e in (axis, side, torch.linalg.cross(axis, side)))
    total = torch.zeros_like(depth)
    for apex in range(APEXES):
        radius, angle = scene.SPOT_SIZE * math.sqrt((apex + 0.5) / APEXES), apex * math.pi * (3 - math.sqrt(5))
        aside = (right - radius * math.cos(angle)) ** 2 + (down - radius * math.sin(angle)) ** 2
        share = ((depth / (aside + depth**2).sqrt() - edge) / ((1 - edge) * scene.SPOT_BLEND)).clamp(0, 1)
        total += share * share * (3 - 2 * share)
    return shares.index_copy_(0, rows, total / APEXES)


def seen(points: Points, solid: Solid, lamp: Lamp) -> Tensor:
    """The share [m] of a round lamp that the object leaves free, seen from points.

    Of the cone of rays to its disk, an edge at the signed distance d from the cone's axis leaves a share of
    1/2 + (asin x + x sqrt(1 - x^2)) / pi with x = d / (radius of the cone there); the least along the axis counts.
    """
    free = torch.ones_like(lamp.away)
    toward = points.center - points.place
    along, most = (toward * lamp.way).sum(1), float(torch.maximum(solid.low.abs(), solid.high.abs()).norm()) + PAD
    near_by = ((toward.square().sum(1) - along**2 < most**2) & (along > -most)).nonzero()[:, 0]
    if not len(near_by):
        return free
    turn, opening = points.turn[near_by], (lamp.radius / lamp.away)[near_by]
    start = torch.einsum("nji,nj->ni", turn, -toward[near_by])
    step = torch.einsum("nji,nj->ni", turn, lamp.way[near_by])
    away = lamp.away[near_by]
    beyond = torch.linalg.vector_norm(start, dim=1) + REACH
    pad = (opening * torch.minimum(beyond, away)).clamp(NARROW, PAD)[:, None]
    near, far = crossing(start, step, solid.low - pad, solid.high + pad)
    near, far = near.clamp_min(points.start), torch.minimum(far, away)
    rows = (far > near).nonzero()[:, 0]
    if len(rows):
        x = _passed(solid, start[rows], step[rows], near[rows], far[rows], opening[rows], points.steps)
        free[near_by[rows]] = 0.5 + (torch.asin(x) + x * (1 - x * x).sqrt()) / math.pi
    return free


def _passed(
    solid: Solid, start: Tensor, step: Tensor, near: Tensor, far: Tensor, opening: Tensor, steps: int
) -> Tensor:
    """The least, in [-1, 1], of how far a ray passes the solid over the radius of its cone there, `opening` t: [m].

    Of the `steps` places those are left out whose stretch of the ray, seen from its middle, has nothing near.
    """
    long = (far - near) / STRETCHES
    middle = near[:, None] + long[:, None] * (torch.arange(STRETCHES, device=near.device) + 0.5)
    gap = solid.at(start[:, None] + step[:, None] * middle[..., None], rough=True) - long[:, None] / 2 - ROUGHLY
    wide = (opening[:, None] * (middle + long[:, None] / 2)).clamp_min(NARROW)
    row, part = (gap < wide).nonzero(as_tuple=True)
    each = steps // STRETCHES
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
