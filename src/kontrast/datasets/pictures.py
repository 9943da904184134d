"""Picture files: how PNG, JPEG, WebP and BMP become observations of one size."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
PIXELS = 89_478_485
ORIENTATION = 0x0112
VERSION = 2
"""Goes up whenever a picture becomes other numbers."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
ODDITIES = ("ignore", None, Warning, re.compile(r"PIL\b"), 0)


KEYS: dict[object, Callable[[Any], Any]] = {
    "L;2": lambda key: key % 4 * 85,
    "L;4": lambda key: key % 16 * 17,
    "RGB;16B": lambda key: tuple(value >> 8 for value in key),
}
"""The color of a PNG that is transparent, at the depth that its pixels are decoded to, by their layout in the file."""


class Passing(str):
    """Why a file could not be read this time, such as a missing permission: another time it may be, unchanged."""


def unread(error: OSError) -> Passing:
    """What is wrong with a picture whose file raised an OSError."""
    return Passing(f"it cannot be read ({error.strerror or error})")


def workers() -> int:
    """Threads that decode at once: the cores that this process may use, shared with others of one `torchrun`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def decode(content: Path | bytes, size: int, channels: int) -> NDArray[np.uint8]:
    """A picture file, by its path or its bytes, as uint8 [channels, size, size]; a ValueError that says why not.

    The content decides what it is. The picture is turned as its EXIF orientation says, laid on white where it is
    transparent, brought to 8 bits, resized (bicubic, antialiased) so that its short side is `size`, and cropped to the
    center. Animations and pictures of more than 89,478,485 pixels are refused.

    So is what is damaged, as far as it can be told: PNG carries a checksum of every part, and all are compared. JPEG,
    WebP and BMP carry none: of those a file is refused that its decoder cannot read to the end, as a truncated one,
    while a byte that only changes colors is not noticed.

    An OSError or MemoryError says nothing of the content: the file could not be read this time.
    """
    from PIL import Image, UnidentifiedImageError

    _hush()
    if (count := length(content) if isinstance(content, Path) else len(content)) is None:
        raise ValueError("it is not a file")
    if count == 0:
        raise ValueError("it is empty")
    try:
        with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
            return _decoded(file, size, channels)
    except MemoryError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError("it is no PNG, JPEG, WebP or BMP picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"it has more than the {PIXELS:,} pixels that are allowed") from error
    except _Refused:
        raise
    except Exception as error:  # a decoder given damaged data may raise anything
        if isinstance(error, OSError):
            # Damaged data may lead to a place that no file has. Any other number is the system's, not the content's.
            if error.errno not in (None, errno.EINVAL):
                raise
            if "out of memory" in str(error):
                raise MemoryError(str(error)) from error
        raise ValueError(f"it cannot be decoded ({getattr(error, 'strerror', None) or error})") from error


def length(path: Path) -> int | None:
    """Bytes of a file; None for what is none. An OSError where that cannot be told."""
    try:
        found = path.stat()
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    except ValueError:  # no path can be so
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _decoded(file: IO[bytes], size: int, channels: int) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(file, formats=FORMATS) as image:
        found, kind = _observed(image, size, channels), image.format
    if kind == "PNG":
        # Pillow compares the checksums of the pixels only where it is asked to, and then decodes nothing.
        file.seek(0)
        with Image.open(file, formats=("PNG",)) as image:
            image.verify()
    return found


def _hush() -> None:
    """Keep Pillow's warnings, of odd metadata, to itself: what they tell of does no harm or ends in an error.

    A filter that stays, not a context around the work: contexts of several threads would undo each other's.
    """
    if ODDITIES not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\b")


class _Refused(ValueError):
    """A sound picture of a kind that is not taken."""


def _observed(image: Image.Image, size: int, channels: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    if image.width * image.height > PIXELS:
        raise _Refused(f"it has {image.width * image.height:,} pixels, more than the {PIXELS:,} that are allowed")
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise _Refused("it is an animation")
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size: far faster, and still twice as fine as is needed.
    image.draft(None, (2 * size, 2 * size))
    layout = next((tile[3] for tile in getattr(image, "tile", [])), None) if image.format == "PNG" else None
    image.load()
    if layout in KEYS and "transparency" in image.info:
        image.info["transparency"] = KEYS[layout](image.info["transparency"])
    turn = _turn(image)
    flat = _flat(image).convert("RGB" if channels == 3 else "L")
    upright = flat if turn is None else flat.transpose(turn)
    fitted = ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright, by its EXIF orientation."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        return turns.get(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return None  # damaged metadata do not make a damaged picture


def _flat(image: Image.Image) -> Image.Image:
    """The picture in L or RGB, 8 bits: 16 bits are scaled down, transparency is laid on white."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        values[values == image.info.get("transparency", -1)] = 65535
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    if image.mode not in ("1", "L", "P", "RGB", "CMYK"):
        raise _Refused(f"its color mode {image.mode} is not one of grayscale, palette, RGB and CMYK")
    return image if image.mode == "L" else image.convert("RGB")


def decoder() -> str:
    """What decodes: another version may give other numbers."""
    from PIL import __version__

    return f"{VERSION} Pillow {__version__}"
