"""What a comparison of pairs and objective found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from kontrast.similarities import Similarity
from kontrast.spaces import Space

Recovery = Literal["none", "linear", "orthogonal", "permutation and sign"]
ORDER: tuple[Recovery, ...] = ("none", "linear", "orthogonal", "permutation and sign")
ZIMMERMANN = "Zimmermann et al. 2021, arXiv 2102.08850"
RUSAK = "Rusak et al. 2024, arXiv 2407.00143"


class Side(NamedTuple):
    """Latents, or embeddings: where they are, what scores them, its temperature, and how many numbers they have."""

    space: Space
    similarity: Similarity
    temperature: float
    dim: int


@dataclass
class Finding:
    """What is recovered if nothing in `broken` stands against it, and why. `strained` is what only weakens it.

    `fits`: whether some encoder gives scores that are the exponent of the pairs' law. `turned`: whether, if not, that
    is a matter of the concentration alone, and the true latents are still points of the embeddings' space.
    """

    recovery: Recovery
    reason: str
    source: str = ZIMMERMANN
    broken: list[str] = field(default_factory=list)
    strained: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fits: bool = True
    turned: bool = False

    def against(self, why: str, fits: bool = False) -> None:
        """One more thing that stands against it; `fits` if the scores can still be those of the pairs."""
        self.broken.append(why)
        self.fits = self.fits and fits
