"""KITTI Masks: films read as they were published, and what is no KITTI Masks refused."""

import pickle

import numpy as np
import pytest
import torch

from kontrast.datasets import KITTIMasks, check, kitti_masks
from kontrast.encoders import Conv
from kontrast.methods import get
from kontrast.pairings import Temporal

import formats_kitti


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_frames_are_those_of_the_pickle(tmp_path, protocol):
    written = formats_kitti.films()
    held = KITTIMasks(root=str(formats_kitti.kitti(tmp_path / "set", protocol=protocol)), test=0.0).hold("train")
    masks = np.concatenate(written["pedestrians"])
    assert np.array_equal(held.store.memory().numpy(), masks[:, None].astype(np.uint8) * 255)
    assert np.array_equal(held.latents.numpy(), np.concatenate(written["pedestrians_latents"]))
    assert held.sequence.tolist() == np.repeat(range(5), formats_kitti.LENGTHS).tolist()
    assert held.index.tolist() == list(range(sum(formats_kitti.LENGTHS)))


def test_the_pickle_is_read_once(tmp_path, monkeypatch):
    data = KITTIMasks(root=str(formats_kitti.kitti(tmp_path / "set")), test=0.4)
    first = data.read("test")
    monkeypatch.setattr(kitti_masks.unpickling, "read", lambda *_: pytest.fail("read again"))
    assert torch.equal(data.read("test").observations, first.observations)
    assert data.convert(tmp_path / "set") is None


def test_whole_sequences_are_held_out_by_the_seed(tmp_path):
    root = str(formats_kitti.kitti(tmp_path / "set", formats_kitti.films([2, 3] * 10)))
    found = {}
    for seed in (0, 1):
        train, test = (KITTIMasks(root=root, test=0.25, seed=seed).hold(split) for split in ("train", "test"))
        assert len(test.sequence.unique()) == 5
        assert not set(train.sequence.tolist()) & set(test.sequence.tolist())
        assert sorted([*train.index.tolist(), *test.index.tolist()]) == list(range(50))
        found[seed] = set(test.sequence.tolist())
    assert found[0] != found[1]


def broken(change):
    content = formats_kitti.films()
    change(content["pedestrians"], content["pedestrians_latents"])
    return content


def swap(masks, latents):
    latents[0], latents[1] = latents[0] * 1, latents[1] * 1
    latents[1][0, 2] += 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (broken(lambda masks, latents: latents.pop()), "5 sequences of masks and 4 of latents"),
        (broken(lambda masks, latents: latents[1].__setitem__((0, 0), np.nan)), "sequence 1 has latents"),
        (broken(lambda masks, latents: latents[1].__setitem__((0, 1), np.inf)), "no place"),
        (broken(lambda masks, latents: latents[1].__setitem__((0, 1), -3)), "no place"),
        (broken(swap), "areas differ"),
        (broken(lambda masks, latents: masks[2].__setitem__(0, False)), "areas differ"),
        (broken(lambda masks, latents: masks.__setitem__(0, masks[0][:, :32])), "not bool"),
        (broken(lambda masks, latents: masks.__setitem__(0, masks[0].astype(np.float32))), "not bool"),
        (broken(lambda masks, latents: latents.__setitem__(0, latents[0][:, :2])), "not float32"),
        (broken(lambda masks, latents: latents.__setitem__(0, latents[0][:1])), "not float32"),
        (broken(lambda masks, latents: latents.__setitem__(0, latents[0].astype(np.float64))), "only bool and float32"),
        (broken(lambda masks, latents: masks.__setitem__(0, masks[0].astype(object))), "only bool and float32"),
        (formats_kitti.films([2, 1]), "has no two frames"),
        ({"pedestrians": [], "pedestrians_latents": []}, "0 sequences"),
        ({"pedestrians": []}, "not pedestrians and pedestrians_latents"),
        ([1, 2], "lists by their names"),
    ],
)  # fmt: skip
def test_anything_else_is_one_error_and_leaves_nothing(tmp_path, cache, content, match):
    data = KITTIMasks(root=str(formats_kitti.kitti(tmp_path / "set", content)))
    with pytest.raises(ValueError, match=match) as caught:
        data.open("train")
    assert "kitti_peds_v2.pickle" in str(caught.value)
    assert any(match.split()[0] in fault.what for fault in check(data))
    assert not [*cache.glob("converted/*.npz")]


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_that_would_run_something_does_not(tmp_path):
    content = {**formats_kitti.films(), "more": Canary(str(tmp_path / "canary"))}
    data = KITTIMasks(root=str(formats_kitti.kitti(tmp_path / "set", content)))
    with pytest.raises(ValueError, match=r"names (io|_io)\.open"):
        data.read("train")
    assert not (tmp_path / "canary").exists()
    assert pickle.dumps(content)


def test_a_converted_file_that_changed_is_found(tmp_path, cache):
    data = KITTIMasks(root=str(formats_kitti.kitti(tmp_path / "set")), test=0.4)
    assert check(data) == []
    (path,) = cache.glob("converted/*.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert "no longer what was made" in check(data)[0].what


def test_where_it_is_missing_and_what_cannot_be_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="kontrast data get KITTIMasks"):
        KITTIMasks().read("train")
    with pytest.raises(ValueError, match="leaves none to test on"):
        KITTIMasks(root=str(formats_kitti.kitti(tmp_path / "set"))).read("test")
    for wrong in ({"test": 1.0}, {"seed": -1}):
        with pytest.raises(ValueError, match="write "):
            KITTIMasks(**wrong)


def test_the_published_network_has_its_parameters():
    """380,362, and ten more widths where the box is learned."""
    for words, count in (([], 380_362), (["space=Box", "space.learned=True"], 380_372)):
        made = get("cl_ica_kitti").read(words)
        assert isinstance(made.encoder, Conv) and isinstance(made.pairing, Temporal)
        assert sum(weight.numel() for weight in made.model().student.parameters()) == count
    assert (made.batch, made.steps, made.optimizer.rate, made.data.test) == (32, 300_000, 1e-4, 0.0)
