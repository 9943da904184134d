"""Exported networks are read back by what they are made for, and give the run's own numbers."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from kontrast import methods, train
from kontrast.datasets import Digits
from kontrast.encoders import ResNet
from kontrast.export import FORMATS, export

from small import digits, latents
from vision import torchvision

TOLERANCE = 1e-5
DEPRECATED = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(digits(steps=3), tmp_path_factory.mktemp("export") / "run", threads=1)


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    """A ResNet-18 with the stem of torchvision, on pictures of one channel."""
    encoder = ResNet(stem="imagenet")
    experiment = digits(encoder=encoder, steps=1, batch=8, online=False)
    return train(experiment, tmp_path_factory.mktemp("export") / "residual", threads=1)


@pytest.fixture(scope="module")
def observations():
    return next(Digits().open("test").chunks(5, 5)).observations


@torch.no_grad()
def expected(run, x):
    student = run.student()
    feature = student.features(x)
    return feature, student.embed(feature)


def near(found, wanted):
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, rtol=0, atol=TOLERANCE * float(wanted.abs().max()))


def test_torchvision_loads_the_weights_of_a_residual_network(residual, observations, tmp_path):
    network = torchvision("models").resnet18(weights=None)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    missing = network.load_state_dict(load_file(export(residual, tmp_path / "w.safetensors")), strict=False)
    assert (sorted(missing.missing_keys), missing.unexpected_keys) == (["fc.bias", "fc.weight"], [])
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        near(network.eval()(observations / 255), expected(residual, observations)[0])


def test_timm_loads_the_weights_of_a_residual_network(residual, observations, tmp_path):
    torchvision("models")
    timm = pytest.importorskip("timm")
    network = timm.create_model("resnet18", num_classes=0, in_chans=1)
    network.load_state_dict(load_file(export(residual, tmp_path / "w.safetensors")))
    with torch.no_grad():
        near(network.eval()(observations / 255), expected(residual, observations)[0])


def test_a_cifar_stem_is_noted_and_loads_where_it_is_put(tmp_path, observations):
    run = train(digits(encoder=ResNet(), steps=1, batch=8, online=False), tmp_path / "run", threads=1)
    out = export(run, tmp_path / "w.safetensors")
    with safe_open(out, "pt") as file:
        about = json.loads(file.metadata()["kontrast"])
    assert about["stem"] == "conv1: 3 x 3, stride 1, 1 channels; no maxpool"
    assert (about["architecture"], about["width"]) == ("resnet18", 64)
    network = torchvision("models").resnet18(weights=None)
    network.conv1, network.maxpool = torch.nn.Conv2d(1, 64, 3, 1, 1, bias=False), torch.nn.Identity()
    network.load_state_dict(load_file(out), strict=False)
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        near(network.eval()(observations / 255), expected(run, observations)[0])


@DEPRECATED
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_torchscript_takes_bytes_and_floats(rows, run, observations, tmp_path):
    program = torch.jit.load(str(export(run, tmp_path / "net.pt")))
    x = observations[:rows]
    for given in (x, x / 255):
        for found, wanted in zip(program(given), expected(run, x), strict=True):
            near(found, wanted)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_an_exported_program_takes_any_number_of_rows(rows, run, observations, tmp_path):
    read = {"kontrast.json": ""}
    program = torch.export.load(export(run, tmp_path / "net.pt2"), extra_files=read).module()
    for found, wanted in zip(program(observations[:rows] / 255), expected(run, observations[:rows]), strict=True):
        near(found.detach(), wanted)
    assert json.loads(read["kontrast.json"])["shape"] == [1, 8, 8]


def test_onnx_is_read_back_by_its_runtime(run, observations, tmp_path):
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(export(run, tmp_path / "net.onnx")), providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["kontrast"])["method"] == "simclr"
    for rows in (1, 2, 5):
        found = session.run(["feature", "embedding"], {"x": (observations[:rows] / 255).numpy()})
        for array, wanted in zip(found, expected(run, observations[:rows]), strict=True):
            near(torch.from_numpy(array), wanted)


@pytest.mark.parametrize("method", ["probabilistic", "mcinfonce", "vicreg", "simsiam"])
def test_every_space_and_head_can_be_exported(method, tmp_path, observations):
    small = {"data": Digits(), "encoder.width": 4, "batch": 32, "epochs": None, "steps": 1, "online": False}
    run = train(methods.get(method)(**small), tmp_path / "run", threads=1)
    program = torch.export.load(export(run, tmp_path / "net.pt2")).module()
    for found, wanted in zip(program(observations / 255), expected(run, observations), strict=True):
        near(found.detach(), wanted)


@DEPRECATED
def test_a_run_on_vectors_is_exported(tmp_path):
    run = train(latents(steps=2), tmp_path / "run", threads=1)
    x = torch.randn(4, *run.experiment.data.shape, generator=torch.Generator().manual_seed(0))
    near(torch.jit.load(str(export(run, tmp_path / "net.pt")))(x)[1], expected(run, x)[1])


def test_the_header_says_what_one_must_know(run, tmp_path):
    with safe_open(export(run, tmp_path / "w.safetensors"), "pt") as file:
        about = json.loads(file.metadata()["kontrast"])
    assert about["method"] == "simclr"
    assert about["shape"] == [1, 8, 8]
    assert "uint8 / 255" in about["preprocessing"]
    assert about["step"] == 3
    assert about["experiment"]["objective.temperature"] == 0.5


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_overwritten(format, run, tmp_path):
    (tmp_path / "there").write_text("kept")
    with pytest.raises(ValueError, match="is there already"):
        export(run, tmp_path / "there", format)
    assert (tmp_path / "there").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@DEPRECATED
@pytest.mark.parametrize("format", ["safetensors", "torchscript", "torch.export"])
def test_a_file_is_for_whom_the_umask_says(format, run, tmp_path):
    before = os.umask(0o026)
    try:
        out = export(run, tmp_path / "file", format)
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o640


@DEPRECATED
def test_an_ending_may_be_in_capitals(run, tmp_path, observations):
    for found, wanted in zip(
        torch.jit.load(str(export(run, tmp_path / "NET.PT")))(observations), expected(run, observations), strict=True
    ):
        near(found, wanted)
    assert load_file(export(run, tmp_path / "W.SafeTensors"))


def test_an_ending_that_says_nothing_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="write format="):
        export(run, tmp_path / "net.bin")
    with pytest.raises(ValueError, match="did you mean 'onnx'"):
        export(run, tmp_path / "net.bin", "onxx")


@DEPRECATED
def test_a_program_that_gives_other_numbers_is_not_written(run, tmp_path, monkeypatch):
    from kontrast.export import network

    monkeypatch.setattr(network.Bytes, "forward", lambda self, x: self.program(x * 1.01), raising=True)
    monkeypatch.setattr(torch.jit, "script", lambda module: torch.jit.trace(module, torch.rand(2, 1, 8, 8)))
    with pytest.raises(ValueError, match="another feature than the network"):
        export(run, tmp_path / "net.pt")
    assert [*tmp_path.iterdir()] == []
