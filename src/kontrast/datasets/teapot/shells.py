"""Shapes as corners and triangles, for a renderer that draws meshes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kontrast.datasets.teapot import patches
from kontrast.datasets.teapot.solids import HALF

Corners = NDArray[np.float64]
Triangles = NDArray[np.int64]
Shell = tuple[Corners, Triangles]
AROUND = 96
"""Pieces of a turn."""


def shell(name: str) -> Shell:
    """Corners [v, 3] and outward triangles [t, 3] of a shape, in the frame of the scene's object.

    Triangles that meet in a sharp edge share no corner, so that shading which blends normals at corners keeps the edge.
    """
    return SHELLS[name]()


def _quads(points: Corners) -> Shell:
    """Two triangles for each cell of a grid of points [m, n, 3]; those without an area are left out."""
    number = np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    corners = points.reshape(-1, 3)
    one, two, three = (corners[triangles[:, k]] for k in range(3))
    return corners, triangles[np.linalg.norm(np.cross(two - one, three - one), axis=1) > 1e-9]


def _joined(shells: list[Shell]) -> Shell:
    starts = [0, *itertools.accumulate(len(corners) for corners, _ in shells)]
    triangles = [triangles + start for (_, triangles), start in zip(shells, starts, strict=False)]
    return np.concatenate([corners for corners, _ in shells]), np.concatenate(triangles)


def _revolved(*smooth: Corners) -> Shell:
    """Curves (along the x axis, away from it) [m, 2] turned about that axis; each is smooth, and ends in an edge.

    A curve runs so that the outside is on its right, where x points right and the distance from the axis up.
    """
    angle = np.linspace(0, math.tau, AROUND + 1)[None]
    shells = []
    for curve in smooth:
        along, away = curve[:, :1], curve[:, 1:]
        ring = np.stack([along + 0 * angle, away * np.cos(angle), away * np.sin(angle)], -1)
        # The seam is one corner, so that normals are blended over it.
        corners, triangles = _quads(ring)
        number = np.arange(len(corners)).reshape(ring.shape[:2])
        number[:, -1] = number[:, 0]
        shells.append((corners, number.reshape(-1)[triangles]))
    return _joined(shells)


def _cube() -> Shell:
    side = np.array([-1.0, 1.0]) * HALF / 1.5
    u, v = np.meshgrid(side, side, indexing="ij")
    faces = []
    for axis, sign in itertools.product(range(3), (-1, 1)):
        face = np.empty((2, 2, 3))
        face[..., axis] = sign * HALF / 1.5
        face[..., (axis + 1) % 3], face[..., (axis + 2) % 3] = (u, v) if sign > 0 else (v, u)
        faces.append(_quads(face))
    return _joined(faces)


def _arc(middle: float, radius: float, start: float, end: float) -> Corners:
    angle = np.linspace(start, end, AROUND + 1)
    return np.stack([radius * np.cos(angle), middle + radius * np.sin(angle)], 1)


def _sphere() -> Shell:
    return _revolved(_arc(0.0, HALF / 1.2, 0.0, math.pi))


def _cylinder() -> Shell:
    end, radius = HALF * 0.9, HALF * 0.5
    return _revolved(*(np.array(line) for line in (
        [(end, 0.0), (end, radius)], [(end, radius), (-end, radius)], [(-end, radius), (-end, 0.0)]
    )))  # fmt: skip


def _cone() -> Shell:
    end, radius = HALF * 0.9, HALF * 0.8
    return _revolved(np.array([(end, 0.0), (-end, radius)]), np.array([(-end, radius), (-end, 0.0)]))


def _torus() -> Shell:
    return _revolved(_arc(HALF * 0.68, HALF * 0.3, 0.0, math.tau))


SHELLS: dict[str, Callable[[], Shell]] = {
    "teapot": patches.mesh,
    "cube": _cube,
    "sphere": _sphere,
    "cylinder": _cylinder,
    "cone": _cone,
    "torus": _torus,
}
