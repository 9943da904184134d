"""Features kept on the disk: arrays with a checksum, never a pickle, and nothing that is missed when it is gone."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import tempfile
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 2**30
"""Bytes of features that are kept, unless what was last asked for needs more."""
KEPT = 2
"""Networks of one role whose features are kept."""
ABANDONED = 3600
"""Seconds after which what a write left half way is surely not being written."""
FILE = re.compile(r"([a-z]+)-([0-9a-f]{16})-[0-9a-f]{32}\.safetensors")
Arrays = Mapping[str, "NDArray[Any]"]


class Store:
    """A folder of features, one file for each network, layer and choice of rows.

    A file is named by the role of the network, as in "trained", and by a hash of its key: the mark of the network, what
    was asked of it, and the versions of kontrast and torch with the number of threads, on which the last bits depend.
    It is read only if its key and its checksum are right; whoever reads compares its `digest` with that of the rows
    there are. What cannot be written is left out.

    The files that were longest not used go where all take more than 1 GB, but none that this object wrote or read: what
    one examination needs is whole the next time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used = set[Path]()

    def read(self, role: str, mark: str, key: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
        """The arrays that were kept under a key, or None where there are none, or none that are whole."""
        from safetensors import SafetensorError, safe_open

        path, said = self._place(role, mark, key)
        try:
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                if about.get("key") != said:
                    return None
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, ValueError, SafetensorError):
            return None
        if about.get("sha256") != checksum(arrays):
            return None
        self._used.add(path)
        with contextlib.suppress(OSError):
            os.utime(path)
        return arrays

    def write(self, role: str, mark: str, key: Mapping[str, Any], arrays: Arrays) -> None:
        """Keep arrays under a key, all or nothing."""
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        path, said = self._place(role, mark, key)
        partial = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=self.folder, prefix=".partial-")
            os.close(handle)
            save_file(dict(arrays), partial, {"key": said, "sha256": checksum(arrays)})
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(partial, 0o666 & ~umask)
            os.replace(partial, path)
            self._used.add(path)
            self._bound()
        except (OSError, SafetensorError) as error:
            if partial is not None:
                Path(partial).unlink(missing_ok=True)
            warnings.warn(f"features were not kept in {self.folder}: {error}", stacklevel=2)

    def prune(self, marks: Mapping[str, str]) -> None:
        """Remove what a write left half way, and files of networks that are neither these nor the last ones before.

        For each of the roles the files of the network of this mark stay, and those of the one last used before it.
        """
        there: dict[str, dict[str, list[Path]]] = {role: {} for role in marks}
        for path in self._newest_first():
            match = FILE.fullmatch(path.name)
            assert match
            if match[1] in there:
                there[match[1]].setdefault(match[2], []).append(path)
        for role, mark in marks.items():
            others = [paths for other, paths in there[role].items() if other != mark[:16]]
            for path in itertools.chain.from_iterable(others[KEPT - 1 :]):
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".partial-*") if self.folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - ABANDONED:
                    path.unlink()

    def _newest_first(self) -> dict[Path, int]:
        """The files and their sizes, those first that were used last."""
        found = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if FILE.fullmatch(path.name):
                    stat = path.stat()
                    found.append((stat.st_mtime_ns, path, stat.st_size))
        return {path: size for _, path, size in sorted(found, reverse=True)}

    def _bound(self) -> None:
        total = 0
        for path, size in self._newest_first().items():
            total += size
            if total > LARGEST and path not in self._used:
                path.unlink(missing_ok=True)

    def _place(self, role: str, mark: str, key: Mapping[str, Any]) -> tuple[Path, str]:
        whole = {
            **key,
            "network": mark,
            "kontrast": version("kontrast"),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        said = json.dumps(whole, sort_keys=True)
        name = f"{role}-{mark[:16]}-{hashlib.sha256(said.encode()).hexdigest()[:32]}.safetensors"
        return self.folder / name, said


def checksum(arrays: Arrays) -> str:
    """sha256 over names, types, shapes and bytes of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view("u1").data)
    return digest.hexdigest()
