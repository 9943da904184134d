"""The scene of 3DIdent in numbers: where its latents put the object, the spotlight and their colors."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

EXTENT = 4.442117
"""Largest extent of the object along an axis."""
LIFT = EXTENT / 2
"""The object's origin is this much above its latent height."""
GROUND = -EXTENT
"""Height of the ground."""
CAMERA = (8.0, 0.0, 8.0)
"""Where the camera is; it looks at the origin."""
LENS, SENSOR = 35.0, 50.0
"""Focal length and width of the sensor in millimeters: a field of view of 71 degrees."""
SUN, SUN_ANGLE = 0.5, 0.199337
"""Irradiance of the sun, which shines straight down, and the angle under which it is seen, in radians."""
AREA, AREA_PLACE, AREA_SIDE = 39.2699, (0.0, 0.0, 7.0), 1.0
"""Power in watts of a square lamp that faces down, its place, and its side."""
SPOT, SPOT_ANGLE, SPOT_BLEND, SPOT_SIZE = 3000.0, math.radians(35), 0.1, 0.5
"""Power in watts of the spotlight, its full cone, the share of the cone that is its soft edge, and its radius."""
SPOT_RADIUS, SPOT_HEIGHT = 4.0, 6.0 + EXTENT
"""The spotlight moves on a circle about the vertical axis, and looks at the object's origin."""
SATURATION = (1.0, 0.8, 0.6)
"""Of the colors of the object, the spotlight and the ground."""
VELVET, VELVET_INDEX = 0.6, 1.4
GLOSS, GLOSS_INDEX, GLOSS_GRAY = 0.35, 1.2, 0.8
"""The material: diffuse, with velvet and a gray gloss (Beckmann) mixed in by two Fresnel factors."""


NAMES = (
    "pos_x", "pos_y", "pos_z", "rot_phi", "rot_theta", "rot_psi", "spotlight",
    "hue_object", "hue_spotlight", "hue_background",
)  # fmt: skip
"""The latents in their published order: a place, three Euler angles, the angle of the spotlight, three hues."""


class Scene(NamedTuple):
    """n scenes: what the latents say, in units of the scene."""

    center: Tensor
    """Of the object, [n, 3]."""
    turn: Tensor
    """Rotations [n, 3, 3] from the object's frame into the world."""
    spot: Tensor
    """Where the spotlight is, [n, 3]."""
    colors: Tensor
    """Linear RGB [n, 3, 3] of the object, the spotlight and the ground."""


def scene(latents: Tensor) -> Scene:
    """The scenes of latents [n, 10]: x, y, z, three Euler angles, the spotlight's angle, three hues (turn: 2 pi)."""
    x, y, z, alpha, beta, gamma, theta, *hues = latents.unbind(1)
    center = torch.stack([x, y, z + LIFT], 1)
    spot = torch.stack([SPOT_RADIUS * theta.sin(), SPOT_RADIUS * theta.cos(), torch.full_like(x, SPOT_HEIGHT)], 1)
    colors = [color(hue, saturation) for hue, saturation in zip(hues, SATURATION, strict=True)]
    return Scene(center, rotation(alpha, beta, gamma), spot, torch.stack(colors, 1))


def color(hue: Tensor, saturation: float) -> Tensor:
    """RGB [n, 3] of a hue [n] in radians, taken modulo a whole turn, at full value."""
    sector = (hue[:, None] / math.tau % 1 * 6 + torch.tensor([5.0, 3.0, 1.0], device=hue.device)) % 6
    return 1 - saturation * torch.minimum(sector, 4 - sector).clamp(0, 1)


def rotation(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """R = R_z(gamma) R_y(beta) R_x(alpha), [n, 3, 3]: Euler angles in the order XYZ."""
    a, b, c = ((angle.cos(), angle.sin()) for angle in (alpha, beta, gamma))
    rows = [
        c[0] * b[0],
        c[0] * b[1] * a[1] - c[1] * a[0],
        c[0] * b[1] * a[0] + c[1] * a[1],
        c[1] * b[0],
        c[1] * b[1] * a[1] + c[0] * a[0],
        c[1] * b[1] * a[0] - c[0] * a[1],
        -b[1],
        b[0] * a[1],
        b[0] * a[0],
    ]
    return torch.stack(rows, 1).reshape(-1, 3, 3)
