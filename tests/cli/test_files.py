"""kontrast embed and kontrast export, as a user types them."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from kontrast.cli import main

SMALL = ["data=Digits", "encoder=Conv", "encoder.width=4", "head.hidden=16", "head.dim=8", "batch=64", "steps=3"]


def kontrast(words, capsys):
    status = main([str(word) for word in words])
    shown = capsys.readouterr()
    return status, shown.out, " ".join(shown.err.split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("files") / "run"
    assert main(["train", "simclr", *SMALL, f"out={out}"]) == 0
    return out


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "inside").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((9, 12), 80 * number, np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(np.full((9, 12), 7, np.uint8)).save(folder / "inside" / "more.png")
    return folder


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_any_folder_is_embedded(suffix, run, pictures, tmp_path, capsys):
    out = tmp_path / f"features.{suffix}"
    status, said, _ = kontrast(["embed", run, pictures, f"out={out}"], capsys)
    assert (status, "4 pictures, 32 features each, with norm" in said) == (0, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, "pictures"]


def test_what_is_left_out_is_said(run, pictures, tmp_path, capsys):
    (pictures / "bad.png").write_bytes(b"")
    status, _, err = kontrast(["embed", run, pictures, f"out={tmp_path / 'x.csv'}"], capsys)
    assert (status, "'bad.png': it is empty" in err) == (2, True)
    status, said, _ = kontrast(["embed", run, pictures, f"out={tmp_path / 'x.csv'}", "skip=1"], capsys)
    assert (status, "left out: bad.png: it is empty" in said) == (0, True)


def test_a_path_may_have_an_equals_sign(run, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures.rename(tmp_path / "k=4")
    status, said, err = kontrast(["embed", run, "./k=4", "out=k=4.npz"], capsys)
    assert (status, err) == (0, "")
    assert "k=4.npz: 4 pictures" in said


def test_features_that_are_there_are_kept(run, pictures, tmp_path, capsys):
    (tmp_path / "x.csv").write_text("kept")
    status, _, err = kontrast(["embed", run, pictures, f"out={tmp_path / 'x.csv'}"], capsys)
    assert (status, "is there already; give another out=" in err) == (2, True)
    assert (tmp_path / "x.csv").read_text() == "kept"


def test_the_network_is_exported(run, tmp_path, capsys):
    status, said, _ = kontrast(["export", run, f"out={tmp_path / 'w.safetensors'}"], capsys)
    assert (status, "bytes" in said) == (0, True)
    assert sum(value.numel() for value in load_file(tmp_path / "w.safetensors").values()) > 1000
    status, _, _ = kontrast(["export", run, f"out={tmp_path / 'net'}", "format=torch.export", "checkpoint=3"], capsys)
    assert status == 0
    feature, embedding = torch.export.load(tmp_path / "net").module()(torch.rand(3, 1, 8, 8))
    assert (feature.shape, embedding.shape) == ((3, 32), (3, 8))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "RUN"], "write kontrast embed RUN FOLDER"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "size=3"], "write kontrast embed RUN FOLDER"),
        (["embed", "RUN", "FOLDER", "out=x.txt"], "go to a .npz, .csv or .parquet file"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "layer=embeding"], "did you mean 'embedding'"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "samples=many"], "no whole number"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "samples=3"], "nothing drops out"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "checkpoint=9"], "there are: 3"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "device=foo"], "error: there is no device 'foo' here"),
        (["embed", "RUN", "FOLDER", "out=x.csv", "device=cuda:77"], "error: there is no device 'cuda:77' here"),
        (["embed", "RUN", "nowhere", "out=x.csv"], "there is no folder nowhere"),
        (["embed", "nowhere", "FOLDER", "out=x.csv"], "no experiment.json"),
        (["export", "RUN"], "write kontrast export RUN out=FILE"),
        (["export", "RUN", "out=x.pt", "layer=embedding"], "write kontrast export RUN out=FILE"),
        (["export", "RUN", "out=x"], "write format="),
        (["export", "RUN", "out=x", "format=onxx"], "did you mean 'onnx'"),
        (["export", "RUN", "out=x.pt", "checkpoint=9"], "there are: 3"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(words, said, run, pictures, capsys, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    status, _, err = kontrast([{"RUN": run, "FOLDER": pictures}.get(word, word) for word in words], capsys)
    assert status == 2
    assert said in err
    assert [*(tmp_path / "here").iterdir()] == []
