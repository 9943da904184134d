"""How near the fast renderer of Teapot comes to Blender's Cycles: `python benchmarks/teapot_fidelity.py`.

Scenes are drawn from the published ranges and rendered by both at equal latents. PSNR is over whole pictures, of 8-bit
sRGB. The silhouette is where the object covers more than half of a pixel: by Blender's own mask, and by rays of the
fast renderer. The shadow is where the ground is less than .7 as bright as the brightest fifth of its row begins to be.
Hues are compared in degrees, on the median color of the object and of the ground. Times are CPU time.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FINE = 4
SHADOW = 0.7


def psnr(one: Floats, other: Floats) -> Floats:
    """Decibels of each of two [n, h, w, 3] of bytes."""
    found: Floats = 10 * np.log10(255**2 / np.maximum(((one - other) ** 2).mean((1, 2, 3)), 1e-9))
    return found


def linear(pictures: Floats) -> Floats:
    value = pictures / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Floats:
    """Intersection over union of each of two [n, h, w]; nan where both are empty."""
    union = (one | other).sum((1, 2))
    return np.where(union > 0, (one & other).sum((1, 2)) / np.maximum(union, 1), np.nan)


def shadows(pictures: Floats, ground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the ground is dark beside the rest of its row."""
    light = linear(pictures).sum(-1)
    bright = np.nanquantile(np.where(ground, light, np.nan), 0.8, axis=2, keepdims=True)
    found: NDArray[np.bool_] = ground & (light < SHADOW * bright)
    return found


def hues(pictures: Floats, where: NDArray[np.bool_]) -> Floats:
    """The hue in degrees of the median linear color of each picture in a mask; nan where that is almost empty."""
    found = []
    for picture, mask in zip(linear(pictures), where, strict=True):
        if mask.sum() < 4:
            found.append(math.nan)
            continue
        red, green, blue = np.median(picture[mask], axis=0)
        found.append(math.degrees(math.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)))
    return np.array(found)


def difference(one: Floats, other: Floats) -> Floats:
    return np.abs((one - other + 180) % 360 - 180)


def line(name: str, values: Floats, unit: str, worst: str) -> None:
    values = values[~np.isnan(values)]
    end = values.min() if worst == "min" else values.max()
    print(
        f"{name:<22}median {np.median(values):8.3f}  mean {values.mean():8.3f}  {worst} {end:8.3f} {unit}", flush=True
    )


def channels_last(pictures: torch.Tensor) -> Floats:
    found: Floats = pictures.permute(0, 2, 3, 1).numpy().astype(np.float64)
    return found


def silhouette(size: int, latents: torch.Tensor) -> NDArray[np.bool_]:
    """Where more than half of the fast renderer's rays through a pixel meet the object."""
    from kontrast.datasets.teapot import drawing
    from kontrast.datasets.teapot.scene import scene
    from kontrast.datasets.teapot.solids import solid

    fine = FINE * size
    met = torch.zeros(len(latents) * fine**2)
    for start in range(0, len(latents), 8):
        rows, _ = drawing._object(scene(latents[start : start + 8]), solid("teapot", torch.device("cpu")), fine)
        met[rows + start * fine**2] = 1
    shown: NDArray[np.bool_] = (met.reshape(-1, size, FINE, size, FINE).mean((2, 4)) > 0.5).numpy()
    return shown


def compare(size: int, scenes: int, samples: int, keep: Path | None) -> None:
    from kontrast.datasets import Teapot
    from kontrast.datasets.teapot.blender import photograph

    cpu, fast = torch.device("cpu"), Teapot(size=size)
    latents = fast.sample(scenes, torch.Generator().manual_seed(0))
    fast.render(latents[:1], cpu)
    start = time.process_time()
    drawn = channels_last(fast.render(latents, cpu))
    own = time.process_time() - start
    before = os.times()
    faithful = channels_last(photograph(latents, "teapot", size, samples))
    after = os.times()
    blender = after.children_user + after.children_system - before.children_user - before.children_system
    covered = channels_last(photograph(latents, "teapot", size, 32, what="coverage"))[..., 0] / 255
    each = f"Cycles {1000 * blender / scenes:.1f} ms, fast {1000 * own / scenes:.1f} ms a picture"
    print(f"{scenes} scenes of {size} x {size}: {each} on {torch.get_num_threads()} threads")
    line("PSNR", psnr(drawn, faithful), "dB", "min")
    shown, whole = silhouette(size, latents), covered > 0.99
    line("silhouette IoU", overlap(covered > 0.5, shown), "", "min")
    ground = (covered < 0.01) & ~shown
    dark, drawn_dark = shadows(faithful, ground), shadows(drawn, ground)
    large = dark.sum((1, 2)) >= 0.003 * size**2
    line("shadow IoU", overlap(dark, drawn_dark)[large], "", "min")
    line("shadow area error", np.abs(dark.mean((1, 2)) - drawn_dark.mean((1, 2))) * 100, "% of the picture", "max")
    inside = whole & shown
    line("hue of the object", difference(hues(faithful, inside), hues(drawn, inside)), "degrees", "max")
    line("hue of the ground", difference(hues(faithful, ground), hues(drawn, ground)), "degrees", "max")
    if keep is not None:
        _sheet(keep / f"teapot-{size}.png", faithful, drawn)


def _sheet(path: Path, faithful: Floats, drawn: Floats, count: int = 24) -> None:
    """Pairs side by side: Cycles on the left, fast on the right."""
    from PIL import Image

    pairs = [np.concatenate([a, b], 1) for a, b in zip(faithful[:count], drawn[:count], strict=True)]
    rows = [np.concatenate(pairs[k : k + 4], 1) for k in range(0, len(pairs) // 4 * 4, 4)]
    Image.fromarray(np.concatenate(rows).astype(np.uint8)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64])
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--sheets", type=Path, help="folder for pictures of both, side by side")
    arguments = parser.parse_args()
    for size in arguments.sizes:
        try:
            compare(size, arguments.scenes, arguments.samples, arguments.sheets)
        except ModuleNotFoundError as error:
            print(f"skipped: {error}")
            return


if __name__ == "__main__":
    main()
