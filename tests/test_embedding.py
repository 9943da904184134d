"""Features of a folder of pictures: the run's own numbers, with what is honest to say of their certainty."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast import methods, train
from kontrast.datasets import Digits, ImageFolder
from kontrast.encoders import Conv
from kontrast.export import embed, features
from kontrast.export.tables import KINDS

from small import digits

COUNT = 23


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(digits(steps=3), tmp_path_factory.mktemp("embedding") / "run", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures at several depths, among other files; their alphabetical order is not that of their numbers."""
    root = tmp_path_factory.mktemp("embedding") / "pictures"
    for number in range(COUNT):
        path = root / ("." if number % 3 else "deeper/still") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 12), dtype=np.uint8)).save(path)
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.png").write_text("no picture")
    return root


def read(out):
    """Names, and columns as matrices."""
    if out.suffix == ".npz":
        with np.load(out) as file:
            return file["name"].tolist(), {name: file[name] for name in file.files if name != "name"}
    import pandas as pd

    table = pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out)
    wide = [name for name in table if name.startswith("feature_")]
    assert wide == [f"feature_{k}" for k in range(len(wide))]
    others = {name: table[name].to_numpy() for name in table if name not in ("name", *wide)}
    return table["name"].tolist(), {"feature": table[wide].to_numpy(), **others}


@pytest.mark.parametrize("suffix", KINDS)
def test_names_features_and_norm_of_every_picture_come_in_pieces(suffix, run, folder, tmp_path, monkeypatch):
    if suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(features, "CHUNK", 5)
    monkeypatch.setattr(features, "PIXELS", 2 * 8 * 8)
    told = []
    out = tmp_path / f"features{suffix}"
    found = embed(run, folder, out, tell=lambda done, total: told.append((done, total)))
    names, columns = read(out)
    assert names == sorted(names)
    assert len(names) == len(set(names)) == found.rows == COUNT
    assert "deeper/still/0.png" in names
    assert told == [(5, COUNT), (10, COUNT), (15, COUNT), (20, COUNT), (COUNT, COUNT)]
    student = run.student()
    pictures = torch.stack([one_picture(folder / name) for name in names])
    with torch.no_grad():
        feature = student.features(pictures)
        norm = student.head(feature).norm(dim=1)
    assert np.allclose(columns["feature"], feature, atol=1e-5)
    assert np.allclose(columns["norm"], norm, atol=1e-5)
    assert found.columns == {"feature": feature.shape[1], "norm": 1}
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    if suffix == ".parquet":
        assert parquet.ParquetFile(out).num_row_groups == 5


def one_picture(path):
    from kontrast.datasets import pictures

    return torch.tensor(pictures.decode(path, 8, 1))


def test_the_features_are_those_of_the_dataset(run, folder, tmp_path):
    embed(run, folder / "deeper", tmp_path / "out.npz", layer="embedding")
    names, columns = read(tmp_path / "out.npz")
    data = ImageFolder(root=str(folder / "deeper"), size=8, channels=1, test=0.0)
    assert list(data.names("train")) == names
    assert np.allclose(run.encode("train", "embedding", data=data).values, columns["feature"], atol=1e-6)


@pytest.mark.parametrize("method", ["probabilistic", "mcinfonce"])
def test_a_space_that_says_how_certain_it_is_is_believed(method, folder, tmp_path):
    small = {"data": Digits(), "encoder.width": 4, "batch": 32, "epochs": None, "steps": 1, "online": False}
    run = train(methods.get(method)(**small), tmp_path / "run", threads=1)
    embed(run, folder / "deeper", tmp_path / "out.npz")
    _, columns = read(tmp_path / "out.npz")
    data = ImageFolder(root=str(folder / "deeper"), size=8, channels=1, test=0.0)
    wanted = run.encode("train", "embedding", data=data).concentration
    assert sorted(columns) == ["concentration", "feature"]
    assert np.allclose(columns["concentration"], wanted, rtol=1e-4)


def test_several_passes_say_how_far_they_disagree(folder, tmp_path):
    experiment = digits(encoder=Conv(width=4, dropout=0.3), steps=2)
    run = train(experiment, tmp_path / "run", threads=1)
    for name in ("one.npz", "two.npz"):
        embed(run, folder, tmp_path / name, samples=4)
    first, second = (read(tmp_path / name)[1] for name in ("one.npz", "two.npz"))
    assert sorted(first) == ["concentration", "feature", "spread"]
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert first["spread"].min() > 0


def test_what_cannot_be_read_is_named_or_left_out(run, folder, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(features, "CHUNK", 5)
    broken = tmp_path / "pictures"
    shutil.copytree(folder, broken)
    (broken / "2.png").write_bytes(b"")
    (broken / "4.png").write_bytes((folder / "4.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"'4\.png': it cannot be decoded.*kontrast data check"):
        embed(run, broken, tmp_path / "out.csv", skip=1)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    found = embed(run, broken, tmp_path / "out.csv", skip=2)
    assert sorted(found.skipped) == ["2.png", "4.png"]
    assert len(read(tmp_path / "out.csv")[0]) == found.rows == COUNT - 2


def test_a_folder_inside_that_cannot_be_read_is_named(run, folder, tmp_path, monkeypatch):
    look = os.scandir

    def forbidding(path="."):
        if os.fspath(path).endswith("deeper"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    with pytest.raises(ValueError, match=r"the folder .*deeper cannot be read \(Permission denied\)"):
        embed(run, folder, tmp_path / "out.npz")


def test_nothing_is_overwritten(run, folder, tmp_path):
    (tmp_path / "out.npz").write_text("kept")
    with pytest.raises(ValueError, match="is there already"):
        embed(run, folder, tmp_path / "out.npz")
    assert (tmp_path / "out.npz").read_text() == "kept"


def test_an_ending_may_be_in_capitals(run, folder, tmp_path):
    assert embed(run, folder, tmp_path / "OUT.CSV").rows == COUNT
    assert (tmp_path / "OUT.CSV").read_text().startswith("name,feature_0,")


def test_a_folder_without_a_readable_picture_is_refused(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there are no pictures"):
        embed(run, tmp_path / "empty", tmp_path / "out.npz")
    (tmp_path / "empty" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="none of the 1 pictures"):
        embed(run, tmp_path / "empty", tmp_path / "out.npz", skip=5)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        embed(run, tmp_path / "nowhere", tmp_path / "out.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_memory_does_not_grow_with_the_folder(run, tmp_path, monkeypatch):
    """At no time are more pictures decoded than those of two pieces."""
    from kontrast.datasets import pictures

    for number in range(60):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number:03d}.png")
    monkeypatch.setattr(features, "CHUNK", 10)
    decode, decoded, used = pictures.decode, [], []
    monkeypatch.setattr(pictures, "decode", lambda *given: decoded.append(given[0]) or decode(*given))
    lead = []
    tell = lambda done, total: (used.append(done), lead.append(len(decoded) - done))  # noqa: E731
    embed(run, tmp_path, tmp_path / "out.npz", tell=tell)
    assert used == [10, 20, 30, 40, 50, 60]
    assert max(lead) <= 10
