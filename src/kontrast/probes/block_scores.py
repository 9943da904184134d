"""Block scores: whether features hold one group of factors and not another, as content and not style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import chz
import numpy as np

from kontrast.probes.blocks import check_blocks
from kontrast.probes.bootstrap import RESAMPLES
from kontrast.probes.determination import intervals, mean_known
from kontrast.probes.grades import Grades, grade
from kontrast.probes.kernels import FOLDS, chosen_rows, kernel_ridge
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed, moments
from kontrast.probes.targets import Targets, check_latents, columns_of, targets
from kontrast.probes.validity import dead_codes, few_rows, least_squares, remarks, said
from kontrast.views import Factor, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Problem(NamedTuple):
    """Inputs of training and test rows, and the target columns of the training rows, whole and permuted."""

    x: NDArray[np.float64]
    x_test: NDArray[np.float64]
    wanted: Sequence[NDArray[np.float64]]


@chz.chz
class BlockScores(Probe):
    """How much of each block of factors features tell, by a linear and a nonlinear map, fitted on `train`.

    The blocks are `content`, and `styles` or else one block of all other factors; without content each factor is a
    block. On `test`, "linear_r2/BLOCK" and "nonlinear_r2/BLOCK" are the mean over the block's factors of the R^2 of
    least squares with intercept, and of kernel ridge regression (`NonlinearRecovery`; from `rows` rows). Discrete
    factors have "linear_accuracy/BLOCK", of logistic regression, and "nonlinear_accuracy/BLOCK".

    Features that hold the content and nothing else need not score 0 for the style, where that depends on the content:
    "baseline_r2/BLOCK" (and "baseline_accuracy/BLOCK") is what kernel ridge regression from the true content tells of
    it; without content, from all other factors. It is the chance of both scores of that block. Content counts as
    identified where nonlinear_r2 is near 1, and style as left out where it is near its baseline (von Kugelgen et al.
    2021, arXiv 2106.04619, theorem 4.4).

    Blocks are named "content" and "style", or by their factors joined by "+". Factors constant in `test` are left out.
    The null is of fits to permuted rows; intervals are over resampled test rows. A ValueError if features or latents
    are not finite, if latents do not fit their factors, if a block names none of them or one twice, if every factor is
    constant in `test`, or if `train` has no more than d + 1 rows or fewer than six.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    content: tuple[str, ...] = chz.field(default=(), doc="factors that make up the content, as in content=x,y")
    styles: tuple[tuple[str, ...], ...] = chz.field(
        default=(), doc="blocks of the other factors, as in styles.0=scale styles.1=hue,light; by default one"
    )
    rows: int = chz.field(default=512, doc="training rows of kernel ridge regression; published results use 4096")
    permutations: int = chz.field(default=1, doc="fits to permuted latents that give the null level; 0 for none")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the rows, the folds and the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if min(self.permutations, self.resamples, self.seed) < 0 or self.rows < 2 * FOLDS:
            raise ValueError(
                "BlockScores takes 6 rows or more, and no negative permutations, resamples or seed; "
                "write rows=512 permutations=1 resamples=200 seed=0"
            )
        if self.styles and not self.content:
            raise ValueError("styles are told apart from a content; write content=x,y too")

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)
        check_blocks((*filter(None, (self.content,)), *self.styles), [factor.name for factor in features.factors])

    def blocks(self, factors: Sequence[Factor]) -> dict[str, tuple[str, ...]]:
        """The names of the factors in each block, by its name."""
        every = tuple(factor.name for factor in factors)
        if not self.content:
            return {name: (name,) for name in every}
        others = tuple(name for name in every if name not in self.content)
        if self.styles:
            return {"content": self.content} | {"+".join(names): names for names in self.styles}
        return {"content": self.content} | ({"style": others} if others else {})

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        n, d = train.values.shape
        if n < max(d + 2, 2 * FOLDS):
            least = max(d + 2, 2 * FOLDS)
            raise ValueError(f"{n} rows cannot fit {d} dimensions and an intercept; train on at least {least} rows")
        (wanted, slices), truth = columns_of(train), targets(test)
        rng = np.random.default_rng(self.seed)
        every = [wanted, *(wanted[rng.permutation(n)] for _ in range(self.permutations))]
        coded = Problem(train.values.astype(np.float64), test.values.astype(np.float64), every)
        blocks = self.blocks(test.factors)
        found: dict[str, Grades] = {}
        for way, fit in (("linear", self._linear), ("nonlinear", self._nonlinear)):
            made = self._grade(truth, test, fit(coded, train.factors))
            found |= {f"{way} {name}": made for name in blocks}
        for name, own in blocks.items():
            known = self.content if self.content else [other for other in blocks if other not in own]
            if name == "content" or not known:
                continue
            inputs = [j for other in known for j in range(slices[other].start, slices[other].stop)]
            told = Problem(wanted[:, inputs], truth.columns[:, inputs], every)
            found[f"baseline {name}"] = self._grade(truth, test, self._nonlinear(told, train.factors))
        return self._scores(found, blocks, train, test, truth)

    def _grade(self, truth: Targets, test: Features, predicted: NDArray[np.float64]) -> Grades:
        return grade(truth, test.factors, predicted, self.resamples, self.seed)

    def _linear(self, problem: Problem, factors: Sequence[Factor]) -> NDArray[np.float64]:
        """Predictions [p, n, t] of least squares, and probabilities of logistic regression for discrete factors."""
        fitted, _ = least_squares(problem.x, np.concatenate(problem.wanted, 1), problem.x_test)
        predicted = np.stack(np.split(fitted, len(problem.wanted), axis=1))
        mean, deviation = moments(problem.x)
        x, x_test = (problem.x - mean) / deviation, (problem.x_test - mean) / deviation
        start = 0
        for factor in factors:
            width = {"continuous": 1, "periodic": 2, "discrete": factor.size or 0}[factor.kind]
            if factor.kind == "discrete":
                for made, wanted in zip(predicted, problem.wanted, strict=True):
                    made[:, start : start + width] = _logistic(x, wanted[:, start : start + width], x_test)
            start += width
        return predicted

    def _nonlinear(self, problem: Problem, factors: Sequence[Factor]) -> NDArray[np.float64]:
        """Predictions [p, n, t] of kernel ridge regression."""
        rows = chosen_rows(len(problem.x), self.rows, self.seed)
        wanted = np.concatenate([each[rows] for each in problem.wanted], 1)
        fitted = kernel_ridge(problem.x[rows], wanted, problem.x_test, seed=self.seed)
        return np.stack(np.split(fitted, len(problem.wanted), axis=1))

    def _scores(
        self,
        found: Mapping[str, Grades],
        blocks: Mapping[str, tuple[str, ...]],
        train: Features,
        test: Features,
        truth: Targets,
    ) -> Scores:
        rows: dict[str, NDArray[np.float64]] = {}
        samples: dict[str, NDArray[np.float64]] = {}
        chance: dict[str, float] = {}
        for key, graded in found.items():
            way, _, block = key.partition(" ")
            for metric in ("r2", "accuracy"):
                own = [f"{metric}/{name}" for name in blocks[block] if f"{metric}/{name}" in graded.scores]
                if not own:
                    continue
                name = f"{way}_{metric}/{block}"
                rows[name] = np.mean([graded.scores[one] for one in own], axis=0)
                chance[name] = float(np.mean([graded.chance[one] for one in own]))
                if self.resamples:
                    samples[name] = mean_known(np.stack([graded.samples[one] for one in own], 1))
        for name in rows:
            floor = rows.get(name.replace("nonlinear", "linear").replace("linear", "baseline"))
            if floor is not None and not name.startswith("baseline"):
                chance[name] = max(chance[name], float(floor[0]))
        return Scores(
            {name: float(row[0]) for name, row in rows.items()},
            self._protocol(train, test, truth),
            chance=chance,
            null={name: float(row[1:].mean()) for name, row in rows.items()} if self.permutations else {},
            interval=intervals(samples),
            warnings=remarks(every=said(few_rows(train, test), dead_codes(train, test))),
        )

    def _protocol(self, train: Features, test: Features, truth: Targets) -> str:
        return said(
            f"least squares and kernel ridge regression on {train.values.shape[1]} features",
            f"fitted on {len(train):,} and {min(len(train), self.rows):,} rows and scored on {len(test):,}",
            f"content {listed(self.content)}" if self.content else "each factor a block, its baseline from the others",
            f"{listed(truth.flat)} constant in test and left out" if truth.flat else "",
            f"null from {self.permutations} permutations of the training latents" if self.permutations else "",
            f"95 % intervals from {self.resamples} resamples of the test rows" if self.resamples else "",
        )


def _logistic(x: NDArray[np.float64], shown: NDArray[np.float64], x_new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [m, v] of the values that one-hot rows [n, v] show, by logistic regression with C = 1."""
    from sklearn.linear_model import LogisticRegression

    labels = shown.argmax(1)
    seen = np.unique(labels)
    made = np.zeros((len(x_new), shown.shape[1]))
    made[:, seen] = 1.0
    if len(seen) > 1:
        made[:, seen] = LogisticRegression(max_iter=2000, tol=1e-3).fit(x, labels).predict_proba(x_new)
    return made
