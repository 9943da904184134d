"""Several processes that train as one: who started them, how they meet, and what happens when one is gone."""

from __future__ import annotations

import atexit
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import distributed

from kontrast.training.distributed import ranks

PATIENCE = 600.0
"""Seconds that a process waits for the others, unless told otherwise."""


class Lost(RuntimeError):
    """Another process of the run is gone, or does not answer. What was saved last is whole."""


class Seat(NamedTuple):
    """Which process this is of how many, here and in all, and where they meet."""

    rank: int
    ranks: int
    local: int
    locals: int
    address: str
    port: int
    starter: str


def seat(environment: Mapping[str, str] = os.environ) -> Seat | None:
    """The place of this process as torchrun or SLURM's srun assigned it; None where it was started alone.

    torchrun says RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Under srun the number of the task is
    SLURM_PROCID of SLURM_STEP_NUM_TASKS; they meet on the first node of the step, at a port that the job's number
    decides, or at MASTER_ADDR and MASTER_PORT if these are set. A shell that SLURM gave, in which nothing was started
    by srun, is one process. ValueError if the environment contradicts itself.
    """
    try:
        if "RANK" in environment and "WORLD_SIZE" in environment:
            found = _of_torchrun(environment)
        elif "SLURM_PROCID" in environment and ("SLURM_STEP_NUM_TASKS" in environment or _in_step(environment)):
            found = _of_slurm(environment)
        else:
            return None
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"the environment does not say which process this is ({error}); start several with "
            "torchrun --nproc-per-node 4 -m kontrast train ..., or with srun kontrast train ..."
        ) from None
    if not 0 <= found.rank < found.ranks:
        raise ValueError(f"of {found.ranks} processes there is none with the number {found.rank}")
    return found if found.ranks > 1 else None


def _of_torchrun(environment: Mapping[str, str]) -> Seat:
    rank, count = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    address, port = environment.get("MASTER_ADDR", "127.0.0.1"), int(environment.get("MASTER_PORT", "29500"))
    local = int(environment.get("LOCAL_RANK", rank))
    return Seat(rank, count, local, int(environment.get("LOCAL_WORLD_SIZE", count)), address, port, "torchrun")


def _in_step(environment: Mapping[str, str]) -> bool:
    return "SLURM_STEP_ID" in environment and "SLURM_NTASKS" in environment


def _of_slurm(environment: Mapping[str, str]) -> Seat:
    rank = int(environment["SLURM_PROCID"])
    count = int(environment.get("SLURM_STEP_NUM_TASKS") or environment["SLURM_NTASKS"])
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "127.0.0.1")
    job = int(environment.get("SLURM_JOB_ID", "0")) + int(environment.get("SLURM_STEP_ID", "0"))
    tasks = environment.get("SLURM_STEP_TASKS_PER_NODE") or environment.get("SLURM_TASKS_PER_NODE", str(count))
    address = environment.get("MASTER_ADDR", first_node(nodes))
    port = int(environment.get("MASTER_PORT", 10_000 + job % 20_000))
    return Seat(rank, count, int(environment.get("SLURM_LOCALID", 0)), _most(tasks), address, port, "srun")


def first_node(nodes: str) -> str:
    """The first of SLURM's list of nodes: gpu07 of gpu[07-09,12],cpu1."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])+", nodes)
    if first is None:
        raise ValueError(f"{nodes!r} is no list of nodes")
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first.group())


def _most(tasks: str) -> int:
    """The largest of SLURM's numbers of tasks on each node: 4 of 4(x2),3."""
    return max(int(count) for count in re.sub(r"\(x\d+\)", "", tasks).split(","))


@contextmanager
def together(place: Seat | None, device: torch.device, wait_seconds: float = PATIENCE) -> Iterator[None]:
    """Meet the other processes, if there are any, and turn what is heard of a lost one into one sentence.

    They stay together until this process ends, so that it can train again. A process group that the caller has made
    is used as it is. `wait_seconds` is how long one waits for the others before they count as lost.
    """
    if place is not None and not distributed.is_initialized():
        _meet(place, device, wait_seconds)
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, Lost) or ranks() == 1 or not _is_loss(error):
            raise
        # Nothing is asked of the group any more: the others may never answer.
        atexit.unregister(_part)
        raise Lost(
            "another process of this run ended or did not answer in time; its own message says why, and "
            f"resume=True goes on from what was saved last ({str(error).splitlines()[0]})"
        ) from error


def _is_loss(error: RuntimeError) -> bool:
    """Whether that is what torch.distributed says when another process does not answer."""
    return isinstance(error, distributed.DistError) or any(word in str(error).lower() for word in ("gloo", "nccl"))


def _meet(place: Seat, device: torch.device, wait_seconds: float) -> None:
    # torchrun keeps the meeting point itself.
    meeting = "env://" if place.starter == "torchrun" else f"tcp://{place.address}:{place.port}"
    try:
        patience = timedelta(seconds=wait_seconds)
        distributed.init_process_group(_backend(device), meeting, patience, place.ranks, place.rank)
    except (RuntimeError, ValueError) as error:
        raise Lost(
            f"the {place.ranks} processes did not meet at {place.address}:{place.port} within {wait_seconds:g} s "
            f"({str(error).splitlines()[0]}); set MASTER_ADDR and MASTER_PORT to a free port that all nodes reach"
        ) from error
    atexit.register(_part)


def _backend(device: torch.device) -> str:
    # What steers the run goes over gloo, on processors, so that no device is waited for.
    return "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
