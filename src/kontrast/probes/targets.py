"""Factors as target columns: what a linear readout is asked for when it is asked for a factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import torch
from torch import Tensor

from kontrast.probes.probe import moments
from kontrast.views import Factor, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAT = 1e-5


class Targets(NamedTuple):
    """The truth as a readout is asked for it: columns float64 [n, t], and those of each factor that vary, by its name.

    `flat` are the factors of which no column varies, and which therefore have no score.
    """

    columns: NDArray[np.float64]
    of: dict[str, list[int]]
    flat: list[str]


@overload
def encode(latents: Tensor, factors: Sequence[Factor]) -> tuple[Tensor, dict[str, slice]]: ...


@overload
def encode(
    latents: NDArray[np.floating[Any]], factors: Sequence[Factor]
) -> tuple[NDArray[np.floating[Any]], dict[str, slice]]: ...


def encode(
    latents: Tensor | NDArray[np.floating[Any]], factors: Sequence[Factor]
) -> tuple[Tensor | NDArray[np.floating[Any]], dict[str, slice]]:
    """The target columns [n, t] that stand for latents z [n, k], and those of each factor by its name.

    Columns are of the dtype of z; a tensor gives a tensor on its device, without waiting for it, an array an array.
    A continuous factor is its own column. A discrete one is `size` columns, 1 where it has that value and 0 elsewhere.
    A periodic one is the two columns cos(m a) and sin(m a) of its angle a = 2 pi (z - low) / (high - low), with m its
    symmetry order, row by row where that depends on another factor: values that look the same are the same target.
    (Of the raw angle, cos(a) and sin(a) would explain only 6 / pi^2 = .608, and cos(m a) and sin(m a) 6 / (pi m)^2.)
    Order 0 is for what looks the same at every angle: its columns are constant.
    A ValueError if the factors contradict each other or do not name the columns of z.
    """
    check_factors(latents.shape[1], factors)
    if isinstance(latents, np.ndarray):
        made, found = encode(torch.tensor(latents), factors)
        return made.numpy(), found
    columns: list[Tensor] = []
    slices: dict[str, slice] = {}
    for z, factor in zip(latents.unbind(1), factors, strict=True):
        if factor.kind == "continuous":
            own = [z]
        elif factor.kind == "discrete":
            own = [(z.round() == value).to(z.dtype) for value in range(factor.size or 0)]
        else:
            angle = _order(latents, factor, factors) * (2 * math.pi / (factor.high - factor.low)) * (z - factor.low)
            own = [angle.cos(), angle.sin()]
        slices[factor.name] = slice(len(columns), len(columns) + len(own))
        columns += own
    return torch.stack(columns, 1), slices


def _order(latents: Tensor, factor: Factor, factors: Sequence[Factor]) -> Tensor:
    """The symmetry order [n] of a periodic factor in each row."""
    if not factor.symmetry_by:
        return torch.full_like(latents[:, 0], factor.symmetry[0])
    by = latents[:, [other.name for other in factors].index(factor.symmetry_by)].round()
    return torch.stack([(by == value).to(by.dtype) * order for value, order in enumerate(factor.symmetry)]).sum(0)


def check_factors(columns: int, factors: Sequence[Factor]) -> None:
    """A ValueError, in one sentence, unless these factors describe as many columns of latents, and agree."""
    names = [factor.name for factor in factors]
    if not columns or columns != len(factors):
        raise ValueError(f"there are {columns} columns of latents and {len(factors)} factors; give one factor for each")
    if len(set(names)) < len(names) or "mean" in names:
        raise ValueError(f"the factors {', '.join(names)} need names that differ, and none may be 'mean'")
    for factor in factors:
        if factor.kind == "discrete" and not factor.size:
            raise ValueError(f"the discrete factor {factor.name!r} does not say how many values it has; give its size")
        if factor.kind == "periodic":
            _check_periodic(factor, factors)


def _check_periodic(factor: Factor, factors: Sequence[Factor]) -> None:
    name, orders, by = factor.name, factor.symmetry, factor.symmetry_by
    if not factor.high > factor.low:
        raise ValueError(f"the periodic factor {name!r} needs high above low, not {factor.low} to {factor.high}")
    if min(orders, default=-1) < 0:
        raise ValueError(f"the symmetry of {name!r} cannot be {orders}; give orders of 1 or more, or 0 for a circle")
    if not by and len(orders) != 1:
        raise ValueError(f"{name!r} has {len(orders)} symmetry orders; name the discrete factor in symmetry_by")
    if by:
        sizes = [other.size for other in factors if other.name == by and other.kind == "discrete"]
        if sizes != [len(orders)]:
            raise ValueError(f"the symmetry of {name!r} needs a discrete factor {by!r} of {len(orders)} values")


def check_latents(latents: NDArray[np.floating[Any]] | None, factors: Sequence[Factor]) -> None:
    """A ValueError, in one sentence, if there are no latents, or they are not finite, or do not fit their factors."""
    if latents is None:
        raise ValueError("the latents are not known, which this probe asks for; encode a dataset with known factors")
    if latents.ndim != 2:
        raise ValueError(f"latents are a matrix [rows, factors], not an array of shape {latents.shape}")
    check_factors(latents.shape[1], factors)
    if not np.isfinite(latents).all():
        raise ValueError(f"{(~np.isfinite(latents).all(1)).sum()} rows have latents that are NaN or infinite")
    for z, factor in zip(latents.T, factors, strict=True):
        if factor.kind == "discrete" and not np.isin(z, np.arange(factor.size or 0)).all():
            raise ValueError(f"the discrete factor {factor.name!r} has values other than 0, ..., {factor.size} - 1")


def columns_of(features: Features) -> tuple[NDArray[np.float64], dict[str, slice]]:
    """The target columns float64 [n, t] of these rows by `encode`, and those of each factor."""
    assert features.latents is not None
    columns, slices = encode(features.latents.astype(np.float64), features.factors)
    return columns.astype(np.float64), slices


def symmetry_orders(features: Features, at: int) -> NDArray[np.float64]:
    """The symmetry order float64 [n] of the periodic factor number `at` in each row."""
    latents = torch.from_numpy(np.array(features.latents, dtype=np.float64))
    return _order(latents, features.factors[at], features.factors).numpy()


def targets(features: Features) -> Targets:
    """The target columns of these rows by `encode`; a ValueError if none of them varies."""
    columns, slices = columns_of(features)
    deviation = np.where(np.isinf(moments(columns)[1]), 0, columns.std(0))
    # sin(2 pi) is not quite 0: what a periodic factor varies by rounding is nothing.
    floors = {factor.name: FLAT if factor.kind == "periodic" else 0 for factor in features.factors}
    kept = {
        name: [j for j in range(own.start, own.stop) if deviation[j] > floors[name]] for name, own in slices.items()
    }
    if not any(kept.values()):
        raise ValueError("every factor is constant in the test rows, so there is nothing to recover; encode more rows")
    flat = [name for name, own in kept.items() if not own]
    return Targets(columns, {name: own for name, own in kept.items() if own}, flat)


def continuous(features: Features) -> tuple[NDArray[np.float64], list[str]]:
    """The latents float64 [n, d] of the continuous factors, and their names."""
    assert features.latents is not None
    chosen = [i for i, factor in enumerate(features.factors) if factor.kind == "continuous"]
    return features.latents[:, chosen].astype(np.float64), [features.factors[i].name for i in chosen]
