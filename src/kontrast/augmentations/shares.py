"""Shares: a batch of pictures changed a few at a time, so that what one change leaves is in the cache for the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from kontrast.draws import Noise

BYTES = 1 << 21
"""Bytes of the pictures of a share, as float32, for each thread."""
Drawn = TypeVar("Drawn", Tensor, tuple[Tensor, ...])


@dataclass(frozen=True)
class Share(Noise):
    """Noise of some rows of a batch. What is drawn for one share is drawn for the whole batch at once, and kept."""

    whole: Noise
    rows: slice
    made: dict[Any, Any] = field(default_factory=dict)

    def once(self, draw: Callable[..., Any], *given: Any) -> Any:
        """draw(the noise of the whole batch, *given), made once."""
        made = (draw, *given)
        if made not in self.made:
            self.made[made] = draw(self.whole, *given)
        return self.made[made]

    def uniform(self, purpose: str, count: int = 1) -> Tensor:
        drawn: Tensor = self.once(Noise.uniform, purpose, count)
        return drawn[self.rows]

    def of(self, owner: str) -> Noise:
        whole: Noise = self.once(Noise.of, owner)
        return Share(whole.key[self.rows], whole, self.rows, self.made.setdefault(owner, {}))


def drawn(noise: Noise, draw: Callable[..., Drawn], *given: Any) -> Drawn:
    """draw(noise, *given), a row for each picture; for a share of a batch, its rows of what is drawn for all of it."""
    if not isinstance(noise, Share):
        return draw(noise, *given)
    made: Drawn = noise.once(draw, *given)
    return made[noise.rows] if isinstance(made, Tensor) else tuple(each[noise.rows] for each in made)


def in_shares(change: Callable[[Tensor, Noise], Tensor], images: Tensor, noise: Noise) -> Tensor:
    """change(images, noise) for images [n, ...], on a CPU a share of nearly equal size after the other."""
    size = BYTES * torch.get_num_threads() // max(1, 4 * images[:1].numel())
    count = -(-len(images) // max(1, size))
    if images.device.type != "cpu" or count <= 1:
        return change(images, noise)
    made: dict[Any, Any] = {}
    result, start = images.new_empty(0), 0
    for part in images.tensor_split(count):
        rows = slice(start, start + len(part))
        changed = change(part, Share(noise.key[rows], noise, rows, made))
        if not start:
            result = changed.new_empty(len(images), *changed.shape[1:])
        result[rows] = changed
        start = rows.stop
    return result
