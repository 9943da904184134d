"""The ladder of recovery: up to which class of maps the features are the factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import chz
import numpy as np

from kontrast.panels import Heat
from kontrast.probes.blocks import check_blocks
from kontrast.probes.bootstrap import RESAMPLES
from kontrast.probes.determination import by_factor, intervals, mean_known, r2, resampled_r2
from kontrast.probes.kernels import FOLDS
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed, moments
from kontrast.probes.rungs import OF_ALL, RUNGS, WITHIN, Fit
from kontrast.probes.targets import Targets, check_latents, columns_of, targets
from kontrast.probes.validity import dead_codes, dependent, few_rows, remarks, said
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Climb(NamedTuple):
    """What the data support: `verdict` in words; `strongest` of `RUNGS` by factor that is read, and of all of them.

    `p` is the share of permutations of the test rows under which some factor is read as well as the best one is.
    """

    verdict: str
    overall: str
    strongest: dict[str, str]
    p: float


@chz.chz
class Ladder(Probe):
    """The strongest class of maps up to which features are the factors, each class fitted on `train` and held out.

    The rungs, the strongest claim first, are the maps from features h to factors z that are

    - identity: z_i = h_i (asked only if there are as many features as factors, all of them numbers);
    - permutation: z_i = +-h_pi(i), shifted;                - scale: z_i = a_i h_pi(i) + b_i;
    - monotone: z_i = f_i(h_pi(i)), f_i monotone;           - orthogonal: z = c R'h + b with R'R = I;
    - block: z_B = f_B(features that belong to block B);    - affine: z = A h + b;
    - nonlinear: z = f(h), f smooth;

    and below them is nothing. pi matches factors and features one to one (`MCC`); blocks are single factors unless
    `blocks` says otherwise; smooth maps are by kernel ridge regression. The first five are asked of continuous factors,
    the others of all, by their target columns. "rung_CLASS" is the mean R^2 on `test` over the factors that every rung
    is asked of, so that rungs can be compared: the continuous ones, or all where none is continuous. So a class scores,
    but for noise, no less than those within it. The figure has each factor, and the verdict is of all of them.

    A factor is read if the correlation of some rung's prediction with the truth is larger than the largest over all
    rungs and factors was in all but a share `level` of `tests` permutations of the test rows (so that noise is said to
    hold nothing in 1 - level of all cases, however many factors and rungs there are), and if its best R^2 is at least
    `floor`. A rung is ruled out for it where its R^2 is short of the best rung's by more than `slack`, and so the lower
    end of the one-sided 95 % bootstrap interval of the difference, unless a class within it is not. The verdict is the
    strongest rung that no factor that is read rules out, at or below the strongest of each, with the share of factors
    that are read: "affine: 4 of 5 factors, mean R^2 .98". It stands first in the protocol and under the figure.

    The null is of fits to permuted rows. A ValueError if features or latents are not finite, if latents do not fit
    their factors, if blocks name none of them, if every factor is constant in `test`, or below six training rows.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    blocks: tuple[tuple[str, ...], ...] = chz.field(default=(), doc="blocks of factors, as in blocks.0=x,y blocks.1=z")
    slack: float = chz.field(default=0.02, doc="R^2 that a rung may be short of the best one")
    floor: float = chz.field(default=0.1, doc="R^2 from which a factor counts as read")
    level: float = chz.field(default=0.01, doc="share of noise encoders that may be said to read something")
    tests: int = chz.field(default=199, doc="permutations of the test rows by which that is tested")
    rows: int = chz.field(default=1024, doc="training rows of the nonlinear map")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals, at least 20")
    seed: int = chz.field(default=0, doc="seed of rows, folds, permutations and resamples")

    @chz.validate
    def _ranges(self) -> None:
        if not (0 < self.level < 1 and self.tests >= 1 / self.level - 1):
            raise ValueError("level is a share that so many tests can tell; write level=0.01 tests=199")
        if self.slack < 0 or self.rows < 2 * FOLDS or self.resamples < 20 or self.seed < 0:
            raise ValueError(
                "Ladder takes slack from 0, 6 rows and 20 resamples; write slack=0.02 rows=1024 resamples=200"
            )

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)
        check_blocks(self.blocks, [factor.name for factor in features.factors])

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        if len(train) < 2 * FOLDS:
            raise ValueError(f"{len(train)} rows are too few to climb the ladder with; train on {2 * FOLDS} or more")
        truth = targets(test)
        fit = self._fit(train, test)
        made = {name: found for name, rung in RUNGS.items() if (found := rung(fit)) is not None}
        order = np.random.default_rng(self.seed).permutation(len(train))
        blank = {name: RUNGS[name](fit._replace(t=fit.t[order])) for name in made}
        drawn = {name: resampled_r2(truth.columns, own, self.resamples, self.seed) for name, own in made.items()}
        single = self._single(truth, test)
        made = {name: own for name, own in made.items() if single or name in OF_ALL}
        asked = single or truth.of
        climb = self._climb(truth, made, drawn)
        return Scores(
            {f"rung_{name}": _mean(r2(truth.columns, own), asked) for name, own in made.items()},
            self._protocol(climb, train, test, truth, asked),
            null={
                f"rung_{name}": _mean(r2(truth.columns, own), asked)
                for name, own in blank.items()
                if own is not None and name in made
            },
            interval=intervals({f"rung_{name}": by_factor("", drawn[name], asked)["/mean"] for name in made}),
            warnings=remarks(every=_warning(train, test, fit)),
            panels=(_panel(truth, made, drawn, climb),),
        )

    def climb(self, train: Features, test: Features) -> Climb:
        """The verdict, as values."""
        check_splits(self, train, test)
        truth, fit = targets(test), self._fit(train, test)
        made = {name: found for name, rung in RUNGS.items() if (found := rung(fit)) is not None}
        drawn = {name: resampled_r2(truth.columns, own, self.resamples, self.seed) for name, own in made.items()}
        return self._climb(truth, made, drawn)

    def _fit(self, train: Features, test: Features) -> Fit:
        wanted, slices = columns_of(train)
        single = [slices[factor.name].start for factor in train.factors if factor.kind == "continuous"]
        named = [name for block in self.blocks for name in block]
        blocks = [*self.blocks, *((factor.name,) for factor in train.factors if factor.name not in named)]
        groups = [[j for name in block for j in range(slices[name].start, slices[name].stop)] for block in blocks]
        h, h_test = train.values.astype(np.float64), test.values.astype(np.float64)
        return Fit(wanted, h, h_test, single, groups, self.rows, self.seed)

    def _single(self, truth: Targets, test: Features) -> dict[str, list[int]]:
        numbers = [factor.name for factor in test.factors if factor.kind == "continuous"]
        return {name: own for name, own in truth.of.items() if name in numbers}

    def _climb(
        self, truth: Targets, made: Mapping[str, NDArray[np.float64]], drawn: Mapping[str, NDArray[np.float64]]
    ) -> Climb:
        names, rungs = list(truth.of), list(made)
        table = np.stack([_by_name(r2(truth.columns, own), truth.of) for own in made.values()])
        samples = np.stack([_by_name(drawn[name], truth.of) for name in rungs], 1)
        clear, p = self._read(truth, list(made.values()))
        read = [i for i in range(len(names)) if clear[i] and table[:, i].max() >= self.floor]
        if not read:
            why = f"the best of {len(names)} factors reaches R^2 {table.max():.2f}, p = {p:.2g}"
            return Climb(f"nothing: {why}", "nothing", {}, p)
        best = table.argmax(0)
        short = samples[:, best, np.arange(len(names))][:, None] - samples
        lower = np.nanquantile(np.where(np.isfinite(short), short, 0), 0.05, axis=0)
        held = (lower <= self.slack) | (table >= table.max(0) - self.slack)
        for c, rung in enumerate(rungs):
            for inner in WITHIN.get(rung, ()):
                if inner in rungs:
                    held[c] |= held[rungs.index(inner)]
        first = held.argmax(0)
        joint = [c for c in range(max(first[i] for i in read), len(rungs)) if all(held[c, i] for i in read)]
        overall = rungs[joint[0]] if joint else "nonlinear"
        value = float(np.mean([table[max(rungs.index(overall), first[i]), i] for i in read]))
        verdict = f"{overall}: {len(read)} of {len(names)} factors, mean R^2 {value:.2f}"
        return Climb(verdict, overall, {names[i]: rungs[first[i]] for i in read}, p)

    def _read(self, truth: Targets, made: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.bool_], float]:
        """Which factors are read beyond chance, and the share of permutations that read any as well as the best."""
        n = len(truth.columns)
        wanted = _standardized(truth.columns) / n
        told = np.stack([_standardized(own) for own in made])
        columns = [list(own) for own in truth.of.values()]

        def largest(rows: NDArray[np.float64]) -> NDArray[np.float64]:
            found = np.einsum("nt,cnt->ct", rows, told, optimize=True).max(0)
            return np.array([found[own].max() for own in columns])

        rng = np.random.default_rng(self.seed)
        blank = np.array([largest(wanted[rng.permutation(n)]).max() for _ in range(self.tests)])
        seen = largest(wanted)
        shares = (1 + (blank[:, None] >= seen).sum(0)) / (1 + self.tests)
        return shares <= self.level, float(shares.min())

    def _protocol(
        self, climb: Climb, train: Features, test: Features, truth: Targets, asked: Mapping[str, Sequence[int]]
    ) -> str:
        each = ", ".join(f"{name} {rung}" for name, rung in climb.strongest.items())
        return said(
            f"verdict {climb.verdict}",
            f"by factor: {each}" if len(set(climb.strongest.values())) > 1 else "",
            f"each rung is the mean over {listed(list(asked))}, of which all are asked"
            if len(asked) < len(truth.of)
            else "",
            f"fitted on {len(train):,} rows and scored on {len(test):,}",
            f"a rung may be {self.slack:g} short of the best; {self.tests} permutations of the test rows",
            f"{listed(truth.flat)} constant in test and left out" if truth.flat else "",
            f"95 % intervals from {self.resamples} resamples of the test rows",
        )


def _standardized(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    mean, deviation = moments(columns)
    return (columns - mean) / deviation


def _by_name(columns: NDArray[np.float64], of: Mapping[str, Sequence[int]]) -> NDArray[np.float64]:
    """R^2 [..., factors] from that of columns [..., t]."""
    return np.stack([mean_known(columns[..., list(own)]) for own in of.values()], -1)


def _mean(columns: NDArray[np.float64], of: Mapping[str, Sequence[int]]) -> float:
    return float(_by_name(columns, of).mean())


def _warning(train: Features, test: Features, fit: Fit) -> str:
    d, m = len(train.factors), train.values.shape[1]
    return said(
        f"{m} features for {d} factors: not each factor has a feature of its own" if m < d else "",
        f"{m} features for {d} factors: what is read of a factor may lie in several" if m > d else "",
        few_rows(train, test),
        dependent(train, test),
        dead_codes(train, test),
    )


def _panel(
    truth: Targets, made: Mapping[str, NDArray[np.float64]], drawn: Mapping[str, NDArray[np.float64]], climb: Climb
) -> Heat:
    table = np.stack([_by_name(r2(truth.columns, own), truth.of) for own in made.values()], 1)
    samples = np.stack([_by_name(drawn[name], truth.of) for name in made], -1)
    low, high = (np.nanquantile(np.where(np.isfinite(samples), samples, table), q, axis=0) for q in (0.025, 0.975))
    shown = [tuple(tuple(float(x) for x in row) for row in part) for part in (table, low, high)]
    return Heat(
        "R^2 up to each class of maps",
        tuple(truth.of),
        tuple(made),
        values=shown[0],
        low=shown[1],
        high=shown[2],
        row="factor",
        column="class",
        note=climb.verdict,
    )
