"""What is wrong with a dataset, listed in one pass."""

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.datasets import Digits, Fault, ImageFolder, Mixing, Stored, check
from kontrast.datasets.download import Downloadable, Published
from kontrast.views import Things


def png(value: int = 0, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (8, 8), value).save(out, "PNG")
    return out.getvalue()


def fill(root: Path, contents: dict[str, bytes]) -> ImageFolder:
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return ImageFolder(root=str(root), size=8)


def large() -> bytes:
    """A picture of 30,000 x 30,000 pixels, as far as its header."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return png()[:12] + head + struct.pack(">I", zlib.crc32(head)) + png()[33:]


def bad() -> dict[str, bytes]:
    animation, cmyk, deep = io.BytesIO(), io.BytesIO(), io.BytesIO()
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    frames[0].save(animation, "PNG", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (8, 8)).save(cmyk, "JPEG")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(deep, "PNG")
    return {
        "train/a/cut.png": png()[:-30],
        "train/a/empty.png": b"",
        "train/b/text.jpg": b"no picture",
        "test/a/moving.png": animation.getvalue(),
        "test/b/large.png": large(),
        "train/a/sound-cmyk.jpg": cmyk.getvalue(),
        "train/b/sound-16-bit.png": deep.getvalue(),
    }


def test_every_bad_picture_of_both_splits_is_listed(tmp_path: Path) -> None:
    dataset = fill(
        tmp_path, bad() | {f"{split}/{name}/good.png": png() for split in ("train", "test") for name in "ab"}
    )
    faults = check(dataset)
    told = {fault.where: fault.what for fault in faults}
    assert len(faults) == 5
    assert set(told) == {name for name in bad() if "sound" not in name}
    assert told["train/a/empty.png"] == "it is empty"
    assert told["train/b/text.jpg"] == "it is no PNG, JPEG, WebP or BMP picture"
    assert told["test/a/moving.png"] == "it is an animation"
    assert told["test/b/large.png"] == "it has more than the 89,478,485 pixels that are allowed"
    assert check(ImageFolder(root=str(tmp_path), size=8, skip=5)) == faults


def test_a_sound_folder_has_no_faults(tmp_path: Path) -> None:
    contents = {f"{name}{number}.png": png(number) for name in "ab" for number in range(5)}
    assert check(fill(tmp_path, contents)) == []
    assert check(ImageFolder(root=str(tmp_path), test=0.0)) == []


def test_classes_without_training_pictures_are_listed(tmp_path: Path) -> None:
    names = ("train/cat/1", "train/dog/2", "test/cat/3", "test/cow/4")
    dataset = fill(tmp_path, {f"{name}.png": png(number) for number, name in enumerate(names)})
    assert check(dataset) == [Fault("test", "class 'cow' has pictures to test on, but none to train on")]


def test_a_folder_that_cannot_be_listed_is_one_fault(tmp_path: Path) -> None:
    [fault] = check(ImageFolder(root=str(tmp_path / "x")))
    assert fault.where == "ImageFolder"
    assert "there is no folder" in fault.what
    fill(tmp_path, {"a/1.png": png(), "2.png": png()})
    [fault] = check(ImageFolder(root=str(tmp_path)))
    assert "move '2.png' and its like into a class" in fault.what


class _Wrong(Stored):
    shape = (1, 2, 2)
    classes = ("a", "b")

    def __init__(self, **columns) -> None:
        self.columns = columns

    def read(self, split) -> Things:
        columns = {"observations": torch.zeros(3, 1, 2, 2, dtype=torch.uint8), "index": torch.arange(3)}
        return Things(**{**columns, **(self.columns if split == "train" else {})})


@pytest.mark.parametrize(
    ("columns", "faults"),
    [
        ({"labels": torch.tensor([0, -1, 1])}, []),
        (
            {"labels": torch.tensor([2, -2, 1])},
            [
                "row 0 has the label 2, but there are 2 classes",
                "row 1 has the label -2, but there are 2 classes",
            ],
        ),
        ({"latents": torch.tensor([[0.0], [float("nan")], [1.0]])}, ["row 1 has latents that are no numbers"]),
        (
            {"observations": torch.zeros(3, 1, 3, 3, dtype=torch.uint8)},
            ["observations of shape (1, 3, 3), not (1, 2, 2)"],
        ),
    ],
)
def test_columns_that_cannot_be_are_listed(columns: dict, faults: list[str]) -> None:
    assert check(_Wrong(**columns)) == [Fault("train", fault) for fault in faults]


def test_sound_and_drawn_data_have_no_faults() -> None:
    assert check(Digits()) == check(Mixing()) == []


def test_downloaded_files_are_compared_with_what_was_published(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    (tmp_path / "made").mkdir()

    class _Made(Downloadable):
        folder = "made"
        files = (Published("x.bin", 5, hashlib.sha256(b"right").hexdigest(), ()),)
        shape = (1,)

        def read(self, split) -> Things:
            self.find(None)
            return Things(torch.zeros(1, 1), torch.arange(1))

    [missing] = check(_Made())
    assert missing.where == "_Made"
    assert "run `kontrast data get _Made`" in missing.what
    (tmp_path / "made" / "x.bin").write_bytes(b"wrong")
    [wrong] = check(_Made())
    assert wrong.where == str(tmp_path / "made" / "x.bin")
    assert "it is not the file that was published (its sha256 differs): delete it and run" in wrong.what
    (tmp_path / "made" / "x.bin").write_bytes(b"right")
    assert check(_Made()) == []
