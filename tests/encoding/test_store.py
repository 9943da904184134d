"""Features that are kept: the same to the last bit, never stale, and gone when they are of no use."""

import os
import shutil
import time

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import load_file, save_file

from kontrast import Run, probes, train
from kontrast.datasets import ImageFolder
from kontrast.encoders import Conv
from kontrast.encoding import Store
from kontrast.encoding import store as store_module
from kontrast.model import Student

from small import digits

QUIET = Console(quiet=True)
ASKED = (probes.KNN(), probes.KNN(layer="stem"), probes.Linear(layer="embedding"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "digits"
    return train(digits(steps=30, encoder=Conv(width=4, batch_norm=True)), out, save_seconds=0.0, console=QUIET)


@pytest.fixture
def run(trained, tmp_path):
    return Run(shutil.copytree(trained.path, tmp_path / "run"))


@pytest.fixture
def forwards(monkeypatch):
    sizes, features = [], Student.features
    monkeypatch.setattr(Student, "features", lambda self, x: sizes.append(len(x)) or features(self, x))
    return sizes


def test_scores_are_the_same_with_the_cache_and_without(run, forwards):
    without = run.examine(*ASKED, cache=False)
    passed = sum(forwards)
    assert not (run.path / "features").exists()
    first = run.examine(*ASKED)
    assert sum(forwards) == 2 * passed
    again = Run(run.path).examine(*ASKED)
    assert sum(forwards) == 2 * passed
    assert without == first == again
    for path in (run.path / "features").iterdir():
        kept = load_file(path)
        assert kept["values"].dtype == np.float32
        assert len(kept["values"]) == len(kept["digest"]) in (450, 1347)


def test_a_layer_that_was_not_kept_is_all_that_is_encoded(run, forwards):
    run.examine(probes.KNN(), baselines=False)
    forwards.clear()
    run.examine(probes.KNN(), probes.KNN(layer="stem"), baselines=False)
    assert sum(forwards) == 1797
    forwards.clear()
    run.examine(probes.KNN(), probes.KNN(layer="stem"), baselines=False)
    assert not forwards


@pytest.mark.parametrize("damage", ["truncated", "flipped", "foreign", "empty", "folder"])
def test_what_is_damaged_is_encoded_anew(damage, run, forwards):
    expected = run.examine(probes.KNN(), baselines=False)
    for path in (run.path / "features").iterdir():
        content = path.read_bytes()
        if damage == "truncated":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "flipped":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        elif damage == "foreign":
            save_file({"values": np.zeros((450, 32), np.float32)}, path, {"key": "mine"})
        elif damage == "empty":
            path.write_bytes(b"")
        else:
            path.unlink()
    forwards.clear()
    assert run.examine(probes.KNN(), baselines=False) == expected
    assert sum(forwards) == 1797
    forwards.clear()
    assert run.examine(probes.KNN(), baselines=False) == expected
    assert not forwards


def test_the_last_two_checkpoints_probed_are_kept(run, forwards):
    run.examine(probes.KNN(), step=29)
    before = {path.name for path in (run.path / "features").iterdir()}
    assert sorted(name.partition("-")[0] for name in before) == ["trained"] * 2 + ["untrained"] * 2
    run.examine(probes.KNN(), step=30)
    after = {path.name for path in (run.path / "features").iterdir()}
    assert before < after
    assert len(after) == 6
    forwards.clear()
    run.examine(probes.KNN(), step=29)
    assert not forwards


def test_the_network_that_was_longest_not_used_goes_from_its_role(tmp_path):
    store, arrays = Store(tmp_path), {"values": np.zeros((2, 3), np.float32)}
    for at, (role, mark) in enumerate([("trained", "a"), ("trained", "b"), ("ceiling", "a"), ("trained", "c")]):
        store.write(role, mark * 64, {}, arrays)
        for path in tmp_path.glob(f"{role}-{mark}*"):
            os.utime(path, (at, at))
    assert store.read("trained", "a" * 64, {}) is not None
    store.prune({"trained": "d" * 64})
    assert {path.name[:9] for path in tmp_path.iterdir()} == {"trained-a", "ceiling-a"}


def test_features_take_no_more_room_than_that_unless_they_are_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "LARGEST", 10_000)
    arrays = {"values": np.zeros((1000, 1), np.float32)}
    for at in range(4):
        Store(tmp_path).write("trained", "a" * 64, {"limit": at}, arrays)
    there = [at for at in range(4) if Store(tmp_path).read("trained", "a" * 64, {"limit": at}) is not None]
    assert there == [2, 3]
    store = Store(tmp_path)
    for at in range(4):
        store.write("trained", "b" * 64, {"limit": at}, arrays)
    assert len([*tmp_path.iterdir()]) == 4
    assert all(store.read("trained", "b" * 64, {"limit": at}) is not None for at in range(4))


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    for name, age in (("new", 0), ("old", 7200)):
        path = tmp_path / f".partial-{name}"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    Store(tmp_path).prune({})
    assert [path.name for path in tmp_path.iterdir()] == [".partial-new"]


def pictures(folder, seed):
    from PIL import Image

    for name in ("a", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(20):
            rng = np.random.default_rng([seed, number, ord(name)])
            picture = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number}.png")


def test_pictures_that_changed_under_their_names_are_encoded_anew(run, tmp_path, forwards):
    """Of the same size, names and number: what is compared is what the pictures show."""
    pictures(tmp_path / "data", 0)
    data = ImageFolder(root=str(tmp_path / "data"), size=8, channels=1, test=0.5)
    first = run.examine(probes.KNN(k=3), data=data, baselines=False)
    forwards.clear()
    assert run.examine(probes.KNN(k=3), data=data, baselines=False) == first
    assert not forwards
    pictures(tmp_path / "data", 1)
    changed = run.examine(probes.KNN(k=3), data=data, baselines=False)
    assert sum(forwards) == 40
    assert changed == run.examine(probes.KNN(k=3), data=data, baselines=False, cache=False)


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(run):
    (run.path / "features").write_text("a file where a folder should be")
    with pytest.warns(UserWarning, match="features were not kept"):
        found = run.examine(probes.KNN(), baselines=False)
    assert found == run.examine(probes.KNN(), baselines=False, cache=False)


def test_another_key_is_another_file(tmp_path):
    store, arrays = Store(tmp_path), {"values": np.arange(6, dtype=np.float32).reshape(2, 3)}
    store.write("trained", "a" * 64, {"layer": "feature"}, arrays)
    assert store.read("trained", "a" * 64, {"layer": "stem"}) is None
    assert store.read("trained", "b" * 64, {"layer": "feature"}) is None
    assert np.array_equal(store.read("trained", "a" * 64, {"layer": "feature"})["values"], arrays["values"])
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert store.read("trained", "a" * 64, {"layer": "feature"}) is None
    finally:
        torch.set_num_threads(threads)
