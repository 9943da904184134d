"""`kontrast data render` as a user types it."""

import math

import chz
import numpy as np
import pytest
import torch

from kontrast import parts
from kontrast.cli import main
from kontrast.datasets import Dataset, DSprites, Generative
from kontrast.datasets.sprites import archive
from kontrast.datasets.teapot import Teapot
from kontrast.datasets.teapot.teapot import on_sphere, spherical
from kontrast.views import Factor
from kontrast.words import built


@chz.chz
class _Dots(Generative):
    """A generative dataset that does not know how it is written."""

    size: int = chz.field(default=16, doc="side of the picture")
    seed: int = chz.field(default=1, doc="a field that is named as an argument of the command")

    @property
    def shape(self):
        return (1, self.size, self.size)

    @property
    def factors(self):
        return (Factor("gray"),)

    def render(self, latents, device):
        return (latents[:, :, None, None] * 255).to(torch.uint8).expand(-1, *self.shape)


@pytest.fixture
def dots(monkeypatch):
    there = parts.known(Dataset)
    monkeypatch.setattr(parts, "known", lambda family: {**there, "Dots": _Dots})


def kontrast(words, capsys):
    status = main(words.split())
    shown = capsys.readouterr()
    return status, " ".join(shown.out.split()), " ".join(shown.err.split())


def test_pictures_are_rendered_into_two_folders(dots, capsys, tmp_path):
    words = f"data render Dots size=16 data.seed=3 seed=2 rows=30 test=5 workers=1 out={tmp_path}/out"
    status, said, err = kontrast(words, capsys)
    assert (status, err) == (0, "")
    assert "out: whole (30 in train, 5 in test)" in said
    raw = torch.from_numpy(np.load(tmp_path / "out" / "train" / "raw_latents.npy"))
    assert len(raw) == 30 and len(list((tmp_path / "out" / "test" / "images").iterdir())) == 5
    status, _, err = kontrast(words.replace("data.seed=3", "data.seed=4"), capsys)
    assert status == 2
    assert "seed is 3 there and 4 here" in err


def test_a_shard_says_how_to_go_on(dots, capsys, tmp_path):
    words = f"data render Dots size=16 rows=130 test=1 workers=1 out={tmp_path}/out"
    status, said, _ = kontrast(f"{words} shard=2/3", capsys)
    assert status == 0
    assert "shard 2 of 3 is whole; when all are, the same command without shard=" in said
    assert len(list((tmp_path / "out" / "train" / "images").iterdir())) == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data render Dots size=16", "say where to: kontrast data render NAME"),
        ("data render Dot out=x", "did you mean 'Dots'?"),
        ("data render", "kontrast data render NAME"),
        ("data render Dots out=x sise=16", "did you mean 'size'?"),
        ("data render Dots out=x rows=many", "rows=many is no whole number"),
        ("data render Dots out=x rows=-1", "rows=-1 is no whole number from 0 on"),
        ("data render Dots out=x rows=5 test=0", "write rows=20000 test=2000"),
        ("data render Dots out=x workers=0", "not 0; write workers=2"),
        ("data render Dots out=x shard=5/4", "write shard=1/16"),
        ("data render Dots out=x device=abacus", "write device=cpu"),
        ("data render Mixing out=x", "shows no pictures"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_written(words, said, dots, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = kontrast(words, capsys)
    assert status == 2
    assert said in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "reader"),
    [
        ("Teapot angles=half", "ThreeDIdent"),
        ("Teapot angles=full", "ThreeDIdent"),
        ("Teapot angles=sphere", "ThreeDIdent"),
        ("Teapot vary=pos_x,pos_y,pos_z", "ThreeDIdent"),
        ("Teapot angles=full vary=rot_phi,hue_background", "ThreeDIdent"),
        ("Teapot shapes=sphere,cube", "Causal3DIdent"),
        ("Teapot shapes=sphere,cube angles=sphere", "Rendered data.of=Teapot"),
        ("Sprites color=hue", "Rendered data.of=Sprites"),
    ],
)
def test_what_was_rendered_is_read_as_the_command_says(words, reader, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    # What shapes look like is tested elsewhere, and measuring one takes long.
    monkeypatch.setattr(Teapot, "render", lambda self, latents, device: _flat(latents, self.shape))
    status, said, err = kontrast(f"data render {words} size=8 rows=7 test=2 workers=1 out={tmp_path}/out", capsys)
    assert (status, err) == (0, "")
    found = said.split("read with data=")[1]
    assert found.startswith(reader)
    options = " ".join(word.removeprefix("data.") for word in found.split())
    status, said, err = kontrast(f"data check {options}", capsys)
    assert (status, err) == (0, "") and "nothing is wrong (7 rows in train, 2 rows in test" in said
    assert not list((tmp_path / "out").glob(".*"))
    name, fields = options.split()[0], dict(word.split("=") for word in options.split()[1:])
    held = built(parts.known(Dataset)[name], fields).hold("train")
    folder = tmp_path / "out" / "train"
    if name == "Rendered":
        assert np.array_equal(held.latents, np.load(folder / "drawn.npy"))
    elif name == "ThreeDIdent":
        assert np.abs(np.load(folder / "raw_latents.npy")).max() <= 1
        assert np.array_equal(held.latents, np.load(folder / "latents.npy"))
    drawn = torch.from_numpy(np.load(folder / "drawn.npy"))
    pictures = held.store.memory()
    if name != "Rendered" or "of=Teapot" in options:
        assert torch.equal(pictures, _flat(drawn, pictures.shape[1:]))


def _flat(latents, shape):
    """Pictures of one gray, which depends on the first two latents."""
    gray = (latents[:, :2] * torch.tensor([31.0, 17.0])).sum(1).abs().to(torch.uint8)
    return gray[:, None, None, None].expand(-1, *shape).contiguous()


def test_angles_that_wrap_around_fit_on_the_sphere():
    angles = math.tau * torch.rand(200, 7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(on_sphere(angles).norm(dim=1), torch.ones(200), atol=1e-5)
    torch.testing.assert_close(spherical(on_sphere(angles)), angles, atol=2e-3, rtol=0)
    angles[:, :6] = torch.randint(2, (200, 6), generator=torch.Generator().manual_seed(1)) * math.tau
    turn = (spherical(on_sphere(angles)) - angles).abs()
    assert torch.minimum(turn, math.tau - turn).max() <= 2.1e-3


def test_sets_of_one_file_are_folders_that_their_readers_find(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    (tmp_path / "masks").mkdir()
    status, said, err = kontrast(f"data render Masks sequences=12 length=4 out={tmp_path}/masks", capsys)
    assert (status, err) == (0, "") and f"read with data=KITTIMasks data.root={tmp_path}/masks" in said
    status, said, _ = kontrast(f"data check KITTIMasks root={tmp_path}/masks", capsys)
    assert status == 0 and "nothing is wrong" in said
    monkeypatch.setattr(archive, "write", lambda sprites, out, order: out.parent.mkdir() or out.touch())
    status, said, err = kontrast(f"data render Sprites out={tmp_path}/dsprites", capsys)
    assert (status, err) == (0, "") and f"read with data=DSprites data.root={tmp_path}/dsprites" in said
    assert DSprites().find(f"{tmp_path}/dsprites") == tmp_path / "dsprites"
    for name in ("Masks", "Sprites"):
        (tmp_path / "file").touch()
        status, _, err = kontrast(f"data render {name} out={tmp_path}/file", capsys)
        assert status == 2 and "is a file; give another out=" in err


def test_a_rendering_that_is_not_whole_goes_on(dots, capsys, tmp_path):
    words = f"data render Dots size=16 rows=7 test=2 workers=1 out={tmp_path}/out"
    kontrast(words, capsys)
    (tmp_path / "out" / "train" / "images" / "3.png").unlink()
    options = f"of=Dots root={tmp_path}/out size=16 channels=1"
    status, said, _ = kontrast(f"data check Rendered {options}", capsys)
    assert status != 0 and "6 pictures of 7; let its rendering go on" in said
    kontrast(words, capsys)
    assert kontrast(f"data check Rendered {options}", capsys)[0] == 0


def test_a_file_has_no_shards(capsys, tmp_path):
    status, _, err = kontrast(f"data render Sprites shard=1/2 out={tmp_path}/out", capsys)
    assert status == 2
    assert "leave out shard=" in err
