"""What is found piece by piece, and becomes the scores of a probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kontrast.panels import Panel
from kontrast.probes.probe import Scores
from kontrast.probes.uncertainty.ranks import estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Findings:
    """Values with their chance levels and intervals, warnings, panels, and what the protocol says, as they come."""

    values: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    panels: list[Panel] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        statistic: Callable[[NDArray[np.float64]], float],
        weights: NDArray[np.float64],
        chance: float,
        warning: str = "",
    ) -> None:
        """A statistic of row weights, with its interval over `weights` [b, n]; one that is no number is left out."""
        value, bounds = estimate(statistic, weights)
        if not np.isfinite(value):
            return
        self.values[name], self.chance[name] = float(value), float(chance)
        if np.isfinite(bounds).all():
            self.interval[name] = bounds
        if warning:
            self.warnings[name] = warning

    def scores(self) -> Scores:
        """All of it."""
        protocol = "; ".join(filter(None, self.said))
        return Scores(self.values, protocol, self.chance, {}, self.interval, self.warnings, tuple(self.panels))
