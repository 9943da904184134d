"""A trained network in one file: weights by the names that others use, or a program of feature and embedding."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from kontrast.augmentations import Normalize, Recipe
from kontrast.blueprints import values
from kontrast.encoders import ResNet
from kontrast.experiment import Experiment
from kontrast.model import Student
from kontrast.parts import choose
from kontrast.run import Run

Format = Literal["safetensors", "torchscript", "torch.export", "onnx"]
FORMATS: tuple[str, ...] = get_args(Format)
ENDINGS = {".safetensors": "safetensors", ".pt": "torchscript", ".ts": "torchscript", ".pt2": "torch.export"}
ENDINGS |= {".onnx": "onnx"}
TOLERANCE = 1e-5
"""How far what a program gives may be from the network's own numbers, relative to the largest of them."""


def export(run: Run, out: Path | str, format: Format | None = None, *, step: int | None = None) -> Path:
    """Write the network of a run into a file, which must not be there yet; returns its path.

    - safetensors: the weights of the encoder. Those of a ResNet have the names of torchvision and timm, whose models
      load them: all but the classifier `fc`. A CIFAR stem is a 3 x 3 `conv1` of stride 1 and no max-pool.
    - torchscript, torch.export, onnx: the program x -> (feature [n, f], embedding [n, d]) for any number of rows n >= 1
      of the shape that the run was trained on, float32 in [0, 1]; torchscript, which torch is about to give up, takes
      uint8 in 0..255 too. It is run once on other rows than it was made from, and compared with the network.

    The file says what one must know of it, as JSON under "kontrast": shape, preprocessing, method, experiment, step. By
    default the ending of `out` decides: .safetensors, .pt, .pt2 or .onnx. `step` is a checkpoint other than the last.

    ValueError: the file is there, the ending says nothing, or the program gives other numbers than the network;
    ModuleNotFoundError: onnx is not installed.
    """
    out = Path(out)
    if format is None:
        if out.suffix.lower() not in ENDINGS:
            raise ValueError(f"{out.name} does not say which format; write format=safetensors, or {', '.join(FORMATS)}")
        format = ENDINGS[out.suffix.lower()]  # type: ignore[assignment]
    choose(str(format), FORMATS, "format")
    if out.exists():
        raise ValueError(f"{out} is there already; give another out=, or delete it")
    checkpoint = run.checkpoint(step)
    student = run.student(step=checkpoint.step)
    about = {"kontrast": json.dumps(describe(run.experiment, checkpoint.step))}
    writers: dict[str, Callable[[Path, Student, tuple[int, ...], dict[str, str]], None]] = {
        "safetensors": _safetensors,
        "torchscript": _torchscript,
        "torch.export": _program,
        "onnx": _onnx,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        partial = Path(folder, out.name if out.suffix in ENDINGS else f"{out.name}.pt2")
        writers[str(format)](partial, student, run.experiment.data.shape, about)
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)  # safetensors writes a file for its owner alone
        os.replace(partial, out)
    return out


def describe(experiment: Experiment, step: int) -> dict[str, Any]:
    """What one must know to use the network, as plain values."""
    recipe = getattr(experiment.pairing, "recipe", None)
    shape, encoder = experiment.data.shape, experiment.encoder
    pictures = len(shape) == 3
    what = "pictures [n, channels, height, width], uint8 / 255" if pictures else "vectors [n, dimensions]"
    found = {
        "method": experiment.method,
        "data": type(experiment.data).__name__,
        "shape": list(shape),
        "preprocessing": f"{what}; no mean is subtracted" if pictures else what,
        "encoder": type(encoder).__name__,
        "space": type(experiment.space).__name__,
        "dim": experiment.dim,
        "step": step,
        "experiment": values(experiment),
    }
    if isinstance(recipe, Recipe) and any(isinstance(part, Normalize) for part in recipe.steps().values()):
        found["note"] = "the views it was trained on were normalized: see experiment, pairing.recipe.normalize"
    if getattr(encoder, "normalize", False):
        found["note"] = "the encoder subtracts a mean and divides by a deviation itself; weights alone do not"
    if isinstance(encoder, ResNet):
        small = encoder.stem == "cifar" or (encoder.stem == "auto" and min(shape[1:]) < 64)
        stem = f"conv1: 3 x 3, stride 1, {shape[0]} channels; no maxpool" if small else "as in torchvision and timm"
        found |= {"architecture": f"resnet{encoder.depth}", "width": encoder.width, "stem": stem}
    return found


class Program(nn.Module):
    """x -> (feature, embedding), by one pass."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.student.features(x)
        return feature.float(), self.student.embed(feature)


class Bytes(nn.Module):
    """A program for floats that takes bytes too: what a trace cannot decide, a script does."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dtype == torch.uint8:
            x = x.float() / 255.0
        found: tuple[Tensor, Tensor] = self.program(x)
        return found


def _rows(shape: tuple[int, ...], count: int) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(count))


def _safetensors(path: Path, student: Student, shape: tuple[int, ...], about: dict[str, str]) -> None:
    from safetensors.torch import save_file

    state = student.encoder.state_dict()
    save_file({name: value.detach().contiguous().clone() for name, value in state.items()}, path, about)


def _torchscript(path: Path, student: Student, shape: tuple[int, ...], about: dict[str, str]) -> None:
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        traced = torch.jit.trace(Program(student), _rows(shape, 2), check_trace=False)  # type: ignore[no-untyped-call]
        scripted = torch.jit.script(Bytes(traced))
        torch.jit.save(scripted, str(path), {f"{name}.json": text for name, text in about.items()})
        read = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
        found = read((_rows(shape, 3) * 255).round().to(torch.uint8))
    _compare(found, student, (_rows(shape, 3) * 255).round() / 255)


def _program(path: Path, student: Student, shape: tuple[int, ...], about: dict[str, str]) -> None:
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        made = torch.export.export(Program(student), (_rows(shape, 2),), dynamic_shapes={"x": _any_number()})
        torch.export.save(made, path, extra_files={f"{name}.json": text for name, text in about.items()})
        found = torch.export.load(path).module()(_rows(shape, 3))
    _compare(found, student, _rows(shape, 3))


def _onnx(path: Path, student: Student, shape: tuple[int, ...], about: dict[str, str]) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"format=onnx needs {error.name}: pip install 'kontrast[onnx]'") from None
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        made = torch.onnx.export(
            Program(student),
            (_rows(shape, 2),),
            input_names=["x"],
            output_names=["feature", "embedding"],
            dynamic_shapes={"x": _any_number()},
            dynamo=True,
            verbose=False,
        )
    assert made is not None
    made.model.metadata_props.update(about)
    made.save(str(path), external_data=False)
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(["feature", "embedding"], {"x": _rows(shape, 3).numpy()})
    _compare([torch.from_numpy(np.asarray(column)) for column in found], student, _rows(shape, 3))


def _any_number() -> dict[int, Any]:
    return {0: torch.export.Dim.DYNAMIC}


@torch.no_grad()
def _compare(found: Any, student: Student, rows: Tensor) -> None:
    """ValueError unless a program gives what the network does."""
    for name, there, here in zip(("feature", "embedding"), found, Program(student)(rows), strict=True):
        away = float((there - here).abs().max() / here.abs().max().clamp_min(1e-12))
        if there.shape != here.shape or not away <= TOLERANCE:
            raise ValueError(f"the program gives another {name} than the network, by {away:.2g}; write another format=")
