"""Commands as a user types them, in this process; tests/test_readme.py runs the README's own in processes of theirs."""

import json

import numpy as np
import pytest
import torch

from kontrast import methods
from kontrast.cli import catalog, main
from kontrast.cli.main import COMMANDS

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


@pytest.mark.parametrize("method", ["supcon-imagenet", "supcon-imagenet100", "supcon-imagenet100-multicrop"])
def test_a_setting_is_shown_where_its_data_are_not(method, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    for words in ([], ["data.root=nowhere"]):
        status, out, err = kontrast(["show", method, *words], capsys)
        assert (status, err) == (0, "")
        assert "command line" in next(line for line in out.splitlines() if "data.root" in line) or not words
    status, _, err = kontrast(["train", method, f"out={tmp_path / 'run'}"], capsys)
    assert (status, "there is no folder" in err) == (2, True)


def test_show_makes_no_experiment_but_the_one_that_is_asked_for(capsys, monkeypatch):
    made = []
    monkeypatch.setattr(methods.Method, "__call__", lambda *given, **options: made.append(given))
    assert kontrast("show supcon data=Digits", capsys)[0] == 0
    assert not made


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
        ("train simclr track=wanbd", "did you mean 'wandb'"),
        ("train resume=True out=nowhere/at/all", "no run"),
        ("show", "kontrast show METHOD"),
        ("probe", "which run"),
        ("probe nowhere linear", "no experiment.json"),
        ("report nowhere", "no experiment.json"),
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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "the memory does not suffice"),
        (MemoryError("pictures/1.png does not fit"), "pictures/1.png does not fit"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory\nat 0x0"),
            "the memory does not suffice",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "the memory does not suffice"),
        (RuntimeError("one line\nand many more"), "error: one line"),
        (KeyError("x"), "KeyError: 'x' (a fault of kontrast"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_trouble_on_the_way_is_one_sentence_and_status_one(error, said, capsys, monkeypatch):
    def fail(words):
        raise error

    monkeypatch.setattr(catalog, "list_command", fail)
    status, _, err = kontrast("list", capsys)
    assert status == 1
    assert said in " ".join(err.split())
    assert len(err.splitlines()) == 1


def test_a_fault_of_ours_can_be_seen_where_it_happened(monkeypatch):
    monkeypatch.setattr(catalog, "list_command", lambda words: {}["x"])
    monkeypatch.setenv("KONTRAST_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["list"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_how_it_is_called(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"kontrast {command}" in capsys.readouterr().out
