"""Picture files as a store of observations: decoded into memory, into the cache, or each time they are asked for."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from kontrast.datasets import decoded, pictures
from kontrast.datasets.decoded import Decoded, NoRoom, Plan, Unread
from kontrast.datasets.decoding import Files
from kontrast.datasets.download import cache
from kontrast.datasets.stores import Reader, Store
from kontrast.files import write_json

LITTLE = 1 << 24
"""Bytes of decoded pictures up to which they are decoded anew for each run, if their files are not larger either."""


class Pictures(Store):
    """The decoded pictures of files. `complain(faults)` makes the error for those that cannot be decoded.

    Some of them can be read from what was kept of `whole`, where they are the rows `at`.
    """

    def __init__(
        self,
        files: Files,
        complain: Callable[[dict[int, str]], ValueError],
        cached: bool,
        whole: Pictures | None = None,
        at: Tensor | None = None,
    ) -> None:
        self.files, self.complain, self.cached, self.whole, self.at = files, complain, cached, whole, at
        self.shape = (len(files), *files.shape)
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Where in the cache folder these pictures are kept."""
        if self._folder is None:
            self._folder = cache() / "decoded" / f"{self.files.title}-{self.files.key()}"
        return self._folder

    @property
    def little(self) -> bool:
        """Whether they are decoded in about a second, so that they need not be kept."""
        return self.bytes <= LITTLE and self.files.weight() <= LITTLE

    def select(self, rows: Tensor) -> Pictures:
        at = rows if self.at is None else self.at[rows]

        def complain(faults: dict[int, str]) -> ValueError:
            return self.complain({int(rows[number]): fault for number, fault in faults.items()})

        return Pictures(self.files.select(rows), complain, self.cached, self.whole or self, at)

    def memory(self) -> Tensor:
        found = None if self.little else self.kept(make=True)
        out = torch.empty(self.shape, dtype=torch.uint8)
        if found is None:
            if faults := self.files.decode_all(out.numpy()):
                raise self.complain(faults)
            return out
        rows, read = torch.arange(len(self.files)), self._checked(found)
        size = max(1, decoded.BLOCK // (self.bytes // len(self.files)))
        for _ in decoded.spread(
            lambda part: read(rows[part.start : part.stop], out[part.start : part.stop]),
            decoded.blocks(len(self.files), size),
        ):
            pass
        return out

    def mapped(self) -> tuple[Reader, str] | None:
        found = self.kept(make=True)
        return None if found is None else (self._checked(found), f"mapped from {found[0].plan.folder}")

    def streamed(self) -> Reader:
        threads = 1 if self.files.decoder == "dali" else pictures.workers()
        pool = ThreadPoolExecutor(threads, "kontrast-pictures")

        def read(rows: Tensor, out: Tensor) -> None:
            numbers, place = rows.tolist(), out.numpy()
            # Small parts: threads that have finished theirs take over from those with the large pictures.
            parts = decoded.blocks(len(numbers), max(1, min(self.files.together, len(numbers) // (4 * threads))))
            jobs = [(numbers[part.start : part.stop], place[part.start : part.stop]) for part in parts]
            faults = [pair for found in pool.map(lambda job: self.files.decode(*job), jobs) for pair in found.items()]
            if faults:
                told = "; ".join(f"{self.files.names[number]!r}: {fault}" for number, fault in faults)
                raise ValueError(f"pictures in {self.files.base} cannot be read, replace or remove them: {told}")

        return read

    def kept(self, make: bool = False) -> tuple[Decoded, Tensor | None] | None:
        """What was kept of these pictures, and the rows in which they are; made if asked for and if there is room."""
        if not self.cached:
            return None
        if self.whole is not None and (found := self.whole.kept()):
            return found[0], self.at
        plan = Plan(self.folder, len(self.files), self.files.shape)
        found_here = decoded.find(plan)
        if found_here is None and make:
            try:
                found_here = decoded.make(plan, self.files.decode)
            except Unread as error:
                raise self.complain(error.faults) from error
            except NoRoom as error:
                warnings.warn(f"{error}; until then they are decoded for every run", stacklevel=2)
        return None if found_here is None else (found_here, None)

    def unreadable(self) -> dict[int, str]:
        """What is wrong with pictures, by their numbers: found by decoding all of them once, and then remembered.

        The error of `complain` where files could not be read this time, of which nothing is remembered.
        """
        key, note = str(self.folder), self.folder / "faults.json"
        if key not in _faults:
            if not self.little and (found := self.kept(make=True)):
                _faults[key] = found[0].faults
            elif (noted := _noted(note)) is not None:
                _faults[key] = noted
            else:
                faults = self.files.decode_all()
                if any(isinstance(fault, pictures.Passing) for fault in faults.values()):
                    raise self.complain(faults)
                _faults[key] = faults
                with contextlib.suppress(OSError):
                    write_json(note, {str(number): fault for number, fault in _faults[key].items()})
        return _faults[key]

    def damaged(self) -> list[int]:
        """The numbers of pictures that were kept and are no longer what was decoded."""
        found = self.kept()
        return [] if found is None else found[0].damaged()

    def _checked(self, found: tuple[Decoded, Tensor | None]) -> Reader:
        """What reads from the cache, which must have all of them."""
        kept, at = found
        inside = (
            kept.faults if at is None else {n: kept.faults[k] for n, k in enumerate(at.tolist()) if k in kept.faults}
        )
        if inside:
            told = f"{self.complain(inside)} (so it was found before; to look again, delete {kept.plan.folder})"
            raise ValueError(told)
        return kept.read if at is None else lambda rows, out: kept.read(at[rows], out)


_faults: dict[str, dict[int, str]] = {}
"""What `Pictures.unreadable` found in this process, by folder, which says what was decoded."""


def _noted(path: Path) -> dict[int, str] | None:
    try:
        return {int(number): str(fault) for number, fault in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
