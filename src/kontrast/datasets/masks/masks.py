"""Masks: sequences of walking silhouettes whose position and size change by Laplace steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import chz
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import kitti_masks
from kontrast.datasets.dataset import Stored
from kontrast.datasets.kitti_masks import SIDE, chosen
from kontrast.datasets.masks.figure import POSES, SWINGS, measured, pictures
from kontrast.datasets.splits import divided
from kontrast.datasets.stores import Held, Holding
from kontrast.datasets.writing import Order, Writable
from kontrast.draws import derive
from kontrast.spaces import Ranges
from kontrast.views import Factor, Split, Things

LOW, HIGH = (23.0, 13.0, 50.0), (39.0, 50.0, 240.0)
"""Where the center of mass (y, x) and the area of a figure may be, so that none is cut by the edge of the picture."""
SCALE = (0.48, 0.56, 10.7)
"""Scales of a step of each in pixels: those of the Laplace laws fitted to the steps of KITTI Masks."""
CADENCE = (0.06, 0.14)
"""Strides in a frame, at least and at most: those of a walk at ten frames a second."""


class Walks(NamedTuple):
    """All frames of all sequences before they are drawn, one sequence after the other.

    `lengths` int64 [s]; of the n frames the `states` float64 [n, 3] (center of mass y, x and area), the numbers of the
    `poses` int64 [n], and which are `mirrored` bool [n].
    """

    lengths: Tensor
    states: Tensor
    poses: Tensor
    mirrored: Tensor


@chz.chz
class Masks(Stored, Writable):
    """Sequences of walking silhouettes, which stand in for KITTI Masks and need no download.

    Observations are uint8 [n, 1, 64, 64], 0 and 255; latents [n, 3] are the center of mass (y, x) and the area of each
    mask in pixels, measured in it as in KITTI Masks. A sequence begins anywhere in the ranges of the latents and goes
    on by steps: z' given z has density ~ exp(-sum_k |(z'_k - z_k) / s_k|^p) on these ranges, Laplace for p = 1, with
    scales s of (0.48, 0.56, 10.7) pixels times `pace`. Of these the drawn mask shows what
    pixels allow: the latents measured in it are off by about (0.20, 0.07, 3.5) pixels. Beside the latents a figure
    walks, each by its own step, to the left or right, and more or less in side view; none is cut by the edge of the
    picture, as some people of KITTI are.

    There are 2,120 sequences of 40 frames on average, as in KITTI Masks; their lengths are 1 + a geometric number,
    where those of KITTI Masks reach 710. Fits to the 82,506 steps of KITTI Masks (data_analysis_both.ipynb of
    github.com/bethgelab/slow_disentanglement) are Laplace of scales 0.48, 0.56 and 10.7 for y, x and area, but tails
    are still heavier there: kurtoses in excess of the normal law are 65, 39 and 69 where Laplace has 3.

    A share `test` of the sequences is held out for testing, by `seed`, which also draws everything; with test=0 both
    splits are all frames. `write` gives them the layout in which KITTI Masks was published. Source: Klindt et al. 2020,
    arXiv 2007.10930.
    """

    sequences: int = chz.field(default=2120, doc="how many people walk")
    length: float = chz.field(default=40.0, doc="frames of a sequence on average, at least 2")
    p: float = chz.field(default=1.0, doc="law of a step: 1 is Laplace, 2 normal")
    pace: float = chz.field(default=1.0, doc="how many times wider steps are than those of KITTI Masks")
    test: float = chz.field(default=0.1, doc="share of the sequences held out; 0: test on those one trains on")
    seed: int = chz.field(default=0, doc="seed of the sequences, and of which are held out")

    @chz.validate
    def _ranges(self) -> None:
        divided(0, self.test, self.seed)
        if self.sequences < 2:
            raise ValueError(f"there is nothing to tell apart in {self.sequences} sequences; write sequences=2120")
        if not 2 <= self.length < math.inf:
            raise ValueError(f"a sequence has at least 2 frames, not {self.length}; write length=40")
        if not 0 < self.p < math.inf:
            raise ValueError(f"the exponent of the law of a step is positive, not {self.p}; write p=1")
        if not 0 < self.pace <= 20:
            raise ValueError(f"steps are up to 20 times those of KITTI Masks, not {self.pace} times; write pace=1")

    @property
    def shape(self) -> tuple[int, int, int]:
        return 1, SIDE, SIDE

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The ranges of the states, and what rounding to pixels may add to them."""
        return Factor("y", low=22.0, high=40.0), Factor("x", low=12.0, high=51.0), Factor("area", low=30.0, high=260.0)

    def read(self, split: Split) -> Things:
        return self.hold(split).things()

    def hold(self, split: Split) -> Holding:
        walks = self.walks()
        rows, sequence = chosen(walks.lengths, self.test, self.seed, split)
        masks = pictures(walks.states[rows], walks.poses[rows], walks.mirrored[rows])
        latents = measured(masks)
        return Holding(Held(masks.mul_(255)[:, None]), rows, None, latents, sequence)

    def walks(self) -> Walks:
        """All sequences, those of both splits, before they are drawn."""
        draw = np.random.default_rng(derive(self.seed, "masks"))
        lengths = 1 + draw.geometric(1 / (self.length - 1), self.sequences)
        cadence, start = draw.uniform(*CADENCE, self.sequences), draw.uniform(size=self.sequences)
        swing, mirrored = draw.integers(len(SWINGS), size=self.sequences), draw.uniform(size=self.sequences) < 0.5
        states = self._states(lengths, draw)
        time = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        phase = np.repeat(start, lengths) + time * np.repeat(cadence, lengths)
        poses = np.repeat(swing, lengths) * POSES + np.floor(phase % 1 * POSES).astype(np.int64)
        columns = (lengths, states, poses, np.repeat(mirrored, lengths))
        return Walks(*(torch.from_numpy(column) for column in columns))

    def _states(self, lengths: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.float64]:
        """The states [n, 3] of all frames: all sequences go on by one step at a time, the long ones to the end."""
        space = Ranges(low=LOW, high=HIGH, periodic=(False,) * 3, discrete=(False,) * 3)
        order, first = np.argsort(-lengths, kind="stable"), lengths.cumsum() - lengths
        now = torch.from_numpy(draw.uniform(LOW, HIGH, (len(lengths), 3)))
        states = np.empty((lengths.sum(), 3))
        states[first[order]] = now.numpy()
        for time in range(1, int(lengths.max())):
            going = int((lengths > time).sum())
            now = space.keep(now[:going], partial(self._noise, going, draw))
            states[first[order[:going]] + time] = now.numpy()
        return states

    def _noise(self, count: int, draw: np.random.Generator) -> Tensor:
        """Steps [count, 3] in units of the ranges, of density ~ exp(-|u|^p) per scale: +-G^(1/p), G ~ Gamma(1/p, 1)."""
        size = draw.standard_gamma(1 / self.p, (count, 3)) ** (1 / self.p)
        sign = np.where(draw.uniform(size=(count, 3)) < 0.5, -1.0, 1.0)
        return torch.from_numpy(sign * size * (self.pace * np.array(SCALE) / (np.array(HIGH) - np.array(LOW))))

    @property
    def reader(self) -> str:
        return "KITTIMasks"

    def write(self, out: Path, order: Order) -> None:
        """Write all sequences, those of both splits, as kitti_peds_v2.pickle into the folder `out`.

        KITTIMasks reads them with the same `test` and `seed` as the same rows.
        """
        if order.rows:
            raise ValueError("Masks has as many rows as its sequences; leave out rows and write data.sequences=2120")
        if out.exists() and not out.is_dir():
            raise ValueError(f"{out} is a file; give another out=")
        whole = chz.replace(self, test=0.0).hold("train")
        assert whole.latents is not None
        masks = whole.store.memory()[:, 0].numpy() > 0
        ends: Sequence[int] = self.walks().lengths.cumsum(0)[:-1].tolist()
        kitti_masks.write(out, np.split(masks, ends), np.split(whole.latents.numpy(), ends))
        order.tell(len(masks), len(masks))
