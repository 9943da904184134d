"""Decoded pictures in the cache folder: whole or not there, checked, and gone on with."""

import dataclasses
import errno
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.datasets import ImageFolder, decoded, picture_store, pictures
from kontrast.datasets.decoded import Plan
from kontrast.draws import Draws

from forked import Forked, script

COUNT = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures that are all kept, in blocks of four."""
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(picture_store, "LITTLE", 0)
    monkeypatch.setattr(decoded, "BLOCK", 4 * 3 * 8 * 8)
    root = tmp_path / "pictures"
    root.mkdir()
    generator = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(generator.integers(0, 256, (8, 11, 3), np.uint8)).save(root / f"{number:02}.png")
    return root


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The pictures that were decoded."""
    seen: list[Path] = []
    real = pictures.decode

    def decode(content, size, channels):
        seen.append(content)
        return real(content, size, channels)

    monkeypatch.setattr(pictures, "decode", decode)
    return seen


def dataset(root: Path, **options: object) -> ImageFolder:
    return ImageFolder(**{"root": str(root), "size": 8, "test": 0.0, **options})


def kept(root: Path) -> list[Path]:
    return sorted((root.parent / "cache" / "decoded").glob("*"))


def plain(root: Path) -> torch.Tensor:
    return dataset(root, cached=False).read("train").observations


def test_pictures_are_decoded_once(folder: Path, decodings: list[Path]) -> None:
    first = dataset(folder).read("train").observations
    assert len(decodings) == COUNT
    for place in ("device", "mapped", "pinned", "auto"):
        source = dataset(folder).open("train", place=place)
        assert torch.equal(source.things.observations, first)
    assert len(decodings) == COUNT
    assert torch.equal(plain(folder), first)
    assert len(decodings) == 2 * COUNT
    assert len(kept(folder)) == 1
    assert sorted(path.name for path in kept(folder)[0].iterdir() if path.name != ".lock") == [
        "manifest.json",
        "pictures",
    ]
    assert (kept(folder)[0] / "pictures").read_bytes() == first.numpy().tobytes()


def test_little_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_store, "LITTLE", 1 << 24)
    dataset(folder).open("train")
    assert not kept(folder)
    monkeypatch.setattr(picture_store, "LITTLE", 3 * 64 * COUNT)
    dataset(folder).open("train")
    assert kept(folder), "the files are larger than what is decoded from them"


@pytest.mark.parametrize("change", ["content", "new", "gone", "size", "channels", "decoder"])
def test_what_would_be_decoded_otherwise_is_decoded_anew(
    folder: Path, decodings: list[Path], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dataset(folder).read("train").observations
    options: dict[str, object] = {}
    if change == "content":
        Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "00.png")
    elif change == "new":
        Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "000.png")
    elif change == "gone":
        (folder / "00.png").unlink()
    elif change == "decoder":
        monkeypatch.setattr(pictures, "VERSION", pictures.VERSION + 1)
    else:
        options = {"size": 4} if change == "size" else {"channels": 1}
    decodings.clear()
    after = dataset(folder, **options).read("train").observations
    assert len(decodings) == len(after)
    assert len(kept(folder)) == 2
    assert (after.shape == before.shape and torch.equal(after, before)) == (change == "decoder")
    assert torch.equal(after, dataset(folder, cached=False, **options).read("train").observations)


def test_only_some_rows_are_read_from_what_is_kept_of_all(folder: Path, decodings: list[Path]) -> None:
    rows = torch.tensor([7, 3, 30])
    everything = plain(folder)
    decodings.clear()
    alone = dataset(folder).hold("train").select(rows)
    assert torch.equal(alone.store.memory(), everything[rows])
    assert len(decodings) == 3
    dataset(folder).read("train")
    decodings.clear()
    held = dataset(folder).hold("train").select(torch.arange(10, 40)).select(torch.tensor([5, 20]))
    assert torch.equal(held.store.memory(), everything[[15, 30]])
    assert decodings == []
    assert held.index.tolist() == [15, 30]


@pytest.mark.parametrize("place", ["device", "mapped"])
def test_a_changed_picture_is_noticed_when_it_is_read(folder: Path, place) -> None:
    dataset(folder).read("train")
    path = kept(folder)[0] / "pictures"
    content = bytearray(path.read_bytes())
    content[3 * 64 * 17 + 5] ^= 1
    path.write_bytes(content)
    told = rf"picture 17 in the cache {kept(folder)[0]}.*delete that folder"
    if place == "device":
        with pytest.raises(ValueError, match=told):
            dataset(folder).open("train", place=place)
    else:
        source = dataset(folder).open("train", place=place)
        draws = [Draws(0, step, 1) for step in range(COUNT)]
        [bad] = [draw for draw in draws if draw.rows(COUNT)[1].tolist() == [17]]
        assert all(len(source.batch(draw).index) == 1 for draw in draws if draw is not bad)
        with pytest.raises(ValueError, match=told):
            source.batch(bad)
    sound = dataset(folder).hold("train").select(torch.tensor([16, 18]))
    assert torch.equal(sound.store.memory(), plain(folder)[[16, 18]])
    assert [fault.where for fault in dataset(folder).faults("train")] == ["17.png"]


@pytest.mark.parametrize("damage", ["cut", "flip", "other", "pictures", "gone", "list", "deep"])
def test_a_damaged_manifest_or_a_short_file_is_not_taken_for_whole(
    folder: Path, damage: str, decodings: list[Path]
) -> None:
    before = dataset(folder).read("train").observations
    manifest = kept(folder)[0] / "manifest.json"
    text = manifest.read_text()
    if damage == "pictures":
        os.truncate(kept(folder)[0] / "pictures", 100)
    elif damage == "gone":
        (kept(folder)[0] / "pictures").unlink()
    else:
        sums = text.index("sums") + 10
        other = "0" if text[sums] != "0" else "1"
        changed = {"cut": text[:-9], "flip": text[:sums] + other + text[sums + 1 :], "other": "{}", "list": "[]"} | {
            "deep": "[" * 200_000
        }
        manifest.write_text(changed[damage])
    decodings.clear()
    assert torch.equal(dataset(folder).read("train").observations, before)
    assert len(decodings) == COUNT
    decodings.clear()
    assert torch.equal(dataset(folder).read("train").observations, before)
    assert decodings == []


def test_a_stopped_decoding_goes_on(folder: Path, decodings: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "workers", lambda: 1)
    real = pictures.decode

    def stopping(content, size, channels):
        if len(decodings) >= 22:
            raise KeyboardInterrupt
        return real(content, size, channels)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "decode", stopping)
        with pytest.raises(KeyboardInterrupt):
            dataset(folder).read("train")
    assert len(decodings) == 22
    assert not (kept(folder)[0] / "manifest.json").exists()
    with (kept(folder)[0] / "journal").open("ab") as journal:
        journal.write(b'{"start": 36, "su')  # the line that was being written
    with (kept(folder)[0] / "pictures").open("r+b") as file:
        file.seek(3 * 64 * 9)
        file.write(b"\0" * 64)  # a block that the journal has, but that never reached the disk
    decodings.clear()
    found = dataset(folder).read("train").observations
    assert len(decodings) == COUNT - 20 + 4
    assert torch.equal(found, plain(folder))


WORK = """
import sys, time
from kontrast.datasets import ImageFolder, decoded, picture_store, pictures
picture_store.LITTLE, decoded.BLOCK = 0, 4 * 3 * 8 * 8
real, count = pictures.decode, 0
def slow(*content):
    global count
    count += 1
    time.sleep(float(sys.argv[2]))
    return real(*content)
pictures.decode = slow
found = ImageFolder(root=sys.argv[1], size=8, test=0.0).read("train").observations
print(count, int(found.long().sum()))
"""


def work(root: Path, seconds: float) -> Forked:
    return Forked(script, WORK, str(root), str(seconds))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals")
def test_a_killed_decoding_goes_on(folder: Path, decodings: list[Path]) -> None:
    process = work(folder, 0.05)
    stop = time.monotonic() + 120
    lines = 0
    while lines < 3 and process.poll() is None and time.monotonic() < stop:
        time.sleep(0.01)
        lines = sum(path.read_bytes().count(b"\n") for path in (folder.parent / "cache").glob("decoded/*/journal"))
    process.kill()
    process.communicate()
    assert lines >= 3
    assert not (kept(folder)[0] / "manifest.json").exists()
    found = dataset(folder).read("train").observations
    assert len(decodings) <= COUNT - 4 * 3
    assert torch.equal(found, plain(folder))


def test_of_two_processes_one_decodes_and_the_other_waits(folder: Path) -> None:
    processes = [work(folder, 0.01) for _ in range(2)]
    counts, sums = zip(*(process.communicate(timeout=120)[0].split() for process in processes), strict=True)
    assert sorted(map(int, counts)) == [0, COUNT]
    assert {int(total) for total in sums} == {int(plain(folder).long().sum())}


def test_a_folder_without_room_or_permission_is_said_and_done_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = folder.parent / "file"
    blocked.write_text("")
    monkeypatch.setenv("KONTRAST_DATA", str(blocked))
    with pytest.warns(UserWarning, match=r"cannot be kept in .*Not a directory.*set KONTRAST_DATA to a folder"):
        found = dataset(folder).read("train").observations
    assert torch.equal(found, plain(folder))
    monkeypatch.setenv("KONTRAST_DATA", str(folder.parent / "cache"))
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5})())
    with pytest.warns(UserWarning, match="they take 7,680 bytes, and 5 are free"):
        source = dataset(folder).open("train", place="mapped")
    assert source.place.endswith("decoded as they are asked for, for cpu, since there is no room to keep them")
    assert torch.equal(source.things.observations, plain(folder))


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    plan = Plan(tmp_path / "full", 4, (1, 2, 2))
    with pytest.raises(OSError, match=r"4 decoded pictures cannot be kept in .*No space left on device"):
        decoded.make(plan, lambda rows, out: {})


def test_everything_is_a_function_of_the_rows_and_not_of_the_blocks(tmp_path: Path, monkeypatch) -> None:
    def decode(rows: range, out: np.ndarray) -> dict[int, str]:
        out[:] = np.array(rows)[:, None, None, None]
        return {number: "odd" for number in rows if number % 5 == 4}

    for block in (1, 10, 1 << 22):
        monkeypatch.setattr(decoded, "BLOCK", block)
        made = decoded.make(Plan(tmp_path / str(block), 11, (1, 2, 2)), decode)
        assert made.faults == {4: "odd", 9: "odd"}
        out = torch.empty(3, 1, 2, 2, dtype=torch.uint8)
        made.read(torch.tensor([10, 0, 7]), out)
        assert out[:, 0, 0, 0].tolist() == [10, 0, 7]
        assert made.damaged() == []


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    """Errors that opening pictures ends in, by their names."""
    errors: dict[str, BaseException] = {}
    real = Path.open

    def opened(path: Path, *mode: object, **options: object) -> object:
        if path.name in errors:
            raise errors[path.name]
        return real(path, *mode, **options)

    monkeypatch.setattr(Path, "open", opened)
    return errors


PASSING = [errno.EACCES, errno.EIO, errno.EMFILE]


@pytest.mark.parametrize("number", PASSING)
@pytest.mark.parametrize("skip", [0, 5])
@pytest.mark.parametrize("little", [True, False])
def test_what_cannot_be_read_this_time_is_tried_again(
    folder: Path, decodings: list[Path], refused, monkeypatch: pytest.MonkeyPatch, number: int, skip: int, little: bool
) -> None:
    monkeypatch.setattr(picture_store, "LITTLE", (1 << 24) * little)
    refused["17.png"] = OSError(number, os.strerror(number))
    told = rf"1 of the pictures in .* cannot be read.*: '17\.png': it cannot be read \({os.strerror(number)}\)$"
    with pytest.raises(ValueError, match=told) as caught:
        dataset(folder, skip=skip).read("train")
    assert ("leaves out only those that are damaged" in str(caught.value)) == bool(skip)
    assert [fault.where for fault in dataset(folder).faults("train")] == ["17.png"]
    assert not list(folder.parent.glob("cache/decoded/*/manifest.json"))
    assert not list(folder.parent.glob("cache/decoded/*/faults.json"))
    refused.clear()
    decodings.clear()
    found = dataset(folder, skip=skip).read("train").observations
    assert little or len(decodings) == 4, "all blocks but one were kept"
    assert torch.equal(found, plain(folder))
    assert dataset(folder, skip=skip).listed() == {}


def test_what_is_damaged_is_named_with_what_cannot_be_read_this_time_and_kept(folder: Path, refused) -> None:
    (folder / "03.png").write_bytes(b"")
    refused["17.png"] = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(ValueError, match=r"^2 of the pictures .*'03\.png': it is empty; '17\.png': it cannot be read"):
        dataset(folder).read("train")
    refused.clear()
    with pytest.raises(ValueError, match=r"^1 of the pictures .*'03\.png': it is empty") as caught:
        dataset(folder).read("train")
    assert str(kept(folder)[0]) in str(caught.value)
    with pytest.warns(UserWarning, match=r"^1 of the pictures .* are left out: '03\.png'"):
        assert len(dataset(folder, skip=1).read("train").index) == COUNT - 1


@pytest.mark.parametrize("cached", [True, False])
def test_where_memory_does_not_suffice_the_picture_is_named(folder: Path, refused, cached: bool) -> None:
    refused["17.png"] = MemoryError()
    with pytest.raises(MemoryError, match=r"no memory is left to decode '17\.png' in .*pictures"):
        dataset(folder, cached=cached, skip=3).read("train")
    refused.clear()
    assert torch.equal(dataset(folder, cached=cached).read("train").observations, plain(folder))


def test_a_broken_list_of_faults_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_store, "LITTLE", 1 << 24)
    (folder / "03.png").write_bytes(b"")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"^1 of the pictures"):
            assert len(dataset(folder, skip=1).read("train").index) == COUNT - 1
        [noted] = folder.parent.glob("cache/decoded/*/faults.json")
        noted.write_text("[" * 200_000)
        picture_store._faults.clear()


def test_rows_that_are_chosen_are_decoded_as_all_are(folder: Path) -> None:
    files = dataset(folder).hold("train").store.files
    whole = dataclasses.replace(files, decoder="dali", stamp="x")
    some = whole.select(torch.tensor([4, 2]))
    assert some == dataclasses.replace(whole, names=["04.png", "02.png"], content=some.content, stamp="x [4, 2]")
    assert some.content(0) == folder / "04.png"
