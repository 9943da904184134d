import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kontrast.datasets import Hub, pictures
from kontrast.datasets.check import check

import formats

datasets = pytest.importorskip("datasets")
pyarrow = pytest.importorskip("pyarrow.parquet") and pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "data"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats.parquet(tmp_path / "pictures")


def table(path: Path, columns: dict[str, list], **kinds) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    features = datasets.Features({"image": datasets.Image(), **kinds})
    # Not through `to_parquet`, which would open what a row only names.
    pyarrow.parquet.write_table(datasets.Dataset.from_dict(columns, features=features).data.table, path)
    return path


def test_parquet_files_of_a_folder(folder: Path) -> None:
    data = Hub(path=str(folder), size=8)
    assert data.classes == ("cat", "dog")
    for seed, split in enumerate(("train", "test")):
        things = data.read(split)
        assert things.labels.tolist() == [0, 1] * 6
        for number in (0, 11):
            expected = pictures.decode(formats.picture(100 * seed + number, 10, 14, 3), 8, 3)
            np.testing.assert_array_equal(things.observations[number].numpy(), expected)
    assert data.names("test")[3] == "test[3]"


def test_a_parquet_file_and_parts_of_a_split(folder: Path) -> None:
    file = folder / "data" / "train-00000-of-00001.parquet"
    data = Hub(path=str(file), size=8, train="train[:75%]", test="train[75%:]", channels=1)
    assert len(data.read("train").index) == 9
    assert tuple(data.read("test").observations.shape) == (3, 1, 8, 8)
    assert data.names("test")[0] == "train[75%:][0]"


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("ant", "bee"):
            (tmp_path / "p" / split / label).mkdir(parents=True)
            for number in range(3):
                shade = np.full((6, 6, 3), 40 * number + (split == "test"), np.uint8)
                Image.fromarray(shade).save(tmp_path / "p" / split / label / f"{number}.png")
    data = Hub(path=str(tmp_path / "p"), size=4)
    assert data.classes == ("ant", "bee")
    assert data.read("test").labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(data.read("test").observations[:, 0, 0, 0].tolist()) == [1, 1, 41, 41, 81, 81]


def test_a_data_set_in_the_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` has once loaded is found by its name, without asking whether there is something newer."""
    monkeypatch.chdir(tmp_path / "pictures" / "..")
    datasets.load_dataset("pictures")
    monkeypatch.chdir("/")
    assert len(Hub(path="pictures", size=8).read("train").index) == 12


def test_what_changes_is_read_anew(tmp_path: Path) -> None:
    kind = datasets.Value("string")
    rows = [{"bytes": formats.picture(number, 8, 8, 3), "path": None} for number in range(3)]
    path = table(tmp_path / "x.parquet", {"image": rows, "label": ["b", "a", "b"]}, label=kind)
    data = Hub(path=str(path), size=8)
    assert data.read("train").labels.tolist() == [1, 0, 1]
    stamp = data.stamp("train")
    table(path, {"image": rows[:2], "label": ["a", "c"]}, label=kind)
    assert data.classes == ("a", "c")
    assert len(data.read("train").index) == 2
    assert data.stamp("train") != stamp


@pytest.mark.parametrize(
    ("kind", "values", "classes", "labels"),
    [
        (datasets.Value("int64"), [7, 3, None], ("3", "7"), [1, 0, -1]),
        (datasets.Value("string"), ["b", None, "a"], ("a", "b"), [1, -1, 0]),
        (datasets.ClassLabel(names=["x", "y"]), [1, -1, 0], ("x", "y"), [1, -1, 0]),
        (datasets.ClassLabel(names=["x", "y"]), [1, None, 0], ("x", "y"), [1, -1, 0]),
    ],
)
def test_kinds_of_labels(tmp_path: Path, kind, values, classes, labels) -> None:
    rows = [{"bytes": formats.picture(number, 8, 8, 3), "path": None} for number in range(3)]
    data = Hub(
        path=str(table(tmp_path / "x.parquet", {"image": rows, "fine": values}, fine=kind)), label="fine", size=8
    )
    assert data.classes == classes
    assert data.read("train").labels.tolist() == labels


def test_without_labels_and_with_plain_bytes(tmp_path: Path) -> None:
    rows = [formats.picture(number, 8, 8, 3) for number in range(3)]
    features = datasets.Features({"jpg": datasets.Value("binary")})
    datasets.Dataset.from_dict({"jpg": rows}, features=features).to_parquet(tmp_path / "x.parquet")
    data = Hub(path=str(tmp_path / "x.parquet"), image="jpg", label=None, size=8)
    assert data.classes == ()
    assert data.read("train").labels is None
    assert len(data.read("train").index) == 3


def test_pictures_that_cannot_be_read_are_all_named(tmp_path: Path) -> None:
    rows = [{"bytes": formats.picture(number, 8, 8, 3), "path": None} for number in range(4)]
    rows[1]["bytes"], rows[2] = rows[1]["bytes"][:60], {"bytes": None, "path": "https://example.org/x.png"}
    path = table(tmp_path / "x.parquet", {"image": rows, "label": [0] * 4}, label=datasets.Value("int8"))
    with pytest.raises(ValueError, match=r"2 of the pictures .*'train\[1\]': it .*; 'train\[2\]': it is not a file"):
        Hub(path=str(path), test="train", size=8).read("train")
    left = Hub(path=str(path), test="train", size=8, skip=2)
    with pytest.warns(UserWarning, match="are left out"):
        assert left.read("train").index.tolist() == [0, 3]


def test_links_to_nothing_are_listed_with_all_other_faults(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("ant", "bee"):
            (tmp_path / "p" / split / label).mkdir(parents=True)
            for number in range(3):
                Image.new("L", (6, 6), 40 * number).save(tmp_path / "p" / split / label / f"{number}.png")
    (tmp_path / "p" / "test" / "bee" / "2.png").write_bytes(b"no picture")
    data = Hub(path=str(tmp_path / "p"), size=4)
    assert [fault.where for fault in check(data)] == ["test[5]"]
    link = tmp_path / "p" / "train" / "ant" / "1.png"
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    assert [fault.where for fault in check(data)] == ["train/ant/1.png", "test[5]"]
    with pytest.raises(
        ValueError, match=r"^1 of the pictures .*'train/ant/1\.png': it is a link to a file that is not"
    ):
        data.read("train")
    assert len(Hub(path=str(tmp_path / "p"), size=4, skip=1).read("train").index) == 5


@pytest.mark.parametrize(
    ("options", "error", "fault"),
    [
        ({"path": "org/nothing"}, FileNotFoundError, "run `hf download org/nothing --repo-type dataset --local-dir"),
        ({"path": "/no/such/place"}, FileNotFoundError, "there is no folder or file /no/such/place"),
        ({"test": "validation"}, ValueError, r'Unknown split "validation"\. Should be one of'),
        ({"test": "validation"}, ValueError, r"parts of one .*: train=train\[:80%\] test=train\[80%:\]\)$"),
        ({"image": "img"}, ValueError, "has no column 'img', but image, label; write image=COLUMN"),
        ({"label": "y"}, ValueError, "has no column 'y', but image, label; write label=COLUMN, or label=None"),
        ({"label": "image"}, ValueError, "the column 'image' of .* holds .*, not classes"),
        ({"image": "label"}, ValueError, "the column 'label' of .* holds .*, not pictures"),
        ({"name": "other"}, ValueError, "cannot be read as a data set of Hugging Face"),
    ],
)
def test_what_cannot_be_is_said(folder: Path, options, error, fault: str) -> None:
    with pytest.raises(error, match=fault):
        Hub(**{"path": str(folder), "size": 8, **options}).read("test")


def test_a_label_that_only_the_test_split_has(tmp_path: Path) -> None:
    rows = [{"bytes": formats.picture(0, 8, 8, 3), "path": None}]
    for split, label in (("train", "a"), ("test", "b")):
        path = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        table(path, {"image": rows, "label": [label]}, label=datasets.Value("string"))
    with pytest.raises(ValueError, match=r"test\[0\] of .* has the label 'b', which is no class"):
        Hub(path=str(tmp_path), size=8).read("test")


def test_a_damaged_file_is_named(tmp_path: Path, folder: Path) -> None:
    whole = next(folder.rglob("train*.parquet")).read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[:-200])
    # In a process of its own: Hugging Face's messages go to the standard error stream that it first saw.
    script = "import sys; from kontrast.datasets import Hub; print(Hub(path=sys.argv[1]).faults('train'))"
    command = [sys.executable, "-c", script, str(tmp_path / "x.parquet")]
    place = os.environ | {"HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=place)
    assert "x.parquet cannot be read as a data set of Hugging Face" in done.stdout
    assert done.stderr == ""
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ValueError, match=r"x\.parquet cannot be read as a data set of Hugging Face \(.+\)"):
        Hub(path=str(tmp_path / "x.parquet"), size=8).read("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match="empty cannot be read as a data set of Hugging Face"):
        Hub(path=str(tmp_path / "empty"), size=8).read("train")


def test_what_is_needed_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kontrast\[hub\]'"):
        Hub(path=str(folder), size=9).read("train")


def test_hugging_face_is_left_as_it_was(folder: Path) -> None:
    import huggingface_hub

    def state() -> tuple[object, ...]:
        return (
            datasets.config.HF_HUB_OFFLINE,
            huggingface_hub.constants.HF_HUB_OFFLINE,
            datasets.logging.get_verbosity(),
            datasets.is_progress_bar_enabled(),
        )

    before = state()
    Hub(path=str(folder), size=8).read("train")
    assert before == state()
