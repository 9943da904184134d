import colorsys
import importlib.util
import io
import json
import math
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.datasets import Teapot
from kontrast.datasets.teapot import blender, blender_scene
from kontrast.datasets.teapot.blender import VARIABLE, BlenderFailed, at_once, photograph
from kontrast.datasets.teapot.shells import SHELLS, shell
from kontrast.datasets.teapot.solids import SHAPES

CPU = torch.device("cpu")
PAINT = """
import io, json, numpy
from PIL import Image
job = json.loads((folder / "job.json").read_text())
rows = numpy.load(folder / "scenes.npy")
mode = "RGBA" if job["what"] == "coverage" else "RGB"
for number, row in enumerate(rows):
    color = tuple(int(round(255 * value)) for value in row[7:10])
    Image.new(mode, (job["size"],) * 2, color + (int(row[0]),) * (mode == "RGBA")).save(folder / f"{number:06d}.png")
"""
"""What a process that does all well writes: pictures in the color of the three hues, covered by the first latent."""


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Temporary folders are made here, so that what stays behind is seen."""
    where = tmp_path / "temporary"
    where.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(where))
    return where


@pytest.fixture
def stand_in(tmp_path, monkeypatch, places):
    """Make a program that stands in for a Python with bpy: it is called as that is, and does what its body says."""

    def make(body):
        program = tmp_path / "program"
        head = f"#!{sys.executable} -S\nimport os, pathlib, sys, time\nfolder = pathlib.Path(sys.argv[3])\n"
        program.write_text((head.replace(" -S", "") if "numpy" in body else head) + body)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv(VARIABLE, str(program))
        return program

    return make


def latents(*hues):
    rows = torch.zeros(len(hues), 10)
    rows[:, 7:] = math.tau * torch.tensor(hues)
    return rows


def test_pictures_come_back_in_their_order_and_nothing_stays(stand_in, places):
    stand_in(PAINT)
    rows = latents((0.2, 0.4, 0.6), (-0.2, 1.4, 0.0))
    found = photograph(rows, "teapot", 16)
    assert found.dtype == torch.uint8 and found.shape == (2, 3, 16, 16)
    assert found[0, :, 3, 5].tolist() == [51, 102, 153]
    # Hues are modulo a turn: -.2 is .8, and 1.4 is .4.
    assert found[1, :, 0, 0].tolist() == [204, 102, 0]
    assert not [*places.iterdir()]


def test_coverage_is_the_alpha_of_the_pictures(stand_in):
    stand_in(PAINT)
    rows = latents((0.2, 0.4, 0.6), (0.1, 0.1, 0.1))
    rows[:, 0] = torch.tensor([77, 255])
    found = photograph(rows, "cube", 8, what="coverage")
    assert found.shape == (2, 1, 8, 8)
    assert found[:, 0, 4, 4].tolist() == [77, 255]


def test_no_scenes_need_no_process(monkeypatch):
    monkeypatch.setenv(VARIABLE, "/nowhere")
    assert photograph(torch.zeros(0, 10), "teapot", 8).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("print('first'); print('no such thing'); sys.exit(3)", BlenderFailed, "status 3 .no such thing."),
        ("sys.exit(4)", BlenderFailed, "status 4 .it said nothing."),
        ("os.kill(os.getpid(), 9)", BlenderFailed, "signal 9"),
        (
            "sys.stderr.write('libSM is missing'); sys.exit(77)",
            ModuleNotFoundError,
            "kontrast.blender.*libSM is missing",
        ),
        ("pass", BlenderFailed, "left no picture 1 of 2"),
        ("(folder / '000000.png').write_bytes(b'no picture')", BlenderFailed, "left no picture 1 of 2"),
    ],
)
def test_what_goes_wrong_in_the_process_is_one_error_and_leaves_nothing(stand_in, places, body, error, words):
    stand_in(body)
    with pytest.raises(error, match=words):
        photograph(latents((0, 0, 0), (0, 0, 0)), "teapot", 8)
    assert not [*places.iterdir()]


@pytest.mark.parametrize(("mode", "size"), [("RGB", 9), ("L", 8), ("RGBA", 8)])
def test_a_picture_of_another_kind_is_an_error(stand_in, mode, size):
    file = io.BytesIO()
    Image.new(mode, (size, size)).save(file, "PNG")
    stand_in(f"(folder / '000000.png').write_bytes({file.getvalue()!r})")
    with pytest.raises(BlenderFailed, match=rf"of {mode} .*, not RGB 8 x 8"):
        photograph(latents((0, 0, 0)), "teapot", 8)


def test_a_process_that_stands_still_is_ended(stand_in, places, tmp_path):
    stand_in(f"(folder / '000000.png').touch(); pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
             "\ntime.sleep(60)")  # fmt: skip
    start = time.monotonic()
    with pytest.raises(BlenderFailed, match="at picture 2 of 3"):
        photograph(latents(*[(0, 0, 0)] * 3), "teapot", 8, patience=0.5)
    assert time.monotonic() - start < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not [*places.iterdir()]


def test_a_process_that_goes_on_slowly_is_left_to_work(stand_in):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(file, "PNG")
    stand_in(
        f"for k in range(4):\n    time.sleep(0.4)\n    (folder / f'{{k:06d}}.png').write_bytes({file.getvalue()!r})"
    )
    found = photograph(latents(*[(0, 0, 0)] * 4), "teapot", 8, patience=1.2)
    assert (found[:, 1] == 2).all()


def test_an_interruption_ends_the_process(stand_in, places, tmp_path, monkeypatch):
    stand_in(f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(60)")

    def interrupted(*_):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(blender, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        photograph(latents((0, 0, 0)), "teapot", 8)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not [*places.iterdir()]


def test_a_program_that_is_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"KONTRAST_BLENDER is .*none, which cannot be run"):
        photograph(latents((0, 0, 0)), "teapot", 8)


@pytest.mark.skipif(importlib.util.find_spec("bpy") is not None, reason="bpy is here")
def test_where_bpy_is_missing_it_is_said_what_to_install(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kontrast\[blender\]'.*No module named 'bpy'"):
        Teapot(size=8, renderer="blender").render(torch.zeros(1, 10), CPU)


def test_teapot_renders_each_shape_by_blender(stand_in):
    stand_in(PAINT)
    teapot = Teapot(size=8, renderer="blender", shapes=("teapot", "cube"))
    rows = torch.cat([torch.tensor([[0.0], [1.0], [0.0]]), latents((0.2, 0, 0), (0.4, 0, 0), (0.6, 0, 0))], 1)
    assert teapot.render(rows, CPU)[:, 0, 0, 0].tolist() == [51, 102, 153]
    assert teapot.render(rows[:0], CPU).shape == (0, 3, 8, 8)


def test_the_renderer_and_its_samples_are_checked():
    with pytest.raises(ValueError, match="renderer"):
        Teapot(renderer="cycles")
    with pytest.raises(ValueError, match="samples=64"):
        Teapot(renderer="blender", samples=0)


def test_blocks_are_smaller_where_pictures_take_longer():
    assert Teapot().rows_at_once == 64
    assert Teapot(renderer="blender").rows_at_once == at_once(64, 64) == 16
    assert Teapot(renderer="blender", size=224, samples=512).rows_at_once == at_once(224, 512) == 4


# What runs in Blender's process, with a bpy that only takes notes.


@pytest.fixture
def notes(monkeypatch):
    bpy = MagicMock()
    bpy.data.materials.new.side_effect = lambda name: MagicMock(name=name)
    bpy.ops.render.render.side_effect = lambda **_: Path(bpy.context.scene.render.filepath).write_text("picture")
    monkeypatch.setitem(sys.modules, "bpy", bpy)
    monkeypatch.setitem(sys.modules, "mathutils", MagicMock())
    return bpy


def laid(folder, rows, what="picture"):
    blender._lay(folder, rows, "cube", blender._job(8, 5, what))
    return folder


def test_the_script_writes_whole_pictures_of_direct_light(notes, tmp_path):
    assert blender_scene.main(laid(tmp_path, latents((0, 0, 0), (0.5, 0, 0)))) == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["000000.png", "000001.png"]
    cycles, render = notes.context.scene.cycles, notes.context.scene.render
    assert (cycles.max_bounces, cycles.samples, cycles.use_denoising) == (0, 5, True)
    assert (render.resolution_x, render.resolution_y, render.threads) == (8, 8, torch.get_num_threads())
    assert notes.context.scene.view_settings.view_transform == "Standard"


def test_the_script_masks_without_ground_and_denoising(notes, tmp_path):
    blender_scene.main(laid(tmp_path, latents((0, 0, 0)), "coverage"))
    assert notes.context.scene.render.film_transparent is True
    assert notes.context.scene.cycles.use_denoising is False


def test_the_script_leaves_with_what_asked_for_pictures(notes, tmp_path, monkeypatch):
    parents = iter([10, 10, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    folder = tmp_path / "job"
    folder.mkdir()
    assert blender_scene.main(laid(folder, latents(*[(0, 0, 0)] * 3))) == 1
    assert not folder.exists() and notes.ops.render.render.call_count == 1


def test_a_scene_is_arranged_as_published(notes):
    """The arithmetic of the published generator, but hues modulo a turn."""
    thing, spot, ground = MagicMock(), MagicMock(), MagicMock()
    row = [1.0, -2.0, 3.0, 0.1, 0.2, 0.3, 0.7, -0.1, 0.3, 0.6]
    blender_scene.arrange(thing, spot, ground, row, json.loads(json.dumps(blender._job(8, 1, "picture"))))
    largest = 4.442117
    assert thing.location == pytest.approx((1, -2, 3 + largest / 2))
    assert thing.rotation_euler == (0.1, 0.2, 0.3)
    assert spot.location == pytest.approx((4 * math.sin(0.7), 4 * math.cos(0.7), 6 + largest))
    assert spot.data.color == pytest.approx(colorsys.hsv_to_rgb(0.3, 0.8, 1))


def test_paint_takes_hues_modulo_a_turn():
    material, nodes = MagicMock(), {"Diffuse": MagicMock(), "Velvet": MagicMock()}
    material.node_tree.nodes = nodes
    blender_scene.paint(material, -0.25, 1.0)
    one = nodes["Diffuse"].inputs["Color"].default_value
    assert one == pytest.approx((*colorsys.hsv_to_rgb(0.75, 1, 1), 1.0)) and min(one) >= 0


# The meshes.


def volume(name):
    corners, triangles = shell(name)
    one, two, three = (corners[triangles[:, k]] for k in range(3))
    return np.einsum("ij,ij->i", one, np.cross(two, three)).sum() / 6


@pytest.mark.parametrize("name", sorted({*SHAPES} - {"teapot"}))
def test_meshes_are_the_surfaces_of_the_solids(name):
    """Corners are where the signed distance is 0, and triangles enclose what is inside, seen from outside."""
    assert SHAPES[name](torch.from_numpy(shell(name)[0]).float()).abs().max() < 1e-5
    points = (torch.rand(40_000, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 5
    assert volume(name) == pytest.approx(125 * float((SHAPES[name](points) < 0).double().mean()), rel=0.05)


def test_the_mesh_of_the_teapot_has_the_size_of_the_published_one():
    corners, _ = shell("teapot")
    # Its bounding box, as measured in the published scene, times the scale of 1.5 that its script gives it.
    assert corners.min(0) == pytest.approx(1.5 * np.array([-1.40211, -1.55930, -0.90669]), abs=2e-3)
    assert corners.max(0) == pytest.approx(1.5 * np.array([1.55930, 1.40211, 1.09257]), abs=2e-3)
    assert volume("teapot") > 0 and [*SHELLS] == [*SHAPES]


# Blender itself.

HERE = importlib.util.find_spec("bpy") is not None or bool(os.environ.get(VARIABLE))


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="no bpy here, and $KONTRAST_BLENDER names no Python that has it")
def test_blender_and_the_fast_renderer_draw_one_scene():
    rows = torch.zeros(2, 10)
    rows[0, 7:] = math.tau * torch.tensor([0.0, 0.3, 0.6])
    rows[1, :3], rows[1, 7:] = torch.tensor([1.0, 2.0, -2.0]), math.tau * torch.tensor([0.4, 0.9, 0.1])
    faithful = Teapot(size=48, renderer="blender", samples=16).render(rows, CPU)
    fast = Teapot(size=48).render(rows, CPU)
    error = (faithful.double() - fast).square().mean((1, 2, 3))
    assert (10 * torch.log10(255**2 / error) > 20).all()
    covered = photograph(rows, "teapot", 48, 16, what="coverage")[:, 0].double() / 255
    assert (covered.mean((1, 2)) > 0.01).all() and (covered.mean((1, 2)) < 0.3).all()
    red = faithful[0].double()[:, covered[0] > 0.99].mean(1)
    assert red[0] > 4 * red[1:].max()
