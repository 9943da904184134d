"""Decoding with NVIDIA DALI, on a GPU where there is one: `decoder=dali`, with `pip install 'kontrast[dali]'`."""

from __future__ import annotations

import functools
import io
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets import pictures

BATCH = 128


def decode(contents: Sequence[Path | bytes], size: int, channels: int, out: NDArray[np.uint8]) -> dict[int, str]:
    """Decode pictures into uint8 [n, channels, size, size]; what is wrong with those that cannot be, by position.

    JPEG in color or gray goes through DALI; other pictures, and JPEG that DALI refuses, go through Pillow. Both turn
    pictures upright, crop the same square and resize it with the same filter. They differ in that Pillow decodes a JPEG
    that is more than twice too large at a smaller scale, where DALI decodes all of it.
    """
    faults: dict[int, str] = {}
    files: dict[int, bytes] = {}
    for position, content in enumerate(contents):
        try:
            if (file := _jpeg(content)) is not None:
                files[position] = file
            else:
                out[position] = pictures.decode(content, size, channels)
        except ValueError as error:
            faults[position] = str(error)
        except OSError as error:
            faults[position] = pictures.unread(error)
    for start in range(0, len(files), BATCH):
        some = list(files)[start : start + BATCH]
        try:
            out[some] = _decoder(size, channels)([files[position] for position in some])
        except RuntimeError:
            # One bad file stops all of its batch: the others must not become other numbers for it.
            faults |= {position: fault for position in some if (fault := _alone(files[position], out[position]))}
    return faults


def version() -> str:
    """What decodes: another version, or another kind of device, may give other numbers."""
    import nvidia.dali

    return f"DALI {nvidia.dali.__version__} {_device()}"


def check() -> None:
    """ValueError if DALI is not installed."""
    try:
        import nvidia.dali  # noqa: F401
    except ImportError as error:
        raise ValueError("decoder=dali needs NVIDIA DALI: pip install 'kontrast[dali]'") from error


def _jpeg(content: Path | bytes) -> bytes | None:
    """The bytes of a JPEG in color or gray that is not too large, judged by its header; None for anything else."""
    from PIL import Image

    if isinstance(content, Path) and pictures.length(content) is None:
        return None
    file = content.read_bytes() if isinstance(content, Path) else content
    try:
        with Image.open(io.BytesIO(file), formats=("JPEG",)) as image:
            plain = image.mode in ("RGB", "L") and image.width * image.height <= pictures.PIXELS
    except MemoryError:
        raise
    except Exception:
        return None
    return file if plain else None


def _alone(file: bytes, out: NDArray[np.uint8]) -> str | None:
    channels, size, _ = out.shape
    try:
        out[:] = _decoder(size, channels)([file])[0]
    except RuntimeError:
        try:
            out[:] = pictures.decode(file, size, channels)
        except ValueError as error:
            return str(error)
    return None


def _device() -> str:
    return "mixed" if torch.cuda.is_available() else "cpu"


@functools.lru_cache(maxsize=2)
def _decoder(size: int, channels: int) -> _Decoder:
    return _Decoder(size, channels)


class _Decoder:
    """A pipeline that is built when it is first needed, and again after an error, which leaves it useless."""

    def __init__(self, size: int, channels: int) -> None:
        self.size, self.channels, self.lock, self.built = size, channels, threading.Lock(), None

    def __call__(self, files: Sequence[bytes]) -> NDArray[np.uint8]:
        """Pictures uint8 [n, channels, size, size] of at most 128 files; RuntimeError if one cannot be decoded."""
        with self.lock:
            pipeline = self.built or self._build()
            self.built = None
            pipeline.feed_input("files", [np.frombuffer(file, np.uint8) for file in files])
            (found,) = pipeline.run()
            decoded: NDArray[np.uint8] = np.array((found.as_cpu() if _device() == "mixed" else found).as_array())
            self.built = pipeline
        return decoded

    def _build(self) -> Any:
        from nvidia.dali import fn, types
        from nvidia.dali.pipeline import Pipeline

        color, device = (types.RGB if self.channels == 3 else types.GRAY), _device()
        number = torch.cuda.current_device() if device == "mixed" else None
        pipeline = Pipeline(BATCH, pictures.workers(), number, prefetch_queue_depth=1)
        with pipeline, warnings.catch_warnings(action="ignore"):
            files = fn.external_source(name="files", dtype=types.UINT8, ndim=1)
            sides = fn.cast(fn.slice(fn.peek_image_shape(files), 0, 2, axes=[0]), dtype=types.FLOAT)
            short = fn.reductions.min(sides)
            start = (sides - short) * 0.5
            square = fn.resize(
                fn.decoders.image(files, device=device, output_type=color),
                size=[self.size, self.size],
                roi_start=start,
                roi_end=start + short,
                interp_type=types.INTERP_CUBIC,
                antialias=True,
            )
            pipeline.set_outputs(fn.transpose(square, perm=[2, 0, 1]))
        pipeline.build()
        return pipeline
