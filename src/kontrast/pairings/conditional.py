"""Conditional: two observations whose latents are near."""

from __future__ import annotations

import chz
from torch import Tensor

from kontrast import parts
from kontrast.datasets import Dataset, Generative, Source
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.similarities import Cosine, Similarity
from kontrast.views import Things, Views


@chz.chz
class Conditional(Pairing):
    """The second view shows latents drawn near those of the first: x = g(z), x' = g(z') with z' ~ p(z' | z).

    p(z' | z) is proportional to exp(similarity(z, z') / temperature) on the space of the latents: Lp is generalized
    normal noise, Cosine the von Mises-Fisher law with concentration 1 / temperature, Diagonal normal noise of another
    width for each latent, Additive a law for each block of a product (Zimmermann et al. 2021, arXiv 2102.08850). On
    the sphere Cosine, Dot, Euclidean and Lp with p = 2 draw that law exactly; Lp with another p and Diagonal add their
    noise in R^d and project back, which is near the law but not the same. Where the latents are named ranges, the
    noise is in units of each range, angles wrap around, and classes stay.

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
        if not isinstance(dataset, Generative):
            raise ValueError(
                f"{type(dataset).__name__} does not know its latents, so no pair can be drawn from them; "
                "write pairing=Augmented, or data=Sprites or data=Mixing"
            )
        self.similarity.check_draw(dataset.latent_space)

    def partner(self, latents: Tensor, source: Source, draws: Draws) -> Tensor:
        """Latents z' [n, k] on the CPU, one near each of the latents z [n, k] of this process."""
        generator, dataset = draws.generator("partner"), source.dataset
        if draws.ranks == 1:
            return self.similarity.sample(latents.cpu(), self.temperature, dataset.latent_space, generator)
        # Drawn for the rows of all processes: how often one is drawn again decides what the next ones get.
        every = source.latents_of(draws)
        return draws.own(self.similarity.sample(every, self.temperature, dataset.latent_space, generator))

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        dataset = source.dataset
        assert isinstance(dataset, Generative) and things.latents is not None
        partner = self.partner(things.latents, source, draws)
        shown = dataset.render(partner, things.observations.device)
        return Views((things.observations, shown), things.index, self.asking, self.answering)
