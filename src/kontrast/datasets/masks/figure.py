"""The walking figure: its silhouette in every pose, and pictures of it at a given place and size."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

SIDE = 64
POSES = 48
"""Poses of one stride."""
SWINGS = (0.35, 0.65, 1.0)
"""How far the limbs swing, from one who walks toward the viewer to one who is seen from the side."""
FINE = 160
"""Pixels of the drawn poses in one body height."""
REACH = (1.04, 0.7)
"""Height and width of a drawn pose, in body heights, with an empty edge."""
PATCH = (1.12, 0.74)
"""Height and width of what is drawn about the center of mass, in body heights: no pose reaches farther."""
CHUNK = 256


class _Bone(NamedTuple):
    """A straight part of the body, round at both ends: its ends (right, down), and how thick it is there."""

    x0: float
    y0: float
    x1: float
    y1: float
    thick0: float
    thick1: float


class Poses(NamedTuple):
    """The drawn poses, and what of them measures do not depend on size.

    `shapes` uint8 [poses, height, width] are 1 inside; `area` float64 [poses] is in square body heights, and `center`
    float64 [poses, 2], the center of mass (down, right) from the upper left corner, in body heights.
    """

    shapes: Tensor
    area: Tensor
    center: Tensor


def _limb(x: float, y: float, angles: tuple[float, float], lengths: tuple[float, float]) -> tuple[float, ...]:
    """Where the joint and the end of a limb are; angles are from straight down, positive to the right."""
    joint = x + lengths[0] * math.sin(angles[0]), y + lengths[0] * math.cos(angles[0])
    return *joint, joint[0] + lengths[1] * math.sin(angles[1]), joint[1] + lengths[1] * math.cos(angles[1])


def _body(phase: float, swing: float) -> Iterator[_Bone]:
    """The body of height 1 that walks to the right, at a phase in [0, 2 pi) of its stride."""
    yield _Bone(0.012, 0.06, 0.0, 0.09, 0.058, 0.058)
    yield _Bone(0.0, 0.12, 0.0, 0.19, 0.032, 0.04)
    yield _Bone(0.01, 0.25, 0.0, 0.47, 0.092, 0.078)
    for side in (0.0, math.pi):
        forward, lifted = math.sin(phase + side), max(0.0, math.cos(phase + side))
        thigh = 0.5 * swing * forward
        shank = thigh - swing * (0.12 + 0.75 * lifted)
        knee_x, knee_y, foot_x, foot_y = _limb(0.0, 0.5, (thigh, shank), (0.23, 0.225))
        yield _Bone(0.0, 0.5, knee_x, knee_y, 0.064, 0.048)
        yield _Bone(knee_x, knee_y, foot_x, foot_y, 0.046, 0.03)
        toe = shank + 1.35
        yield _Bone(foot_x, foot_y, foot_x + 0.075 * math.sin(toe), foot_y + 0.075 * math.cos(toe), 0.03, 0.022)
        upper = -0.42 * swing * forward + 0.06 * (1 - swing) * (1 if side else -1)
        elbow_x, elbow_y, hand_x, hand_y = _limb(0.0, 0.23, (upper, upper + 0.45 * swing), (0.165, 0.18))
        yield _Bone(0.0, 0.23, elbow_x, elbow_y, 0.05, 0.036)
        yield _Bone(elbow_x, elbow_y, hand_x, hand_y, 0.034, 0.026)


@functools.cache
def poses() -> Poses:
    """All poses of all swings, those of the first swing first."""
    height, width = (round(FINE * reach) for reach in REACH)
    down = ((torch.arange(height) + 0.5) / FINE - 0.02)[:, None]
    right = ((torch.arange(width) + 0.5) / FINE - REACH[1] / 2)[None, :]
    drawn = []
    for swing in SWINGS:
        for pose in range(POSES):
            inside = torch.zeros(height, width, dtype=torch.bool)
            for bone in _body(math.tau * pose / POSES, swing):
                inside |= _inside(bone, right, down)
            drawn.append(inside)
    shapes = torch.stack(drawn)
    exact = shapes.double()
    count = exact.sum((1, 2))
    rows, columns = ((torch.arange(size) + 0.5) / FINE for size in (height, width))
    center = torch.stack([exact.sum(2) @ rows.double() / count, exact.sum(1) @ columns.double() / count], 1)
    return Poses(shapes.to(torch.uint8), count / FINE**2, center)


def _inside(bone: _Bone, x: Tensor, y: Tensor) -> Tensor:
    """Which points are nearer to the bone than it is thick at their feet on it."""
    along_x, along_y = bone.x1 - bone.x0, bone.y1 - bone.y0
    share = ((x - bone.x0) * along_x + (y - bone.y0) * along_y) / (along_x**2 + along_y**2)
    share = share.clamp(0, 1)
    away = (x - bone.x0 - share * along_x).square() + (y - bone.y0 - share * along_y).square()
    return away < (bone.thick0 + share * (bone.thick1 - bone.thick0)).square()


def pictures(states: Tensor, pose: Tensor, mirrored: Tensor) -> Tensor:
    """Silhouettes uint8 [n, 64, 64], 0 and 1, of states float64 [n, 3]: center of mass (y, x) and area, in pixels.

    `pose` int64 [n] numbers a drawn pose, and those that are `mirrored` bool [n] walk to the left. A pixel is inside
    where its center is; y and x count from the center of the first one.
    """
    out = torch.zeros(len(states), SIDE, SIDE, dtype=torch.uint8)
    for start in range(0, len(states), CHUNK):
        part = slice(start, start + CHUNK)
        _draw(states[part], pose[part], mirrored[part], out[part])
    return out


def _draw(states: Tensor, pose: Tensor, mirrored: Tensor, out: Tensor) -> None:
    """Draw figures in black pictures uint8 [n, 64, 64], each within a patch about its center of mass."""
    drawn = poses()
    _, height, width = drawn.shapes.shape
    tall = (states[:, 2] / drawn.area[pose]).sqrt()
    patch = [min(SIDE, math.ceil(reach * float(tall.max())) + 1) for reach in PATCH]
    corner = torch.stack([(states[:, k] - size / 2).round().clamp(0, SIDE - size) for k, size in enumerate(patch)], 1)
    turned = torch.stack([torch.ones(len(tall)), torch.where(mirrored, -1.0, 1.0)], 1)
    first = (corner - states[:, :2]) * turned / tall[:, None] + drawn.center[pose]
    # The edge of each drawing is empty, so that what lies outside may be taken from there.
    rows, columns = (
        ((first[:, k, None] + (turned[:, k] / tall)[:, None] * torch.arange(size)) * FINE).long().clamp_(0, most - 1)
        for k, (size, most) in enumerate(zip(patch, (height, width), strict=True))
    )
    rows = (pose * (height * width))[:, None] + rows * width
    lit = drawn.shapes.flatten().take(rows[:, :, None] + columns[:, None, :])
    pixels = torch.arange(patch[0])[:, None] * SIDE + torch.arange(patch[1])
    start = (corner[:, 0] * SIDE + corner[:, 1]).long()
    out.flatten(1).scatter_(1, start[:, None] + pixels.flatten(), lit.flatten(1))


def measured(masks: Tensor) -> Tensor:
    """Center of mass (y, x) and area float32 [n, 3] of masks [n, 64, 64] of 0 and 1, in pixels.

    They are those of scipy.ndimage.center_of_mass: y and x count from the center of the first pixel.
    """
    row, column = (
        index.flatten().float() for index in torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    )
    weights = torch.stack([row, column, torch.ones(SIDE**2)], 1)
    # Sums of whole numbers below 2^24 are exact.
    sums = torch.cat([part.flatten(1).float() @ weights for part in torch.split(masks, 4 * CHUNK)]).double()
    return torch.cat([sums[:, :2] / sums[:, 2:], sums[:, 2:]], 1).float()
