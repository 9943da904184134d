"""kontrast data: list, get, check and preview, as a user types them."""

import io

import numpy as np
import pytest
from PIL import Image

from kontrast import parts
from kontrast.cli import main
from kontrast.datasets import Dataset, ImageFolder


def kontrast(words, capsys):
    status = main(words.split() if isinstance(words, str) else [str(word) for word in words])
    shown = capsys.readouterr()
    return status, shown.out, " ".join(shown.err.split())


@pytest.fixture
def pictures(tmp_path):
    """A sound folder of two classes."""
    for number in range(24):
        path = tmp_path / "pictures" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


def test_the_list_says_of_each_whether_it_is_here_and_how_to_get_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    status, out, _ = kontrast("data", capsys)
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert set(parts.known(Dataset)) <= set(rows)
    assert "kontrast data get CIFAR10 (170 MB)" in rows["CIFAR10"]
    assert rows["CIFAR10"].split()[1] == "no"
    assert "kontrast data get MPI3D (size unknown)" in rows["MPI3D"]
    assert rows["Digits"].split()[1:3] == ["yes", "data=Digits"]
    assert rows["Sprites"].split()[1] == "drawn"
    assert "data=ImageFolder data.root=..." in rows["ImageFolder"]
    assert "by hand" in rows["ImageNet"]
    assert str(tmp_path / "cache") in out


def test_a_sound_folder_has_no_faults(pictures, capsys):
    status, out, _ = kontrast(["data", "check", pictures, "size=16"], capsys)
    assert status == 0
    assert "nothing is wrong" in out
    assert "2 classes" in out


def test_a_part_that_a_data_set_holds_takes_fields_too(pictures, capsys):
    words = ["data", "check", "Subset", "of=ImageFolder", f"of.root={pictures}", "of.size=16", "fraction=0.5"]
    status, out, err = kontrast(words, capsys)
    assert (status, err) == (0, "")
    rows = len(ImageFolder(root=str(pictures)).names("train")) // 2
    assert f"Subset: nothing is wrong ({rows} rows in train" in out


def test_a_folder_may_have_an_equals_sign_in_its_name(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures.rename(tmp_path / "pictures=24")
    for name in ("./pictures=24", tmp_path / "pictures=24"):
        status, out, _ = kontrast(["data", "check", name], capsys)
        assert (status, "nothing is wrong" in out) == (0, True)


def test_a_preview_of_few_rows_shows_these(tmp_path, capsys):
    (tmp_path / "few").mkdir()
    for number in range(5):
        Image.new("RGB", (16, 16), (40 * number, 90, 10)).save(tmp_path / "few" / f"{number}.png")
    words = ["data", "preview", "simclr", "data=ImageFolder", f"data.root={tmp_path / 'few'}", "data.size=16"]
    status, out, err = kontrast([*words, "data.test=0", f"out={tmp_path / 'sheet.png'}"], capsys)
    assert (status, err) == (0, "")
    assert "5 pictures" in out


def test_every_fault_is_a_line_and_the_status_is_two(pictures, capsys):
    (pictures / "cat" / "empty.png").write_bytes(b"")
    (pictures / "dog" / "cut.png").write_bytes((pictures / "dog" / "1.png").read_bytes()[:200])
    (pictures / "dog" / "text.jpg").write_text("not a picture")
    status, out, err = kontrast(["data", "check", pictures], capsys)
    assert status == 2
    assert len(out.splitlines()) == 3
    assert "cat/empty.png: it is empty" in out
    assert "3 faults" in err
    assert kontrast(["data", "check", "ImageFolder", f"root={pictures}"], capsys)[0] == 2


def test_data_that_are_drawn_have_no_faults(capsys):
    assert kontrast("data check Digits", capsys)[0] == 0
    status, out, _ = kontrast("data check Sprites", capsys)
    assert (status, "drawn and rendered" in out) == (0, True)


def test_a_preview_shows_the_views_of_a_method_and_each_operation(pictures, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    words = ["data", "preview", "simclr", "data=ImageFolder", f"data.root={pictures}", "data.size=16", f"out={out}"]
    status, said, _ = kontrast([*words, "pictures=3"], capsys)
    assert (status, "3 pictures, 8 columns" in said) == (0, True)
    first = out.read_bytes()
    width, height = Image.open(io.BytesIO(first)).size
    assert width > 8 * 128
    assert height > 3 * 128
    assert kontrast([*words, "pictures=3"], capsys)[0] == 0
    assert out.read_bytes() == first
    status, said, _ = kontrast([*words, "pictures=3", "pairing.recipe.blur=None", "pairing.small=2"], capsys)
    # original, four views, four operations, and the crop of the small views
    assert (status, "10 columns" in said) == (0, True)


def test_operations_are_shown_for_certain(capsys):
    from kontrast.augmentations import Recipe
    from kontrast.cli.data import _operations

    shown = _operations(Recipe())
    assert {name: detail for name, (_, detail) in shown.items()} == {
        "crop": "always",
        "flip": "p = 0.5",
        "jitter": "p = 0.8",
        "grayscale": "p = 0.2",
        "blur": "p = 0.5",
    }
    assert shown["grayscale"][0].grayscale.p == 1


def test_pairs_that_no_recipe_made_are_previewed_too(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said, err = kontrast(
        "data preview inversion data=Sprites data.size=32 pairing.similarity=Lp pairing.similarity.p=2 "
        "space=Euclidean objective.similarity=Euclidean encoder=Conv head=Projection pictures=2",
        capsys,
    )
    assert status == 0, err
    assert "preview.png: 2 pictures, 3 columns" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data put FashionMNIST", "kontrast data get NAME"),
        ("data get", "kontrast data get NAME"),
        ("data get FashionMNISt", "did you mean"),
        ("data get Digits from=here", "no dataset to download named 'Digits'"),
        ("data get CIFAR10 from=here", "from"),
        ("data check FashionMNISt", "did you mean 'FashionMNIST'"),
        ("data check nowhere/at/all", "no data set or folder"),
        ("data check ImageFolder", "ImageFolder needs root"),
        ("data check Digits rot=3", "there is no field of Digits"),
        ("data check ImageFolder root=nowhere", "ImageFolder has"),
        ("data check ImageFolder root=. size=abc", "error: size=abc cannot be read as int"),
        ("data check Subset of=ImageFolder", "Subset needs of.root; write of.root=..."),
        ("data check Subset of=ImageFolder of.rot=.", "did you mean 'of.root'"),
        ("data check Subset off=ImageFolder", "there is no field of Subset named 'off'"),
        ("data check Subset of=ImageFoldr", "did you mean 'ImageFolder'"),
        (
            "data preview simclr data=Digits pairing.small=2 pairing.recipe.crop=Blur",
            "the recipe has Blur in its place; say what they are, as in pairing.local.crop.scale=",
        ),
        ("data preview simclrr", "did you mean 'simclr'"),
        ("data preview inversion", "shows no pictures"),
        ("data preview simclr pictures=0", "1 to 64 pictures"),
        ("data preview simclr data=Digits out=sheet.jpg", "a PNG file"),
        ("data preview simclr data=Digits dat=3", "did you mean 'data'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = kontrast(words, capsys)
    assert status == 2, err
    assert said in err
    assert [*tmp_path.iterdir()] == []
