"""Commands as a user types them, in this process; tests/test_readme.py runs the README's own in processes of theirs."""

import json

import numpy as np
import pytest

from kontrast.cli import main

SMALL = ["data=Digits", "encoder=Conv", "encoder.width=4", "head.hidden=16", "head.dim=8", "batch=64", "steps=12"]


def kontrast(words, capsys):
    status = main(words.split() if isinstance(words, str) else words)
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "simclr", *SMALL, f"out={out}"]) == 0
    return out


def test_list_names_every_family(capsys):
    status, out, _ = kontrast("list", capsys)
    assert status == 0
    for word in ("simclr", "InfoNCE", "Sphere", "Augmented", "FashionMNIST", "Recovery", "WarmupCosine"):
        assert word in out
    assert kontrast("list spaces", capsys)[1].split()[:2] == ["spaces", "Box"]
    assert "did you mean 'spaces'" in kontrast("list space", capsys)[2]


def test_show_says_where_each_value_comes_from(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, _ = kontrast("show simclr ...temperature=0.2 encoder=ResNet steps=3", capsys)
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "command line" in rows["objective.temperature"]
    assert "simclr" in rows["objective.similarity"]
    assert "default" in rows["seed"]
    assert "default" in rows["encoder.depth"]
    assert "divisor" in rows["objective.temperature"]


def test_training_refuses_a_full_folder_and_resumes_without_naming_the_method(run, capsys):
    status, _, err = kontrast(["train", "simclr", *SMALL, f"out={run}"], capsys)
    assert (status, "not empty" in err) == (2, True)
    status, out, _ = kontrast(["train", "resume=True", f"out={run}"], capsys)
    assert status == 0
    assert "step 12" in out


def test_probing_prints_a_table_and_keeps_the_scores(run, capsys):
    status, out, _ = kontrast(["probe", str(run), "linear", "KNN", "knn.k=10"], capsys)
    assert status == 0
    for word in ("trained", "untrained", "raw", "chance", "accuracy"):
        assert word in out
    kontrast(["probe", str(run), "knn", "knn.k=5"], capsys)
    rows = json.loads((run / "scores.json").read_text())
    assert {row["probe"] for row in rows} == {"Linear", "KNN"}
    assert any("vote of the 5 nearest" in row["protocol"] for row in rows)


def test_the_report_is_written(run, capsys):
    status, out, _ = kontrast(["report", str(run)], capsys)
    assert status == 0
    assert out.strip().endswith("report.html")
    page = (run / "report.html").read_text()
    assert "kontrast train simclr data=Digits" in page
    assert "SimCLR" in page or "simclr" in page


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_a_folder_of_pictures_is_embedded(suffix, run, tmp_path, capsys):
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.fromarray(np.full((9, 12), 80 * number, np.uint8)).save(tmp_path / "pictures" / f"{number}.png")
    out = tmp_path / f"features.{suffix}"
    status, said, _ = kontrast(["embed", str(run), str(tmp_path / "pictures"), f"out={out}"], capsys)
    assert (status, "3 pictures, 32 features" in said) == (0, True)
    if suffix == "npz":
        with np.load(out) as file:
            assert file["name"].tolist() == ["0.png", "1.png", "2.png"]
            assert file["feature"].shape == (3, 32)
    else:
        assert len(out.read_text().splitlines()) == 4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".partial")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train simclrr", "did you mean 'simclr'"),
        ("train", "say what to train"),
        ("train simclr inversion", "one method"),
        ("train simclr space=Box", "write space=Sphere"),
        ("train simclr resume=perhaps", "neither True nor False"),
        ("train simclr threads=many", "no number"),
        ("train simclr compile=maybe", "neither True nor False"),
        ("train resume=True out=nowhere/at/all", "no run"),
        ("show", "kontrast show METHOD"),
        ("probe", "which run"),
        ("probe nowhere linear", "no experiment.json"),
        ("report nowhere", "no experiment.json"),
        ("embed nowhere pictures", "kontrast embed RUN FOLDER"),
        ("data put FashionMNIST", "kontrast data get NAME"),
        ("data get FashionMNISt", "did you mean"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = kontrast(words, capsys)
    assert status == 2
    assert said in " ".join(err.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["linaer"], "did you mean 'linear'"),
        (["recovery"], "latents"),
        (["linear", "knn.k=5"], "belongs to no probe asked for"),
        (["linear", "linear.penalti=5"], "did you mean 'penalty'"),
        (["linear", "checkpoint=5"], "there are: 12"),
        (["linear", "checkpoint=first"], "no whole number"),
    ],
)
def test_bad_questions_to_a_run_are_refused(words, said, run, capsys):
    status, _, err = kontrast(["probe", str(run), *words], capsys)
    assert status == 2
    assert said in " ".join(err.split())


def test_a_report_after_more_training_is_of_the_newer_checkpoint(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["train", "simclr", *SMALL, f"out={out}"]
    assert kontrast(words, capsys)[0] == 0
    assert kontrast(["probe", str(out), "knn"], capsys)[0] == 0
    rows = json.loads((out / "scores.json").read_text())
    (out / "scores.json").write_text(json.dumps([{**row, "step": 3} for row in rows]))
    assert kontrast(["report", str(out)], capsys)[0] == 0
    assert {row["step"] for row in json.loads((out / "scores.json").read_text())} == {12}


def test_an_unlabeled_folder_trains_and_has_a_page(tmp_path, capsys):
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for number in range(40):
        picture = np.random.default_rng(number).integers(0, 255, (16, 16), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number}.png")
    out = tmp_path / "run"
    data = ["data=ImageFolder", f"data.root={tmp_path / 'pictures'}", "data.size=16", "data.channels=1", "batch=8"]
    status, _, err = kontrast(["train", "simclr", *data, "encoder.width=4", "steps=3", f"out={out}"], capsys)
    assert status == 0, err
    status, said, err = kontrast(["report", str(out)], capsys)
    assert status == 0, err
    assert "not probed" in said
