from pathlib import Path

import pandas as pd
import pytest
import torch

from kontrast import datasets
from kontrast.datasets import Multimodal3DIdent

import formats_ident


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats_ident.multimodal3dident(tmp_path)


def test_rows_are_those_of_the_tables(folder: Path) -> None:
    data = Multimodal3DIdent(root=str(folder.parent), size=8, text=True)
    things = data.read("train")
    image, text = (pd.read_csv(folder / f"train/latents_{kind}.csv") for kind in ("image", "text"))
    assert {factor.name for factor in data.factors} == {*image, *text} - {"object_zpos", "object_color_name"}
    for factor, column in zip(data.factors, things.latents.T, strict=True):
        table = image if factor.name in image else text
        assert torch.equal(column, torch.tensor(table[factor.name].to_numpy(), dtype=torch.float32))
    assert things.labels.tolist() == image["object_shape"].tolist()
    without = Multimodal3DIdent(root=str(folder), size=8)
    assert torch.equal(without.read("train").latents, things.latents[:, :10])
    assert len(without.factors) == 10


def test_the_test_split_may_be_the_validation_rows(folder: Path) -> None:
    test, val = (Multimodal3DIdent(root=str(folder), size=8, part=part) for part in ("test", "val"))
    assert val.names("test")[0] == "val/images/00.png"
    assert not torch.equal(test.read("test").latents, val.read("test").latents)
    assert torch.equal(test.read("train").latents, val.read("train").latents)
    with pytest.raises(ValueError, match="write part=test"):
        Multimodal3DIdent(part="train")  # type: ignore[arg-type]


def test_each_picture_has_its_sentence(folder: Path) -> None:
    data = Multimodal3DIdent(root=str(folder), size=8)
    said = data.sentences("test")
    assert len(said) == 14
    assert said[1].startswith('A "tab:blue" 1 is at the')
    path = folder / "test/text/text_raw.txt"
    path.write_text(path.read_text() + "\nOne more.")
    with pytest.raises(ValueError, match="15 sentences for 14 pictures"):
        data.sentences("test")


def edit(path: Path, column: str, row: int, value: object) -> None:
    table = pd.read_csv(path).astype(object)
    table.loc[row, column] = value
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("kind", "column", "value", "fault"),
    [
        ("image", "object_shape", 7, "row 3 of .* has '7' as object_shape, not a whole number in"),
        ("image", "object_xpos", 0.5, "has '0.5' as object_xpos, not a whole number"),
        ("image", "object_color", "red", "has 'red' as object_color, not a number"),
        ("image", "object_color", None, "has 'nan' as object_color"),
        ("image", "spotlight_pos", 1e300, r"has '1e\+300' as spotlight_pos"),
        ("image", "spotlight_pos", "1e999", "has 'inf' as spotlight_pos"),
        ("text", "text_phrasing", 5, "has '5' as text_phrasing"),
        ("text", "object_xpos", None, "has 'nan' as object_xpos"),
        ("text", "object_shape", 0, "row 3 of the two tables in .* is not the same scene"),
    ],
)
def test_values_that_cannot_be_are_named(folder: Path, kind: str, column: str, value: object, fault: str) -> None:
    edit(folder / f"train/latents_{kind}.csv", column, 3, value)
    with pytest.raises(ValueError, match=fault):
        Multimodal3DIdent(root=str(folder), size=8).read("train")


def without(path: Path, text: str, other: str = "") -> None:
    path.write_text(path.read_text().replace(text, other))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda split: without(split / "latents_image.csv", "object_gammarot", "gamma"), "no column 'object_gammarot'"),
        (lambda split: (split / "latents_image.csv").write_text(""), "is no table of comma-separated values"),
        (lambda split: (split / "latents_image.csv").write_bytes(b"\xff\xfe\0,\n"), "is no table of comma"),
        (lambda split: (split / "latents_text.csv").write_text('a,"b\n1,2,3\n'), "is no table of comma"),
        (lambda split: without(split / "latents_text.csv", "tab:blue,1013,3\n", "\n"), "row 13 .* object_color_index"),
        (lambda split: (split / "images/13.png").unlink(), "13 pictures for 14 rows"),
    ],
)
def test_files_that_are_no_tables_are_refused(folder: Path, damage, fault: str) -> None:
    damage(folder / "train")
    data = Multimodal3DIdent(root=str(folder), size=8)
    with pytest.raises(ValueError, match=fault) as caught:
        data.read("train")
    assert "\n" not in str(caught.value)
    assert len(datasets.check(data)) == 1


def test_tables_of_different_length_are_refused(folder: Path) -> None:
    path = folder / "train/latents_text.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(ValueError, match="latents of 14 pictures and 13 sentences"):
        Multimodal3DIdent(root=str(folder), size=8).read("train")
