"""Random numbers that are a pure function of what they are for.

Nothing in kontrast draws from a global random state. What belongs to a whole step (latents of a batch, the noise
between two views) comes from a generator seeded with (seed, step, purpose); what belongs to one image comes from a
counter-based hash of (seed, epoch, index, view, purpose). So a run resumes bit-exactly in mid-epoch, and neither the
number of processes nor the switching off of one augmentation changes any other draw.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor


def derive(seed: int, *purpose: object) -> int:
    """A seed of 63 bits for one purpose: the same words give the same seed on every machine."""
    words = "/".join(str(word) for word in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *purpose: object, step: int = 0) -> torch.Generator:
    """A CPU generator for one step of one purpose; always on the CPU, so that every device sees the same numbers.

    torch's CPU generator takes 32 bits of a seed. They are those of `derive` plus the step, so that no two of 4 billion
    steps of one purpose share their numbers, as steps hashed to 32 bits would after some 65,000.
    """
    return torch.Generator().manual_seed((derive(seed, *purpose) + step) % 2**32)


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, "order", step=epoch))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)


def _scramble(state: Tensor) -> Tensor:
    """SplitMix64's finalizer on int64 [...], wrapping as unsigned arithmetic does (Steele et al. 2014)."""
    state = (state ^ ((state >> 30) & ((1 << 34) - 1))) * _FIRST
    state = (state ^ ((state >> 27) & ((1 << 37) - 1))) * _SECOND
    return state ^ ((state >> 31) & ((1 << 33) - 1))


@dataclass(frozen=True)
class Noise:
    """Random numbers of n rows, each row's a function of its own key int64 [n] alone."""

    key: Tensor

    def uniform(self, purpose: str, count: int = 1) -> Tensor:
        """float32 [n, count] uniform on [0, 1), with 24 random bits each."""
        lanes = torch.arange(1, count + 1, device=self.key.device) * _GOLDEN
        state = _scramble(self.key ^ derive(0, purpose))
        state = _scramble(state[:, None] + lanes)
        return ((state >> 40) & ((1 << 24) - 1)).float() * 2.0**-24

    def of(self, owner: str) -> Noise:
        """Noise of its own for whoever is called `owner`, so that two of a kind do not draw the same numbers."""
        return Noise(_scramble(self.key ^ derive(0, "of", owner)))

    def normal(self, purpose: str, count: int = 1) -> Tensor:
        """float32 [n, count] standard normal, by inversion."""
        uniform = self.uniform(purpose, count) + 2.0**-25
        # In float32 the largest uniform number is rounded up to 1, where the inverse is infinite.
        return torch.erfinv((2 * uniform - 1).clamp(max=1 - 2.0**-23)) * math.sqrt(2)


@dataclass(frozen=True)
class Draws:
    """The randomness of one training step: `size` rows drawn at `step` of the run with this `seed`.

    Where several processes train together, `size` counts the rows of all of them, and process `rank` of `ranks` has its
    equal share: the rows from rank size / ranks on. What is drawn for the rows of a step is drawn for all of them, and
    each process keeps its `own`, so that the number of processes changes no number. ValueError if they do not divide
    the rows evenly.
    """

    seed: int
    step: int
    size: int
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"of {self.ranks} processes there is none with the number {self.rank}")
        if self.size % self.ranks:
            raise ValueError(
                f"{self.ranks} processes cannot share {self.size} rows evenly; "
                f"write batch={-(-self.size // self.ranks) * self.ranks}"
            )

    def own(self, rows: Tensor) -> Tensor:
        """Of something [size, ...] with a row for each thing of the step, the rows of this process."""
        share = self.size // self.ranks
        return rows[self.rank * share : (self.rank + 1) * share]

    def generator(self, *purpose: object) -> torch.Generator:
        """A generator for one purpose of this step."""
        return generator(self.seed, "step", *purpose, step=self.step)

    def rows(self, count: int) -> tuple[int, Tensor]:
        """The epoch, and the numbers of the rows of this step that are this process's own, int64 [size / ranks].

        `count` rows are gone through in random order. Each epoch is its own permutation; what does not fill a batch at
        its end is left out of that epoch.
        """
        per_epoch = count // self.size
        if per_epoch == 0:
            raise ValueError(f"a batch of {self.size} is larger than the {count} rows of the data set; lower batch")
        epoch, within = divmod(self.step, per_epoch)
        return epoch, self.own(_order(self.seed, epoch, count)[within * self.size : (within + 1) * self.size])

    def noise(self, index: Tensor, epoch: int, *purpose: object) -> Noise:
        """Noise for rows int64 [n] of an epoch: a function of (seed, epoch, index, purpose), not of the step."""
        seed = derive(self.seed, "row", epoch, *purpose)
        return Noise(_scramble(index.to(torch.int64) * _GOLDEN + seed))
