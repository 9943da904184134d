"""Content: two observations of one content in two styles."""

from __future__ import annotations

import chz
import torch
from torch import Tensor

from kontrast import parts
from kontrast.datasets import Dataset, Generative, Nearest, Source, Table, nearest
from kontrast.datasets.nearest import gridded
from kontrast.pairings.latent import LatentPairing
from kontrast.similarities import Similarity
from kontrast.spaces import Box, Euclidean, Ranges

APART = 10.0
"""How much more a difference in content counts than one in style, where no row has quite the same content."""


@chz.chz
class Content(LatentPairing):
    """The second view keeps the content latents of the first, and changes its style (von Kuegelgen et al. 2021).

    Latents are named as content or, the others, as style. Each style latent is redrawn with probability `p`, from its
    marginal law or, with a similarity, near what it was: z' ~ exp(similarity(z, z') / temperature). What contrastive
    learning recovers is then the content, as a block: up to an invertible map of it (arXiv 2106.04619).

    Generative data render z'. Of stored data the second view is another row. New styles come from rows drawn at random;
    content on a grid, or in classes, is kept exactly, so that of a set that has every combination the law is the
    nominal one, but that the anchor itself gives way to the next row; a row that is alone in its content is no anchor.
    Other content is that of the nearest row, where a
    difference in content counts 10 times as much as one in style: `kontrast data pairs` says how far it moves.
    """

    content: tuple[str, ...] = chz.field(default=(), doc="the latents that both views share; none: all but the style")
    style: tuple[str, ...] = chz.field(default=(), doc="the latents that change; none: all but the content")
    p: float = chz.field(default=1.0, doc="probability that a style latent is redrawn, in (0, 1]")
    similarity: Similarity | None = parts.field(
        Similarity, None, doc="what counts as near, for new styles near the old; None: from the marginal law"
    )
    temperature: float = chz.field(default=0.1, doc="width of the law of new styles, > 0, where there is a similarity")

    @chz.validate
    def _options(self) -> None:
        if not 0 < self.p <= 1:
            raise ValueError(f"styles change with a probability above 0 and up to 1, not {self.p}; write pairing.p=1")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"a temperature must be positive, not {self.temperature}; write pairing.temperature=0.1")

    @property
    def asking(self) -> tuple[int, ...]:
        return (0, 1)

    @property
    def answering(self) -> tuple[int, ...]:
        return (0, 1)

    def check(self, dataset: Dataset) -> None:
        names = [factor.name for factor in dataset.factors]
        if not names:
            raise ValueError(
                f"{type(dataset).__name__} does not know its latents, so none is content or style; "
                "write pairing=Augmented, or data=Sprites"
            )
        if bool(self.content) == bool(self.style):
            raise ValueError(f"say either what is content or what is style, as in pairing.content={names[0]}")
        for name in (*self.content, *self.style):
            parts.choose(name, names, f"latent of {type(dataset).__name__}")
        if not self.styled(dataset) or len(self.styled(dataset)) == len(names):
            raise ValueError("some latents must be content and some style; leave one of them out")
        space = dataset.latent_space
        if not isinstance(space, Ranges | Box | Euclidean):
            raise ValueError(
                f"latents in {type(space).__name__} do not change one by one; write data.space=Box where there is one"
            )
        if self.similarity is not None:
            self.similarity.check_draw(space)

    def styled(self, dataset: Dataset) -> list[int]:
        """The columns of style."""
        names = [factor.name for factor in dataset.factors]
        return [k for k, name in enumerate(names) if (name in self.style if self.style else name not in self.content)]

    def draw(self, latents: Tensor, source: Source, generator: torch.Generator) -> Tensor:
        style = self.styled(source.dataset)
        redrawn = self._styles(latents, source, generator)[:, style]
        changed = torch.rand(len(latents), len(style), generator=generator) < self.p
        partner = latents.clone()
        partner[:, style] = torch.where(changed, redrawn, latents[:, style])
        return partner

    def search(self, table: Table) -> Nearest:
        style, count = set(self.styled(table.dataset)), len(table.dataset.factors)
        exact = tuple(k for k in gridded(table) if k not in style)
        return nearest(table, exact, tuple(1.0 if k in style else APART for k in range(count)))

    def anchors(self, table: Table) -> Tensor | None:
        """The rows that share their content with another; None if all do."""
        if table.latents is None:
            raise ValueError(f"{type(table.dataset).__name__} does not know its latents; choose data that do")
        social = self.search(table).social()
        if not social.any():
            raise ValueError(
                f"no two rows of {type(table.dataset).__name__} have the same content; name less of it, as in "
                "pairing.content="
            )
        return None if social.all() else social.nonzero()[:, 0]

    def _styles(self, latents: Tensor, source: Source, generator: torch.Generator) -> Tensor:
        """Latents [n, k] of which the style is taken."""
        dataset = source.dataset
        if self.similarity is not None:
            return self.similarity.sample(latents, self.temperature, dataset.latent_space, generator)
        if isinstance(source, Table):
            points = self.search(source).points
            return points[torch.randint(len(points), (len(latents),), generator=generator)]
        assert isinstance(dataset, Generative)
        return dataset.sample(len(latents), generator)
