"""Contrastive losses, forward and backward, beside the formulas that store all pairs: `benchmarks/losses.py`.

Each peer's formula is written here in our own words: that of cl-ica holds the differences of all pairs of rows in every
coordinate, that of lightly the similarities of both views in four blocks, plain matmul and cross-entropy one matrix.
The sides take turns. Seconds are CPU time of one thread by default; memory is the peak beyond what the inputs take, in
a process of its own whose memory goes back to the system as soon as it is free.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kontrast.draws import generator
from kontrast.tiles import Dot, Negative, Power, compiled, log_sum_exp

TEMPERATURE = 0.1
Loss = Callable[[Tensor, Tensor], Tensor]


class Side(NamedTuple):
    """A loss of two views [n, d], what it runs in, and how often it runs for each time of the first side."""

    loss: Loss
    context: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    times: int = 1


class Contest(NamedTuple):
    """Losses that are equal, the peer first, and the views they are timed on."""

    rows: int
    coordinates: int
    sides: dict[str, Side]


def differences(p: int) -> Loss:
    """InfoNCE over anchors as cl-ica has it: the anchor itself among the candidates, distances |x - y|_p^p."""

    def loss(x: Tensor, y: Tensor) -> Tensor:
        negative = torch.norm(x[None] - x[:, None], p=p, dim=-1) ** p
        positive = torch.norm(x - y, p=p, dim=-1) ** p
        candidates = torch.cat([-negative, -positive[:, None]], 1)
        return (positive + torch.logsumexp(candidates, 1)).mean()

    return loss


def in_tiles(p: int) -> Loss:
    """The same without the matrix."""

    def loss(x: Tensor, y: Tensor) -> Tensor:
        positive = Power(p).pair(x, y)
        return (positive + torch.logaddexp(log_sum_exp(x, x, Power(p), Negative()), -positive)).mean()

    return loss


def four_blocks(x: Tensor, y: Tensor) -> Tensor:
    """NT-Xent as lightly has it: four blocks of similarities, two of them without their diagonals."""
    x, y = functional.normalize(x, dim=1), functional.normalize(y, dim=1)
    xx, xy, yx, yy = (torch.einsum("nc,mc->nm", a, b) / TEMPERATURE for a in (x, y) for b in (x, y))
    others = ~torch.eye(len(x), dtype=torch.bool)
    xx, yy = xx[others].view(len(x), -1), yy[others].view(len(x), -1)
    logits = torch.cat([torch.cat([xy, xx], 1), torch.cat([yx, yy], 1)])
    return functional.cross_entropy(logits, torch.arange(len(x)).repeat(2))


def one_matrix(x: Tensor, y: Tensor) -> Tensor:
    """NT-Xent by plain matmul and cross-entropy."""
    z = functional.normalize(torch.cat([x, y]), dim=1)
    logits = (z @ z.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(z)).roll(len(x)))


def stacked(x: Tensor, y: Tensor) -> Tensor:
    """NT-Xent without the matrix."""
    z = functional.normalize(torch.cat([x, y]), dim=1)
    partition = log_sum_exp(z, z, Dot(), scale=1 / TEMPERATURE, exclude=torch.arange(len(z))[:, None])
    return partition.mean() - Dot().pair(z[: len(x)], z[len(x) :]).mean() / TEMPERATURE


def contests(quick: bool, compile_too: bool) -> dict[str, Contest]:
    shown: dict[str, Contest] = {}
    for p in (1, 2):
        sides = {"cl-ica's formula": Side(differences(p)), "kontrast": Side(in_tiles(p), times=8)}
        if p == 1 and compile_too:
            sides["kontrast, compiled"] = Side(in_tiles(p), compiled, times=8)
        shown[f"p = {p}"] = Contest(192 if quick else 6144, 10, sides)
    peers = {"lightly's formula": Side(four_blocks), "matmul, cross-entropy": Side(one_matrix)}
    with contextlib.suppress(ImportError):
        from lightly.loss import NTXentLoss

        peers["lightly"] = Side(NTXentLoss(temperature=TEMPERATURE))
    shown["NT-Xent"] = Contest(192 if quick else 4096, 128, {**peers, "kontrast": Side(stacked, times=4)})
    return shown


def views(rows: int, coordinates: int) -> tuple[Tensor, Tensor]:
    """Points of the unit box and others near them."""
    draws = generator(0, "views")
    x = torch.rand(rows, coordinates, generator=draws)
    return x.requires_grad_(), (x.detach() + 0.05 * torch.randn(x.shape, generator=draws)).requires_grad_()


def seconds(contest: Contest, rounds: int) -> Iterator[tuple[str, float, Tensor]]:
    """For each side its median seconds, and the gradient to the first view."""
    x, y = views(contest.rows, contest.coordinates)
    spent: dict[str, list[float]] = {name: [] for name in contest.sides}
    gradients: dict[str, Tensor] = {}
    for turn in range(rounds + 1):
        for name, side in contest.sides.items():
            with side.context():
                for _ in range(side.times):
                    start = time.process_time()
                    gradients[name] = torch.autograd.grad(side.loss(x, y), (x, y))[0]
                    spent[name] += [time.process_time() - start] if turn else []
    for name, times in spent.items():
        yield name, statistics.median(times), gradients[name]


def peak() -> float:
    """The most memory that this process has had since it was last asked, in MB."""
    most = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    Path("/proc/self/clear_refs").write_text("5")
    assert most
    return int(most[1]) / 1024


def extra(contest: Contest, side: Side) -> float:
    """Peak MB of one loss and its gradients, beyond the views."""
    few, views_ = views(64, contest.coordinates), views(contest.rows, contest.coordinates)
    with side.context():
        for x, y in (few, *([views_] if side.context is compiled else [])):
            torch.autograd.grad(side.loss(x, y), (x, y))
        peak()
        before = peak()
        torch.autograd.grad(side.loss(*views_), views_)
    return peak() - before


def extra_alone(contest: str, side: str, options: list[str]) -> str:
    """As `extra`, in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return "-"
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, *options, "--memory", contest, side]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return f"{float(done.stdout):,.0f}"


def show(name: str, contest: Contest, rounds: int, options: list[str]) -> None:
    """A line for each side: how many times as long the peer takes, and how far the gradients are apart."""
    first: tuple[float, Tensor] | None = None
    for side, spent, gradient in seconds(contest, rounds):
        first = first or (spent, gradient)
        apart = float((gradient - first[1]).abs().max() / first[1].abs().max())
        what = f"{name}, {contest.rows} x {contest.coordinates}"
        memory = extra_alone(name, side, options)
        print(f"{what:<22} {side:<22} {spent:>9.4f} {first[0] / spent:>8.2f} {memory:>9}   {apart:.0e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Contrastive losses beside formulas that store all pairs.")
    parser.add_argument("--quick", action="store_true", help="few rows: whether it runs, not how fast")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which each side has its turn")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for all sides")
    parser.add_argument("--eager", action="store_true", help="leave out what needs a C++ compiler")
    parser.add_argument("--memory", nargs=2, metavar=("CONTEST", "SIDE"), help="print the peak MB of one side alone")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    shown = contests(given.quick, not given.eager and not given.quick)
    if given.memory:
        contest = shown[given.memory[0]]
        print(extra(contest, contest.sides[given.memory[1]]))
        return
    options = [f"--threads={given.threads}", *(["--quick"] if given.quick else [])]
    print(f"{'':<22} {'':<22} {'seconds':>9} {'ratio':>8} {'extra MB':>9}   gradients differ by")
    for name, contest in shown.items():
        show(name, contest, 1 if given.quick else given.rounds, options)


if __name__ == "__main__":
    main()
