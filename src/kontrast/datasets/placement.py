"""Where the observations of a split lie while a network is trained on them.

A set that fits lies on the device as bytes; one that does not is pinned in the memory of the host, else mapped from the
disk, else decoded again whenever it is asked for. What is asked for next can be prepared meanwhile. The numbers are
the same in every place.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from kontrast.datasets.stores import Held, Reader, Store
from kontrast.parts import choose

Place = Literal["auto", "device", "pinned", "mapped", "streamed"]
SHARE = 0.5
"""The part of what is free that a data set may take."""
AHEAD = 2
"""Batches that are prepared before they are asked for, at most."""


class Shelf(ABC):
    """Observations in their place. `where` says in words which it is."""

    where: str

    @abstractmethod
    def take(self, rows: Tensor) -> Tensor:
        """Rows by their numbers, int64 [n], on the device."""

    def expect(self, rows: Tensor) -> None:
        """Hear that these rows will be taken next."""
        return


class OnDevice(Shelf):
    """Everything on the device."""

    def __init__(self, store: Store, device: torch.device, note: str = "") -> None:
        self.observations, self.where = store.memory().to(device), f"on {device}{note}"

    def take(self, rows: Tensor) -> Tensor:
        # Five times as fast on a CPU as indexing, which goes byte by byte.
        return self.observations.index_select(0, rows.to(self.observations.device))


class OnHost(Shelf):
    """Everything elsewhere: rows are read when they are asked for, or in the background once they are expected."""

    def __init__(self, read: Reader, store: Store, device: torch.device, where: str) -> None:
        self.read, self.shape, self.dtype, self.device, self.where = read, store.shape[1:], store.dtype, device, where
        self.ready: OrderedDict[Hashable, Future[Tensor]] = OrderedDict()
        self.thread = ThreadPoolExecutor(1, "kontrast-rows")

    def take(self, rows: Tensor) -> Tensor:
        prepared = self.ready.pop(_key(rows), None)
        found = self._read(rows) if prepared is None else prepared.result()
        return found.to(self.device, non_blocking=True)

    def expect(self, rows: Tensor) -> None:
        if (key := _key(rows)) in self.ready:
            return
        while len(self.ready) >= AHEAD:
            self.ready.popitem(last=False)[1].cancel()
        self.ready[key] = self.thread.submit(self._read, rows)

    def _read(self, rows: Tensor) -> Tensor:
        # Only pinned memory is copied to a GPU while the GPU computes.
        out = torch.empty((len(rows), *self.shape), dtype=self.dtype, pin_memory=self.device.type == "cuda")
        self.read(rows, out)
        return out


def lay(store: Store, device: torch.device, place: Place = "auto") -> Shelf:
    """Put observations in a place; ValueError for an unknown one.

    "auto" is the device while they take less than half of what is free there (and on the host, through which they
    come), else pinned memory of the host while they take less than half of that, else "mapped", else "streamed".
    What a data set or a device cannot do falls back to the next that it can, and says so.
    """
    choose(place, get_args(Place), "place")
    if place == "auto":
        place = _roomy(store, device)
    if place == "pinned":
        if device.type == "cuda":
            pinned = Held(store.memory().pin_memory())
            return OnHost(pinned.mapped()[0], store, device, f"in pinned memory, for {device}")
        return OnDevice(store, device, ", where nothing needs to be pinned")
    note = ""
    if place in ("auto", "mapped"):
        if found := store.mapped():
            return OnHost(found[0], store, device, f"{found[1]}, for {device}")
        place, note = "streamed", ", since there is no room to keep them"
    if place == "streamed":
        if read := store.streamed():
            return OnHost(read, store, device, f"decoded as they are asked for, for {device}{note}")
        if found := store.mapped():
            return OnHost(found[0], store, device, f"{found[1]}, for {device}, since they are not files to decode")
    return OnDevice(store, device)


def _roomy(store: Store, device: torch.device) -> Place:
    """The fastest place that has room, or "auto" where only the disk may have."""
    host = store.bytes < SHARE * free_host()
    if device.type == "cuda" and store.bytes < SHARE * torch.cuda.mem_get_info(device)[0]:
        return "device" if host or isinstance(store, Held) else "auto"
    if host:
        return "pinned" if device.type == "cuda" else "device"
    return "auto"


def free_host() -> int:
    """Bytes of memory that this process may still take: its share of what the machine and its control group leave."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
        group = Path(Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2].lstrip("/"))
    except (OSError, StopIteration):
        return free // processes()
    for folder in (Path("/sys/fs/cgroup") / part for part in (group, *group.parents)):
        try:
            limit = int((folder / "memory.max").read_text())
            used = next(line for line in (folder / "memory.stat").read_text().splitlines() if line.startswith("anon "))
            free = min(free, max(0, limit - int(used.split()[1])))
        except (OSError, ValueError, StopIteration):
            continue  # no limit here
    return free // processes()


def processes() -> int:
    """Processes of one `torchrun` or `srun` on this machine, which share it; of srun's, those of the fullest one."""
    told = os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_STEP_TASKS_PER_NODE") or "1"
    return max(1, *(int(count) for count in re.sub(r"\(x\d+\)", "", told).split(",")))


def size(count: int) -> str:
    """Bytes as a reader wants them."""
    power = next(power for power in range(5) if count < 1000 ** (power + 1) or power == 4)
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def _key(rows: Tensor) -> bytes:
    return rows.numpy().tobytes()
