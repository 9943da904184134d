"""`kontrast data render` as a user types it."""

import chz
import numpy as np
import pytest
import torch

from kontrast import parts
from kontrast.cli import main
from kontrast.datasets import Dataset, Generative
from kontrast.views import Factor


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
    words = f"data render Dots size=16 rows=130 test=0 workers=1 out={tmp_path}/out"
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


def test_a_file_has_no_shards(capsys, tmp_path):
    status, _, err = kontrast(f"data render Sprites shard=1/2 out={tmp_path}/out", capsys)
    assert status == 2
    assert "leave out shard=" in err
