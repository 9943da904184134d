"""Training images per second, beside a loop over PIL pictures as one writes it today: `benchmarks/training.py`.

Both train the network of `simclr` on FashionMNIST: one encoder, head, batch, objective and optimizer. kontrast's side
is its Trainer as a run uses it, with deterministic algorithms, a check of every gradient and the online probe, all of
which the plain loop does without.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from kontrast import methods
from kontrast.datasets import FashionMNIST
from kontrast.draws import generator
from kontrast.experiment import Experiment
from kontrast.objectives import InfoNCE
from kontrast.training import Trainer
from kontrast.views import Views

PHASES = ("data", "forward+backward", "rest")
ROUND = 4
"""Steps before it is the other side's turn, so that whatever else the machine does slows down both."""
_declared: list[torch.library.Library] = []
"""Operators stay declared as long as this holds them."""


class Side(NamedTuple):
    """One of the two loops: a step of it, whether it asks for deterministic algorithms, and its clock."""

    step: Callable[[], object]
    deterministic: bool
    clock: Clock


class Clock:
    """How long steps take: until the model is called, from there until the optimizer is, and the rest."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.seconds, self.steps = [0.0] * len(PHASES), 0
        self.marks: list[float] = []
        model.register_forward_pre_hook(self._mark)
        optimizer.register_step_pre_hook(self._mark)

    def _mark(self, *_: Any) -> None:
        self.marks.append(time.perf_counter())

    def time(self, step: Callable[[], object]) -> None:
        self.marks.clear()
        self._mark()
        step()
        self._mark()
        phases = zip(self.marks[:-1], self.marks[1:], strict=True)
        self.seconds = [so_far + stop - start for so_far, (start, stop) in zip(self.seconds, phases, strict=True)]
        self.steps += 1


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Two views of each picture, made one picture at a time."""

    def __init__(self, pictures: Tensor, transform: Callable[[Any], Tensor]) -> None:
        self.pictures, self.transform = pictures.numpy(), transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        picture = Image.fromarray(self.pictures[row])
        return self.transform(picture), self.transform(picture)


def transforms() -> ModuleType:
    """torchvision.transforms; where its operators do not fit this torch, to declare them is enough."""
    try:
        return importlib.import_module("torchvision.transforms")
    except ModuleNotFoundError:
        sys.exit("this benchmark compares with torchvision, which is not installed; pip install torchvision")
    except RuntimeError:
        for module in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        return importlib.import_module("torchvision.transforms")


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """NT-Xent of [2n, d], where rows i and n + i show one picture."""
    z = functional.normalize(z, dim=1)
    logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(z)).roll(len(z) // 2))


def plain(experiment: Experiment, temperature: float) -> Side:
    """The loop that one writes with torch and torchvision alone."""
    t = transforms()
    recipe = [
        t.RandomResizedCrop(28, scale=(0.2, 1.0)),
        t.RandomHorizontalFlip(),
        t.RandomApply([t.ColorJitter(brightness=0.4, contrast=0.4)], p=0.8),
        t.RandomApply([t.GaussianBlur(3, sigma=(0.1, 2.0))], p=0.5),
        t.ToTensor(),
    ]
    data = Pairs(FashionMNIST().read("train").observations[:, 0], t.Compose(recipe))
    loader = DataLoader(data, experiment.batch, shuffle=True, drop_last=True, num_workers=0)
    student = experiment.model().student
    model = nn.Sequential(student.encoder, student.head)
    optimizer = torch.optim.AdamW(model.parameters(), lr=experiment.optimizer.rate)

    def batches() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    endless = batches()

    def step() -> None:
        one, two = next(endless)
        loss = nt_xent(model(torch.cat([one, two])), temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Side(step, False, Clock(model, optimizer))


def difference(objective: InfoNCE, rows: int) -> float:
    """How far the two losses are apart on the same embeddings."""
    z = functional.normalize(torch.randn(2 * rows, 128, generator=generator(0, "embeddings")), dim=1)
    one, two = z.chunk(2)
    ours = objective.agree((one, two), (one, two), Views((one, two), torch.arange(rows)))
    return abs(float(ours.total - nt_xent(z, objective.temperature)))


def show(sides: dict[str, Side], batch: int) -> None:
    """A line for each side: its rate, beside the plain loop's, and where its time goes."""
    print(f"{'':<12} {'images/s':>9} {'ratio':>6}    ms a step: {'   '.join(PHASES)}")
    rates = {name: side.clock.steps * batch / sum(side.clock.seconds) for name, side in sides.items()}
    for name, side in sides.items():
        spent = (1000 * seconds / side.clock.steps for seconds in side.clock.seconds)
        cells = "   ".join(f"{x:>{len(phase)}.1f}" for phase, x in zip(PHASES, spent, strict=True))
        print(f"{name:<12} {rates[name]:>9,.0f} {rates[name] / rates['plain loop']:>6.2f}    {'':<10} {cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Training images per second, beside a plain loop over PIL pictures.")
    parser.add_argument("--steps", type=int, default=32, help="steps of each side that are timed")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for both sides")
    parser.add_argument("--batch", type=int, default=256, help="pictures in a step")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    experiment = methods.simclr(batch=given.batch)
    assert isinstance(experiment.objective, InfoNCE)
    try:
        trainer = Trainer(experiment, torch.device("cpu"))
    except FileNotFoundError as error:
        sys.exit(str(error))
    sides = {
        "kontrast": Side(trainer.advance, True, Clock(trainer.model, trainer.optimizer)),
        "plain loop": plain(experiment, experiment.objective.temperature),
    }
    for side in sides.values():
        side.step()
        side.step()
    while any(side.clock.steps < given.steps for side in sides.values()):
        for side in sides.values():
            torch.use_deterministic_algorithms(side.deterministic, warn_only=True)
            for _ in range(min(ROUND, given.steps - side.clock.steps)):
                side.clock.time(side.step)
    show(sides, given.batch)
    apart = difference(experiment.objective, given.batch)
    print(f"batch {given.batch}, {given.threads} threads; the losses of the same embeddings differ by {apart:.0e}")


if __name__ == "__main__":
    main()
