"""The linear and the nearest-neighbor probe beside scikit-learn and the bare product: `benchmarks/probes.py`.

Features are those of ten classes, in two spectra: flat, where a linear classifier is soon found, and falling, as those
of networks are. Logistic regression ends at a gradient of norm 1e-4 or less; scikit-learn, which stops by the largest
entry of the gradient, has the loosest of some tolerances by which it gets there (the tightest, if by none), and only
that fit is timed. The vote of the k nearest, the whole probe, is timed beside the product of all queries with all rows
in single precision and nothing else, by torch or numpy, whichever is sooner. The sides take turns. Seconds are CPU time
of one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from kontrast.probes import KNN
from kontrast.probes.classifier import classify
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.linear_model import LogisticRegression

CLASSES, PENALTY, TOLERANCE = 10, 1e-3, 1e-4
SPECTRA = {"flat": 0.0, "falling": 1.0}
CHUNK = 500


def features(rows: int, dimensions: int, decay: float, seed: int) -> Features:
    """Features of ten classes with standard deviations j^-decay before a rotation, then standardized."""
    fixed, draws = np.random.default_rng(7), np.random.default_rng(seed)
    deviation = np.arange(1.0, dimensions + 1) ** -decay
    centers = 0.25 * fixed.normal(size=(CLASSES, dimensions))
    rotation = np.linalg.qr(fixed.normal(size=(dimensions, dimensions)))[0]
    labels = draws.permutation(np.arange(rows) % CLASSES)
    values = (centers[labels] + draws.normal(size=(rows, dimensions))) * deviation @ rotation
    return Features((values / values.std(0)).astype(np.float32), labels=labels)


def medians(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each side."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.process_time()
            side()
            spent[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in spent.items()}


def model(tolerance: float, rows: int) -> LogisticRegression:
    """scikit-learn's classifier of the same objective."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / (2 * rows * PENALTY), tol=tolerance, max_iter=5000)


def gradient(x: NDArray[np.float32], y: NDArray[np.int64], fitted: LogisticRegression) -> float:
    """The norm of the gradient of the objective at scikit-learn's end."""
    error = fitted.predict_proba(x.astype(np.float64))
    error[np.arange(len(x)), y] -= 1
    slope = error.T @ x / len(x) + 2 * PENALTY * fitted.coef_
    return float(np.sqrt(np.square(slope).sum() + np.square(error.mean(0)).sum()))


def regression(data: Features, rounds: int) -> tuple[dict[str, float], str]:
    """Seconds of both fits, and the norms of their gradients."""
    x, y = data.values, data.labels
    assert y is not None
    for tolerance in TOLERANCE / np.array([1, 3, 10, 30, 100]):
        reached = gradient(x, y, model(tolerance, len(x)).fit(x, y))
        if reached <= TOLERANCE:
            break

    def ours() -> float:
        return classify(x, y, PENALTY, 5000, TOLERANCE).gradient

    sides: dict[str, Callable[[], object]] = {
        "scikit-learn": lambda: model(tolerance, len(x)).fit(x, y),
        "kontrast": ours,
    }
    return medians(sides, rounds), f"gradients {reached:.1e} and {ours():.1e}"


def votes(train: Features, test: Features, k: int, rounds: int) -> tuple[dict[str, float], str]:
    """Seconds of the bare product and of the probe by both distances, and its accuracies."""
    x, rows = test.values, train.values
    out = np.empty((CHUNK, len(rows)), np.float32)

    def by_numpy() -> None:
        for start in range(0, len(x), CHUNK):
            part = x[start : start + CHUNK]
            np.matmul(part, rows.T, out=out[: len(part)])

    def by_torch() -> None:
        ours, theirs, made = (torch.from_numpy(array) for array in (x, rows, out))
        for start in range(0, len(x), CHUNK):
            part = ours[start : start + CHUNK]
            torch.mm(part, theirs.T, out=made[: len(part)])

    probes = {"kontrast": KNN(k=k), "kontrast, Euclidean": KNN(k=k, distance="euclidean")}
    sides: dict[str, Callable[[], object]] = {"torch": by_torch, "numpy": by_numpy}
    spent = medians(sides | {name: (lambda probe=probe: probe(train, test)) for name, probe in probes.items()}, rounds)
    bare = {"bare product": min(spent.pop(name) for name in sides)}
    accuracy = " and ".join(f"{probe(train, test).values['accuracy']:.3f}" for probe in probes.values())
    return bare | spent, f"accuracies {accuracy}"


def show(what: str, spent: dict[str, float], said: str) -> None:
    """A line for each side: how many times as long as the first it takes."""
    first = next(iter(spent.values()))
    for name, seconds in spent.items():
        print(f"{what:<34} {name:<20} {seconds:>9.4f} {seconds / first:>8.2f}   {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Probes of classes beside scikit-learn and the bare product.")
    parser.add_argument("--quick", action="store_true", help="few rows: whether it runs, not how fast")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which each side has its turn")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, queries, dimensions, k = (400, 100, 16, 20) if given.quick else (50_000, 10_000, 512, 200)
    rounds = 1 if given.quick else given.rounds
    print(f"{'':<34} {'':<20} {'seconds':>9} {'ratio':>8}")
    for spectrum, decay in SPECTRA.items():
        train = features(rows, dimensions, decay, 0)
        show(f"logistic regression, {spectrum}", *regression(train, rounds))
        show(f"{k} nearest, {spectrum}", *votes(train, features(queries, dimensions, decay, 1), k, rounds))


if __name__ == "__main__":
    main()
