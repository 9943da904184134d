"""Training images per second, beside a loop over PIL pictures as one writes it today: `benchmarks/training.py`.

All sides train one encoder and head with one batch, objective and optimizer: those of `simclr` on FashionMNIST, or with
`--network resnet18` a ResNet-18 on color pictures of 32 x 32. kontrast's side is its Trainer as a run uses it, with
deterministic algorithms, a check of every gradient and the online probe, all of which the plain loop does without.
The plain loop takes a DataLoader, torchvision's transforms on PIL pictures, a pass for each view, and NT-Xent over the
whole matrix, as the toolkits of today do; their own packages are not needed for it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chz
import peers
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from kontrast import methods
from kontrast.datasets import Stored
from kontrast.draws import generator
from kontrast.encoders import ResNet
from kontrast.experiment import Experiment
from kontrast.objectives import InfoNCE
from kontrast.training import Trainer
from kontrast.views import Split, Things, Views

PHASES = ("data", "forward+backward", "rest")
ROUND = 4
"""Steps before it is the other side's turn, so that whatever else the machine does slows down both."""


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
        model.register_forward_pre_hook(lambda *_: self._mark(1))
        optimizer.register_step_pre_hook(lambda *_: self._mark(2))

    def _mark(self, number: int) -> None:
        """The moment at which a phase begins; a second pass through the model is of the same phase as the first."""
        if number == len(self.marks):
            self.marks.append(time.perf_counter())

    def time(self, step: Callable[[], object]) -> None:
        self.marks.clear()
        self._mark(0)
        step()
        self._mark(3)
        phases = zip(self.marks[:-1], self.marks[1:], strict=True)
        self.seconds = [so_far + stop - start for so_far, (start, stop) in zip(self.seconds, phases, strict=True)]
        self.steps += 1


@chz.chz
class Patches(Stored):
    """Smooth random color pictures of 32 x 32, as many as CIFAR-10 has, with random labels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, 32, 32

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(10)))

    def read(self, split: Split) -> Things:
        rows = 50_000 if split == "train" else 1_000
        draws = generator(0, "patches", split)
        coarse = torch.randint(0, 256, (rows, 3, 8, 8), dtype=torch.uint8, generator=draws)
        labels = torch.randint(0, 10, (rows,), generator=draws)
        return Things(coarse.repeat_interleave(4, 2).repeat_interleave(4, 3), torch.arange(rows), 0, labels)


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Two views of each picture, made one picture at a time."""

    def __init__(self, pictures: Tensor, transform: Callable[[Any], Tensor]) -> None:
        self.pictures, self.transform = pictures.movedim(1, -1).squeeze(-1).contiguous().numpy(), transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        picture = Image.fromarray(self.pictures[row])
        return self.transform(picture), self.transform(picture)


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """NT-Xent of [2n, d], where rows i and n + i show one picture."""
    z = functional.normalize(z, dim=1)
    logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(z)).roll(len(z) // 2))


def plain(experiment: Experiment, temperature: float) -> Side:
    """The loop that one writes with torch and torchvision alone."""
    try:
        t = peers.transforms()
    except ModuleNotFoundError:
        sys.exit("this benchmark compares with torchvision, which is not installed; pip install torchvision")
    channels, side, _ = experiment.data.shape
    colors = {"saturation": 0.4, "hue": 0.1} if channels == 3 else {}
    recipe = [
        t.RandomResizedCrop(side, scale=(0.2, 1.0)),
        t.RandomHorizontalFlip(),
        t.RandomApply([t.ColorJitter(brightness=0.4, contrast=0.4, **colors)], p=0.8),
        *([t.RandomGrayscale(0.2)] if channels == 3 else []),
        t.RandomApply([t.GaussianBlur(3, sigma=(0.1, 2.0))], p=0.5),
        t.ToTensor(),
    ]
    assert isinstance(experiment.data, Stored)
    data = Pairs(experiment.data.read("train").observations, t.Compose(recipe))
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
        loss = nt_xent(torch.cat([model(one), model(two)]), temperature)
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
    print(f"{'':<18} {'images/s':>9} {'ratio':>6}    ms a step: {'   '.join(PHASES)}")
    rates = {name: side.clock.steps * batch / sum(side.clock.seconds) for name, side in sides.items()}
    for name, side in sides.items():
        spent = (1000 * seconds / side.clock.steps for seconds in side.clock.seconds)
        cells = "   ".join(f"{x:>{len(phase)}.1f}" for phase, x in zip(PHASES, spent, strict=True))
        print(f"{name:<18} {rates[name]:>9,.0f} {rates[name] / rates['plain loop']:>6.2f}    {'':<10} {cells}")


def _experiment(network: str, batch: int, precision: str) -> Experiment:
    if network == "conv":
        return methods.simclr(batch=batch, precision=precision)
    return methods.simclr(batch=batch, precision=precision, data=Patches(), encoder=ResNet(depth=18))


def main() -> None:
    parser = argparse.ArgumentParser(description="Training images per second, beside a plain loop over PIL pictures.")
    parser.add_argument("--steps", type=int, default=32, help="steps of each side that are timed")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for both sides")
    parser.add_argument("--batch", type=int, default=256, help="pictures in a step")
    parser.add_argument("--network", choices=("conv", "resnet18"), default="conv", help="what is trained")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    precisions = ("float32", "bfloat16") if given.network == "resnet18" else ("float32",)
    sides: dict[str, Side] = {}
    for precision in precisions:
        experiment = _experiment(given.network, given.batch, precision)
        try:
            trainer = Trainer(experiment, torch.device("cpu"))
        except FileNotFoundError as error:
            sys.exit(str(error))
        sides[f"kontrast {precision}"] = Side(trainer.advance, True, Clock(trainer.model, trainer.optimizer))
    assert isinstance(experiment.objective, InfoNCE)
    sides["plain loop"] = plain(experiment, experiment.objective.temperature)
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
