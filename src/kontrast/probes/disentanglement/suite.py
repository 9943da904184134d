"""What all scores of disentanglement share: how one is asked, what is beside it, and how it is said."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.panels import Bars, Heat, Panel
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.disentanglement.domain import dead, remarks
from kontrast.probes.disentanglement.truth import Truth, truths
from kontrast.probes.probe import Probe, Scores, check_splits, check_values, listed
from kontrast.probes.targets import check_latents
from kontrast.views import Features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NO_BETTER = "no better than with the rows of the truth permuted"
SHOWN = 32
"""The most features that a figure shows; those that matter most where there are more."""


class Rows(NamedTuple):
    """Features float64 [n, m] of some rows, here called codes, and what is true of them."""

    codes: NDArray[np.float64]
    truth: Truth


@dataclass(frozen=True)
class Measured:
    """One score: its numbers, those of each factor by its name, their 95 % intervals, and what there is to say.

    `protocol` says what was done; `matrix` [m, k] is what there is of each feature and factor, to be looked at, and
    `shows` says what it is; `drawn` are further figures. `no_floor` names the values, and with them those of their
    factors, that need not be larger than where the rows of the truth are permuted.
    """

    values: dict[str, float]
    protocol: str
    by_factor: dict[str, dict[str, float]] = field(default_factory=dict)
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)
    warning: str = ""
    matrix: NDArray[np.float64] | None = None
    shows: str = ""
    drawn: tuple[Panel, ...] = ()
    no_floor: tuple[str, ...] = ()

    @property
    def all(self) -> dict[str, float]:
        """All numbers: "name", and "name/factor" after it."""
        found = {}
        for name, value in self.values.items():
            found[name] = value
            found |= {f"{name}/{factor}": each for factor, each in self.by_factor.get(name, {}).items()}
        return found

    def lost(self, null: dict[str, float]) -> dict[str, str]:
        """A warning for every number that its null reaches, by its name."""
        free = {name for name in self.all if name.startswith(self.no_floor)} if self.no_floor else set()
        return {
            name: NO_BETTER
            for name, value in self.all.items()
            if name in null and name not in free and null[name] >= value
        }


class Disentanglement(Probe):
    """A score of disentanglement: how far single features stand for single factors.

    Each is given with what it is where the rows of the truth are permuted (`null`), with a warning where it is no
    better than that, and with what the true factors score themselves if they are the features, which is not always 1:
    that stands in the protocol.
    """

    bins: int
    permutations: int
    seed: int

    @abstractmethod
    def measure(self, train: Rows, test: Rows) -> Measured:
        """The score of these features, whose factors all vary in both splits. Random numbers come from `seed`."""

    def check(self, features: Features) -> None:
        """A ValueError, in one sentence, if latents or features are missing or not finite."""
        check_latents(features.latents, features.factors)
        check_values(features)

    def least(self) -> int:
        """The rows below which the score is mostly chance."""
        return 10 * self.bins

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        fit, held, flat = truths(train, test, self.bins)
        codes = train.values.astype(np.float64), test.values.astype(np.float64)
        found = self.measure(Rows(codes[0], fit), Rows(codes[1], held))
        ideal = self.measure(Rows(fit.columns, fit), Rows(held.columns, held)).values
        rng = np.random.default_rng(self.seed)
        nulls = []
        for _ in range(self.permutations):
            shuffled = [truth.at(rng.permutation(len(truth.levels))) for truth in (fit, held)]
            nulls.append(self.measure(Rows(codes[0], shuffled[0]), Rows(codes[1], shuffled[1])).all)
        null = {name: float(np.mean([each[name] for each in nulls])) for name in found.all} if nulls else {}
        said = [remarks(codes[1], held, self.least()), found.warning]
        warning = "; ".join(filter(None, said))
        protocol = "; ".join(filter(None, [found.protocol, *self._said(codes[1], held, flat, ideal)]))
        panels = tuple(_panels(found, held.names, ideal, null))
        warnings = {"": warning} if warning else {}
        return Scores(found.all, protocol, {}, null, found.interval, warnings | found.lost(null), panels)

    def _said(
        self, codes: NDArray[np.float64], truth: Truth, flat: Sequence[str], ideal: dict[str, float]
    ) -> list[str]:
        constant = int(dead(codes).sum())
        shown = ", ".join(f"{_short(name, len(ideal))}{value:.3f}" for name, value in ideal.items())
        k, p = len(truth.factors), self.permutations
        return [
            f"{codes.shape[1]} features and {k} factor{'s' * (k > 1)}",
            f"{constant} constant features" if constant else "",
            f"{listed(flat)} constant and left out" if flat else "",
            f"the true factors themselves score {shown}" if shown else "",
            f"null from {p} permutation{'s' * (p > 1)} of the factors' rows" if p else "",
        ]


def around(
    values: Sequence[float], influence: NDArray[np.float64], low: float, high: float
) -> list[tuple[float, float]]:
    """The 95 % intervals of c statistics with these influences [n, c] of the rows, within [low, high].

    A smooth statistic moves with the rows by the mean of its influence function, so its bootstrap distribution is that
    of a mean. Mutual information counted anew in resampled rows would be biased twice.
    """
    moved = resampled(influence - influence.mean(0))
    bounds = [interval(value + column) for value, column in zip(values, moved.T, strict=True)]
    return [(min(max(a, low), value), max(min(b, high), value)) for value, (a, b) in zip(values, bounds, strict=True)]


def positive(where: str, **options: float) -> None:
    """A ValueError, in one sentence, if an option is below its least value: 0 for seeds and permutations, else 1."""
    for name, value in options.items():
        least = 0 if name in ("seed", "permutations") else 2 if name == "bins" else 1
        if value < least:
            raise ValueError(f"{name} of {where} cannot be {value}; write {name}={max(least, 1)} or more")


def _short(name: str, several: int) -> str:
    """What tells the values of one probe apart: "modularity " of "modularity/neighbors=10"."""
    return f"{name.partition('/')[0]} " if several > 1 else ""


def _title(name: str) -> str:
    """The title of a figure of all factors: "informativeness of each factor (boosting,trees=100)"."""
    what, _, how = name.partition("/")
    return f"{what.replace('_', ' ')} of each factor{f' ({how})' if how else ''}"


def _panels(found: Measured, names: tuple[str, ...], ideal: dict[str, float], null: dict[str, float]) -> list[Panel]:
    panels: list[Panel] = []
    for name, each in found.by_factor.items():
        bounds = [found.interval.get(f"{name}/{factor}") for factor in each]
        known = [bound for bound in bounds if bound is not None]
        low, high = (tuple(b[i] for b in known) if len(known) == len(each) else () for i in (0, 1))
        lines = {"true factors themselves": ideal.get(name), "rows permuted": null.get(name)}
        references = {key: value for key, value in lines.items() if value is not None}
        panels.append(Bars(_title(name), tuple(each), tuple(each.values()), low, high, references))
    if found.matrix is not None:
        panels.append(_heat(found.matrix, found.shows, names))
    return [*panels, *found.drawn]


def _heat(matrix: NDArray[np.float64], title: str, names: tuple[str, ...]) -> Heat:
    shown = np.sort(np.argsort(-matrix.max(1), kind="stable")[:SHOWN])
    note = f"the {SHOWN} of {len(matrix)} features with the largest values" if len(matrix) > SHOWN else ""
    values = tuple(tuple(float(x) for x in row) for row in matrix[shown].T)
    return Heat(title, names, tuple(str(j) for j in shown), values, row="factor", column="feature", note=note)
