import errno
import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from kontrast.datasets.pictures import decode

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (8, 8, 3), np.uint8)


def saved(path: Path, image: Image.Image, kind: str = "PNG", **options: object) -> Path:
    image.save(path, kind, **options)
    return path


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_a_picture_of_the_right_size_is_itself(tmp_path: Path, kind: str, options: dict) -> None:
    found = decode(saved(tmp_path / "x", Image.fromarray(NOISE), kind, **options), 8, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, NOISE.transpose(2, 0, 1))


def test_a_jpeg_is_nearly_itself(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    found = decode(saved(tmp_path / "x", Image.fromarray(smooth), "JPEG", quality=95), 64, 3)
    assert np.abs(found.astype(int) - smooth.transpose(2, 0, 1)).max() <= 4


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.jpg", Image.fromarray(NOISE), "PNG")
    np.testing.assert_array_equal(decode(path, 8, 3), NOISE.transpose(2, 0, 1))


@pytest.mark.parametrize(("width", "height"), [(30, 20), (20, 30), (21, 20), (20, 20), (200, 10), (7, 5)])
def test_the_short_side_is_resized_and_the_long_side_cropped(tmp_path: Path, width: int, height: int) -> None:
    """A picture whose value is the distance from its center in short sides is the same whatever its shape."""
    y, x = np.mgrid[:height, :width]
    short = min(width, height)
    values = 128 + 200 * ((x + 0.5 - width / 2) + 0.5 * (y + 0.5 - height / 2)) / short
    path = saved(tmp_path / "x", Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)))
    v, u = (np.mgrid[:10, :10] + 0.5) / 10 - 0.5
    expected = 128 + 200 * (u + 0.5 * v)
    found = decode(path, 10, 1)[0].astype(float)
    inner = slice(2, -2)
    assert np.abs(found - np.clip(expected, 0, 255))[inner, inner].max() < 4


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    found = decode(saved(tmp_path / "x", Image.fromarray(board.astype(np.uint8))), 8, 1)
    assert np.abs(found.astype(int) - 127.5).max() < 6


def test_a_large_jpeg_is_decoded_small_but_alike(tmp_path: Path) -> None:
    y, x = np.mgrid[:800, :1200] / 100
    waves = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], -1)
    image = Image.fromarray((127.5 + 120 * waves).astype(np.uint8))
    found = decode(saved(tmp_path / "x", image, "JPEG", quality=98), 64, 3)
    whole = np.asarray(ImageOps.fit(image, (64, 64), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.abs(found.astype(int) - whole).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "x", Image.fromarray(NOISE), exif=exif)
    reference = np.asarray(ImageOps.exif_transpose(Image.open(path))).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(path, 8, 3), reference)


def test_a_phone_photograph_lying_on_its_side_stands_up(tmp_path: Path) -> None:
    """Orientation 6: what is stored as the left edge is the top of the scene."""
    stored = np.zeros((64, 64, 3), np.uint8)
    stored[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(saved(tmp_path / "x", Image.fromarray(stored), "JPEG", exif=exif), 16, 1)[0]
    assert found[:6].min() > 240
    assert found[10:].max() < 15


def test_damaged_metadata_do_not_make_a_damaged_picture(tmp_path: Path) -> None:
    for exif in (b"nonsense", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40)):
        path = saved(tmp_path / "x", Image.fromarray(NOISE), exif=exif)
        with warnings.catch_warnings(action="ignore"):
            np.testing.assert_array_equal(decode(path, 8, 3), NOISE.transpose(2, 0, 1))


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (8, 8), np.uint16)
    found = decode(saved(tmp_path / "x", Image.fromarray(deep)), 8, 1)[0]
    assert np.abs(found - deep / 257).max() <= 0.5


def test_sixteen_bit_color_is_scaled(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (8, 8, 3), np.uint16)
    (tmp_path / "x").write_bytes(png(8, 8, 16, 2, b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)))
    found = decode(tmp_path / "x", 8, 3).transpose(1, 2, 0)
    assert np.abs(found - deep / 257).max() <= 1


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.dstack([NOISE, np.full((8, 8), 0, np.uint8)])
    rgba[0, 0, 3] = 255
    rgba[0, 1] = 0, 0, 0, 102
    found = decode(saved(tmp_path / "x", Image.fromarray(rgba)), 8, 3)
    assert found[:, 0, 0].tolist() == NOISE[0, 0].tolist()
    assert found[:, 0, 1].tolist() == [153] * 3
    assert (found[:, 1:] == 255).all()
    palette = Image.fromarray(NOISE).quantize(4)
    palette.info["transparency"] = 0
    path = saved(tmp_path / "palette", palette)
    clear = np.asarray(palette) == 0
    assert clear.any()
    assert (decode(path, 8, 3)[:, clear] == 255).all()
    gray = Image.new("LA", (8, 8), (9, 0))
    assert (decode(saved(tmp_path / "gray", gray), 8, 1) == 255).all()


TRANSPARENT = {
    "gray of 16 bits": (16, 0, struct.pack(">HH", 0x1234, 0x2335), struct.pack(">H", 0x1234), [0x23] * 3),
    "color of 16 bits": (
        16,
        2,
        struct.pack(">6H", 0x1234, 0x2345, 0x3456, 0x1334, 0x2345, 0x3456),
        struct.pack(">3H", 0x1234, 0x2345, 0x3456),
        [0x13, 0x23, 0x34],
    ),
    "gray of 8 bits": (8, 0, bytes([7, 8]), struct.pack(">H", 7), [8] * 3),
    "gray of 4 bits": (4, 0, b"\x34", struct.pack(">H", 3), [68] * 3),
    "gray of 2 bits": (2, 0, b"\x60", struct.pack(">H", 1), [170] * 3),
    "gray of 1 bit": (1, 0, b"\x80", struct.pack(">H", 1), [0] * 3),
}


@pytest.mark.parametrize("case", TRANSPARENT)
def test_one_transparent_color_is_laid_on_white(case: str) -> None:
    """A tRNS chunk names a color at the depth of the file: here that of the first of two pixels."""
    depth, color, row, key, second = TRANSPARENT[case]
    for chunks, first in (({b"tRNS": key}, [255] * 3), ({}, None)):
        found = decode(png(2, 2, depth, color, 2 * (b"\0" + row), chunks), 2, 3)
        assert found[:, 0, 1].tolist() == second
        assert first is None or found[:, 0, 0].tolist() == first


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes_become_color_or_gray(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(NOISE).convert(mode)
    path = saved(tmp_path / "x", image)
    np.testing.assert_array_equal(decode(path, 8, 3), np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    np.testing.assert_array_equal(decode(path, 8, 1)[0], np.asarray(image.convert("RGB").convert("L")))


def test_cmyk_becomes_color(tmp_path: Path) -> None:
    path = saved(tmp_path / "x", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    found = decode(path, 8, 3)
    assert found[0].min() > 245
    assert found[1:].max() < 10
    assert decode(path, 8, 1).shape == (1, 8, 8)


def png(width: int, height: int, depth: int, color: int, rows: bytes, more: dict[bytes, bytes] | None = None) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    extra = b"".join(chunk(kind, body) for kind, body in (more or {}).items())
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + pixels + chunk(b"IEND", b"")


def encoded(kind: str, side: int = 32) -> bytes:
    out = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (side, side, 3), np.uint8)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    whole = encoded(kind)
    (tmp_path / "x").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"^it is empty|^it is no PNG|^it cannot be decoded"):
        decode(tmp_path / "x", 8, 3)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PPM", "ICO", "TGA"])
def test_other_kinds_are_refused_under_any_name(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "x.png", Image.fromarray(NOISE), kind)
    with pytest.raises(ValueError, match=r"^it is no PNG, JPEG, WebP or BMP picture$"):
        decode(path, 8, 3)


@pytest.mark.parametrize(
    "content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0", b"\x89PNG\r\n\x1a\n", b"BM"]
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"^it is no PNG|^it cannot be decoded"):
        decode(tmp_path / "x.png", 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
    path = saved(tmp_path / "x", frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"^it is an animation$"):
        decode(path, 8, 3)


@pytest.mark.parametrize(("width", "height"), [(9460, 9459), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path, width: int, height: int, action) -> None:
    (tmp_path / "x").write_bytes(png(width, height, 1, 0, bytes(1000)))
    with warnings.catch_warnings(action=action), pytest.raises(ValueError, match="more than the 89,478,485"):
        decode(tmp_path / "x", 8, 3)


def test_the_largest_picture_is_not_a_bomb(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(png(1_000_000, 2, 1, 0, bytes(2 * (125_000 + 1))))
    assert decode(tmp_path / "x", 4, 1).tolist() == [[[0] * 4] * 4]


def test_folders_and_broken_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(ValueError, match=r"^it is not a file$"):
            decode(path, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_bytes_are_decoded_as_files_are(tmp_path: Path, kind: str) -> None:
    content = encoded(kind, 40)
    (tmp_path / "x").write_bytes(content)
    np.testing.assert_array_equal(decode(content, 16, 3), decode(tmp_path / "x", 16, 3))
    with pytest.raises(ValueError, match=r"^it is no PNG|^it cannot be decoded"):
        decode(content[: len(content) // 2], 16, 3)


def test_no_bytes_are_empty() -> None:
    with pytest.raises(ValueError, match=r"^it is empty$"):
        decode(b"", 8, 3)


def test_every_changed_byte_of_a_png_is_found() -> None:
    whole = encoded("PNG", 8)
    # The last twelve bytes are the end, which is empty.
    for place in range(len(whole) - 12):
        for change in (1, 0x20, 0xFF):
            changed = bytearray(whole)
            changed[place] ^= change
            with pytest.raises(ValueError, match=r"^it "):
                decode(bytes(changed), 8, 3)


class _Failing(io.BytesIO):
    """A file of which the disk gives the beginning."""

    def __init__(self, content: bytes, error: BaseException) -> None:
        super().__init__(content)
        self.left, self.error = 100, error

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.left -= len(found)
        if self.left < 0:
            raise self.error
        return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EMFILE, errno.ESTALE, None])
def test_what_the_system_or_memory_refuses_is_no_fault_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, number: int | None
) -> None:
    content = encoded(kind)
    (tmp_path / "x").write_bytes(content)
    error = MemoryError() if number is None else OSError(number, os.strerror(number))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: _Failing(content, error))
        with pytest.raises(type(error)) as caught:
            decode(tmp_path / "x", 8, 3)
    assert caught.value is error
    assert decode(tmp_path / "x", 8, 3).shape == (3, 8, 8)


def test_a_file_of_which_nothing_can_be_told_is_not_taken_for_none(tmp_path: Path, monkeypatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(PermissionError):
        decode(tmp_path / "x", 8, 3)


def test_a_decoder_without_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise OSError("out of memory error when reading image file")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(MemoryError):
        decode(encoded("JPEG"), 8, 3)
