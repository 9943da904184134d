import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast import datasets
from kontrast.datasets import Causal3DIdent

import formats_ident


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats_ident.causal3dident(tmp_path)


def test_rows_are_those_of_each_object_in_turn(folder: Path) -> None:
    data = Causal3DIdent(root=str(folder), size=8)
    things = data.read("train")
    counts = [3, 4, 3, 4, 3, 4, 3]
    assert things.labels.tolist() == [k for k, count in enumerate(counts) for _ in range(count)]
    assert torch.equal(things.latents[:, 0], things.labels.float())
    assert data.names("train")[3:5] == ("trainset/images_1/0.png", "trainset/images_1/1.png")
    unit = np.array([3.0] * 3 + [np.pi / 2] * 7)
    raw = np.concatenate([np.load(folder / f"trainset/raw_latents_{k}.npy") for k in range(7)])
    np.testing.assert_allclose(things.latents[:, 1:].numpy(), raw * unit, atol=1e-6)
    assert data.classes[data.read("test").labels[-1]] == "head"


def test_folders_may_be_called_train_and_test(folder: Path) -> None:
    before = Causal3DIdent(root=str(folder), size=8).read("test").latents
    for split in ("train", "test"):
        (folder / f"{split}set").rename(folder / split)
    assert torch.equal(Causal3DIdent(root=str(folder), size=8).read("test").latents, before)


def test_a_set_of_fewer_objects_has_fewer_classes(folder: Path) -> None:
    for split in ("trainset", "testset"):
        for k in range(2, 7):
            shutil.rmtree(folder / split / f"images_{k}")
            (folder / split / f"raw_latents_{k}.npy").unlink()
    data = Causal3DIdent(root=str(folder), size=8)
    assert data.classes == ("object 0", "object 1")
    assert data.factors[0].size == 2
    assert data.read("test").labels.tolist() == [0] * 3 + [1] * 4
    shutil.copytree(folder / "testset/images_1", folder / "testset/images_2")
    with pytest.raises(ValueError, match="pictures of 3 objects, the training rows of 2"):
        data.read("test")


@pytest.mark.parametrize(
    ("damage", "error", "fault"),
    [
        (lambda root: (root / "trainset/images_4/2.png").unlink(), ValueError, "images_4 has 2 pictures for 3 rows"),
        (lambda root: (root / "trainset/raw_latents_6.npy").unlink(), FileNotFoundError, "raw_latents_6.npy"),
        (
            lambda root: np.save(root / "trainset/raw_latents_2.npy", np.full((3, 10), np.nan, np.float32)),
            ValueError,
            "row 0 of .*raw_latents_2.npy is .nan",
        ),
        (
            lambda root: np.save(root / "trainset/raw_latents_2.npy", np.zeros((3, 9), np.float32)),
            ValueError,
            "raw_latents_2.npy",
        ),
    ],
)
def test_bad_files_are_refused(folder: Path, damage, error: type[Exception], fault: str) -> None:
    damage(folder)
    data = Causal3DIdent(root=str(folder), size=8)
    with pytest.raises(error, match=fault):
        data.read("train")
    assert any("train" in found.what for found in datasets.check(data))


def test_without_files_it_says_how_to_get_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    assert [factor.kind for factor in Causal3DIdent().factors] == ["discrete"] + ["continuous"] * 10
    with pytest.raises(FileNotFoundError, match="run `kontrast data get Causal3DIdent`"):
        Causal3DIdent().read("train")
