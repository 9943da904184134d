"""Conditional: two observations whose latents are near."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.datasets import Dataset, Generative, Nearest, Source, Table, nearest
from kontrast.pairings.latent import LatentPairing
from kontrast.similarities import Cosine, Similarity


@chz.chz
class Conditional(LatentPairing):
    """The second view shows latents drawn near those of the first: x = g(z), x' = g(z') with z' ~ p(z' | z).

    p(z' | z) is proportional to exp(similarity(z, z') / temperature) on the space of the latents: Lp is generalized
    normal noise, Cosine the von Mises-Fisher law with concentration 1 / temperature, Diagonal normal noise of another
    width for each latent, Additive a law for each block of a product (Zimmermann et al. 2021, arXiv 2102.08850). On
    the sphere Cosine, Dot, Euclidean and Lp with p = 2 draw that law exactly; Lp with another p and Diagonal add their
    noise in R^d and project back, which is near the law but not the same. Where the latents are named ranges, the
    noise is in units of each range, angles wrap around, and classes stay.

    Generative data render z', so this law is that of the pairs. Of stored data whose latents are known the second view
    is the row nearest to z', in units of each range and with the same classes, or the second nearest where that is the
    anchor. In many dimensions even the nearest row is far: of 250,000 rows uniform in a box of 10 it is .27 of a range
    away, and normal and Laplace noise of .05 of a range then make nearly the same pairs. `kontrast data pairs` says
    what became of the law. The anchor is a row of the set; that of the published code is the row nearest to a uniform
    z, around which z' is drawn, which `kontrast data pairs first=drawn` does.

    Each view asks which candidate is the other; with `symmetric=False` the first alone asks, so that every anchor is
    drawn from the marginal law, as in the theory and in the published code.
    """

    similarity: Similarity = parts.field(Similarity, Cosine, doc="what counts as near among latents")
    temperature: float = chz.field(default=0.1, doc="width of the conditional law, > 0")
    symmetric: bool = chz.field(default=True, doc="whether each view asks about the other, or only the first")

    @chz.validate
    def _positive(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write pairing.temperature=0.1")

    @property
    def asking(self) -> tuple[int, ...]:
        """The views that ask."""
        return (0, 1) if self.symmetric else (0,)

    @property
    def answering(self) -> tuple[int, ...]:
        """The views that answer."""
        return (0, 1) if self.symmetric else (1,)

    def check(self, dataset: Dataset) -> None:
        name = type(dataset).__name__
        if not dataset.factors:
            raise ValueError(
                f"{name} does not know its latents, so no pair can be drawn from them; "
                "write pairing=Augmented, or data=Sprites or data=Mixing"
            )
        if not isinstance(dataset, Generative) and all(factor.kind == "discrete" for factor in dataset.factors):
            raise ValueError(f"{name} knows classes alone, between which nothing is near; write pairing=Content")
        self.similarity.check_draw(dataset.latent_space)

    def draw(self, latents: Tensor, source: Source, generator: torch.Generator) -> Tensor:
        return self.similarity.sample(latents, self.temperature, source.dataset.latent_space, generator)

    def search(self, table: Table) -> Nearest:
        return nearest(table)
