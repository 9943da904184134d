import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from kontrast import checkpoints
from kontrast.checkpoints import DamagedCheckpoint

from forked import Forked, run, save

TENSORS = {"b": torch.arange(6).reshape(2, 3), "a": torch.randn(4).bfloat16(), "c": torch.tensor(2.5)}


def test_what_is_saved_is_loaded(tmp_path):
    path = checkpoints.save(tmp_path, 3, TENSORS, {"note": "x"})
    found = checkpoints.load(path)
    assert (found.step, found.state["note"]) == (3, "x")
    assert checkpoints.fingerprint(found.tensors) == checkpoints.fingerprint(TENSORS)


def test_the_last_two_are_kept(tmp_path):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, TENSORS, {})
    assert checkpoints.steps(tmp_path) == [2, 3]


def test_strays_of_a_killed_process_are_swept(tmp_path):
    (tmp_path / ".partial-000000001-77").mkdir()
    checkpoints.save(tmp_path, 2, TENSORS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000002"]


def test_saving_a_step_again_keeps_what_is_whole_and_replaces_what_is_not(tmp_path):
    path = checkpoints.save(tmp_path, 1, TENSORS, {})
    (path / "state.json").write_text("{}")
    checkpoints.save(tmp_path, 1, TENSORS, {})
    assert checkpoints.load(path).step == 1


def test_later_steps_than_the_saved_one_are_removed(tmp_path):
    for step in (1, 2):
        checkpoints.save(tmp_path, step, TENSORS, {})
    for later in (8, 9):
        (tmp_path / f"step-{later:09d}").mkdir()
    checkpoints.save(tmp_path, 3, TENSORS, {})
    assert checkpoints.steps(tmp_path) == [2, 3]
    checkpoints.save(tmp_path, 2, TENSORS, {})
    assert checkpoints.steps(tmp_path) == [2]


def test_a_whole_one_is_not_given_up_for_a_newer_damaged_one(tmp_path):
    checkpoints.save(tmp_path, 1, TENSORS, {})
    damaged = checkpoints.save(tmp_path, 2, TENSORS, {})
    (damaged / "tensors.safetensors").write_bytes(b"")
    checkpoints.save(tmp_path, 3, TENSORS, {})
    assert checkpoints.steps(tmp_path) == [1, 3]
    assert checkpoints.load(tmp_path / "step-000000001").step == 1


LIMITED = """
import resource, signal, sys, torch
from pathlib import Path
from kontrast import checkpoints
folder = Path(sys.argv[1])
checkpoints.save(folder, 1, {"x": torch.zeros(10)}, {})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    checkpoints.save(folder, 2, {"x": torch.zeros(100_000)}, {})
except OSError as error:
    print(error)
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(tmp_path):
    done = run(LIMITED, tmp_path)
    assert done.returncode == 0, done.stderr
    said = re.fullmatch(
        r"(\S+) could not be written, (\d+) bytes in all \(File too large\); the checkpoint before it is untouched\n",
        done.stdout,
    )
    assert said, done.stdout
    assert said.group(1) == str(tmp_path / "step-000000002")
    assert 400_000 < int(said.group(2)) < 402_000
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]
    assert checkpoints.latest(tmp_path)[0].step == 1


NARROW = """
import resource, sys, torch
from pathlib import Path
from kontrast import checkpoints
torch.set_num_threads(1)
tensors = {str(at): torch.full((5_000_000,), float(at)) for at in range(10)}
checkpoints.save(Path(sys.argv[1]), 1, {"x": torch.zeros(10)}, {})
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 60 * 10**6,) * 2)
checkpoints.save(Path(sys.argv[1]), 2, tensors, {})
checkpoints.save(Path(sys.argv[1]), 3, tensors, {})
print(checkpoints.fingerprint(tensors))
"""


def test_saving_takes_little_memory_beside_the_tensors(tmp_path):
    """200 MB of tensors with 60 MB to spare, also where the checkpoint before is looked at."""
    command = [sys.executable, "-c", NARROW, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    found = checkpoints.load(tmp_path / "step-000000003").tensors
    assert checkpoints.fingerprint(found) == done.stdout.strip()
    assert checkpoints.steps(tmp_path) == [2, 3]


class PanicException(BaseException):
    """What a panic of a library written in Rust comes as."""


@pytest.mark.parametrize("error", [MemoryError(), PanicException("called Option::unwrap() on a None value")])
def test_memory_that_lacks_is_one_sentence_and_leaves_nothing_behind(error, tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, TENSORS, {})

    def failing(tensors, path):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoints, "save_file", failing)
    with pytest.raises(
        MemoryError, match=r"did not suffice to write \S+step-000000002, \d+ bytes; .* untouched"
    ) as found:
        checkpoints.save(tmp_path, 2, TENSORS, {})
    assert "\n" not in str(found.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]


def test_who_may_read_one_file_may_read_all(tmp_path):
    before = os.umask(0o022)
    try:
        path = checkpoints.save(tmp_path, 1, TENSORS, {})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o644}


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
def test_every_kind_of_damage_is_found(name, tmp_path):
    path = checkpoints.save(tmp_path, 1, TENSORS, {"steps": 5}) / name
    content = path.read_bytes()
    draws = random.Random(0)
    damaged = [content[: draws.randrange(len(content))] for _ in range(20)]
    if name != "manifest.json":
        for _ in range(60):
            flipped = bytearray(content)
            flipped[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
            damaged.append(bytes(flipped))
    for wrong in damaged:
        path.write_bytes(wrong)
        with pytest.raises(DamagedCheckpoint, match="step-000000001"):
            checkpoints.load(path.parent)
    path.unlink()
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(path.parent)


def test_a_manifest_never_lends_its_bits_to_a_wrong_file(tmp_path):
    """A flipped bit of the manifest is either found or harmless: what loads is what was saved."""
    path = checkpoints.save(tmp_path, 1, TENSORS, {}) / "manifest.json"
    content = path.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1
        path.write_bytes(bytes(flipped))
        try:
            found = checkpoints.load(path.parent)
        except DamagedCheckpoint:
            continue
        assert checkpoints.fingerprint(found.tensors) == checkpoints.fingerprint(TENSORS)


def test_the_newest_whole_one_is_found_and_the_damaged_ones_named(tmp_path):
    checkpoints.save(tmp_path, 1, TENSORS, {})
    newest = checkpoints.save(tmp_path, 2, TENSORS, {})
    (newest / "tensors.safetensors").write_bytes(b"")
    found, damaged = checkpoints.latest(tmp_path)
    assert found.step == 1
    assert len(damaged) == 1
    assert "step-000000002" in damaged[0]


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert checkpoints.latest(tmp_path / "nothing") == (None, [])


def test_the_fingerprint_sees_names_shapes_types_and_bytes():
    x = torch.zeros(4)
    same = checkpoints.fingerprint({"x": x})
    others = [{"y": x}, {"x": x.reshape(2, 2)}, {"x": x.int()}, {"x": -x}]
    assert all(checkpoints.fingerprint(other) != same for other in others)


@pytest.mark.slow
def test_a_kill_while_saving_loses_at_most_the_save_under_way(tmp_path):
    draws = random.Random(1)
    for number in range(8):
        folder = tmp_path / str(number)
        process = Forked(save, folder)
        deadline = time.monotonic() + 60
        while len(process.said().splitlines()) < 4 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(draws.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        said = [int(line) for line in process.said().split()[1:]]
        found, damaged = checkpoints.latest(folder)
        assert damaged == []
        assert found.step >= max(said, default=3)
        assert (found.tensors["x"] == found.step).all()
