"""Observed: two observations of latent directions that are near, each as ambiguous as it comes."""

from __future__ import annotations

import chz

from kontrast.datasets import Dataset, Posteriors, Source
from kontrast.directional import von_mises_fisher
from kontrast.draws import Draws
from kontrast.pairings.pairing import Pairing
from kontrast.views import Things, Views


@chz.chz
class Observed(Pairing):
    """The second view is a new observation of a latent near that of the first: z+ ~ vMF(z, 1 / temperature).

    The data are `Posteriors`: the mean direction and the concentration of each observation are drawn anew around its
    own latent. So x and x+ know of each other what their posteriors and the law of the pairs leave: the law of the
    pairs of Kirchhof, Kasneci, Oh 2023 (arXiv 2302.02865), whose concentration of 20 is the default. Each view asks
    which candidate is the other.

    Concentrations are identified only jointly with that of the pairs: an objective that takes pairs to be nearer than
    they are finds posteriors wider than they are. Here the latter is fixed, and known: objective.temperature is to be
    the same number.
    """

    temperature: float = chz.field(default=0.05, doc="width of the law of the pairs, > 0: one over its concentration")

    @chz.validate
    def _positive(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write pairing.temperature=0.05")

    def check(self, dataset: Dataset) -> None:
        if not isinstance(dataset, Posteriors):
            raise ValueError(
                f"{type(dataset).__name__} does not know how it observes a latent; write data=Posteriors, or "
                "pairing=Conditional, or pairing=Augmented for pictures"
            )

    def __call__(self, things: Things, source: Source, draws: Draws) -> Views:
        dataset = source.dataset
        assert isinstance(dataset, Posteriors) and things.latents is not None
        generator = draws.generator("partner")
        # Drawn for the rows of all processes: how often one is drawn again decides what the next ones get.
        latents = things.latents.cpu() if draws.ranks == 1 else dataset.latents(draws)
        near = von_mises_fisher(latents[:, : dataset.dim], 1 / self.temperature, generator)
        partner = dataset.observe(near, generator)
        own = partner if draws.ranks == 1 else draws.own(partner)
        return Views((things.observations, dataset.render(own, things.observations.device)), things.index)
