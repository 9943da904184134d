"""Rendered pictures on the disk: the layout of 3DIdent, whole files whatever happens, and nothing put among others."""

import io
import json
import math
import os
import shutil
from pathlib import Path

import chz
import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.datasets import Generative, Mixing, Order, Sprites
from kontrast.datasets import picture_folder as folder_module
from kontrast.datasets import picture_writing as writing_module
from kontrast.datasets.crew import together
from kontrast.datasets.picture_folder import PictureFolder, write_pictures, write_splits
from kontrast.datasets.picture_writing import Album, is_whole
from kontrast.spaces import Box
from kontrast.views import Factor

SPRITES = Sprites(size=16, shapes=("ellipse",))


@chz.chz
class _Tinted(PictureFolder, Generative):
    """Pictures of one color, of two kinds: rows whose first latent is positive, and others."""

    broken: bool = chz.field(default=False, doc="whether rendering fails")

    @property
    def shape(self):
        return (3, 8, 8)

    @property
    def factors(self):
        return (Factor("kind", low=-1.0), Factor("red", low=-1.0))

    @property
    def latent_space(self):
        return Box(low=-1.0, high=1.0)

    def render(self, latents, device):
        if self.broken:
            raise ValueError("the oven is cold")
        pictures = torch.zeros(len(latents), *self.shape, dtype=torch.uint8)
        pictures[:, 0] = (latents[:, 1] * 127 + 127).to(torch.uint8)[:, None, None]
        return pictures

    def kinds(self, latents):
        return (latents[:, 0] > 0).long(), 3

    def raw(self, latents):
        return latents[:, 1:]

    def scene(self, latents):
        return self.raw(latents) * math.pi / 2


def contents(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def counted(order, done):
    return order._replace(tell=lambda part, whole: done.append((part, whole)))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("pictures") / "out"
    write_splits(SPRITES, out, Order({"train": 101, "test": 10}, seed=4))
    return out


def test_the_layout_is_that_of_3dident(written):
    raw = np.load(written / "train" / "raw_latents.npy")
    assert raw.shape == (101, 5) and raw.dtype == np.float32
    assert np.array_equal(raw, np.load(written / "train" / "latents.npy"))
    names = sorted(path.name for path in (written / "train" / "images").iterdir())
    digits = math.ceil(math.log10(101))
    assert names == [f"{row:0{digits}d}.png" for row in range(101)]
    assert sorted(path.name for path in (written / "test" / "images").iterdir()) == [f"{row}.png" for row in range(10)]
    expected = SPRITES.render(torch.from_numpy(raw), torch.device("cpu")).numpy()
    for row in (0, 63, 64, 100):
        assert np.array_equal(np.asarray(Image.open(written / "train" / "images" / names[row])), expected[row, 0])
    record = json.loads((written / "train" / "rendered.json").read_text())
    assert (record["dataset"], record["fields"]["size"], record["seed"], record["rows"]) == ("Sprites", 16, 4, 101)


@pytest.mark.parametrize("rows", [1, 2, 10, 11, 1000, 1001, 250_000])
def test_names_have_as_many_digits_as_published(rows):
    """numpy's logarithm, rounded up, is what the published readers pad by."""
    album = Album(Path(), np.zeros((rows, 1), np.float32))
    assert album.path(0).name == f"{'0'.zfill(int(np.ceil(np.log10(rows))))}.png"


def test_splits_and_seeds_have_rows_of_their_own_and_fewer_rows_begin_more(written, tmp_path):
    write_splits(SPRITES, tmp_path / "few", Order({"train": 20}, seed=4))
    write_splits(SPRITES, tmp_path / "other", Order({"train": 20}, seed=5))
    rows = {
        name: np.load(path / "train" / "raw_latents.npy")[:10]
        for name, path in {"all": written, "few": tmp_path / "few", "other": tmp_path / "other"}.items()
    }
    assert np.array_equal(rows["all"], rows["few"])
    assert not np.isin(rows["other"], rows["all"]).all(1).any()
    assert not np.isin(np.load(written / "test" / "raw_latents.npy"), rows["all"]).all(1).any()
    assert not (tmp_path / "few" / "test").exists()


def test_processes_and_interruptions_change_no_byte(written, tmp_path):
    """A truncated file, an empty one, one that is gone, and one that was being written when it stopped."""
    out = Path(shutil.copytree(written, tmp_path / "out"))
    images = sorted((out / "train" / "images").iterdir())
    os.truncate(images[3], len(images[3].read_bytes()) - 1)
    images[4].write_bytes(b"")
    images[70].unlink()
    images[70].with_name(f".{images[70].name}.part").write_bytes(b"\x89PNG")
    (out / "train" / "latents.npy").unlink()
    kept, done = images[5].stat().st_mtime_ns, []
    write_splits(SPRITES, out, counted(Order({"train": 101, "test": 10}, seed=4, workers=2), done))
    assert contents(out) == contents(written)
    assert images[5].stat().st_mtime_ns == kept
    assert done[0] == (108, 111) and done[-1] == (111, 111)
    done.clear()
    write_splits(SPRITES, out, counted(Order({"train": 101, "test": 10}, seed=4), done))
    assert done == [(111, 111)]


def test_a_stop_at_any_block_leaves_whole_files_alone(written, tmp_path):
    class Stopped(BaseException):
        pass

    def stop(done, whole):
        if done:
            raise Stopped

    order = Order({"train": 101, "test": 10}, seed=4)
    for _ in range(2):
        with pytest.raises(Stopped):
            write_splits(SPRITES, tmp_path / "out", order._replace(tell=stop))
        found = contents(tmp_path / "out")
        assert all(written_bytes == contents(written)[name] for name, written_bytes in found.items())
    write_splits(SPRITES, tmp_path / "out", order)
    assert contents(tmp_path / "out") == contents(written)


def test_shards_share_the_work_and_are_together_the_whole(written, tmp_path):
    order, counts = Order({"train": 101, "test": 10}, seed=4), []
    for shard in range(1, 4):
        done = []
        write_splits(SPRITES, tmp_path / "out", counted(order._replace(shard=(shard, 3)), done))
        counts.append(done[-1][0] - done[0][0])
    assert sum(counts) == 111 and max(counts) == 64
    assert contents(tmp_path / "out") == contents(written)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": {"train": 102, "test": 10}}, "rows is 101 there and 102 here"),
        ({"rows": {"train": 101}}, "holds 10 rows, and none are asked for"),
        ({"seed": 5}, "seed is 4 there and 5 here"),
        ({"rows": {"train": 0, "test": 0}}, "nothing to render in 0 rows"),
    ],
)
def test_another_order_is_refused_with_the_difference(written, change, said):
    before = contents(written)
    with pytest.raises(ValueError, match=said):
        write_splits(SPRITES, written, Order({"train": 101, "test": 10}, seed=4)._replace(**change))
    assert contents(written) == before


def test_other_things_are_left_alone(written, tmp_path):
    order = Order({"train": 101, "test": 10}, seed=4)
    with pytest.raises(ValueError, match=r"shapes is \['ellipse'\] there and \['square'\] here"):
        write_splits(Sprites(size=16, shapes=("square",)), written, order)
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="not rendered here"):
        write_splits(SPRITES, tmp_path / "out", order)
    damaged = Path(shutil.copytree(written, tmp_path / "damaged"))
    (damaged / "train" / "rendered.json").write_text("[")
    with pytest.raises(ValueError, match=r"rendered\.json is damaged"):
        write_splits(SPRITES, damaged, order)
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "train").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        write_splits(SPRITES, tmp_path / "file", order)
    with pytest.raises(ValueError, match="shows no pictures"):
        write_splits(Mixing(dim=3), tmp_path / "numbers", order)
    assert not (tmp_path / "numbers").exists()


def test_another_version_is_refused(written, monkeypatch):
    monkeypatch.setattr(folder_module, "version", lambda name: "99")
    with pytest.raises(ValueError, match=r"kontrast is .* there and '99' here"):
        write_splits(SPRITES, written, Order({"train": 101, "test": 10}, seed=4))


def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="do not fit"):
        write_splits(SPRITES, tmp_path / "huge", Order({"train": 10**15}))
    monkeypatch.setattr(writing_module, "free_at", lambda path: 4096 * 50)
    with pytest.raises(OSError, match="write fewer rows="):
        write_splits(SPRITES, tmp_path / "out", Order({"train": 101}))
    assert not list((tmp_path / "out").rglob("*.png"))


def test_two_at_once_are_refused(written):
    def again(done, whole):
        write_splits(SPRITES, written, Order({"train": 101, "test": 10}, seed=4))

    with pytest.raises(ValueError, match="another process renders into"):
        write_splits(SPRITES, written, Order({"train": 101, "test": 10}, seed=4, tell=again))


def test_kinds_have_files_of_their_own(tmp_path):
    latents = torch.tensor([[-1.0, 0.5], [1.0, -0.5], [1.0, 1.0]])
    write_pictures(_Tinted(), latents, tmp_path / "out", Order())
    assert np.load(tmp_path / "out" / "raw_latents_1.npy").tolist() == [[-0.5], [1.0]]
    assert np.load(tmp_path / "out" / "latents_0.npy") == pytest.approx(np.array([[math.pi / 4]]))
    assert np.load(tmp_path / "out" / "raw_latents_2.npy").shape == (0, 1)
    assert [len(list((tmp_path / "out").glob(f"images_{k}/*.png"))) for k in range(3)] == [1, 2, 0]
    assert np.asarray(Image.open(tmp_path / "out" / "images_1" / "1.png"))[0, 0].tolist() == [254, 0, 0]


def test_what_fails_in_rendering_leaves_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="the oven is cold"):
        write_splits(_Tinted(broken=True), tmp_path / "out", Order({"train": 3}))


def _fails(name):
    yield 1
    if name == "signal":
        os.kill(os.getpid(), 9)
    raise {"os": OSError, "key": KeyError}[name]("of this")


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [("signal", OSError, "ended with signal 9"), ("key", RuntimeError, "KeyError: 'of this'")],
)
def test_what_goes_wrong_in_a_process_is_heard(name, kind, said):
    heard = []
    with pytest.raises(kind, match=said):
        heard.extend(together(_fails, [(name,)]))


def test_a_png_is_whole_only_with_its_end(tmp_path):
    target = io.BytesIO()
    Image.new("L", (4, 4)).save(target, "PNG")
    for cut in range(len(target.getvalue())):
        (tmp_path / "cut.png").write_bytes(target.getvalue()[:cut])
        assert not is_whole(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes(target.getvalue())
    assert is_whole(tmp_path / "cut.png")
