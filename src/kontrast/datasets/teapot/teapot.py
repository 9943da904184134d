"""Teapot: the scene of 3DIdent, rendered at any latents."""

from __future__ import annotations

import math
from typing import Literal, get_args

import chz
import torch
from torch import Tensor

from kontrast.datasets.dataset import Generative
from kontrast.datasets.picture_folder import PictureFolder
from kontrast.datasets.teapot import causal
from kontrast.datasets.teapot.blender import at_once, photograph
from kontrast.datasets.teapot.drawing import draw
from kontrast.datasets.teapot.scene import NAMES, scene
from kontrast.datasets.teapot.solids import SHAPES, TURNS, solid
from kontrast.parts import choose
from kontrast.spaces import Product, Ranges, Space, Sphere
from kontrast.views import Factor

Angles = Literal["half", "full", "sphere"]
Law = Literal["independent", "causal"]
Renderer = Literal["fast", "blender"]
PLACES = 3
POLE = 1e-3
"""How near to a pole of the sphere an angle may be, so that the others can be told there."""
BLOCK = {"cpu": 16, "cuda": 256}
"""Pictures that are drawn at once."""


@chz.chz
class Teapot(PictureFolder, Generative):
    """3DIdent, rendered: a colored teapot above a colored ground, lit by a colored spotlight.

    Observations are uint8 [n, 3, size, size]. The ten latents are, in their published order and units: `pos_x`,
    `pos_y`, `pos_z` in [-3, 3]; the Euler angles `rot_phi`, `rot_theta`, `rot_psi` (XYZ), the angle `spotlight` on its
    circle, and `hue_object`, `hue_spotlight`, `hue_background`, all in radians, in which a turn of hue is 2 pi. Where
    the angles live is `angles`:

    - half: in [-pi/2, pi/2], as in the published set, whose angles do not wrap around;
    - full: in [0, 2 pi), where they do; pos_z is then in [0, 3];
    - sphere: seven angles of a unit vector of R^8 (s0 ... s7), the first six doubled, beside the three positions, pos_z
      in [0, 3]: the product of a box and a sphere of the source's default.

    Latents that are not in `vary` stay at the middle of their range and are no factors: position only, rotation only,
    no spotlight. With several `shapes` the first latent is the number of one. Hues are taken modulo a turn, so that
    each is a color of its own; the published generator gives a range of negative hues one color.

    Latents are independent and uniform, or, with `law` causal, depend on each other and on the shape as Causal3DIdent's
    do: the shape acts on place and hue, the colors around it on the object's hue, the place on the rotation. The
    equations are in `causal.draw`; they are kontrast's own, not those by which the published set was drawn.

    Direct light alone, as in the published pictures: the sun, a square lamp and the spotlight, with soft shadows. There
    are two renderers:

    - fast: rays are traced through a grid of signed distances, four for each pixel, on any device;
    - blender: the published scene in Blender's Cycles with `samples` paths for each pixel, denoised, on the CPU, 30
      to 40 times slower. It needs `pip install 'kontrast[blender]'`, or a Python that has bpy, which
      $KONTRAST_BLENDER names, and runs in a process of its own.

    ValueError for unknown names, pictures of fewer than 8 pixels, or latents that are not finite; BlenderFailed, an
    OSError, where Blender's process fails.

    Source: Zimmermann, Sharma, Schneider, Bethge, Brendel, "Contrastive Learning Inverts the Data Generating Process"
    (2021), arXiv:2102.08850; von Kuegelgen et al., "Self-Supervised Learning with Data Augmentations Provably Isolates
    Content from Style" (2021), arXiv:2106.04619; the control points of the teapot are Newell's of 1975.
    """

    size: int = chz.field(default=64, doc="side of the picture in pixels, at least 8; 224 as published")
    angles: Angles = chz.field(default="half", doc="where the seven angles live: half, full or sphere")
    vary: tuple[str, ...] = chz.field(
        default=NAMES, doc="the latents that vary, by name; the others stay in the middle"
    )
    shapes: tuple[str, ...] = chz.field(
        default=("teapot",), doc="the objects: any of teapot, cube, sphere, cylinder ..."
    )
    law: Law = chz.field(default="independent", doc="how latents are drawn: independent, or causal for angles=half")
    renderer: Renderer = chz.field(default="fast", doc="fast, or blender: Cycles, which renders as was published")
    samples: int = chz.field(default=64, doc="for renderer=blender: paths for each pixel; 512 as published")

    @chz.validate
    def _known(self) -> None:
        choose(self.angles, get_args(Angles), "kind of angles")
        choose(self.renderer, get_args(Renderer), "renderer")
        choose(self.law, get_args(Law), "law of the latents")
        if self.law == "causal" and self.angles != "half":
            raise ValueError(f"causal latents have means on an interval, not angles={self.angles}; write angles=half")
        if self.samples < 1:
            raise ValueError(f"each pixel needs a path, not samples={self.samples}; write samples=64")
        if self.size < 8:
            raise ValueError(f"a scene needs at least 8 x 8 pixels, not size={self.size}; write size=64")
        for name in self.shapes:
            choose(name, SHAPES, "shape")
        if not self.shapes or len(set(self.shapes)) < len(self.shapes):
            raise ValueError(f"name each shape once, not {self.shapes}; write shapes=teapot,cube")
        for name in self.vary:
            choose(name, NAMES, "latent")
        if len(set(self.vary)) < len(self.vary) or not (self.vary or len(self.shapes) > 1):
            raise ValueError(f"name each latent that varies once, not {self.vary}; write vary=pos_x,pos_y,pos_z")
        if self.angles == "sphere" and set(self.vary) != set(NAMES):
            raise ValueError("of the angles of one sphere all vary or none; write angles=full to choose among them")

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    @property
    def factors(self) -> tuple[Factor, ...]:
        kinds = (Factor("shape", "discrete", 0.0, len(self.shapes) - 1.0, size=len(self.shapes)),)
        first = kinds if len(self.shapes) > 1 else ()
        if self.angles == "sphere":
            around = tuple(Factor(f"s{k}", low=-1.0) for k in range(len(NAMES) - PLACES + 1))
            return (*first, *(self._factor(name) for name in NAMES[:PLACES]), *around)
        return (*first, *(self._factor(name) for name in NAMES if name in self.vary))

    @property
    def latent_space(self) -> Space:
        ranges = super().latent_space
        if self.angles != "sphere":
            return ranges
        assert isinstance(ranges, Ranges)
        split = PLACES + (len(self.shapes) > 1)
        places = Ranges(low=ranges.low[:split], high=ranges.high[:split], periodic=ranges.periodic[:split],
                        discrete=ranges.discrete[:split])  # fmt: skip
        return Product(first=places, second=Sphere(), split=split)

    @property
    def dependent(self) -> bool:
        return self.law == "causal"

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        if self.law == "independent":
            return super().sample(n, generator)
        kinds = torch.randint(len(self.shapes), (n,), generator=generator)
        unit = causal.draw(kinds, len(self.shapes), self.vary, generator)
        columns = [factor.high * unit[:, NAMES.index(factor.name)] for factor in self.factors if factor.name in NAMES]
        return torch.stack([kinds.float()] * (len(self.shapes) > 1) + columns, 1)

    def render(self, latents: Tensor, device: torch.device) -> Tensor:
        device = torch.device(device)
        kinds, full = self.full(latents)
        if self.renderer == "blender":
            return self._photographed(kinds, full).to(device)
        kinds, full = kinds.to(device), full.to(device)
        pictures = torch.empty(len(latents), *self.shape, dtype=torch.uint8, device=device)
        block = BLOCK.get(device.type, 64) * 64**2 // self.size**2
        for number, name in enumerate(self.shapes):
            held = solid(name, device)
            for rows in torch.split((kinds == number).nonzero()[:, 0], max(1, block)):
                pictures[rows] = draw(scene(full[rows]), held, self.size)
        return pictures

    def _photographed(self, kinds: Tensor, full: Tensor) -> Tensor:
        pictures = torch.empty(len(full), *self.shape, dtype=torch.uint8)
        for number, name in enumerate(self.shapes):
            rows = (kinds == number).nonzero()[:, 0].cpu()
            pictures[rows] = photograph(full[rows], name, self.size, self.samples)
        return pictures

    @property
    def rows_at_once(self) -> int:
        return at_once(self.size, self.samples) if self.renderer == "blender" else super().rows_at_once

    def full(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of shapes int64 [n], and all ten latents float32 [n, 10] in published units, of latents [n, k].

        ValueError for a matrix of another shape, or what is not finite or no shape.
        """
        if latents.ndim != 2 or latents.shape[1] != len(self.factors):
            raise ValueError(f"latents are a matrix [n, {len(self.factors)}], not of shape {tuple(latents.shape)}")
        if not latents.isfinite().all():
            raise ValueError("latents of scenes must be finite numbers; some are not")
        latents = latents.to(torch.float32)
        kinds = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
        if len(self.shapes) > 1:
            kinds, latents = latents[:, 0].round().to(torch.int64), latents[:, 1:]
            if not ((kinds >= 0) & (kinds < len(self.shapes))).all():
                raise ValueError(f"the shape of a scene is a whole number from 0 to {len(self.shapes) - 1}")
        if self.angles == "sphere":
            return kinds, torch.cat([latents[:, :PLACES], spherical(latents[:, PLACES:])], 1)
        middles = [(factor.low + factor.high) / 2 for factor in map(self._factor, NAMES)]
        full = torch.tensor(middles, device=latents.device).repeat(len(latents), 1)
        full[:, [NAMES.index(name) for name in NAMES if name in self.vary]] = latents
        return kinds, full

    def raw(self, latents: Tensor) -> Tensor:
        """As 3DIdent was published: [n, 10] in [-1, 1] for angles=half, else [n, 11], three such and a unit vector."""
        full = self.full(latents)[1]
        factors = [self._factor(name) for name in NAMES]
        middle = torch.tensor([(factor.low + factor.high) / 2 for factor in factors], device=full.device)
        half = torch.tensor([(factor.high - factor.low) / 2 for factor in factors], device=full.device)
        unit = (full - middle) / half
        if self.angles == "half":
            return unit
        points = latents[:, -len(NAMES) + PLACES - 1 :] if self.angles == "sphere" else on_sphere(full[:, PLACES:])
        return torch.cat([unit[:, :PLACES], points], 1)

    def scene(self, latents: Tensor) -> Tensor:
        return self.full(latents)[1]

    @property
    def reader(self) -> str:
        if len(self.shapes) == 1:
            return "ThreeDIdent"
        return "Causal3DIdent" if self.angles == "half" else "Rendered"

    def kinds(self, latents: Tensor) -> tuple[Tensor, int] | None:
        return (latents[:, 0].round().to(torch.int64), len(self.shapes)) if len(self.shapes) > 1 else None

    def _factor(self, name: str) -> Factor:
        """A latent as it varies here."""
        if name in NAMES[:PLACES]:
            return Factor(name, low=0.0 if name == "pos_z" and self.angles != "half" else -3.0, high=3.0)
        if self.angles != "full":
            return Factor(name, low=-math.pi / 2, high=math.pi / 2)
        orders: tuple[int, ...] = (1,)
        if name.startswith("rot_"):
            orders = tuple(TURNS[shape][NAMES.index(name) - PLACES] for shape in self.shapes)
        return Factor(name, "periodic", 0.0, math.tau, symmetry=orders, symmetry_by="shape" * (len(self.shapes) > 1))


def spherical(points: Tensor) -> Tensor:
    """Seven angles [n, 7] in [0, 2 pi] of points [n, 8] of the sphere: spherical coordinates, the first six doubled."""
    rest = points.square().flip(1).cumsum(1).flip(1).sqrt()
    polar = torch.atan2(rest[:, 1:-1], points[:, :-2])
    last = torch.atan2(points[:, -1], points[:, -2]) % math.tau
    return torch.cat([2 * polar, last[:, None]], 1)


def on_sphere(angles: Tensor) -> Tensor:
    """Points float32 [n, 8] of the sphere by their angles [n, 7] in [0, 2 pi], which undoes `spherical`.

    At the poles, where the other coordinates are lost, the first six are moved by up to 2 `POLE`.
    """
    polar = (angles[:, :-1].double() / 2).clamp(POLE, math.pi - POLE)
    rest = torch.cat([torch.ones_like(polar[:, :1]), polar.sin().cumprod(1)], 1)
    last = angles[:, -1:].double()
    return torch.cat([rest[:, :-1] * polar.cos(), rest[:, -1:] * last.cos(), rest[:, -1:] * last.sin()], 1).float()
