"""Sprites written as the npz file of dSprites."""

import zipfile

import numpy as np
import pytest
import torch

from kontrast.datasets import Order, Sprites
from kontrast.datasets.dsprites import NAME
from kontrast.datasets.sprites import archive, table

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two positions of each in the place of 32, and orientations 0, 1, 39: 3 x 6 x 3 x 2 x 2 rows."""
    small = {"orientation": [0, 1, 39], "posX": [0, 31], "posY": [3, 31]}
    monkeypatch.setattr(table, "GRID", {n: c[small[n]] if n in small else c for n, c in table.GRID.items()})
    monkeypatch.setattr(archive, "PIECE", 50)


def test_the_file_is_that_of_dsprites(tmp_path):
    sprites, out, told = Sprites(size=16), tmp_path / "some" / NAME, []
    assert sprites.rows == 216
    sprites.write(out.parent, Order(tell=lambda done, count: told.append((done, count))))
    with np.load(out, allow_pickle=False) as found:
        assert set(found) == {"imgs", "latents_values", "latents_classes"}
        imgs, values, classes = (found[name] for name in ("imgs", "latents_values", "latents_classes"))
    assert imgs.shape == (216, 16, 16) and imgs.dtype == np.uint8 and set(np.unique(imgs)) == {0, 1}
    grid = sprites.grid()
    assert values.dtype == np.float64 and np.array_equal(values, grid.values.numpy())
    assert classes.dtype == np.int64 and np.array_equal(classes, grid.classes.numpy())
    assert np.array_equal(imgs, sprites.render(grid.latents, CPU)[:, 0].numpy() // 255)
    assert told == [(0, 216), (50, 216), (100, 216), (150, 216), (200, 216), (216, 216)]
    assert [path.name for path in out.parent.iterdir()] == [NAME]
    assert not any(name.endswith("metadata.npy") for name in zipfile.ZipFile(out).namelist())


@pytest.mark.parametrize("options", [{"color": "hue"}, {"background": "gray-noise"}, {"color": "palette", "size": 9}])
def test_colors_and_noise_are_bytes(tmp_path, options):
    sprites = Sprites(**{"size": 8, "shapes": ("square",), **options})
    sprites.write(tmp_path, Order())
    with np.load(tmp_path / NAME, allow_pickle=False) as found:
        pictures = sprites.render(sprites.grid().latents, CPU).permute(0, 2, 3, 1).squeeze(-1)
        assert np.array_equal(found["imgs"], pictures.numpy())
        assert found["imgs"].max() == 255


def test_equal_sprites_give_equal_bytes(tmp_path):
    sprites = Sprites(size=8, background="noise")
    for name in "ab":
        sprites.write(tmp_path / name, Order())
    Sprites(size=8, background="noise", law="grid").write(tmp_path / "c", Order())
    assert len({(tmp_path / name / NAME).read_bytes() for name in "abc"}) == 1


def test_an_interrupted_file_goes_on_where_it_stopped(tmp_path):
    sprites, out, whole = Sprites(size=8), tmp_path / "some" / NAME, tmp_path / "whole" / NAME
    sprites.write(whole.parent, Order())

    def stop(done, count):
        if done == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sprites.write(out.parent, Order(tell=stop))
    assert not out.exists()
    told = []
    (out.parent / f".{NAME}.pieces" / f"{50:09d}").write_bytes(b"what a broken disk has kept")
    with pytest.raises(ValueError, match="pieces of other sprites"):
        Sprites(size=9).write(out.parent, Order())
    sprites.write(out.parent, Order(tell=lambda done, count: told.append(done)))
    assert told == [100, 150, 200, 216]
    assert out.read_bytes() == whole.read_bytes()


def test_what_is_there_is_left_or_refused(tmp_path):
    out = tmp_path / NAME
    Sprites(size=8).write(tmp_path, Order())
    before = out.stat().st_mtime_ns
    Sprites(size=8, law="grid").write(tmp_path, Order())
    assert out.stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="is there already"):
        Sprites(size=9).write(out.parent, Order())
    (tmp_path / "other").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        Sprites(size=8).write(tmp_path / "other", Order())
    assert (tmp_path / "other").read_text() == "mine"
    with pytest.raises(ValueError, match="leave out rows"):
        Sprites(size=8).write(tmp_path / "new", Order(rows={"train": 5}))
    with pytest.raises(ValueError, match="leave out shard"):
        Sprites(size=8).write(tmp_path / "new", Order(shard=(1, 2)))
    assert not (tmp_path / "new").exists()
