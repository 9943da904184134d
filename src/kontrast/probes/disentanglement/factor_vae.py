"""The FactorVAE score: whether the feature that moves least says which factor is held fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.disentanglement.interventions import chunks, groups
from kontrast.probes.disentanglement.modularity import several
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, positive
from kontrast.probes.probe import Layer, moments
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class FactorVAE(Disentanglement):
    """How often the feature that varies least, of rows in which one factor is fixed, names that factor.

    A vote: draw a factor k and one of its values, `batch` rows with that value (with replacement), and find the feature
    whose variance among them, divided by that in all rows of `train`, is least. `votes` votes among the rows of `train`
    say of each feature which factor it names most often; the score is the share of `votes` / 2 votes among the rows of
    `test` that are named right, in [0, 1]. Continuous and periodic factors are fixed to a bin, angles modulo their
    symmetry. Rows stand for interventions, which they are where factors are independent.

    Features whose deviation is less than `prune` of the largest one take no part, and constant ones never do, whose
    variance would be divided by 0 (the definition takes features on the scale of a standard normal prior). Without
    any feature the score is 0. Scores are "factor_vae/batch=..,prune=.." and, for each factor, the share of its votes
    that name it. A ValueError with one factor, or if no two rows share a value.
    Source: Kim and Mnih 2018, arXiv 1802.05983.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    batch: int = chz.field(default=64, doc="rows with the same value, in a vote")
    votes: int = chz.field(default=10_000, doc="votes among the training rows; half as many among the test rows")
    prune: float = chz.field(default=0.05, doc="least deviation of a feature, as a share of the largest one")
    bins: int = chz.field(default=20, doc="equally wide bins of continuous and periodic factors")
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the votes and permutations")

    @chz.validate
    def _ranges(self) -> None:
        given = {"bins": self.bins, "permutations": self.permutations, "seed": self.seed}
        positive("FactorVAE", batch=self.batch - 1, votes=self.votes - 1, **given)
        if not 0 <= self.prune < 1:
            raise ValueError(f"prune of FactorVAE must be at least 0 and below 1, not {self.prune}; write prune=.05")

    def check(self, features: Features) -> None:
        super().check(features)
        several(len(features.factors), "FactorVAE")

    def measure(self, train: Rows, test: Rows) -> Measured:
        k = len(train.truth.factors)
        several(k, "FactorVAE")
        deviation = moments(train.codes)[1]
        deviation[np.isinf(deviation)] = 0
        active = deviation > self.prune * deviation.max()
        name = f"factor_vae/batch={self.batch},prune={self.prune:g}"
        if not active.any():
            blank = {name: dict.fromkeys(test.truth.names, 0.0)}
            return Measured({name: 0.0}, "no feature varies", blank)
        rng = np.random.default_rng(self.seed)
        scaled = [(rows.codes[:, active] / deviation[active]).astype(np.float32) for rows in (train, test)]
        learned = self._votes(scaled[0], train.truth.levels, self.votes, rng)
        held = self._votes(scaled[1], test.truth.levels, max(1, self.votes // 2), rng)
        right = held[learned.argmax(0), np.arange(held.shape[1])]
        hits = np.bincount(learned.argmax(0), right, k) / np.maximum(held.sum(1), 1)
        return Measured(
            {name: float(right.sum() / held.sum())},
            f"{self.votes:,} votes among {len(train.codes):,} rows name features, {int(held.sum()):,} among "
            f"{len(test.codes):,} score them; {int(active.sum())} features active",
            {name: dict(zip(test.truth.names, map(float, hits), strict=True))},
        )

    def _votes(
        self, codes: NDArray[np.float32], levels: NDArray[np.int64], votes: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """How often [k, m] each feature varied least while each factor was fixed."""
        found = groups(levels)
        factor, row = found.held(votes, 1, rng)
        least = np.empty(votes, np.int64)
        for part in chunks(votes, self.batch, codes.shape[1]):
            wide = [np.repeat(each[part], self.batch, 1) for each in (factor, row)]
            least[part] = codes[found.drawn(wide[0], wide[1], rng)].var(1).argmin(1)
        table = np.zeros((levels.shape[1], codes.shape[1]))
        np.add.at(table, (factor[:, 0], least), 1)
        return table
