"""Latents that depend on each other and on the shape.

That they do is Causal3DIdent's (von Kuegelgen et al. 2021, arXiv:2106.04619): hues and positions depend on the class of
the object and on each other. The graph in `CAUSES`, whose arrows also lead from positions to rotations, and all
equations are kontrast's own, modeled on it. So are the shapes: beside Newell's teapot they are solids that are made
here (cube, torus ...), not the hare, dragon, cow, armadillo, horse and head of the published set.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kontrast.datasets.teapot.scene import NAMES

SPREAD = 0.5
"""Standard deviation of what depends on something, before it is cut to [-1, 1]."""
CAUSES: dict[str, tuple[str, ...]] = {
    "spotlight": (),
    "hue_background": (),
    "hue_spotlight": ("spotlight", "hue_background"),
    "hue_object": ("shape", "hue_spotlight", "hue_background"),
    "pos_x": ("shape",),
    "pos_y": ("shape",),
    "pos_z": ("shape", "spotlight"),
    "rot_phi": ("pos_x",),
    "rot_theta": ("pos_y",),
    "rot_psi": ("pos_z",),
}
"""What each latent depends on; causes come before their effects."""
BY_SHAPE = (1.0, -1.0, 0.0)
"""The object's hue follows the colors around it, contrasts with them, or is its own, from one shape to the next."""


def draw(kinds: Tensor, count: int, vary: tuple[str, ...], generator: torch.Generator) -> Tensor:
    """Latents float32 [n, 10] in [-1, 1], in the order of `NAMES`, of objects of the shapes int64 [n], `count` of them.

    Where nothing is a cause, a latent is uniform. Else it is normal with a standard deviation of 1/2 about a mean that
    its causes say, conditioned on [-1, 1]:

    - hue_spotlight: (spotlight + hue_background) / 2;
    - hue_object: (hue_spotlight + hue_background) / 2 for the first shape, fourth, ...; minus that for the second,
      fifth, ...; 0 for the others;
    - pos_x, pos_y: cos(2 pi k / K) / 2 and sin(2 pi k / K) / 2 for shape k of K; both 0 where there is one;
    - pos_z: spotlight / 2 for shapes of even number, -spotlight / 2 for the others;
    - rot_phi, rot_theta, rot_psi: half of pos_x, pos_y, pos_z.

    What is not in `vary` is held at 0, an intervention that its effects feel. The numbers drawn do not depend on it.
    """
    unit = torch.rand(len(kinds), len(NAMES), generator=generator, dtype=torch.float64)
    found: dict[str, Tensor] = {}
    for name, causes in CAUSES.items():
        share = unit[:, NAMES.index(name)]
        if name not in vary:
            found[name] = torch.zeros_like(share)
        else:
            found[name] = truncated(mean(name, found, kinds, count), share) if causes else 2 * share - 1
    return torch.stack([found[name] for name in NAMES], 1).float()


def mean(name: str, found: dict[str, Tensor], kinds: Tensor, count: int) -> Tensor:
    """The mean [n] of a latent that has causes, before it is cut off, given those found so far."""
    turn = kinds.double() * (math.tau / count)
    alone = 0.0 if count == 1 else 0.5
    match name:
        case "hue_spotlight":
            return (found["spotlight"] + found["hue_background"]) / 2
        case "hue_object":
            side = torch.tensor(BY_SHAPE, dtype=torch.float64)[kinds % len(BY_SHAPE)]
            return side * (found["hue_spotlight"] + found["hue_background"]) / 2
        case "pos_x":
            return alone * turn.cos()
        case "pos_y":
            return alone * turn.sin()
        case "pos_z":
            return (1 - 2 * (kinds % 2)) * found["spotlight"] / 2
        case _:
            (cause,) = CAUSES[name]
            return found[cause] / 2


def truncated(center: Tensor, share: Tensor) -> Tensor:
    """Normal about `center` [n] with the spread `SPREAD`, conditioned on [-1, 1], at its quantiles `share` [n]."""
    low, high = (torch.special.ndtr((edge - center) / SPREAD) for edge in (-1.0, 1.0))
    found: Tensor = center + SPREAD * torch.special.ndtri(low + share * (high - low))
    return found.clamp(-1, 1)
