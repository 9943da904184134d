from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kontrast.datasets import TinyImageNet

import formats


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats.tiny_imagenet(tmp_path)


def test_rows_are_those_of_the_files(tmp_path: Path, folder: Path) -> None:
    data = TinyImageNet(root=str(tmp_path))
    train, test = data.read("train"), data.read("test")
    assert tuple(train.observations.shape) == (12, 3, 64, 64)
    assert train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.names("train")[5] == "train/n01629819/images/n01629819_1.JPEG"
    said = dict(line.split("\t")[:2] for line in (folder / "val/val_annotations.txt").read_text().splitlines())
    assert [formats.WNIDS[label] for label in test.labels.tolist()] == [
        said[name.rpartition("/")[2]] for name in data.names("test")
    ]
    for number, name in enumerate(data.names("test")):
        shown = np.asarray(Image.open(folder / name).convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(test.observations[number].numpy(), shown)


def test_classes_have_names_that_tell_them_apart(folder: Path) -> None:
    assert TinyImageNet(root=str(folder)).classes == (
        "goldfish, Carassius auratus",
        "crane (n01629819)",
        "crane (n02124075)",
    )


def test_another_size(folder: Path) -> None:
    data = TinyImageNet(root=str(folder), size=32)
    assert tuple(data.read("test").observations.shape) == (12, 3, 32, 32) == (12, *data.shape)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda lines: lines[:-1], "names 11 pictures, but they are not the 12 in val/images"),
        (lambda lines: [*lines, lines[0]], "names 13 pictures"),
        (
            lambda lines: [lines[0], "val_1.JPEG", *lines[2:]],
            r"line 2 of .* is 'val_1.JPEG', not a picture",
        ),
        (lambda lines: ["../x\tn01443537\t0", *lines], r"line 1 of .* not a picture and its class"),
        (lambda lines: ["val_0.JPEG\tn99999999\t0", *lines[1:]], r"line 1 of .*n99999999"),
    ],
)
def test_damaged_annotations_are_named(folder: Path, change, fault: str) -> None:
    path = folder / "val/val_annotations.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(ValueError, match=fault) as caught:
        TinyImageNet(root=str(folder)).read("test")
    assert f"delete {folder} and run `kontrast data get TinyImageNet`" in str(caught.value)


def test_missing_and_damaged_files_are_named(tmp_path: Path, folder: Path) -> None:
    picture = folder / "train/n01443537/images/n01443537_2.JPEG"
    picture.write_bytes(picture.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"1 of the pictures in .*'train/.*/n01443537_2\.JPEG': it cannot"):
        TinyImageNet(root=str(tmp_path)).read("train")
    (folder / "wnids.txt").write_text("n01443537\nn99999999\n")
    with pytest.raises(FileNotFoundError, match=r"1 of the class folders are missing: .*n99999999"):
        TinyImageNet(root=str(tmp_path)).read("train")
    (folder / "wnids.txt").write_text("n01443537\nn01443537\n")
    with pytest.raises(ValueError, match="names a class twice"):
        TinyImageNet(root=str(tmp_path)).read("train")
    (folder / "wnids.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: tiny-imagenet-200/wnids\.txt"):
        TinyImageNet(root=str(tmp_path)).read("train")
    assert "wnids.txt" in TinyImageNet(root=str(tmp_path)).faults("train")[0].what
