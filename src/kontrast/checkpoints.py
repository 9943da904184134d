"""Checkpoints: tensors and state on disk, whole or not at all, and never a pickle.

A checkpoint is a folder `step-000001234` of three files: `tensors.safetensors`, `state.json`, and `manifest.json` with
the sha256 and size of the other two. It is written to a temporary sibling, synced and renamed; reading verifies it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

NAME = re.compile(r"step-(\d{9})")
FILES = ("tensors.safetensors", "state.json")
KEEP = 2


class DamagedCheckpoint(ValueError):
    """A checkpoint that is not what was written: truncated, altered or incomplete."""


class Checkpoint(NamedTuple):
    """What was saved after `step` optimizer steps."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]
    path: Path


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write a checkpoint below `folder`, and keep only it and the newest whole one before it.

    What was there before stays until it is whole. Then later steps go too: whoever saves this step has left them
    behind. Beside the tensors it takes the memory of a copy of those that are not contiguous, or not on the CPU. If it
    cannot be written nothing of it is left: an OSError, or a MemoryError, in one sentence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    final = folder / f"step-{step:09d}"
    if not (final.exists() and _whole(final)):
        _place(final, tensors, json.dumps({"step": step, **state}, indent=1, sort_keys=True).encode())
    _prune(folder, step)
    return final


def _place(final: Path, tensors: Mapping[str, Tensor], state: bytes) -> None:
    """Write the files to a temporary sibling of `final`, then rename it, over a damaged one if there is one."""
    partial = final.with_name(f".partial-{final.name.removeprefix('step-')}-{os.getpid()}")
    try:
        partial.mkdir()
        _fill(partial, tensors, state)
        _sync(partial)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _sync(final.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        size = sum(tensor.nbytes for tensor in tensors.values()) + len(state)
        untouched = "the checkpoint before it is untouched"
        if isinstance(error, OSError):
            why = error.strerror or error
            raise OSError(f"{final} could not be written, {size} bytes in all ({why}); {untouched}") from error
        # A panic of safetensors, which is written in Rust, is that memory lacks; it is no Exception.
        if isinstance(error, MemoryError) or type(error).__name__ == "PanicException":
            raise MemoryError(f"the memory did not suffice to write {final}, {size} bytes; {untouched}") from error
        raise


def _fill(folder: Path, tensors: Mapping[str, Tensor], state: bytes) -> None:
    """Write the files of a checkpoint, the manifest last."""
    _write(folder / "state.json", state)
    path = folder / "tensors.safetensors"
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        if found := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
        raise
    # Which safetensors gives to its owner alone.
    shutil.copymode(folder / "state.json", path)
    _sync(path)
    files = {name: {"sha256": _sha256(folder / name), "size": (folder / name).stat().st_size} for name in FILES}
    _write(folder / "manifest.json", json.dumps({"format": 1, "files": files}, indent=1).encode())


def _prune(folder: Path, step: int) -> None:
    """Remove all but the checkpoint of this step and the newest whole ones before it."""
    kept = 1
    for other in reversed(steps(folder)):
        path = folder / f"step-{other:09d}"
        if other == step:
            continue
        if other < step and kept < KEEP and _whole(path):
            kept += 1
        else:
            shutil.rmtree(path)


def _whole(path: Path) -> bool:
    try:
        _verify(path)
    except DamagedCheckpoint:
        return False
    return True


def steps(folder: Path) -> list[int]:
    """The steps of which there is a checkpoint, ascending; damaged ones included."""
    if not folder.is_dir():
        return []
    return sorted(int(match.group(1)) for entry in folder.iterdir() if (match := NAME.fullmatch(entry.name)))


def load(path: Path) -> Checkpoint:
    """A verified checkpoint. DamagedCheckpoint, naming the file, if anything is not as it was written."""
    state = _verify(path)
    try:
        return Checkpoint(int(state["step"]), load_tensors((path / FILES[0]).read_bytes()), state, path)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{path} cannot be read as a checkpoint: {error}") from None


def _verify(path: Path) -> dict[str, Any]:
    """The state of a checkpoint whose files are what the manifest says; they are read in pieces."""
    try:
        files = json.loads((path / "manifest.json").read_bytes())["files"]
        for name in FILES:
            file = path / name
            if file.stat().st_size != files[name]["size"] or _sha256(file) != files[name]["sha256"]:
                raise DamagedCheckpoint(f"{file} is not what was written: its sha256 differs from the manifest")
        state: dict[str, Any] = json.loads((path / "state.json").read_bytes())
        return state
    except DamagedCheckpoint:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(f"{path} cannot be read as a checkpoint: {error}") from None


def latest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, or None, and a sentence for each newer one that is damaged."""
    damaged: list[str] = []
    for step in reversed(steps(folder)):
        try:
            return load(folder / f"step-{step:09d}"), damaged
        except DamagedCheckpoint as error:
            damaged.append(str(error))
    return None, damaged


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have a file or a folder on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    for stray in folder.glob(".partial-*"):
        shutil.rmtree(stray, ignore_errors=True)
