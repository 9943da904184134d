"""The colors of a sprite and what is behind it."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from kontrast.draws import Noise
from kontrast.views import Factor

Color = Literal["white", "hue", "palette", "random"]
Background = Literal["black", "gray-noise", "noise"]

HUES = 10
"""Hues on the grid: as many as those of Shapes3D."""
PALETTE = {
    "white": (255, 255, 255),
    "red": (230, 60, 50),
    "orange": (245, 150, 35),
    "yellow": (240, 225, 60),
    "green": (70, 180, 85),
    "blue": (65, 120, 230),
    "violet": (160, 85, 205),
}
"""The colors of color="palette", in the order of their numbers."""
DIMMEST = 0.5
"""The least brightness of a channel of a random color."""
PIECE = 256
"""Pictures that are painted at once, so that their noise does not take the memory."""


def color_factor(color: Color) -> tuple[Factor, ...]:
    """The latent that color is: a hue in [0, 1), around the circle, or a number of the palette; none for the others."""
    if color == "hue":
        return (Factor("hue", "periodic", 0.0, 1.0, grid=HUES),)
    if color == "palette":
        return (Factor("color", "discrete", 0.0, len(PALETTE) - 1.0, size=len(PALETTE)),)
    return ()


def color_values(color: Color) -> list[float]:
    """The color column of the table: 1 in dSprites, where all sprites are white."""
    if color == "hue":
        return [k / HUES for k in range(HUES)]
    return [float(k) for k in range(len(PALETTE))] if color == "palette" else [1.0]


def channels(color: Color, background: Background) -> int:
    """3 where there is any color in a picture, else 1."""
    return 1 if color == "white" and background != "noise" else 3


def paint(lit: Tensor, latents: Tensor, color: Color, background: Background) -> Tensor:
    """Sprites uint8 [n, 1, s, s], 255 inside and 0 outside, in their colors on their background: uint8 [n, c, s, s].

    What is random is a hash of the latents as float32, so that a picture is a function of them: the same latents have
    the same noise each time, and the least change of one of them another.
    """
    if color == "white" and background == "black":
        return lit
    made = torch.empty(len(lit), channels(color, background), *lit.shape[2:], dtype=torch.uint8, device=lit.device)
    for start in range(0, len(lit), PIECE):
        own = slice(start, start + PIECE)
        some = latents[own].to(lit.device, torch.float32)
        noise = hashed(some)
        colors = torch.full((len(some), 3), 255, dtype=torch.uint8, device=lit.device)
        if color != "white":
            colors = _random(noise) if color == "random" else _chosen(some[:, -1], color)
        behind = torch.zeros((), dtype=torch.uint8, device=lit.device)
        if background != "black":
            behind = _bytes(noise, made[own].shape if background == "noise" else lit[own].shape)
        made[own] = torch.where(lit[own] > 0, colors[:, : made.shape[1], None, None], behind)
    return made


def hashed(latents: Tensor) -> Noise:
    """Noise of its own for each row of latents float32 [n, k]."""
    key = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
    for column in (latents + 0.0).T:  # -0 is 0
        key = Noise(key ^ column.contiguous().view(torch.int32).to(torch.int64)).of("latents").key
    return Noise(key)


def _bytes(noise: Noise, shape: torch.Size) -> Tensor:
    """Random bytes of a shape [n, ...], three out of each number of 24 bits."""
    each = math.prod(shape[1:])
    bits = noise.uniform("background", -(-each // 3)).mul_(2**24).to(torch.int32)
    return bits.view(torch.uint8).view(*bits.shape, 4)[..., :3].flatten(1)[:, :each].reshape(shape)


def _random(noise: Noise) -> Tensor:
    """Colors uint8 [n, 3] whose channels are uniform between half and full brightness."""
    unit = DIMMEST + (1 - DIMMEST) * noise.uniform("color", 3)
    return (255 * unit).round_().to(torch.uint8)


def _chosen(latent: Tensor, color: Color) -> Tensor:
    """Colors uint8 [n, 3] of hues, at full saturation and value, or of numbers of the palette."""
    if color == "palette":
        table = torch.tensor(list(PALETTE.values()), dtype=torch.uint8, device=latent.device)
        return table[latent.long()]
    precise = torch.float32 if latent.device.type == "mps" else torch.float64
    turn = 6 * (latent.to(precise)[:, None] % 1) + torch.tensor([5.0, 3.0, 1.0], device=latent.device, dtype=precise)
    sector = turn % 6
    unit = 1 - torch.minimum(sector, 4 - sector).clamp_(0, 1)
    return (255 * unit).round_().to(torch.uint8)
