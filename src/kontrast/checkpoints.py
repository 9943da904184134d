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
from safetensors.torch import save as save_tensors
from torch import Tensor

NAME = re.compile(r"step-(\d{9})")
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
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write a checkpoint below `folder`, and keep only it and the newest whole one before it.

    What was there before stays until it is whole. Then later steps go too: whoever saves this step has left them
    behind. An OSError, in one sentence, if it cannot be written; nothing of it is left then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    final = folder / f"step-{step:09d}"
    if not (final.exists() and _whole(final)):
        _place(final, _contents(step, tensors, state))
    _prune(folder, step)
    return final


def _contents(step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a checkpoint, the manifest last."""
    contents = {
        "tensors.safetensors": save_tensors(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        ),
        "state.json": json.dumps({"step": step, **state}, indent=1, sort_keys=True).encode(),
    }
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in contents.items()}
    contents["manifest.json"] = json.dumps({"format": 1, "files": files}, indent=1).encode()
    return contents


def _place(final: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files to a temporary sibling of `final`, then rename it, over a damaged one if there is one."""
    partial = final.with_name(f".partial-{final.name.removeprefix('step-')}-{os.getpid()}")
    try:
        partial.mkdir()
        for name, data in contents.items():
            _write(partial / name, data)
        _sync(partial)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _sync(final.parent)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        size = sum(map(len, contents.values()))
        raise OSError(
            f"{final} could not be written, {size} bytes in all ({error.strerror or error}); "
            "the checkpoint before it is untouched"
        ) from error


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
        load(path)
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
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        files = manifest["files"]
        data = {name: (path / name).read_bytes() for name in ("tensors.safetensors", "state.json")}
        for name, content in data.items():
            if len(content) != files[name]["size"] or hashlib.sha256(content).hexdigest() != files[name]["sha256"]:
                raise DamagedCheckpoint(f"{path / name} is not what was written: its sha256 differs from the manifest")
        state = json.loads(data["state.json"])
        return Checkpoint(int(state["step"]), load_tensors(data["tensors.safetensors"]), state, path)
    except DamagedCheckpoint:
        raise
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
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


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    for stray in folder.glob(".partial-*"):
        shutil.rmtree(stray, ignore_errors=True)
