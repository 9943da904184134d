"""Pictures of the 3DIdent scene per second on one core, beside the rate at which 10,000 of 64 x 64 take two minutes.

`python benchmarks/teapot.py`, with a folder of reference pictures as an argument (`latents.npy` in published units, and
000.png, ... in subfolders 64, 128, ...) also says how near to them ours are: PSNR in decibels.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

GOAL = 10_000 / 120


def compare(size: int, count: int) -> None:
    """One line: how fast scenes of one size are rendered."""
    import torch

    from kontrast.datasets import Teapot

    teapot, cpu = Teapot(size=size), torch.device("cpu")
    latents = teapot.sample(count, torch.Generator().manual_seed(0))
    teapot.render(latents[:2], cpu)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        teapot.render(latents, cpu)
        seconds.append(time.process_time() - start)
    rate = count / min(seconds)
    print(f"{size:>4} x {size:<4} {1000 / rate:>8.1f} {rate:>10.1f} {rate * (size / 64) ** 2 / GOAL:>7.2f}")


def near(folder: Path) -> None:
    """How near our pictures are to those of a folder."""
    import numpy as np
    import torch
    from PIL import Image

    from kontrast.datasets import Teapot

    latents = torch.from_numpy(np.load(folder / "latents.npy")).float()
    print(f"\n{'pictures':>11} {'rows':>5} {'median dB':>10} {'mean':>6} {'least':>6}")
    for size in (64, 128, 224):
        files = sorted((folder / str(size)).glob("*.png"))
        if not files:
            continue
        theirs = np.stack([np.asarray(Image.open(file).convert("RGB"), np.float64) for file in files])
        drawn = Teapot(size=size).render(latents[: len(files)], torch.device("cpu"))
        error = np.square(drawn.permute(0, 2, 3, 1).numpy() - theirs).mean((1, 2, 3))
        found = 10 * np.log10(255**2 / error)
        print(
            f"{size:>4} x {size:<4} {len(files):>5} {np.median(found):>10.2f} {found.mean():>6.2f} {found.min():>6.2f}"
        )


def main() -> None:
    import torch

    torch.set_num_threads(1)
    print(f"{'pictures':>11} {'ms each':>8} {'/s':>10} {'ratio':>7}  to the goal for as many pixels")
    for size, count in ((64, 128), (224, 8)):
        compare(size, count)
    for folder in sys.argv[1:]:
        near(Path(folder))


if __name__ == "__main__":
    main()
