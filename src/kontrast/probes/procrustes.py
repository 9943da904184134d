"""Procrustes: how much of the factors a rotation of the features recovers, and how near to a rotation the map is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chz
import numpy as np

from kontrast.probes.blocks import assign, check_blocks, equal_blocks, off_block
from kontrast.probes.bootstrap import RESAMPLES, resampled
from kontrast.probes.determination import by_factor, intervals, r2, resampled_squares
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values, listed
from kontrast.probes.rotations import affine, cosines, on_sphere, rotation
from kontrast.probes.targets import check_latents, continuous
from kontrast.probes.validity import dead_codes, dependent, few_rows, remarks, said
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@chz.chz
class Procrustes(Probe):
    """R^2 of the rotation, of one common scale, that takes features to factors, fitted on `train`, scored on `test`.

    For the continuous factors z [n, k] and features h [n, m], both centered by `train`, U S V' = h' z gives R = U V',
    the orthogonal map (reflections included) of least |c h R - z|^2, and c = <h R, z> / |h R|^2; with t = z

        R^2 = 1 - sum_i (t_i - c R' h_i)^2 / sum_i (t_i - mean(t))^2.

    "r2/NAME" is that of a factor, "r2/mean" their mean, "pooled_r2" that of all factors at once, in their units, which
    no rotation of the factors changes. "rigid_r2/mean" and "rigid_pooled_r2" are with c = 1. For m < k, R has
    orthonormal rows, and k - m directions are lost. For m > k it has orthonormal columns: it is the best rotation
    within k directions of the features, those of h' z or those that least squares of z on h reads, whichever are nearer
    on half of the training rows that they were not found on (`rotations.rotation` says why not any k directions).

    In the other direction, with A [m, k] of the least-squares map h ~ A z + b on `test`, "rigid_distortion" is
    |A'A - I|_F / sqrt(k), 0 for an isometry, and "distortion" that of A divided by sqrt(tr(A'A) / k). On latents that
    lie on a sphere about 0 (all of one length), "cosine" is the mean of cos(z_i, R' h_i), with R fitted without
    centering. With blocks of factors, or factors of equal `precisions` (arXiv 2407.00143), "off_block" is the share of
    |A|^2 outside of the blocks, each feature belonging to the block that has most of its row in a map fitted on
    `train`; for m = k blocks get as many features as they have factors. It is 0 for a block-orthogonal map. These three
    describe the rows of `test` and predict no others, so noise in few rows adds to them; compare them with their null.

    A rotation of factors of different units means little: `standardize` divides each by its deviation in `train`, and a
    warning says so where ranges differ. Factors constant in `test` are left out. The null is of fits to permuted rows;
    intervals are over resampled test rows, R being fixed and A fitted anew. A ValueError if features or latents are not
    finite, if no continuous factor varies, or if latents do not fit their factors. Source: Schonemann 1966.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    standardize: bool = chz.field(default=False, doc="divide each factor by its standard deviation first")
    blocks: tuple[tuple[str, ...], ...] = chz.field(default=(), doc="blocks of factors, as in blocks.0=x,y blocks.1=z")
    precisions: tuple[float, ...] = chz.field(
        default=(), doc="how closely the pairing holds each continuous factor; equal ones are a block"
    )
    permutations: int = chz.field(default=10, doc="permutations of the rows that give the null level; 0 for none")
    resamples: int = chz.field(default=RESAMPLES, doc="resamples of the test rows that give intervals; 0 for none")
    seed: int = chz.field(default=0, doc="seed of the permutations")

    @chz.validate
    def _ranges(self) -> None:
        if min(self.permutations, self.resamples, self.seed) < 0:
            raise ValueError(
                "neither permutations nor resamples nor seed of Procrustes can be negative; "
                "write permutations=10 resamples=200 seed=0"
            )
        if self.blocks and self.precisions:
            raise ValueError("Procrustes takes blocks or precisions, not both; write blocks.0=x,y or precisions=5,5,25")

    def check(self, features: Features) -> None:
        check_latents(features.latents, features.factors)
        check_values(features)
        names = continuous(features)[1]
        if not names:
            raise ValueError("a rotation is of continuous factors, of which there is none here; ask Recovery instead")
        check_blocks(self.blocks, names)
        if self.precisions and len(self.precisions) != len(names):
            raise ValueError(
                f"there are {len(self.precisions)} precisions for {len(names)} continuous factors ({listed(names)}); "
                "write one for each"
            )

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        z, z_test, names, flat = self._factors(train, test)
        h, h_test = train.values.astype(np.float64), test.values.astype(np.float64)
        rng = np.random.default_rng(self.seed)
        orders = [(np.arange(len(z)), np.arange(len(z_test)))]
        orders += [(rng.permutation(len(z)), rng.permutation(len(z_test))) for _ in range(self.permutations)]
        blocks = equal_blocks(self.precisions, continuous(test)[1]) if self.precisions else self.blocks
        inside = [[names.index(name) for name in block if name in names] for block in blocks]
        inside = [block for block in inside if block]
        rows: dict[str, list[float]] = {}
        for own, other in orders:
            found = self._scores(z[own], h, z_test, h_test, names)
            found |= _shape(z[own], h, z_test[other], h_test, inside)
            for name, value in found.items():
                rows.setdefault(name, []).append(value)
        samples = self._samples(z, h, z_test, h_test, names, inside) if self.resamples else {}
        return Scores(
            {name: row[0] for name, row in rows.items()},
            self._protocol(train, test, names, flat),
            null={name: float(np.mean(row[1:])) for name, row in rows.items()} if self.permutations else {},
            interval=intervals({name: samples[name] for name in rows if name in samples}),
            warnings=_warnings(train, test, len(names), self.standardize),
        )

    def _factors(
        self, train: Features, test: Features
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str], list[str]]:
        """The continuous factors of both splits that vary in both, their names, and those that do not."""
        (z, names), (z_test, _) = continuous(train), continuous(test)
        varies = (z.max(0) > z.min(0)) & (z_test.max(0) > z_test.min(0))
        if not varies.any():
            raise ValueError("every continuous factor is constant, so there is nothing to recover; encode more rows")
        unit = z[:, varies].std(0) if self.standardize else np.ones(int(varies.sum()))
        kept = [name for name, here in zip(names, varies, strict=True) if here]
        return z[:, varies] / unit, z_test[:, varies] / unit, kept, [name for name in names if name not in kept]

    def _scores(
        self,
        z: NDArray[np.float64],
        h: NDArray[np.float64],
        z_test: NDArray[np.float64],
        h_test: NDArray[np.float64],
        names: list[str],
    ) -> dict[str, float]:
        """What the rotation fitted on z and h scores on other rows."""
        turned = rotation(z, h)
        each = {name: [i] for i, name in enumerate(names)}
        total = np.square(z_test - z_test.mean(0)).sum()
        found: dict[str, float] = {}
        for prefix, own in (("", turned), ("rigid_", turned._replace(scale=1.0))):
            predicted = own(h_test)
            scores = by_factor("r2", r2(z_test, predicted), each)
            found |= {name: float(row) for name, row in scores.items()} if not prefix else {}
            found[f"{prefix}pooled_r2"] = float(1 - np.square(z_test - predicted).sum() / total)
            found[f"{prefix}r2/mean"] = float(scores["r2/mean"])
        if on_sphere(z) and on_sphere(z_test):
            found["cosine"] = float(cosines(rotation(z, h, centered=False)(h_test), z_test).mean())
        return found

    def _samples(
        self,
        z: NDArray[np.float64],
        h: NDArray[np.float64],
        z_test: NDArray[np.float64],
        h_test: NDArray[np.float64],
        names: list[str],
        inside: list[list[int]],
    ) -> dict[str, NDArray[np.float64]]:
        turned = rotation(z, h)
        each = {name: [i] for i, name in enumerate(names)}
        found: dict[str, NDArray[np.float64]] = {}
        for prefix, own in (("", turned), ("rigid_", turned._replace(scale=1.0))):
            error, total = resampled_squares(z_test, own(h_test), self.resamples, self.seed)
            found |= {f"{prefix}{name}": row for name, row in by_factor("r2", 1 - error / total, each).items()}
            found[f"{prefix}pooled_r2"] = 1 - error.sum(1) / total.sum(1)
        near = cosines(rotation(z, h, centered=False)(h_test), z_test)
        found["cosine"] = resampled(near[:, None], self.resamples, self.seed)[:, 0]
        rng, n = np.random.default_rng(self.seed), len(z_test)
        drawn = (rng.integers(0, n, n) for _ in range(self.resamples))
        shapes = [_shape(z, h, z_test[rows], h_test[rows], inside) for rows in drawn]
        return found | {name: np.array([shape[name] for shape in shapes]) for name in shapes[0]}

    def _protocol(self, train: Features, test: Features, names: list[str], flat: list[str]) -> str:
        others = [f"{factor.name} ({factor.kind})" for factor in test.factors if factor.kind != "continuous"]
        return said(
            f"rotation of {train.values.shape[1]} features to {len(names)} factors",
            f"fitted on {len(train):,} rows and scored on {len(test):,}",
            "factors divided by their deviation" if self.standardize else "factors in their units",
            f"{listed(others)} left out" if others else "",
            f"{listed(flat)} constant and left out" if flat else "",
            "distortion and off_block of the affine map from factors to features on the test rows themselves",
            f"null from {self.permutations} permutations of the factors' rows" if self.permutations else "",
            f"95 % intervals from {self.resamples} resamples of the test rows" if self.resamples else "",
        )


def _shape(
    z: NDArray[np.float64],
    h: NDArray[np.float64],
    z_test: NDArray[np.float64],
    h_test: NDArray[np.float64],
    blocks: list[list[int]],
) -> dict[str, float]:
    """How far the map from factors to features, on test, is from an isometry, and from keeping blocks apart."""
    found = affine(z_test, h_test)
    gram, k = found.T @ found, found.shape[1]
    size = float(np.trace(gram)) / k
    scores = {"distortion": _apart(gram / size if size else gram, k), "rigid_distortion": _apart(gram, k)}
    if blocks:
        scores["off_block"] = off_block(found, blocks, assign(affine(z, h), blocks))
    return scores


def _apart(gram: NDArray[np.float64], k: int) -> float:
    return float(np.linalg.norm(gram - np.eye(k)) / np.sqrt(k))


def _warnings(train: Features, test: Features, k: int, standardized: bool) -> dict[str, str]:
    m = train.values.shape[1]
    ranges = {round(f.high - f.low, 9) for f in train.factors if f.kind == "continuous"}
    return remarks(
        every=said(
            "factors have different ranges, and a rotation mixes their units; standardize=True makes them alike"
            if len(ranges) > 1 and not standardized
            else "",
            f"{m} features for {k} factors: {k - m} directions are lost" if m < k else "",
            few_rows(train, test, k),
            dependent(train, test),
            dead_codes(train, test),
        ),
        **{
            "r2/mean": f"{m} features for {k} factors: the features that matter need only lie in a rotated subspace"
            if m > k
            else ""
        },
    )
