"""Picture files that are decoded alike, with all cores."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import dali, decoded, pictures

TOGETHER = 32
"""Pictures that a thread decodes before it looks for more."""


@dataclass(frozen=True)
class Files:
    """Picture files that are decoded alike. `content` gives the file of a number, or its bytes."""

    title: str
    base: Path
    names: Sequence[str]
    content: Callable[[int], Path | bytes]
    size: int
    channels: int
    stamp: str | None = None
    decoder: Literal["pillow", "dali"] = "pillow"

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one picture."""
        return self.channels, self.size, self.size

    @property
    def together(self) -> int:
        """Pictures that are decoded before a thread looks for more; a GPU wants many at once."""
        return dali.BATCH if self.decoder == "dali" else TOGETHER

    def decode(self, numbers: Sequence[int], out: NDArray[np.uint8]) -> dict[int, str]:
        """Decode pictures into an array, in this thread; what is wrong with those that cannot be, by their numbers.

        What is wrong is a `Passing` where a file could not be read this time. A MemoryError names the picture.
        """
        if self.decoder == "dali":
            return self._decode_together(numbers, out)
        faults: dict[int, str] = {}
        for position, number in enumerate(numbers):
            try:
                out[position] = pictures.decode(self.content(number), self.size, self.channels)
            except ValueError as error:
                faults[number] = str(error)
            except OSError as error:
                faults[number] = pictures.unread(error)
            except MemoryError as error:
                raise MemoryError(f"no memory is left to decode {self.names[number]!r} in {self.base}") from error
        return faults

    def _decode_together(self, numbers: Sequence[int], out: NDArray[np.uint8]) -> dict[int, str]:
        try:
            found = dali.decode([self.content(number) for number in numbers], self.size, self.channels, out)
        except MemoryError as error:
            some = f"{self.names[numbers[0]]!r} and the {len(numbers) - 1} after it"
            raise MemoryError(f"no memory is left to decode {some} in {self.base}") from error
        return {numbers[position]: fault for position, fault in found.items()}

    def decode_all(self, out: NDArray[np.uint8] | None = None) -> dict[int, str]:
        """Decode all pictures with all cores, into an array or to see whether it can be done; what is wrong."""

        def some(rows: range) -> dict[int, str]:
            place = np.empty((len(rows), *self.shape), np.uint8) if out is None else out[rows.start : rows.stop]
            return self.decode(rows, place)

        found = decoded.spread(some, decoded.blocks(len(self), self.together))
        return {number: fault for part in found for number, fault in part.items()}

    def select(self, rows: Tensor) -> Files:
        """Some of the files, by their numbers."""
        numbers, content = rows.tolist(), self.content
        stamp = None if self.stamp is None else f"{self.stamp} {numbers}"
        names = [self.names[number] for number in numbers]
        return replace(self, names=names, content=lambda row: content(numbers[row]), stamp=stamp)

    def weight(self) -> int:
        """Bytes of the files, which say better than their number how long they take to decode."""
        found = 0
        for number in range(len(self)):
            with contextlib.suppress(OSError):
                file = self.content(number)
                found += file.stat().st_size if isinstance(file, Path) else len(file)
        return found

    def key(self) -> str:
        """What changes whenever something else would be decoded: files by path, size and time, and the decoder."""
        digest = hashlib.blake2b(digest_size=12)
        # DALI leaves to Pillow what is no JPEG.
        decoder = pictures.decoder() + (f" {dali.version()}" if self.decoder == "dali" else "")
        digest.update(f"{decoder} {self.shape} {len(self)} {self.stamp}\n".encode())
        if self.stamp is None:
            digest.update(os.fsencode(self.base.resolve()))
            for part in decoded.spread(self._stats, decoded.blocks(len(self), 1024)):
                digest.update(part)
        return digest.hexdigest()

    def _stats(self, rows: range) -> bytes:
        lines = bytearray()
        for number in rows:
            file, found = self.content(number), ""
            with contextlib.suppress(OSError):
                if isinstance(file, Path):
                    stat = file.stat()
                    found = f"{stat.st_size} {stat.st_mtime_ns}"
                else:
                    found = hashlib.blake2b(file, digest_size=12).hexdigest()
            lines += os.fsencode(self.names[number]) + f"\0{found}\n".encode()
        return bytes(lines)
