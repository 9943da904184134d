import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kontrast.datasets import ImageFolder, decoded, picture_store
from kontrast.datasets.image_folder import _share


def picture(path: Path, value: int, side: int = 8, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (value, value, value)).save(path, **options)


def values(dataset: ImageFolder, split) -> list[int]:
    return [int(value) for value in dataset.read(split).observations[:, 0, 0, 0]]


def test_a_flat_folder_has_rows_without_labels(tmp_path: Path) -> None:
    for number in range(10):
        picture(tmp_path / f"{number}.png", number)
    dataset = ImageFolder(root=str(tmp_path), size=4, test=0.0)
    things = dataset.open("train").things
    assert things.observations.shape == (10, 3, 4, 4)
    assert things.observations.dtype == torch.uint8
    assert things.labels is None
    assert things.index.tolist() == list(range(10))
    assert values(dataset, "train") == list(range(10))
    assert dataset.names("train") == tuple(f"{number}.png" for number in range(10))
    assert dataset.names("test") == dataset.classes == ()


def test_subfolders_are_classes(tmp_path: Path) -> None:
    for number, name in enumerate(["zebra/a.png", "ant/z.jpg", "ant/deep/er/b.webp", "Bee/c.bmp"]):
        picture(tmp_path / name, 10 * number, **({"quality": 95} if name[-3:] == "jpg" else {}))
    dataset = ImageFolder(root=str(tmp_path), size=4, channels=1, test=0.0)
    things = dataset.read("train")
    assert dataset.classes == ("Bee", "ant", "zebra")
    assert dataset.names("train") == ("Bee/c.bmp", "ant/deep/er/b.webp", "ant/z.jpg", "zebra/a.png")
    assert things.labels is not None
    assert things.labels.dtype == torch.int64
    assert things.labels.tolist() == [0, 1, 1, 2]
    assert things.observations.shape == (4, 1, 4, 4)
    assert np.abs(np.array(values(dataset, "train")) - [30, 20, 10, 0]).max() <= 2


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_split_folders_are_the_splits(tmp_path: Path, held_out: str) -> None:
    for name, value in (("train/a/1", 1), ("train/b/2", 2), (f"{held_out}/b/3", 3), ("extra/c/4", 4)):
        picture(tmp_path / f"{name}.png", value)
    dataset = ImageFolder(root=str(tmp_path), size=4)
    assert dataset.classes == ("a", "b")
    assert dataset.names("train") == ("train/a/1.png", "train/b/2.png")
    assert dataset.names("test") == (f"{held_out}/b/3.png",)
    assert (values(dataset, "train"), values(dataset, "test")) == ([1, 2], [3])
    assert dataset.read("test").labels.tolist() == [1]  # type: ignore[union-attr]


def test_test_comes_before_val(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "val", "test")):
        picture(tmp_path / split / "a.png", number)
    assert values(ImageFolder(root=str(tmp_path), size=4), "test") == [2]


def test_a_split_without_classes_has_no_labels(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "a" / "1.png", 1)
    picture(tmp_path / "test" / "2.png", 2)
    dataset = ImageFolder(root=str(tmp_path), size=4)
    assert dataset.read("train").labels.tolist() == [0]  # type: ignore[union-attr]
    assert dataset.read("test").labels.tolist() == [-1]  # type: ignore[union-attr]


@pytest.mark.parametrize("lone", ["train", "test", "val"])
def test_a_lone_split_folder_is_refused(tmp_path: Path, lone: str) -> None:
    picture(tmp_path / lone / "a" / "1.png", 1)
    with pytest.raises(ValueError, match=f"has a folder {lone} and no other"):
        ImageFolder(root=str(tmp_path)).read("train")


def test_train_may_be_a_class(tmp_path: Path) -> None:
    for name in ("train", "plane", "car"):
        picture(tmp_path / name / "1.png", 1)
    assert ImageFolder(root=str(tmp_path)).classes == ("car", "plane", "train")


def test_pictures_beside_classes_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png", 1)
    picture(tmp_path / "overview.png", 2)
    with pytest.raises(ValueError, match=r"both of its own and in subfolders; move 'overview\.png'"):
        ImageFolder(root=str(tmp_path)).open("train")


def test_a_new_picture_moves_no_other(tmp_path: Path) -> None:
    for number in range(100):
        picture(tmp_path / f"{number:03}.png", number, side=1)
    dataset = ImageFolder(root=str(tmp_path), size=1)
    before = {split: set(dataset.names(split)) for split in ("train", "test")}
    assert 5 <= len(before["test"]) <= 40
    for name in ("0000.png", "050b.png", "new.png"):
        picture(tmp_path / name, 0, side=1)
    for split, names in before.items():
        assert names <= set(dataset.names(split))
    assert not set(dataset.names("train")) & set(dataset.names("test"))
    larger = set(ImageFolder(root=str(tmp_path), size=1, test=0.5).names("test"))
    assert before["test"] < larger


def test_the_share_of_a_name_is_fixed() -> None:
    assert _share("a.png") == 0.03076382867130191
    assert _share("cats/日本.png") == 0.32820872551728286
    shares = np.array([_share(f"{number}.png") for number in range(4000)])
    assert np.abs(np.histogram(shares, 10, (0, 1))[0] / 400 - 1).max() < 0.2


@given(st.text(max_size=20))
def test_the_share_is_one_for_both_ways_to_write_an_accent(text: str) -> None:
    import unicodedata

    composed, apart = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    try:
        composed.encode()
    except UnicodeEncodeError:
        return
    assert 0 <= _share(composed) == _share(apart) < 1


def test_what_is_not_named_like_a_picture_is_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / ".hidden.png", 2)
    picture(tmp_path / ".thumbnails" / "b.png", 3)
    for name in ("labels.csv", "README", "Thumbs.db", "notes.png.txt"):
        (tmp_path / name).write_text("x")
    assert ImageFolder(root=str(tmp_path), test=0.0).names("train") == ("a.png",)


def test_every_bad_picture_of_both_splits_is_listed_at_once(tmp_path: Path) -> None:
    for split in ("train", "test"):
        picture(tmp_path / split / "good.png", 1)
    whole = (tmp_path / "train" / "good.png").read_bytes()
    (tmp_path / "train" / "empty.png").write_bytes(b"")
    (tmp_path / "train" / "cut.png").write_bytes(whole[:-30])
    (tmp_path / "test" / "text.jpg").write_text("hello")
    (tmp_path / "test" / "scan.TIF").write_bytes(b"II*\0")
    (tmp_path / "test" / "link.png").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"^5 of the pictures in .* cannot be read") as caught:
        ImageFolder(root=str(tmp_path)).open("train")
    for name, fault in (
        ("train/empty.png", "it is empty"),
        ("train/cut.png", "it cannot be decoded"),
        ("test/text.jpg", "it is no PNG, JPEG, WebP or BMP picture"),
        ("test/scan.TIF", "it is no PNG, JPEG, WebP or BMP picture"),
        ("test/link.png", "it is not a file"),
    ):
        assert f"'{name}': {fault}" in str(caught.value)


def test_many_bad_pictures_are_counted(tmp_path: Path) -> None:
    for number in range(33):
        (tmp_path / f"{number:02}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^33 of .*'00\.png'.*'19\.png': it is empty; and 13 more$") as caught:
        ImageFolder(root=str(tmp_path)).read("train")
    assert "20.png" not in str(caught.value)


def test_names_cannot_break_the_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb\x1b[31m.png").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read") as caught:
        ImageFolder(root=str(tmp_path), test=0.0).read("train")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_any_name_is_read(tmp_path: Path) -> None:
    odd = ["a b.png", "ü.png", "日本.png", "-x.png", "%s.png", os.fsdecode(b"\xff.png"), "UP.PNG"]
    for number, name in enumerate(odd):
        picture(tmp_path / "c" / name, number)
    dataset = ImageFolder(root=str(tmp_path), size=2, test=0.0)
    assert sorted(dataset.names("train")) == sorted(f"c/{name}" for name in odd)
    assert values(dataset, "train") == [odd.index(name.removeprefix("c/")) for name in dataset.names("train")]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "1.png", 1)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "root")
    dataset = ImageFolder(root=str(tmp_path / "root"), test=0.0)
    assert dataset.names("train") == ("a/1.png",)
    assert dataset.classes == ("a",)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for what in (lambda d: d.open("train"), lambda d: d.classes, lambda d: d.names("test")):
        with pytest.raises(FileNotFoundError, match=f"there is no folder {tmp_path / 'x'}; write root="):
            what(ImageFolder(root=str(tmp_path / "x")))


def test_an_empty_folder_or_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no pictures in"):
        ImageFolder(root=str(tmp_path)).open("train")
    picture(tmp_path / "a.png", 1)
    with pytest.raises(ValueError, match=r"none of the pictures in .* is in the test split; write a larger test"):
        ImageFolder(root=str(tmp_path), test=0.0).open("test")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_not_skipped(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png", 1)
    (tmp_path / "b").mkdir(mode=0)
    with pytest.raises(PermissionError, match="b"):
        ImageFolder(root=str(tmp_path)).open("train")


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    picture(tmp_path / "pictures" / "a.png", 7)
    assert values(ImageFolder(root="~/pictures", size=4, test=0.0), "train") == [7]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"root": ""}, "write root=FOLDER"),
        ({"size": 0}, "write size=64"),
        ({"channels": 4}, "write channels=3"),
        ({"test": 1.0}, "write test=0.2"),
        ({"test": -0.1}, "write test=0.2"),
        ({"test": float("nan")}, "write test=0.2"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        ImageFolder(**{"root": "x", **options})


@pytest.mark.parametrize("threads", [1, 7])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    for number in range(50):
        picture(tmp_path / f"{number:02}.png", number)
    monkeypatch.setattr(decoded, "workers", lambda: threads)
    assert values(ImageFolder(root=str(tmp_path), size=4, test=0.0), "train") == list(range(50))


def holed(root: Path) -> None:
    for number in range(12):
        picture(root / f"{number:02}.png", number)
    for number in (3, 7):
        (root / f"{number:02}.png").write_bytes(b"")


PLACES = ["device", "mapped", "streamed"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("little", [True, False])
def test_so_many_bad_pictures_may_be_left_out(tmp_path: Path, monkeypatch, place, little: bool) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(picture_store, "LITTLE", (1 << 24) * little)
    holed(tmp_path / "root")
    dataset = ImageFolder(root=str(tmp_path / "root"), size=4, test=0.0, skip=2)
    with pytest.warns(UserWarning, match=r"^2 of the pictures in .* are left out: '03\.png': it is empty; '07\.png'"):
        source = dataset.open("train", place=place)
    assert source.count == 10
    things = source.things
    # The rest keep their numbers, and so their augmentations.
    assert things.index.tolist() == things.observations[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]
    assert dataset.names("train")[things.index[3]] == "04.png"
    assert dataset.listed() == {"left out of train": [["03.png", "it is empty"], ["07.png", "it is empty"]]}


def test_more_bad_pictures_than_may_be_left_out_are_refused(tmp_path: Path) -> None:
    holed(tmp_path)
    with pytest.raises(ValueError, match=r"^2 of the pictures in .* cannot be read, more than skip=1 allows, replace"):
        ImageFolder(root=str(tmp_path), size=4, test=0.0, skip=1).open("train")
    with pytest.raises(ValueError, match=r"^2 of the pictures in .* cannot be read, replace"):
        ImageFolder(root=str(tmp_path), size=4, test=0.0).open("train")
    assert ImageFolder(root=str(tmp_path), size=4, test=0.0).listed() == {}
    with pytest.raises(ValueError, match="write skip=0"):
        ImageFolder(root=str(tmp_path), skip=-1)


def settle(root: Path, seconds: float = 10) -> None:
    """Date folders back, as those are that nobody is writing to."""
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        then = folder.stat().st_mtime - seconds
        os.utime(folder, (then, then))


def test_a_folder_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "b/c/2.png"):
        picture(tmp_path / name, 1)
    settle(tmp_path)
    walks, walk = [], os.walk
    monkeypatch.setattr(os, "walk", lambda *args, **kw: walks.append(args) or walk(*args, **kw))
    dataset = ImageFolder(root=str(tmp_path), test=0.0)
    for _ in range(3):
        assert dataset.classes == ("a", "b")
        assert dataset.names("train") == ("a/1.png", "b/c/2.png")
    assert len(walks) == 1
    assert ImageFolder(root=str(tmp_path), test=0.9).classes == ("a", "b")
    assert len(walks) == 2


@pytest.mark.parametrize("change", ["new", "deep", "gone", "renamed"])
def test_a_folder_that_changed_is_walked_again(tmp_path: Path, change: str) -> None:
    for name in ("a/1.png", "b/c/2.png"):
        picture(tmp_path / name, 1)
    settle(tmp_path)
    dataset = ImageFolder(root=str(tmp_path), test=0.0)
    assert dataset.names("train") == ("a/1.png", "b/c/2.png")
    if change == "gone":
        (tmp_path / "a" / "1.png").unlink()
    elif change == "renamed":
        (tmp_path / "a").rename(tmp_path / "z")
    else:
        picture(tmp_path / ("d/0.png" if change == "new" else "b/c/3.png"), 1)
    expected = {
        "new": ("a/1.png", "b/c/2.png", "d/0.png"),
        "deep": ("a/1.png", "b/c/2.png", "b/c/3.png"),
        "gone": ("b/c/2.png",),
        "renamed": ("b/c/2.png", "z/1.png"),
    }
    assert dataset.names("train") == expected[change]


def test_a_folder_that_is_being_written_is_walked_each_time(tmp_path: Path) -> None:
    """The time of a folder may be too coarse to tell two changes apart."""
    picture(tmp_path / "1.png", 1)
    now = tmp_path.stat()
    dataset = ImageFolder(root=str(tmp_path), test=0.0)
    assert dataset.names("train") == ("1.png",)
    picture(tmp_path / "2.png", 1)
    os.utime(tmp_path, ns=(now.st_atime_ns, now.st_mtime_ns))
    assert dataset.names("train") == ("1.png", "2.png")


def test_bad_pictures_are_found_when_they_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(picture_store, "LITTLE", 0)
    holed(tmp_path / "root")
    for _ in range(2):
        for place in ("device", "mapped"):
            with pytest.raises(ValueError, match=r"^2 of the pictures in .*'03\.png': it is empty; '07\.png'"):
                ImageFolder(root=str(tmp_path / "root"), size=4, test=0.0).open("train", place=place)
    picture(tmp_path / "root" / "03.png", 3)
    picture(tmp_path / "root" / "07.png", 7)
    assert values(ImageFolder(root=str(tmp_path / "root"), size=4, test=0.0), "train") == list(range(12))
