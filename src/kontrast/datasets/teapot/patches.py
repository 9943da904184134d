"""Newell's teapot: 32 bicubic Bezier patches, as points with outward normals and as a mesh.

The control points in `newell.npz` are those that Martin Newell published in 1975, in the arrangement of three.js
(examples/jsm/geometries/TeapotGeometry.js, MIT license, Copyright 2010-2025 three.js authors), which `newell.txt` has.
"""

from __future__ import annotations

import functools
import math
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

SCALE = 1.5 * 0.63469
"""From Newell's units to those of the scene."""
MIDDLE = 1.42857
"""Height of the origin, in Newell's units."""
SHELL, HANDLE, SPOUT = (*range(12), *range(20, 32)), tuple(range(12, 16)), tuple(range(16, 20))
"""Rim, body, lid and bottom; the handle; the spout: solids that overlap."""


class Surface(NamedTuple):
    """Points [m, 3] of a surface with their outward normals [m, 3]."""

    points: Points
    normals: Points


@functools.cache
def control() -> Points:
    """The control points [32, 4, 4, 3], z upward, the spout toward x."""
    with resources.files(__package__).joinpath("newell.npz").open("rb") as file, np.load(file) as held:
        found: Points = held["points"].astype(np.float64)[held["patches"]]
    return found.reshape(32, 4, 4, 3)


def surface(patches: tuple[int, ...], count: int) -> Surface:
    """`count` x `count` points of each of these patches, in the frame of the scene's object."""
    found = [_oriented(number, count) for number in patches]
    points, normals = (np.concatenate(rows) for rows in zip(*found, strict=True))
    return Surface(_placed(points - [0, 0, MIDDLE]) * SCALE, _placed(normals))


def mesh(count: int = 12) -> tuple[Points, NDArray[np.int64]]:
    """Corners [v, 3] and triangles [t, 3] of the teapot, each patch in `count` x `count` pieces."""
    corners, triangles = [], []
    number = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    quads = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], -1).reshape(-1, 4)
    for patch in range(32):
        points, normals = _patch(patch, count + 1)
        order = [0, 1, 2, 3] if _sign(patch, points, normals) > 0 else [0, 3, 2, 1]
        ring = quads[:, order] + patch * (count + 1) ** 2
        triangles += [ring[:, [0, 1, 2]], ring[:, [0, 2, 3]]]
        corners.append(points.reshape(-1, 3))
    every = _placed(np.concatenate(corners) - [0, 0, MIDDLE]) * SCALE
    return _welded(every, np.concatenate(triangles))


def _welded(corners: Points, triangles: NDArray[np.int64]) -> tuple[Points, NDArray[np.int64]]:
    """One corner for all that are at one place, and no triangle without an area."""
    _, first, numbers = np.unique(corners.round(5), axis=0, return_index=True, return_inverse=True)
    ring = numbers.reshape(-1)[triangles]
    whole = (ring[:, 0] != ring[:, 1]) & (ring[:, 1] != ring[:, 2]) & (ring[:, 2] != ring[:, 0])
    return corners[first], ring[whole]


def _bernstein(count: int) -> tuple[Points, Points]:
    """The cubic Bernstein polynomials [count, 4] on [0, 1], and their slopes."""
    t = np.linspace(0, 1, count)
    s = 1 - t
    values = np.stack([s**3, 3 * s * s * t, 3 * s * t * t, t**3], 1)
    return values, np.stack([-3 * s * s, 3 * s * s - 6 * s * t, 6 * s * t - 3 * t * t, 3 * t * t], 1)


def _patch(number: int, count: int) -> tuple[Points, Points]:
    """Points [count, count, 3] and the products of their two tangents, which point to either side."""
    value, slope = _bernstein(count)
    along: Any = functools.partial(np.einsum, "ui,vj,ijc->uvc")
    held = control()[number]
    return along(value, value, held), np.cross(along(slope, value, held), along(value, slope, held))


def _sign(number: int, points: Points, normals: Points) -> float:
    """1 if the products of tangents point outward, -1 if inward."""
    if number < 4 or 20 <= number < 28:
        side = normals[..., 2].sum()
    elif number < 12:
        side = (normals[..., :2] * points[..., :2]).sum()
    elif number < 20:
        side = normals[..., 1].sum() * control()[number][..., 1].mean()
    else:
        side = -normals[..., 2].sum()
    return math.copysign(1.0, side)


def _oriented(number: int, count: int) -> tuple[Points, Points]:
    points, normals = _patch(number, count)
    length = np.linalg.norm(normals, axis=-1)
    normals = normals * _sign(number, points, normals) / np.maximum(length, 1e-12)[..., None]
    return points[length > 1e-6], normals[length > 1e-6]


def _placed(points: Points) -> Points:
    """Turned so that the spout is on the diagonal, toward x and -y."""
    half = math.sqrt(0.5)
    turned: Points = points @ np.array([[half, -half, 0], [half, half, 0], [0, 0, 1]])
    return turned
