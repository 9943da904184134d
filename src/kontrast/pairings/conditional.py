"""Conditional: two observations whose latents are near."""

from __future__ import annotations

import chz

from kontrast import parts
from kontrast.datasets import Dataset, Generative
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.similarities import Cosine, Similarity
from kontrast.views import Things, Views


@chz.chz
class Conditional(Pairing):
    """The second view shows latents drawn near those of the first: x = g(z), x' = g(z') with z' ~ p(z' | z).

    p(z' | z) is proportional to exp(similarity(z, z') / temperature) on the space of the latents: Lp is generalized
    normal noise, Cosine the von Mises-Fisher law with concentration 1 / temperature (Zimmermann et al. 2021, arXiv
    2102.08850). On the sphere Cosine, Euclidean and Lp with p = 2 draw that law exactly; Lp with another p adds its
    noise in R^d and projects back, which is near the law but not the same. Where the latents are named ranges, the
    noise is in units of each range, angles wrap around, and classes stay.
    """

    similarity: Similarity = parts.field(Similarity, Cosine, doc="what counts as near among latents")
    temperature: float = chz.field(default=0.1, doc="width of the conditional law, > 0")

    @chz.validate
    def _positive(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write pairing.temperature=0.1")

    def check(self, dataset: Dataset) -> None:
        if not isinstance(dataset, Generative):
            raise ValueError(
                f"{type(dataset).__name__} does not know its latents, so no pair can be drawn from them; "
                "write pairing=Augmented, or data=Sprites or data=Mixing"
            )
        self.similarity.check_draw(dataset.latent_space)

    def __call__(self, things: Things, dataset: Dataset, draws: Draws) -> Views:
        assert isinstance(dataset, Generative) and things.latents is not None
        latents = things.latents.cpu()
        partner = self.similarity.sample(latents, self.temperature, dataset.latent_space, draws.generator("partner"))
        return Views((things.observations, dataset.render(partner, things.observations.device)), things.index)
