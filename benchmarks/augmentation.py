"""Two SimCLR views of pictures per second, beside torchvision and kornia: `python benchmarks/augmentation.py`.

All sides make the same changes of the same pictures in memory: a random resized crop of 8 to 100 % of the area, flip,
color jitter (.4, .4, .4, .1) of 80 %, loss of color of 20 %, a blur of 50 % by one kernel size; float32 in [0, 1] comes
out, and drawing the parameters is included. torchvision changes one picture after another, as a loader's worker does;
kontrast and kornia change a batch. "Pillow's blur" is the same recipe with Pillow's approximate blur instead of
torchvision's. The sides take turns; on a CPU, seconds are CPU time of one thread by default.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, NamedTuple

import peers
import torch
from torch import Tensor, nn

from kontrast import augmentations
from kontrast.augmentations import Blur, Crop, Jitter, Recipe
from kontrast.draws import Draws, generator
from kontrast.encoders import ResNet

SCALE, STRENGTHS, SIGMA = (0.08, 1.0), (0.4, 0.4, 0.4, 0.1), (0.1, 2.0)
FROM = {224: 256}
"""Pictures of another size than their views."""
BATCH = {32: 512, 64: 256, 96: 128, 224: 32}


class Side(NamedTuple):
    """Makes two views of each of `count` pictures, within a context."""

    views: Callable[[], object]
    count: int
    context: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext


def torchvision() -> ModuleType | None:
    try:
        return peers.transforms()
    except ModuleNotFoundError:
        print("torchvision is not installed and left out; pip install torchvision", file=sys.stderr)
        return None


def kornia() -> ModuleType | None:
    try:
        return importlib.import_module("kornia.augmentation")
    except ModuleNotFoundError:
        print("kornia is not installed and left out; pip install kornia", file=sys.stderr)
        return None


def side_of_kernel(size: int) -> int:
    return 2 * max(1, int(0.1 * size) // 2) + 1


def one_by_one(t: Any, size: int, blur: Callable[[Any], Any], last: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    recipe: Callable[[Any], Tensor] = t.Compose(
        [
            t.RandomResizedCrop(size, scale=SCALE),
            t.RandomHorizontalFlip(),
            t.RandomApply([t.ColorJitter(*STRENGTHS)], p=0.8),
            t.RandomGrayscale(p=0.2),
            t.RandomApply([blur], p=0.5),
            last,
        ]
    )
    return recipe


def pillows_blur(picture: Any) -> Any:
    from PIL import ImageFilter

    low, high = SIGMA
    return picture.filter(ImageFilter.GaussianBlur(low + (high - low) * torch.rand(()).item()))


def torchvision_sides(t: ModuleType, pictures: Tensor, size: int) -> dict[str, Side]:
    """torchvision on Pillow pictures, the same with Pillow's blur, and torchvision v2 on tensors of bytes."""
    from PIL import Image

    v2 = importlib.import_module("torchvision.transforms.v2")
    opened = [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]
    kernel = side_of_kernel(size)
    tensors = [v2.ToImage()(picture) for picture in pictures]
    recipes = {
        "torchvision, PIL": (opened, one_by_one(t, size, t.GaussianBlur(kernel, SIGMA), t.ToTensor())),
        "with Pillow's blur": (opened, one_by_one(t, size, pillows_blur, t.ToTensor())),
        "torchvision v2, uint8": (
            tensors,
            one_by_one(v2, size, v2.GaussianBlur(kernel, SIGMA), v2.ToDtype(torch.float32, scale=True)),
        ),
    }

    def side(inputs: list[Any], recipe: Callable[[Any], Tensor]) -> Side:
        return Side(lambda: [torch.stack([recipe(x) for x in inputs]) for _ in range(2)], len(inputs))

    return {name: side(*made) for name, made in recipes.items()}


def kornia_side(k: Any, pictures: Tensor, size: int) -> Side:
    recipe = nn.Sequential(
        k.RandomResizedCrop((size, size), scale=SCALE),
        k.RandomHorizontalFlip(),
        k.ColorJitter(*STRENGTHS, p=0.8),
        k.RandomGrayscale(p=0.2),
        k.RandomGaussianBlur((side_of_kernel(size),) * 2, SIGMA, p=0.5),
    )
    return Side(lambda: [recipe(pictures / 255.0) for _ in range(2)], len(pictures))


def kontrast_side(pictures: Tensor, size: int, compiled: bool = False) -> Side:
    brightness, contrast, saturation, hue = STRENGTHS
    jitter = Jitter(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
    recipe = Recipe(crop=Crop(scale=SCALE, size=size), jitter=jitter, blur=Blur(sigma=SIGMA))
    index, steps = torch.arange(len(pictures), device=pictures.device), iter(range(1 << 30))

    def views() -> list[Tensor]:
        draws = Draws(0, next(steps), len(pictures))
        return [recipe(pictures, draws.noise(index, draws.step, "view", view)) for view in (0, 1)]

    return Side(views, len(pictures), augmentations.compiled if compiled else contextlib.nullcontext)


def training_step(size: int, batch: int, device: torch.device) -> Side:
    """Forward and backward of a ResNet-18 over both views, in bfloat16."""
    network = ResNet(depth=18).build((3, size, size))[0].to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    views = torch.rand(2 * batch, 3, size, size, device=device).to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            out = network(views)
        out.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return Side(step, batch)


def sides(size: int, given: argparse.Namespace, peers: dict[str, ModuleType | None]) -> dict[str, Side]:
    device, side = torch.device(given.device), FROM.get(size, size)
    batch = given.batch or BATCH.get(size, 128)
    shape = (batch, 3, side, side)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(0, "pictures"))
    found: dict[str, Side] = {}
    if t := peers["torchvision"]:
        found |= torchvision_sides(t, pictures[: given.few or batch // 4], size)
    pictures = pictures.to(device)
    if k := peers["kornia"]:
        found["kornia"] = kornia_side(k, pictures, size)
    found["kontrast"] = kontrast_side(pictures, size)
    if not given.eager:
        found["kontrast, compiled"] = kontrast_side(pictures, size, compiled=True)
    if device.type != "cpu":
        found["ResNet-18 step"] = training_step(size, batch, device)
    return found


def seconds(side: Side, device: torch.device) -> float:
    """CPU time of this process on a CPU, time on the clock beside a GPU."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    with side.context():
        side.views()
    if device.type != "cpu":
        torch.accelerator.synchronize()
    return clock() - start


def compare(size: int, given: argparse.Namespace, peers: dict[str, ModuleType | None]) -> None:
    """A line for each side: two views of so many pictures in a second, and how many times the first side's that is."""
    entrants, device = sides(size, given, peers), torch.device(given.device)
    rates: dict[str, list[float]] = {name: [] for name in entrants}
    for turn in range(given.rounds + 1):
        for name, side in entrants.items():
            spent = seconds(side, device)
            if turn:
                rates[name].append(side.count / spent)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    first, step = next(iter(medians.values())), medians.get("ResNet-18 step")
    what = f"{size} px" + (f" of {FROM[size]}" if size in FROM else "")
    for name, rate in medians.items():
        share = f"{step / rate:>7.1%}" if step and "kontrast" in name else ""
        print(f"{what:<14} {name:<22} {rate:>10,.0f} {rate / first:>7.2f} {share}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Two SimCLR views of pictures per second, beside other libraries.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 96, 224], help="sides of the views")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which each side has its turn")
    parser.add_argument("--batch", type=int, help="pictures in a batch; left out, fewer the larger they are")
    parser.add_argument("--few", type=int, help="pictures that are changed one by one; left out, a quarter of a batch")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for all sides")
    parser.add_argument("--device", default="cpu", help="where batches are, such as cuda; torchvision stays on the CPU")
    parser.add_argument("--eager", action="store_true", help="leave out what needs a C++ compiler")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    peers = {"torchvision": torchvision(), "kornia": kornia()}
    print(f"{'':<14} {'':<22} {'images/s':>10} {'ratio':>7} {'of a step' if given.device != 'cpu' else ''}")
    for size in given.sizes:
        compare(size, given, peers)


if __name__ == "__main__":
    main()
