"""3DIdent in its published layout, and in others that are not it."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast import datasets
from kontrast.datasets import ThreeDIdent, published
from kontrast.datasets.archives import unpack
from kontrast.datasets.threedident import NAMES
from kontrast.spaces import Box, Product, Sphere

import formats_ident


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats_ident.threedident(tmp_path)


@pytest.mark.parametrize("periodic", [False, True])
def test_rows_and_latents_are_those_of_the_files(tmp_path: Path, periodic: bool) -> None:
    folder = formats_ident.threedident(tmp_path, periodic=periodic)
    data = ThreeDIdent(root=str(tmp_path), size=8)
    things = data.read("train")
    np.testing.assert_array_equal(things.latents.numpy(), np.load(folder / "train/latents.npy"))
    assert data.names("train")[7] == "3dident/train/images/07.png"
    for number, name in enumerate(data.names("train")):
        shown = np.asarray(Image.open(tmp_path / name)).transpose(2, 0, 1)
        np.testing.assert_array_equal(things.observations[number].numpy(), shown)
    assert tuple(factor.name for factor in data.factors) == NAMES
    assert [factor.kind == "periodic" for factor in data.factors] == [False] * 3 + [periodic] * 7
    assert (data.factors[2].low, data.factors[2].high) == (0 if periodic else -3, 3)


@pytest.mark.parametrize("periodic", [False, True])
def test_raw_units_are_those_that_the_source_draws_in(tmp_path: Path, periodic: bool) -> None:
    folder = formats_ident.threedident(tmp_path, periodic=periodic)
    data = ThreeDIdent(root=str(folder), size=8, units="raw")
    np.testing.assert_array_equal(data.read("test").latents.numpy(), np.load(folder / "test/raw_latents.npy"))
    both = Product(first=Box(low=-1.0), second=Sphere(), split=3)
    assert data.latent_space == (both if periodic else Box(low=-1.0))
    assert len(data.factors) == (11 if periodic else 10)
    with pytest.raises(ValueError, match="write units=published"):
        ThreeDIdent(units="row")  # type: ignore[arg-type]


def test_the_folder_may_be_named_itself_and_have_any_number_of_leading_zeros(folder: Path) -> None:
    first = ThreeDIdent(root=str(folder), size=8)
    moved = folder.with_name("own")
    for split in ("train", "test"):
        shutil.copytree(folder / split, moved / split)
    for name in sorted(path.name for path in (moved / "train/images").iterdir()):
        (moved / "train/images" / name).rename(moved / "train/images" / name.rjust(10, "0"))
    second = ThreeDIdent(root=str(moved), size=8)
    for split in ("train", "test"):
        assert torch.equal(first.read(split).observations, second.read(split).observations)
        assert torch.equal(first.read(split).latents, second.read(split).latents)


def test_what_is_left_out_takes_its_latents_with_it(folder: Path) -> None:
    (folder / "train/images/05.png").write_bytes(b"")
    data = ThreeDIdent(root=str(folder), size=8, skip=1)
    with pytest.warns(UserWarning, match="1 of the pictures"):
        things = data.read("train")
    latents = np.load(folder / "train/latents.npy")
    np.testing.assert_array_equal(things.latents.numpy(), np.delete(latents, 5, 0))
    assert data.listed() == {"left out of train": [["train/images/05.png", "it is empty"]]}


def test_without_files_it_says_how_to_get_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    data = ThreeDIdent()
    assert len(data.factors) == 10
    with pytest.raises(FileNotFoundError, match="run `kontrast data get ThreeDIdent`"):
        data.open("train")
    assert len(datasets.check(data)) == 1


def test_one_split_is_not_both(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"is one split .* write root={folder}"):
        ThreeDIdent(root=str(folder / "train")).read("test")


def change(path: Path, row: int, value: float) -> None:
    array = np.load(path)
    array[row, 3] = value
    np.save(path, array)


def cut(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


def pickled(path: Path) -> None:
    np.save(path, np.array([[print]], object), allow_pickle=True)


def huge(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(24, 10)", b"(24000000000, 10)")[: len(content)])


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda split: change(split / "raw_latents.npy", 4, np.nan), "row 4 of .*raw_latents.npy is .*nan"),
        (lambda split: change(split / "raw_latents.npy", 4, np.inf), "row 4 of .*raw_latents.npy is .*inf"),
        (lambda split: change(split / "raw_latents.npy", 2, 1.5), r"row 2 .* not in \[-1, 1\]"),
        (lambda split: change(split / "latents.npy", 3, np.nan), "row 3 of .*latents.npy is not that of raw_latents"),
        (lambda split: change(split / "latents.npy", 3, -1.9), "row 3 of .*latents.npy is not that of raw_latents"),
        (lambda split: cut(split / "latents.npy"), "latents.npy has 23 rows, and raw_latents.npy 24"),
        (lambda split: (split / "images/23.png").unlink(), "23 pictures for 24 rows of latents, and number 23 is miss"),
        (lambda split: (split / "images/3.png").write_bytes(b""), "has '3.png', which is no picture of its own number"),
        (lambda split: (split / "images/24.png").write_bytes(b""), "has 25 pictures for 24 rows"),
        (lambda split: (split / "images/notes.txt").write_text(""), "'notes.txt', which is no picture"),
        (lambda split: np.save(split / "raw_latents.npy", np.zeros((24, 12), np.float32)), "12 columns, not 10, or 11"),
        (lambda split: np.save(split / "raw_latents.npy", np.zeros((24, 11), np.float32)), "no unit vectors"),
        (lambda split: np.save(split / "raw_latents.npy", np.zeros((24, 10), int)), "raw_latents.npy"),
        (lambda split: pickled(split / "raw_latents.npy"), "raw_latents.npy"),
        (lambda split: huge(split / "raw_latents.npy"), "raw_latents.npy"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(folder: Path, damage, fault: str) -> None:
    damage(folder / "train")
    data = ThreeDIdent(root=str(folder), size=8)
    with pytest.raises(ValueError, match=fault) as caught:
        data.read("train")
    assert "\n" not in str(caught.value)
    found = datasets.check(data)
    assert len(found) == 1
    assert "Error" not in found[0].what
    data.read("test")


def test_a_truncated_picture_is_named(folder: Path) -> None:
    path = folder / "train/images/03.png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"1 of the pictures .* 'train/images/03.png'"):
        ThreeDIdent(root=str(folder), size=8).read("train")
    assert [fault.where for fault in datasets.check(ThreeDIdent(root=str(folder), size=8))] == ["train/images/03.png"]


def test_a_change_of_the_files_is_seen(folder: Path) -> None:
    data = ThreeDIdent(root=str(folder), size=8)
    before = data.read("test").latents
    for name, unit in (("raw_latents.npy", 1.0), ("latents.npy", np.pi / 2)):
        change(folder / "test" / name, 0, 0.25 * unit)
    after = data.read("test").latents
    assert after[0, 3].item() == pytest.approx(np.pi / 8)
    assert torch.equal(before[1:], after[1:])


def test_both_archives_unpack_side_by_side(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "cache"
    for file, split in zip(ThreeDIdent.files, ("train", "test"), strict=True):
        assert isinstance(file, published.Published)
        with tarfile.open(tmp_path / file.name, "w") as tar:
            tar.add(folder, "3dident", recursive=False)
            tar.add(folder / split, f"3dident/{split}")
        assert file.missing(out) == [f"the folder 3dident/{split}"]
        unpack(tmp_path / file.name, out, file.holds._replace(size=1 << 20))
        assert file.lies(out) == out / "3dident" / split
    assert sorted(path.name for path in out.iterdir()) == ["3dident"]
    one, two = (ThreeDIdent(root=str(root), size=8) for root in (out, folder))
    assert torch.equal(one.read("test").observations, two.read("test").observations)


def test_what_is_beside_the_split_in_an_archive_is_refused(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.add(folder / "train", "3dident/train")
        tar.add(folder / "test/latents.npy", "3dident/latents.npy")
    with pytest.raises(ValueError, match="is not in the folder 3dident/train"):
        unpack(tmp_path / "bad.tar", tmp_path / "out", ThreeDIdent.files[0].holds._replace(size=1 << 20))
    assert list((tmp_path / "out").iterdir()) == []
