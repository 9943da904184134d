"""Shapes as signed distances on a grid: what a ray is traced through."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kontrast.datasets.download import cache
from kontrast.datasets.teapot import patches
from kontrast.datasets.teapot.scene import EXTENT

REACH = 2.3
"""The grid is the cube [-REACH, REACH]^3 of the object's frame."""
LEVELS = ((24, math.inf), (48, 0.45), (96, 0.2))
"""Grids of so many cells along each side, each measured this near to the surface and interpolated elsewhere."""
CELLS = LEVELS[-1][0]
ROUGH = 48
"""Cells along each side of the grid that says whether anything is near."""
HALF = EXTENT / 2
MARGIN = 0.06
SAMPLES = 112
"""Points along each side of a patch that distances are measured from."""
EDGE = 0.7
"""A point is behind a surface where at least this share of its distance is along the normal."""


class Solid(NamedTuple):
    """A shape: signed distances, negative inside, and the box that it fills.

    `distances` [1, 1, cells, cells, cells] has x as its last axis, and `rough` the same on a grid that is small enough
    to stay in a processor's cache.
    """

    distances: Tensor
    rough: Tensor
    low: Tensor
    high: Tensor

    def at(self, points: Tensor, rough: bool = False) -> Tensor:
        """The signed distance of points [..., 3], those outside the grid by its border and their way to it."""
        flat, grid = points.reshape(1, -1, 1, 1, 3), self.rough if rough else self.distances
        inside: Tensor = functional.grid_sample(grid, flat / REACH, align_corners=True, padding_mode="border")
        beyond: Tensor = torch.linalg.vector_norm((points.abs() - REACH).clamp_min(0), dim=-1)
        return inside.reshape(points.shape[:-1]) + beyond

    def normal(self, points: Tensor, step: float = 0.05) -> Tensor:
        """Outward unit normals [n, 3] at points [n, 3] of the surface."""
        steps = step * torch.cat([torch.eye(3), -torch.eye(3)]).to(points)
        found = self.at(points[:, None] + steps)
        return functional.normalize(found[:, :3] - found[:, 3:], dim=1)


@functools.cache
def _trees() -> list[tuple[patches.Surface, Any]]:
    """The parts of the teapot, each with a tree of its points."""
    from scipy.spatial import cKDTree

    parts = [patches.surface(part, SAMPLES) for part in (patches.SHELL, patches.HANDLE, patches.SPOUT)]
    # The points lie on a regular net: a tree that is not balanced is built sooner and searched as fast.
    return [(part, cKDTree(part.points, leafsize=32, compact_nodes=False, balanced_tree=False)) for part in parts]


def _teapot(points: Tensor) -> Tensor:
    places = points.numpy().astype(np.float64)
    found = np.full(len(places), np.inf)
    for surface, tree in _trees():
        low, high = surface.points.min(0), surface.points.max(0)
        outside = np.maximum(0, np.maximum(low - places, places - high))
        rows = np.nonzero(np.linalg.norm(outside, axis=1) < found)[0]
        distance, nearest = tree.query(places[rows])
        along = ((places[rows] - surface.points[nearest]) * surface.normals[nearest]).sum(1)
        plain = np.where(along < -EDGE * distance, -distance, distance)
        # Next to the surface the distance to its tangent plane is the finer one.
        close = (distance < 0.08) & ((np.abs(along) > EDGE * distance) | (distance < 0.03))
        found[rows] = np.minimum(found[rows], np.where(close, along, plain))
    return torch.from_numpy(found).float()


def _rounded(away: Tensor) -> Tensor:
    """The signed distance to a box of points that are `away` [n, d] from its faces along each axis."""
    beyond: Tensor = torch.linalg.vector_norm(away.clamp_min(0), dim=1)
    return beyond + away.amax(1).clamp_max(0)


def _cube(points: Tensor) -> Tensor:
    away = points.abs() - HALF / 1.5
    return _rounded(away)


def _sphere(points: Tensor) -> Tensor:
    radius: Tensor = torch.linalg.vector_norm(points, dim=1)
    return radius - HALF / 1.2


def _revolved(points: Tensor) -> tuple[Tensor, Tensor]:
    """Along the object's x axis, about which the first angle turns, and away from it."""
    return points[:, 0], torch.linalg.vector_norm(points[:, 1:], dim=1)


def _cylinder(points: Tensor) -> Tensor:
    along, radius = _revolved(points)
    return _rounded(torch.stack([along.abs() - HALF * 0.9, radius - HALF * 0.5], 1))


def _cone(points: Tensor) -> Tensor:
    along, radius = _revolved(points)
    height, base = HALF * 1.8, HALF * 0.8
    slant = torch.tensor([base, height]) / (base**2 + height**2) ** 0.5
    side = slant[0] * (along + HALF * 0.9) + slant[1] * radius - slant[0] * height
    return torch.maximum(side, -along - HALF * 0.9)


def _torus(points: Tensor) -> Tensor:
    along, radius = _revolved(points)
    away: Tensor = torch.linalg.vector_norm(torch.stack([along, radius - HALF * 0.68], 1), dim=1)
    return away - HALF * 0.3


SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "teapot": _teapot,
    "cube": _cube,
    "sphere": _sphere,
    "cylinder": _cylinder,
    "cone": _cone,
    "torus": _torus,
}
"""The signed distance of each shape, at points float32 [n, 3] of its own frame."""
TURNS = {
    "teapot": (1, 1, 1),
    "cube": (4, 1, 1),
    "sphere": (0, 0, 0),
    "cylinder": (0, 2, 1),
    "cone": (0, 1, 1),
    "torus": (0, 2, 1),
}
"""Of each angle, how many turns look the same whatever the others are; 0 for all of them."""


@functools.lru_cache(maxsize=16)
def solid(name: str, device: torch.device) -> Solid:
    """A shape on its grid, measured once and kept in the cache folder where that can be written."""
    held = _kept(name)
    where = (held < 0).nonzero()
    spacing = 2 * REACH / (CELLS - 1)
    low, high = (edge * spacing - REACH for edge in (where.amin(0) - 1, where.amax(0) + 1))
    # As grid_sample has it: z, y, x.
    turned = held.permute(2, 1, 0)[None, None].contiguous().to(device)
    rough = functional.interpolate(turned, (ROUGH,) * 3, mode="trilinear", align_corners=True)
    return Solid(turned, rough, (low - MARGIN).to(device), (high + MARGIN).to(device))


def _kept(name: str) -> Tensor:
    if name != "teapot":
        return _measured(name)
    mark = hashlib.sha256(patches.control().tobytes() + f"{REACH} {LEVELS} {SAMPLES} {patches.SCALE}".encode())
    path = cache() / "solids" / f"{name}-{mark.hexdigest()[:16]}.npy"
    try:
        found = np.load(path, allow_pickle=False)
        if found.shape == (CELLS,) * 3 and found.dtype == np.float32:
            return torch.from_numpy(found)
    except (OSError, ValueError):
        pass
    made = _measured(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            np.save(file, made.numpy())
        os.replace(file.name, path)
    except OSError:
        Path(getattr(locals().get("file"), "name", path)).unlink(missing_ok=True)
    return made


def _measured(name: str) -> Tensor:
    """Signed distances [cells, cells, cells]: exact near the surface, by coarser grids away from it."""
    found = torch.zeros(1, 1, 1, 1, 1)
    for count, band in LEVELS:
        found = functional.interpolate(found, (count,) * 3, mode="trilinear", align_corners=True).flatten()
        near = (found.abs() < band).nonzero()[:, 0]
        found[near] = SHAPES[name](_grid(count)[near])
        found = found.reshape(1, 1, count, count, count)
    return found[0, 0]


def _grid(count: int) -> Tensor:
    axis = torch.linspace(-REACH, REACH, count)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
