"""Nearest latents of 250,000 x 10, beside brute force, and what they cost a step: `python benchmarks/nearest.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

ROWS, LATENTS, QUERIES = 250_000, 10, 512


def cost(search: Callable[[], object], queries: int, repeats: int = 5) -> float:
    """Microseconds of processor time a query, the least of some repeats after one that does not count."""
    search()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        search()
        seconds.append(time.process_time() - start)
    return min(seconds) / queries * 1e6


def searches() -> None:
    """One line for each kind of query."""
    from kontrast.datasets import Nearest

    draw = np.random.default_rng(0)
    points = torch.from_numpy(draw.uniform(-1, 1, (ROWS, LATENTS)).astype(np.float32))
    start = time.process_time()
    search = Nearest(points, [2.0] * LATENTS)
    search(points[:1])
    built = time.process_time() - start
    rows = torch.from_numpy(draw.integers(0, ROWS, QUERIES))
    squares = points.square().sum(1)
    print(f"{'queries':<36} {'ours us':>9} {'brute us':>9} {'ratio':>8} {'equal':>7}")
    around = Nearest(points, [2.0] * LATENTS, [0.0] * 7 + [2.0] * 3)
    for name, noise, one, others in (
        ("rows + normal .05 a latent", 0.05, search, None),
        ("rows + normal .1 a latent", 0.1, search, None),
        ("rows + normal .1, without the row", 0.1, search, rows),
        ("rows + normal .1, 3 angles", 0.1, around, None),
        ("uniform", None, search, None),
    ):
        if noise is None:
            queries = torch.from_numpy(draw.uniform(-1, 1, (QUERIES, LATENTS)).astype(np.float32))
        else:
            queries = points[rows] + noise * torch.from_numpy(draw.standard_normal((QUERIES, LATENTS))).float()
        if one is around:
            print(f"{name:<36} {cost(lambda q=queries: around(q), QUERIES):>9.1f} {'-':>9} {'-':>8} {'-':>7}")
            continue

        def brute(queries: torch.Tensor = queries, others: torch.Tensor | None = others) -> torch.Tensor:
            found = []
            for k in range(0, len(queries), 64):
                far = torch.addmm(squares, queries[k : k + 64], points.T, alpha=-2)
                if others is not None:
                    far[torch.arange(len(far)), others[k : k + 64]] = torch.inf
                found.append(far.argmin(1))
            return torch.cat(found)

        def ours(queries: torch.Tensor = queries, others: torch.Tensor | None = others) -> torch.Tensor:
            return search(queries, 1, others).rows[:, 0]

        same = float((ours() == brute()).double().mean())
        mine, theirs = cost(ours, QUERIES), cost(brute, QUERIES, 2)
        print(f"{name:<36} {mine:>9.1f} {theirs:>9.1f} {theirs / mine:>8.1f} {same:>7.1%}")
    print(f"{ROWS:,} x {LATENTS}, one thread; making the tree took {built * 1000:.0f} ms")


def steps() -> None:
    """Training steps of a small network beside searches for the next step: none, in turn, and meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    from kontrast.datasets import Nearest
    from kontrast.encoders import Conv

    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(ROWS, LATENTS, generator=draw)
    search = Nearest(points, [1.0] * LATENTS)
    search(points[:1])
    pictures = torch.randint(0, 256, (2 * QUERIES, 3, 32, 32), generator=draw, dtype=torch.uint8)
    network = Conv(width=16).build((3, 32, 32))[0]
    with ThreadPoolExecutor(1) as thread:

        def find() -> object:
            rows = torch.randint(ROWS, (QUERIES,), generator=draw)
            return search(points[rows] + 0.05 * torch.randn(QUERIES, LATENTS, generator=draw), 1, rows)

        def learn() -> None:
            network(pictures.float() / 255).square().mean().backward()

        def meanwhile() -> None:
            begun = thread.submit(find)
            learn()
            begun.result()

        ways = {"without": learn, "in turn": lambda: (learn(), find()), "meanwhile": meanwhile, "searches": find}
        wall: dict[str, list[float]] = {name: [] for name in ways}
        own: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(8):
            for name, way in ways.items():
                begun = time.perf_counter(), time.thread_time()
                way()
                wall[name].append(time.perf_counter() - begun[0])
                own[name].append(time.thread_time() - begun[1])
    print(f"a step of {QUERIES} pairs of 32 x 32, ms by the clock and of the training thread's processor time:")
    for name in ways:
        print(f"{name:<36} {min(wall[name]) * 1e3:>9.0f} {min(own[name]) * 1e3:>9.0f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    searches()
    steps()
