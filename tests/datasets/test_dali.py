"""Decoding with DALI, by its pipeline for the CPU where there is no GPU."""

import builtins
import errno
import importlib.util
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from kontrast.datasets import ImageFolder, dali, pictures

HERE = importlib.util.find_spec("nvidia") is not None and importlib.util.find_spec("nvidia.dali") is not None
needs_dali = pytest.mark.skipif(not HERE, reason="NVIDIA DALI is not installed")
RNG = np.random.default_rng(0)


def jpeg(width: int, height: int, mode: str = "RGB", **options: object) -> bytes:
    """Smooth noise, as photographs have it."""
    rough = Image.fromarray(RNG.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8))
    out = io.BytesIO()
    rough.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def both(content: bytes, size: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    out = np.empty((1, channels, size, size), np.uint8)
    assert dali.decode([content], size, channels, out) == {}
    return out[0].astype(int), pictures.decode(content, size, channels).astype(int)


def test_it_is_asked_for_in_one_sentence_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    real = builtins.__import__

    def missing(name: str, *args: object, **options: object) -> object:
        if name.startswith("nvidia"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    dataset = ImageFolder(root=str(tmp_path), test=0.0, decoder="dali")
    with pytest.raises(ValueError, match=r"^decoder=dali needs NVIDIA DALI: pip install 'kontrast\[dali\]'$"):
        dataset.open("train")


def test_what_cannot_be_read_this_time_is_no_fault_of_the_picture(tmp_path: Path, monkeypatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "a.jpg").write_bytes(jpeg(8, 8))
    monkeypatch.setattr(Path, "open", refused)
    out = np.zeros((3, 3, 4, 4), np.uint8)
    faults = dali.decode([tmp_path / "a.jpg", tmp_path / "none.jpg", b""], 4, 3, out)
    assert faults == {0: "it cannot be read (Permission denied)", 1: "it is not a file", 2: "it is empty"}
    assert [number for number, fault in faults.items() if isinstance(fault, pictures.Passing)] == [0]


@needs_dali
@pytest.mark.parametrize(("width", "height", "size"), [(50, 40, 32), (61, 83, 48), (97, 64, 64), (40, 30, 60)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_what_pillow_makes_of_them(width: int, height: int, size: int, channels: int) -> None:
    ours, pillow = both(jpeg(width, height), size, channels)
    assert np.abs(ours - pillow).max() <= 3
    assert np.abs(ours - pillow).mean() <= 0.5


@needs_dali
def test_all_of_a_large_picture_is_decoded() -> None:
    content = jpeg(500, 375)
    ours, _ = both(content, 64, 3)
    whole = np.asarray(ImageOps.fit(Image.open(io.BytesIO(content)), (64, 64), Image.Resampling.BICUBIC))
    assert np.abs(ours - whole.transpose(2, 0, 1)).max() <= 3


@needs_dali
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    ours, pillow = both(jpeg(60, 40, exif=exif), 32, 3)
    assert np.abs(ours - pillow).max() <= 3


@needs_dali
def test_what_is_no_plain_jpeg_is_left_to_pillow() -> None:
    png = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (9, 12, 4), np.uint8)).save(png, "PNG")
    for content in (png.getvalue(), jpeg(30, 20, "CMYK")):
        ours, pillow = both(content, 8, 3)
        np.testing.assert_array_equal(ours, pillow)
    ours, pillow = both(jpeg(30, 20, "L"), 8, 3)
    assert np.abs(ours - pillow).max() <= 3


@needs_dali
def test_a_bad_picture_is_named_and_changes_no_other() -> None:
    contents = [jpeg(40, 30) for _ in range(6)]
    out, alone = (np.zeros((6, 3, 16, 16), np.uint8) for _ in range(2))
    assert dali.decode(contents, 16, 3, alone) == {}
    bad = [*contents]
    bad[2], bad[4] = contents[2][:400], b""
    faults = dali.decode(bad, 16, 3, out)
    assert faults.keys() == {2, 4}
    assert faults[4] == "it is empty"
    assert faults[2].startswith("it cannot be decoded")
    sound = [0, 1, 3, 5]
    np.testing.assert_array_equal(out[sound], alone[sound])


@needs_dali
def test_every_place_holds_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    (tmp_path / "root").mkdir()
    for number in range(300):
        (tmp_path / "root" / f"{number:03}.jpg").write_bytes(jpeg(24 + number % 7, 24))
    folder = ImageFolder(root=str(tmp_path / "root"), size=16, test=0.0, decoder="dali")
    device, mapped, streamed = (folder.open("train", place=place).things for place in ("device", "mapped", "streamed"))
    assert torch.equal(device.observations, mapped.observations)
    assert torch.equal(device.observations, streamed.observations)
    pillow = ImageFolder(root=str(tmp_path / "root"), size=16, test=0.0).read("train").observations
    assert (device.observations.int() - pillow.int()).abs().max() <= 3
