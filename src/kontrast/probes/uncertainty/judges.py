"""What uncertainties are judged by: the errors they foresee, and the rows and changes that ought to raise them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kontrast.panels import Curves, Line
from kontrast.probes.bootstrap import interval
from kontrast.probes.uncertainty import ranks
from kontrast.probes.uncertainty.credible import level, rotation, truth
from kontrast.probes.uncertainty.findings import Findings
from kontrast.probes.uncertainty.measure import CHUNK, Gallery, directions
from kontrast.probes.uncertainty.ranks import Order
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Doubts = Mapping[str, "Array"]
"""The uncertainty [n] of each measure, by the name of its slot."""
HALF = 0.5
REJECTED = tuple(float(share) for share in np.arange(0, 0.96, 0.05))
LEVELS = (0.5, 0.8, 0.95)
PAIRED = 500
"""Rows whose pairwise cosines are compared."""
FLAT = "the uncertainty is the same for all rows"


def flat(u: Array) -> str:
    """A warning where an uncertainty says nothing."""
    return "" if np.ptp(u) > 0 else FLAT


def errors(found: Findings, doubts: Doubts, train: Gallery, test: Features, count: int, seed: int) -> None:
    """How well each uncertainty foresees the errors of the linear probe and of the nearest training row."""
    assert train.labels is not None and test.labels is not None
    rows = np.flatnonzero(test.labels >= 0)
    target, values = test.labels[rows], test.values[rows]
    known = np.flatnonzero(train.labels >= 0)
    nearest = train.labels[known[_nearest(directions(values), train.directions[known])]]
    kinds = {"aurc_nn": ("rejection_nn", "the nearest training row", (nearest != target).astype(np.float64))}
    if train.classes_seen > 1:
        linear = train.seen[train.logits(values).argmax(1)]
        kinds = {"aurc": ("rejection", "the linear probe", (linear != target).astype(np.float64)), **kinds}
    weights = ranks.resamples(len(rows), count, seed)
    for area, (rejection, whose, error) in kinds.items():
        lines = []
        for name, u in doubts.items():
            order, warning = Order.of(u[rows]), flat(u[rows])
            _risk(found, (area, rejection, name), order, error, weights, warning)
            lines.append(_line(name, order, error))
        lines.append(_line("best possible", Order.of(error), error))
        note = "of rows rejected in the order of each uncertainty; best possible: all errors are rejected first"
        title = f"Error of {whose} against rejection"
        found.panels.append(Curves(title, "share of rows rejected", "error of the rest", tuple(lines), note=note))


def _risk(
    found: Findings, names: tuple[str, str, str], order: Order, error: Array, weights: Array, warning: str
) -> None:
    area, rejection, name = names
    rate = float(error.mean())
    floor = ranks.best(error, np.ones(len(error)))
    found.add(f"{area}/{name}", partial(ranks.aurc, order, error), weights, rate, warning)
    if area == "aurc":
        excess = f"eaurc/{name}"
        found.add(excess, lambda w: ranks.aurc(order, error, w) - ranks.best(error, w), weights, rate - floor, warning)

    def gained(w: Array) -> float:
        return float((w * error).sum() / w.sum()) - ranks.selective(order, error, w, HALF)

    found.add(f"{rejection}/{name}", gained, weights, 0.0, warning)


def _line(name: str, order: Order, error: Array) -> Line:
    ones = np.ones(len(error))
    return Line(name, REJECTED, tuple(ranks.selective(order, error, ones, 1 - share) for share in REJECTED))


def recall(found: Findings, doubts: Doubts, test: Features, count: int, seed: int) -> None:
    """R-AUROC: how well each uncertainty foresees that the nearest other test row has another label."""
    assert test.labels is not None
    rows = np.flatnonzero(test.labels >= 0)
    if len(rows) < 2:
        return
    x = directions(test.values[rows])
    missed = (test.labels[rows[_nearest(x, x, itself=False)]] != test.labels[rows]).astype(np.float64)
    found.said.append(f"recall at 1 among the test rows {1 - missed.mean():.3f}")
    weights = ranks.resamples(len(rows), count, seed)
    for name, u in doubts.items():
        order = Order.of(u[rows])
        found.add(f"rauroc/{name}", partial(ranks.auroc, order, missed), weights, 0.5, flat(u[rows]))


def _nearest(x: NDArray[np.float32], y: NDArray[np.float32], *, itself: bool = True) -> NDArray[np.int64]:
    """The row of y [m, d] nearest to each row of x [n, d] by the product; not itself where both are the same rows."""
    found = []
    for start in range(0, len(x), step := max(1, CHUNK // len(y))):
        cosine = x[start : start + step] @ y.T
        if not itself:
            at = np.arange(len(cosine))
            cosine[at, start + at] = -np.inf
        found.append(cosine.argmax(1))
    return np.concatenate(found)


def changes(found: Findings, kind: str, doubts: Doubts, levels: Mapping[float, Doubts], count: int, seed: int) -> None:
    """Whether each uncertainty rises with the severity of a change: by `levels`, those of the same rows changed."""
    rows = len(next(iter(doubts.values())))
    weights = ranks.resamples(rows, count, seed)
    lines = []
    for name, u in doubts.items():
        if any(name not in changed for changed in levels.values()):
            continue
        every = np.stack([u, *(changed[name] for changed in levels.values())])
        severity = Order.of(np.repeat(np.arange(len(every), dtype=np.float64), rows))
        order, warning = Order.of(every.ravel()), flat(every)
        rise = ((every[1:] > u) + 0.5 * (every[1:] == u)).mean(0)

        def correlation(w: Array, order: Order = order, severity: Order = severity, times: int = len(every)) -> float:
            return ranks.spearman(order, severity, np.tile(w, times))

        def monotone(w: Array, every: Array = every) -> float:
            means = every @ w
            return float(((means[1:] > means[:-1]) + 0.5 * (means[1:] == means[:-1])).mean())

        found.add(f"{kind}_spearman/{name}", correlation, weights, 0.0, warning)
        found.add(f"{kind}_monotone/{name}", monotone, weights, 0.5, warning)
        found.add(f"{kind}_bigger/{name}", partial(ranks.mean, rise), weights, 0.5, warning)
        lines.append(_rise(name, (0.0, *levels), every, weights))
    note = "mean over the test rows, in standard deviations of the uncertainty of the unchanged ones"
    if lines:
        found.panels.append(Curves(f"Uncertainty under {kind}", "severity", "rise", tuple(lines), note=note))


def _rise(name: str, at: tuple[float, ...], every: Array, weights: Array) -> Line:
    scaled = (every - every[0].mean()) / (every[0].std() or 1.0)
    bounds = [interval(row) for row in (scaled @ weights.T / scaled.shape[1])]
    low, high = (tuple(float(bound[side]) for bound in bounds) for side in (0, 1))
    return Line(name, at, tuple(scaled.mean(1).tolist()), low, high)


def foreign(found: Findings, doubts: Doubts, others: Doubts, count: int, seed: int) -> None:
    """How well each uncertainty tells rows of another data set from the test rows."""
    for name, u in doubts.items():
        if name not in others:
            continue
        every = np.concatenate([u, others[name]])
        strange = np.repeat([0.0, 1.0], [len(u), len(others[name])])
        own, theirs = (ranks.resamples(len(rows), count, seed + at) for at, rows in enumerate((u, others[name])))
        weights, order = np.concatenate([own, theirs], 1), Order.of(every)
        found.add(f"ood_auroc/{name}", partial(ranks.auroc, order, strange), weights, 0.5, flat(every))


def known(found: Findings, doubts: Doubts, train: Features, test: Features, count: int, seed: int) -> None:
    """Whether uncertainties and posteriors are those of a world in which they are known."""
    true, before = truth(test), truth(train)
    assert true is not None and before is not None
    weights = ranks.resamples(len(test), count, seed)
    certain = Order.of(true.concentration)
    for name, u in doubts.items():
        order = Order.of(-u)
        name = f"concentration_spearman/{name}"
        found.add(name, partial(ranks.spearman, order, certain), weights, 0.0, flat(u))
    rows = min(PAIRED, len(test))
    upper = np.triu_indices(rows, 1)
    one, other = (Order.of((x @ x.T)[upper]) for x in (directions(test.values[:rows]), true.mean[:rows]))
    few = ranks.resamples(rows, min(count, 50), seed)
    found.add("cosine_spearman", lambda w: ranks.spearman(one, other, w[upper[0]] * w[upper[1]]), few, 0.0)
    if test.concentration is None or train.values.shape[1] != true.latent.shape[1] or test.values.shape[1] < 2:
        return
    _coverage(found, train, before.latent, test, true.latent, weights)


def _coverage(found: Findings, train: Features, before: Array, test: Features, latent: Array, weights: Array) -> None:
    assert test.concentration is not None
    turned = directions(test.values) @ rotation(train.values, before)
    inside = level((turned * latent).sum(1), test.concentration, latent.shape[1])
    for share in LEVELS:
        within = (inside <= share).astype(np.float64)
        found.add(f"coverage/{share:.0%}", partial(ranks.mean, within), weights, share)
    at = tuple(float(share) for share in np.linspace(0, 1, 41))
    curve = Line("found", at, tuple(float((inside <= share).mean()) for share in at))
    note = "below the diagonal the posteriors are too narrow, above it too wide"
    title = "Coverage of the credible regions"
    found.panels.append(
        Curves(title, "mass of the region", "share of true latents", (curve,), diagonal=True, note=note)
    )
    found.said.append(
        "credible regions of vMF(mu, kappa) around directions turned onto the training latents, chance: their mass; "
        "kappa is known jointly with the concentration of the pairs, which the objective held at 1 / temperature"
    )
