"""What flows through an experiment: things, the views of them, and the features an encoder makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

Split = Literal["train", "test"]


class Factor(NamedTuple):
    """One latent by which a dataset varies.

    `kind` is "continuous", "periodic" (an angle: `low` and `high` are the same point) or "discrete" (values 0, 1,
    ..., `size` - 1). `symmetry` is the rotation order: values that differ by (high - low) / symmetry look the same.
    Where it depends on another factor, `symmetry` lists one order per value of the discrete factor `symmetry_by`.
    `grid` is how many values, equally spaced from `low` to `high`, the published data set has of it; those of an angle
    stop one short of `high`.
    """

    name: str
    kind: Literal["continuous", "periodic", "discrete"] = "continuous"
    low: float = 0.0
    high: float = 1.0
    size: int | None = None
    symmetry: tuple[int, ...] = (1,)
    symmetry_by: str = ""
    grid: int | None = None

    @property
    def step(self) -> float | None:
        """The distance of neighbors on the grid; None without a grid."""
        if not self.grid:
            return None
        return (self.high - self.low) / (self.grid if self.kind == "periodic" else max(1, self.grid - 1))


@dataclass(frozen=True)
class Things:
    """n rows of a dataset, as they are before any view is made of them.

    `observations` is uint8 [n, c, h, w] (pictures) or float32 [n, d] (vectors); `index` int64 [n] names each row
    within its split; `epoch` counts how often the split had been gone through before. `labels` int64 [n] has -1
    where a row has none; `latents` float32 [n, k] are in the units of the dataset's factors.
    """

    observations: Tensor
    index: Tensor
    epoch: int = 0
    labels: Tensor | None = None
    latents: Tensor | None = None


class Views(NamedTuple):
    """Views of n things: row i of every view shows thing i, and rows with equal keys also belong together.

    `asking` lists the views that the student embeds, `answering` those that the teacher does. After the model,
    the same tuple carries embeddings instead of observations.
    """

    views: tuple[Tensor, ...]
    key: Tensor
    asking: tuple[int, ...] = (0, 1)
    answering: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Features:
    """What a frozen encoder makes of one split: arrays with names, the only thing a probe sees.

    `values` [n, d]; `labels` int64 [n] (-1: none) with their names `classes`; `latents` [n, k] with their `factors`;
    `concentration` [n] for encoders that say how certain they are, larger for more. `spread` [n] for features that are
    means of several passes through a network with dropout: how far the passes disagree, 0 where they do not.

    `index` [n] numbers the rows within `origin`, which names the rows they were taken from (a data set and its split),
    and `digest` uint64 [n] is a hash of each observation: by them train and test rows are known to be different ones.
    `extra` holds what a probe asked to have encoded besides, by the names it gave (`Probe.extra`).
    """

    values: NDArray[np.floating[Any]]
    labels: NDArray[np.int64] | None = None
    latents: NDArray[np.floating[Any]] | None = None
    classes: tuple[str, ...] = ()
    factors: tuple[Factor, ...] = ()
    concentration: NDArray[np.floating[Any]] | None = None
    index: NDArray[np.int64] | None = field(default=None, repr=False)
    spread: NDArray[np.floating[Any]] | None = None
    digest: NDArray[np.uint64] | None = field(default=None, repr=False)
    origin: str = ""
    extra: Mapping[str, Features] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ValueError(f"features are a matrix [rows, dimensions], not an array of shape {self.values.shape}")
        for name in ("labels", "latents", "concentration", "index", "spread", "digest"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.values):
                raise ValueError(f"{len(self.values)} rows of features but {len(column)} {name}; they must be equal")

    def __len__(self) -> int:
        return len(self.values)
