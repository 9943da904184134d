"""Commands as a user types them, in this process; tests/test_readme.py runs the README's own in processes of theirs."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock

from kontrast import checkpoints, keeping, methods
from kontrast.cli import catalog, main
from kontrast.cli.main import COMMANDS
from kontrast.keeping import keep_scores
from kontrast.panels import Heat, read_panels
from kontrast.scores import Score, read_scores

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
    status, out, err = kontrast(["probe", str(run), "linear", "KNN", "knn.k=10"], capsys)
    assert status == 0, err
    for word in ("trained", "untrained", "raw", "chance", "accuracy"):
        assert word in out
    kontrast(["probe", str(run), "knn", "knn.k=5"], capsys)
    rows = json.loads((run / "scores.json").read_text())
    assert {row["probe"] for row in rows} == {"Linear", "KNN k=10", "KNN k=5"}
    assert any("vote of the 5 nearest" in row["protocol"] for row in rows)
    assert {row["seed"] for row in rows} == {0}
    assert len({row["split"] for row in rows}) == 1


def test_a_table_over_layers_and_fractions(run, capsys):
    words = ["probe", str(run), "knn@stem", "knn@block1", "knn", "layer=embedding", "fraction=.1,1"]
    status, _, err = kontrast(words, capsys)
    assert status == 0, err
    rows = {row["probe"]: row for row in json.loads((run / "scores.json").read_text())}
    layers = ("stem", "block1", "embedding")
    assert {f"KNN layer={layer}{share}" for layer in layers for share in ("", " fraction=0.1")} <= set(rows)
    said = rows["KNN layer=stem fraction=0.1"]["protocol"]
    assert "fitted on 10 % of the training rows, 134, as many of each class" in said
    assert rows["KNN layer=stem"]["split"] != rows["KNN layer=stem fraction=0.1"]["split"]


def test_a_cache_that_is_not_wanted_is_not_made(tmp_path, capsys):
    out = tmp_path / "run"
    assert kontrast(["train", "simclr", *SMALL, "steps=2", f"out={out}"], capsys)[0] == 0
    assert kontrast(["probe", str(out), "knn", "cache=False"], capsys)[0] == 0
    assert not (out / "features").exists()
    assert kontrast(["probe", str(out), "knn"], capsys)[0] == 0
    assert list((out / "features").iterdir())


def test_probes_of_several_seeds_are_a_mean_with_its_deviation(run, tmp_path, capsys):
    others = [tmp_path / f"seed-{seed}" for seed in (1, 2)]
    for seed, out in enumerate(others, 1):
        assert kontrast(["train", "simclr", *SMALL, f"seed={seed}", f"out={out}"], capsys)[0] == 0
    status, out, err = kontrast(["probe", str(run), *map(str, others), "knn"], capsys)
    assert status == 0, err
    assert "±" in out
    assert "Student's t" in " ".join(out.split())
    values = [json.loads((each / "scores.json").read_text()) for each in (run, *others)]
    assert [rows[-1]["seed"] for rows in values] == [0, 1, 2]
    assert {row["seeds"] for rows in values for row in rows} == {1}
    status, _, err = kontrast(["probe", str(run), str(run), "knn"], capsys)
    assert (status, "one seed" in err) == (2, True)
    different = tmp_path / "different"
    assert kontrast(["train", "simclr", *SMALL, "batch=32", "seed=5", f"out={different}"], capsys)[0] == 0
    status, _, err = kontrast(["probe", str(run), str(different), "knn"], capsys)
    assert (status, "differ in batch (64 and 32)" in " ".join(err.split())) == (2, True)


def test_a_ceiling_and_other_data_stand_beside(run, tmp_path, capsys):
    ceiling = tmp_path / "ceiling"
    words = ["train", "supervised", "data=Digits", "encoder=Conv", "encoder.width=4", "batch=64", "steps=5"]
    status, _, err = kontrast([*words, f"out={ceiling}"], capsys)
    assert status == 0, err
    data = ["data=Subset", "data.of=Digits", "data.holdout=0.3", "data.test=held"]
    status, _, err = kontrast(["probe", str(run), "knn", f"ceiling={ceiling}", *data], capsys)
    assert status == 0, err
    row = json.loads((run / "scores.json").read_text())[-1]
    assert row["probe"] == "KNN data=Subset(holdout=0.3, test=held)"
    assert row["ceiling"] is not None
    assert "ceiling: ceiling" in row["protocol"]
    status, _, err = kontrast(["probe", str(run), "knn", f"ceiling={run}"], capsys)
    assert (status, "was not told the truth" in " ".join(err.split())) == (2, True)


def test_other_data_do_not_replace_scores_of_the_own(run, capsys):
    assert kontrast(["probe", str(run), "knn"], capsys)[0] == 0
    before = [row for row in json.loads((run / "scores.json").read_text()) if row["probe"] == "KNN"]
    status, out, err = kontrast(["probe", str(run), "knn", "data=Subset", "data.fraction=.5"], capsys)
    assert status == 0, err
    assert "KNN data=Subset(fraction=0.5)" in out
    after = [row for row in json.loads((run / "scores.json").read_text()) if row["probe"] == "KNN"]
    assert before == after != []


def test_a_tuning_on_other_data_is_named_by_them(run, capsys):
    words = ["linearsgd", "linearsgd.epochs=1", "data=Subset", "data.fraction=.2", "threads=1"]
    status, _, err = kontrast(["probe", str(run), *words], capsys)
    assert status == 0, err
    row = json.loads((run / "scores.json").read_text())[-1]
    assert row["probe"] == "LinearSGD epochs=1 data=Subset(fraction=0.2)"
    assert "rows of other data: Subset(fraction=0.2)" in row["protocol"]


def test_what_is_left_out_for_one_reason_is_one_line(run):
    from kontrast import Run, probes
    from kontrast.cli.probing import _possible
    from kontrast.questions import Asked

    asked = Asked([probes.Recovery(), *(probes.MCC(seed=seed) for seed in range(4)), probes.KNN()], [], [])
    with pytest.warns(UserWarning, match="left out") as said:
        left = _possible(asked, Run(run), None, quiet=False)
    assert left.probes == [probes.KNN()]
    grouped = [str(each.message) for each in said if "more left out" in str(each.message)]
    assert len(said) == len({str(each.message).partition("left out: ")[2] for each in said})
    assert len(grouped) == 1
    assert grouped[0].count("MCC") + grouped[0].count("Recovery") == 2


def test_scores_that_processes_write_at_once_are_all_kept(tmp_path):
    rows = [Score(f"KNN k={k}", "accuracy", 0.5, step=3) for k in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: keep_scores(tmp_path, [row]), rows))
    assert {row.probe for row in read_scores(tmp_path / "scores.json")} == {row.probe for row in rows}


def test_scores_wait_for_another_process_no_longer_than_that(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "PATIENCE", 0.05)
    with (
        FileLock(tmp_path / keeping.LOCK),
        pytest.raises(ValueError, match=r"another process has been writing scores of .* for 0\.05 seconds"),
    ):
        keep_scores(tmp_path, [Score("KNN", "accuracy", 0.5, step=3)])
    assert not (tmp_path / "scores.json").exists()


def test_scores_of_another_checkpoint_have_a_file_of_their_own(tmp_path, monkeypatch):
    folder = tmp_path / "run"

    def scores(step, *names):
        path = folder / ("scores.json" if step is None else f"scores-{step}.json")
        panels = path.with_name(path.name.replace("scores", "panels"))
        assert [row.probe for row in read_scores(path)] == list(names)
        assert [name for name, _ in read_panels(panels)] == list(names)
        return {row.step for row in read_scores(path)}

    def keep(name, step, last):
        monkeypatch.setattr(checkpoints, "latest", lambda _: (SimpleNamespace(step=last), []))
        panel = Heat("heat", ("a",), ("b",), ((1.0,),))
        keep_scores(folder, [Score(name, "accuracy", 0.5, step=step)], [(name, panel)])

    folder.mkdir()
    keep("KNN", 30, 30)
    keep("Linear", 29, 30)
    keep("KNN", 29, 30)
    assert scores(None, "KNN") == {30}
    assert scores(29, "Linear", "KNN") == {29}
    keep("MCC", 40, 40)
    assert scores(None, "MCC") == {40}
    assert scores(30, "KNN") == {30}
    keep("Linear", 40, 50)
    assert scores(None) == set()
    assert scores(40, "MCC", "Linear") == {40}


def test_an_earlier_checkpoint_is_probed_beside_the_last(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["train", "simclr", *SMALL, "steps=3", "save_seconds=0", f"out={out}"]
    assert kontrast(words, capsys)[0] == 0
    assert kontrast(["probe", str(out), "knn"], capsys)[0] == 0
    before = (out / "scores.json").read_bytes()
    status, _, err = kontrast(["probe", str(out), "knn", "checkpoint=2"], capsys)
    assert status == 0, err
    assert "kept in" in err
    assert (out / "scores.json").read_bytes() == before
    assert {row.step for row in read_scores(out / "scores-2.json")} == {2}


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
        (["linear", "linear.penalti=5"], "did you mean 'penalt"),
        (["linear", "checkpoint=5"], "there are: 12"),
        (["linear", "checkpoint=first"], "no whole number"),
        (["linear@block9"], "there are feature, embedding, raw, stem, block1"),
        (["linear", "fraction=some"], "write fraction=0.1"),
        (["linear", "fraction=2"], "cannot be"),
        (["linear", "fraction=.1", "limit=30"], "leave out one of them"),
        (["linear", "data.size=8"], "write data=NAME"),
        (["linear", "data=Sprites", "data.size=16"], "trained on shape (1, 8, 8)"),
        (["linear", "ceiling=nowhere"], "no experiment.json"),
        (["linear", "device=cpu"], "is for tunings"),
        (["linear", "consistency"], "is one; give two or more"),
        (["runs/nowhere", "linear"], "runs/nowhere is no run"),
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
    assert {row["step"] for row in json.loads((out / "scores-3.json").read_text())} == {3}


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
