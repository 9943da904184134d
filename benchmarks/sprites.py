"""Sprites per second, beside a loop that draws one picture at a time: `python benchmarks/sprites.py`."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

SUPERSAMPLING = 4
T = np.linspace(0, 2 * np.pi, 60)
HEART = 13 * np.cos(T) - 5 * np.cos(2 * T) - 2 * np.cos(3 * T) - np.cos(4 * T)
OUTLINES = (
    np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]),
    np.stack([0.665 * np.cos(T), 0.376 * np.sin(T)], 1),
    np.stack([16 * np.sin(T) ** 3 / 32, -HEART / 29 - 0.075], 1),
)


def loop(latents: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """One picture after another: a polygon drawn by Pillow at four times the size, made smaller, and cut at half."""
    from PIL import Image, ImageDraw

    pictures = []
    for shape, scale, turn, x, y in latents.tolist():
        cos, sin = math.cos(turn), math.sin(turn)
        corners = OUTLINES[int(shape)] @ np.array([[cos, -sin], [sin, cos]]) * (0.3 * scale * size)
        corners += (np.array([x, y]) / 2 + 0.25) * size
        canvas = Image.new("L", (size * SUPERSAMPLING,) * 2)
        ImageDraw.Draw(canvas).polygon((corners * SUPERSAMPLING).ravel().tolist(), fill=255)
        small = np.asarray(canvas.resize((size, size), Image.Resampling.BOX))
        pictures.append(np.where(small > 127, np.uint8(255), np.uint8(0)))
    return np.stack(pictures)


def rate(draw: Callable[[], object], count: int, repeats: int = 3) -> float:
    """Pictures per second of the fastest of some repeats, after one that does not count."""
    draw()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - start)
    return count / min(seconds)


def compare(size: int, cores: int, pool: Executor) -> None:
    """One line: sprites of one size on some cores, both ways."""
    import torch

    from kontrast.datasets import Sprites

    torch.set_num_threads(cores)
    sprites, cpu = Sprites(size=size), torch.device("cpu")
    latents = sprites.sample(8192, torch.Generator().manual_seed(0))
    few = latents[:1024]
    shares = np.array_split(few.double().numpy(), cores)

    def naive() -> NDArray[np.uint8]:
        return np.concatenate(list(pool.map(loop, shares, [size] * cores)))

    wrong = (sprites.render(few, cpu)[:, 0].numpy() != naive()).mean()
    ours, theirs = rate(lambda: sprites.render(latents, cpu), len(latents)), rate(naive, len(few))
    print(f"{size:>4} x {size:<2} {cores:>6} {ours:>13,.0f} {theirs:>15,.0f} {ours / theirs:>7.1f} {wrong:>15.2%}")


def main() -> None:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(
        f"{'pictures':>8} {'cores':>6} {'kontrast, /s':>13} {'one by one, /s':>15} {'ratio':>7} {'pixels unequal':>15}"
    )
    with ProcessPoolExecutor(available, multiprocessing.get_context("spawn")) as pool:
        for size in (64, 32):
            for cores in sorted({1, available}):
                compare(size, cores, pool)


if __name__ == "__main__":
    main()
