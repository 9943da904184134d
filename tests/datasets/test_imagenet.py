import os
from pathlib import Path

import pytest

from kontrast.datasets import ImageNet, ImageNet100

import formats

WNIDS = formats.WNIDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats.imagenet(tmp_path / "imagenet")


def test_rows_are_the_pictures_of_the_folders(folder: Path) -> None:
    data = ImageNet(root=str(folder), size=10)
    assert data.shape == (3, 10, 10)
    assert ImageNet(root=str(folder)).shape == (3, 224, 224)
    for split, part in (("train", "train"), ("test", "val")):
        assert data.read(split).labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        names = data.names(split)
        assert names[4:6] == tuple(
            f"{part}/{WNIDS[1]}/{name}" for name in sorted(os.listdir(folder / part / WNIDS[1]))[:2]
        )


def test_classes_are_named_where_the_official_file_lies_there(folder: Path) -> None:
    data = ImageNet(root=str(folder))
    assert data.classes == WNIDS
    lines = [f"{WNIDS[0]} goldfish, Carassius auratus", f"{WNIDS[1]} crane", f"{WNIDS[2]} crane", "n00000001 entity"]
    (folder / "LOC_synset_mapping.txt").write_text("\n".join(lines) + "\n")
    assert data.classes == ("goldfish, Carassius auratus", f"crane ({WNIDS[1]})", f"crane ({WNIDS[2]})")


def test_a_new_picture_is_seen(folder: Path) -> None:
    data = ImageNet(root=str(folder))
    for wnid in WNIDS:
        os.utime(folder / "train" / wnid, (1, 1))
    assert len(data.rows("train")) == 12
    (folder / "train" / WNIDS[0] / "new.JPEG").write_bytes(formats.picture(1, 9, 9, 3))
    assert len(data.rows("train")) == 13
    (folder / "train" / WNIDS[0] / "newer.JPEG").write_bytes(formats.picture(1, 9, 9, 3))
    assert len(data.rows("train")) == 14


def flatten(folder: Path) -> None:
    lines = ["ImageId,PredictionString"]
    for wnid in WNIDS:
        for picture in sorted((folder / "val" / wnid).iterdir()):
            lines.append(f"{picture.stem},{wnid} 1 2 3 4 {wnid} 5 6 7 8 ")
            picture.rename(folder / "val" / picture.name)
        (folder / "val" / wnid).rmdir()
    (folder / "LOC_val_solution.csv").write_text("\n".join(reversed(lines)) + "\n")


def test_a_flat_validation_folder_with_the_official_file(folder: Path) -> None:
    data = ImageNet(root=str(folder), size=10)
    before = data.read("test")
    flatten(folder)
    after = data.read("test")
    assert after.labels.tolist() == before.labels.tolist()
    assert after.observations.equal(before.observations)
    lines = (folder / "LOC_val_solution.csv").read_text().splitlines()
    (folder / "LOC_val_solution.csv").write_text("\n".join(lines[2:]) + "\n")
    with pytest.raises(ValueError, match=r"does not name the class of ILSVRC2012_val_\d+\.JPEG; it may be cut short"):
        data.read("test")
    (folder / "LOC_val_solution.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"val has no folders of classes; move .* put LOC_val_solution.csv"):
        data.read("test")


def test_faults_of_the_folders_are_named(folder: Path, tmp_path: Path) -> None:
    data = ImageNet(root=str(folder))
    (folder / "train" / "cats").mkdir()
    with pytest.raises(ValueError, match="has 'cats', which is no folder of a class such as n01440764"):
        data.read("train")
    (folder / "train" / "cats").rmdir()
    (folder / "train" / "n01440764.tar").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has archives such as n01440764\.tar; unpack each into a folder"):
        data.read("train")
    (folder / "train" / "n01440764.tar").unlink()
    (folder / "train" / "n01440764").mkdir()
    with pytest.raises(FileNotFoundError, match=r"val lacks 1 of the 4 classes: n01440764"):
        data.read("test")
    (tmp_path / "empty" / "train").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="is empty; ImageNet may not be downloaded by a program"):
        ImageNet(root=str(tmp_path / "empty")).read("train")


def test_where_it_is_looked_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none/imagenet/train; .* accept its terms"):
        ImageNet().read("train")
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    assert len(ImageNet(size=8).read("train").index) == 12


def test_a_hundred_classes_are_chosen(tmp_path: Path) -> None:
    """Those of the published list, which are not all there; or those of another list."""
    folder = formats.imagenet(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train lacks 100 of the 100 classes: n01558993, .* \.\.\.$"):
        ImageNet100(root=str(folder)).read("train")
    (tmp_path / "list.txt").write_text(f"{WNIDS[2]} crane\n\n{WNIDS[0]}\n")
    data = ImageNet100(root=str(folder), classes_file=str(tmp_path / "list.txt"), size=8)
    assert data.wnids == data.classes == (WNIDS[0], WNIDS[2])
    assert data.read("train").labels.tolist() == [0] * 4 + [1] * 4
    flatten(folder)
    assert data.read("test").labels.tolist() == [0] * 4 + [1] * 4


def test_classes_that_are_listed_need_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    assert ImageNet100().classes == ImageNet100().wnids
    assert len(ImageNet100(root="nowhere").classes) == 100
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        _ = ImageNet().classes


def test_the_published_list() -> None:
    wnids = ImageNet100().wnids
    assert len(set(wnids)) == 100
    assert list(wnids) == sorted(wnids)
    assert {"n02869837", "n01749939", "n02488291", "n02107142", "n13037406"} < set(wnids)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cat\n", "has 'cat' where a class such as n01440764 should be"),
        (f"{WNIDS[0]}\n{WNIDS[0]}\n", f"has the class {WNIDS[0]} twice"),
        ("\n", "has no class; write one WNID"),
    ],
)
def test_a_list_that_cannot_be_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match=fault):
        ImageNet100(root=str(tmp_path), classes_file=str(tmp_path / "list.txt")).chosen()
    with pytest.raises(FileNotFoundError, match=r"the list of classes .*gone cannot be read"):
        ImageNet100(classes_file=str(tmp_path / "gone")).chosen()
