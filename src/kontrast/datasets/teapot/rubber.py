"""Rubber: the material of all surfaces, diffuse with velvet and a gray gloss mixed in by Fresnel's equations."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from kontrast.datasets.teapot import scene

LEAST = 0.08
"""Least cosine of the angle to the camera, where the surface turns away from it."""


def reflected(normal: Tensor, view: Tensor, way: Tensor) -> tuple[Tensor, Tensor]:
    """What rubber sends toward the camera of light from a direction, per irradiance, cosine included.

    Given are its normals, the ways to the camera and those to the lamp, each [m, 3]; returned are the light [m] that
    takes the color of the surface, and the light [m] that does not.
    """
    to_view = (normal * view).sum(1).clamp(LEAST, 1)
    to_lamp = (normal * way).sum(1).clamp(0, 1)
    half = functional.normalize(view + way, dim=1)
    middle = (normal * half).sum(1).clamp(1e-3, 0.99999)
    aside = (half * view).sum(1).clamp_min(1e-3)
    velvet, gloss = _fresnel(to_view, scene.VELVET_INDEX), _fresnel(to_view, scene.GLOSS_INDEX)
    body = (1 - velvet) * to_lamp / math.pi + velvet * _velvet(to_view, to_lamp, middle, aside)
    return (1 - gloss) * body, gloss * _gloss(to_view, to_lamp, middle)


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
