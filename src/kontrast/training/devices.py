"""Where a run takes place: the device, the threads, and what it can calculate with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from kontrast.training.processes import Seat


def chosen(device: str | None, threads: int | None, place: Seat | None = None) -> torch.device:
    """The device of this process, with so many threads set. By default a GPU of its own where there is one.

    ValueError if there is no such device, or not one for each process.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"a run takes at least one thread, not {threads}; write threads=1")
        torch.set_num_threads(threads)
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = _own(torch.device(name), place)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {name!r} here ({str(error).splitlines()[0]}); write device=cpu") from None
    if found.type == "cuda":
        torch.cuda.set_device(found)
    return found


def _own(device: torch.device, place: Seat | None) -> torch.device:
    if device.type != "cuda" or place is None:
        return device
    if device.index is not None:
        raise ValueError(f"{place.ranks} processes cannot share {device}; write device=cuda, and each takes its own")
    count = torch.cuda.device_count()
    # srun may show every task nothing but a GPU of its own, which then is the first.
    local = 0 if place.starter == "srun" and count == 1 else place.local
    if local >= count:
        raise ValueError(f"{place.locals} processes on this machine do not have {count} GPUs; start {count} of them")
    return torch.device("cuda", local)


def formats(device: torch.device) -> dict[str, bool]:
    """The low precisions that a device calculates with in hardware; others it may take, only slower."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return {"bfloat16": major >= 8, "float16": major >= 7}
    if device.type == "cpu":
        return {
            "bfloat16": bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()),
            "float16": bool(torch.ops.mkldnn._is_mkldnn_fp16_supported()),
        }
    return {}


@contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms where there are any, and a warning where there are none."""
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory costs 7 % of a step, and nothing here reads what it has not written.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before, warn_only=warned)
