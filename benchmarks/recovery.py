"""CPU seconds of every score of recovery on 10,000 x 10, beside scikit-learn: `python benchmarks/recovery.py`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


def rows(n: int, d: int, seed: int) -> Rows:
    """Features tanh(z A / 2) and factors z, uniform on [-1, 1]."""
    z = np.random.default_rng(seed).uniform(-1, 1, (n, d))
    return np.tanh(z @ np.random.default_rng(99).normal(size=(d, d)) / 2), z


def least_squares(train: Rows, test: Rows) -> float:
    from sklearn.linear_model import LinearRegression

    return float(LinearRegression().fit(*train).score(*test))


def kernel_ridge(train: Rows, test: Rows) -> float:
    """One search for each factor, as published, on as many rows as ours takes."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.metrics import r2_score
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler

    few = np.random.default_rng(0).choice(len(train[0]), min(2048, len(train[0])), replace=False)
    scale = StandardScaler().fit(train[0][few])
    unit = StandardScaler().fit(train[1][few])
    x, x_test, y, y_test = (
        *(scale.transform(part) for part in (train[0][few], test[0])),
        *(unit.transform(part) for part in (train[1][few], test[1])),
    )
    grid = {"alpha": [1.0, 0.1, 0.01, 0.001], "gamma": np.logspace(-2, 2, 4)}
    predicted = [GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=3).fit(x, t).predict(x_test) for t in y.T]
    return float(r2_score(y_test, np.stack(predicted, 1)))


def boosting(train: Rows, test: Rows) -> float:
    from sklearn.ensemble import HistGradientBoostingRegressor

    fits = [HistGradientBoostingRegressor(early_stopping=False, random_state=0).fit(train[0], t) for t in train[1].T]
    return float(np.mean([fit.score(test[0], t) for fit, t in zip(fits, test[1].T, strict=True)]))


def spearman(train: Rows, test: Rows) -> float:
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import spearmanr

    d = test[1].shape[1]
    table = np.abs(np.asarray(spearmanr(test[1], test[0]).statistic)[:d, d:])
    return float(table[linear_sum_assignment(-table)].mean())


def procrustes(train: Rows, test: Rows) -> float:
    from scipy.linalg import orthogonal_procrustes
    from sklearn.metrics import r2_score

    (h, z), (h_test, z_test) = train, test
    turn, total = orthogonal_procrustes(h - h.mean(0), z - z.mean(0))
    scale = total / np.square(h - h.mean(0)).sum()
    return float(r2_score(z_test, scale * (h_test - h.mean(0)) @ turn + z.mean(0)))


def seconds(work: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=10)
    options = parser.parse_args()

    import torch

    from kontrast.probes import MCC, BlockScores, Ladder, NonlinearRecovery, Probe, Procrustes, ReadOut, Recovery
    from kontrast.views import Factor, Features

    torch.set_num_threads(1)
    names = [f"z{i}" for i in range(options.dimensions)]
    train, test = (rows(options.rows, options.dimensions, seed) for seed in (1, 2))
    factors = tuple(Factor(name, low=-1.0) for name in names)
    pair = [Features(h, latents=z, factors=factors) for h, z in (train, test)]
    content = tuple(names[: (len(names) + 1) // 2])
    table: list[tuple[str, Probe, str, Callable[[Rows, Rows], float] | None]] = [
        ("Recovery", Recovery(), "r2/mean", least_squares),
        ("NonlinearRecovery, kernels", NonlinearRecovery(), "r2/mean", kernel_ridge),
        ("NonlinearRecovery, trees", NonlinearRecovery(learner="boosting"), "r2/mean", boosting),
        ("ReadOut", ReadOut(), "r2/mean", None),
        ("MCC", MCC(), "in_sample_mcc/spearman", spearman),
        ("Procrustes", Procrustes(), "r2/mean", procrustes),
        ("BlockScores", BlockScores(content=content), "nonlinear_r2/content", None),
        ("Ladder", Ladder(), "rung_affine", least_squares),
    ]
    print(f"{'probe':<27} {'seconds':>8} {'bare peer':>10} {'ratio':>7}  {'score':>7} {'peer':>7}  of")
    total = 0.0
    few = [Features(h[:200], latents=z[:200], factors=factors) for h, z in (train, test)]
    for name, probe, metric, peer in table:
        probe(*few)  # so that imports do not count
        spent, found = seconds(lambda probe=probe, metric=metric: probe(*pair).values[metric])  # type: ignore[misc]
        total += spent
        line = f"{name:<27} {spent:>8.2f}"
        if peer is None:
            print(f"{line} {'':>10} {'':>7}  {found:>7.4f} {'':>7}  {metric}")
            continue
        peer((train[0][:200], train[1][:200]), test)
        theirs, expected = seconds(lambda peer=peer: peer(train, test))  # type: ignore[misc]
        print(f"{line} {theirs:>10.2f} {spent / theirs:>7.2f}  {found:>7.4f} {expected:>7.4f}  {metric}")
    print(f"{'all':<27} {total:>8.2f}  on {options.rows:,} x {options.dimensions}, with null, intervals and warnings")


if __name__ == "__main__":
    main()
