"""`kontrast runs`: folders of runs in every state, made of the small files that it reads."""

import csv
import io
import json
import os
import time

import pytest
from filelock import FileLock

from kontrast import methods
from kontrast.blueprints import values
from kontrast.cli import main
from kontrast.cli.listing import age
from kontrast.runs import below
from kontrast.scores import Score, write_scores


@pytest.fixture(scope="module")
def fields():
    return json.loads(json.dumps(values(methods.simclr(steps=10, batch=64))))


def checkpoint(folder, step, size=3):
    at = folder / "checkpoints" / f"step-{step:09d}"
    at.mkdir(parents=True)
    for name in ("tensors.safetensors", "state.json"):
        (at / name).write_bytes(b"x" * size)
    files = {name: {"sha256": "", "size": 3} for name in ("tensors.safetensors", "state.json")}
    (at / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))


def run(folder, fields, step=10, scores=(), **other):
    folder.mkdir(parents=True)
    (folder / "experiment.json").write_text(json.dumps({**fields, **other}))
    (folder / "metrics.jsonl").write_text(json.dumps({"step": step, "epoch": step / 5}) + '\n{"step": 99')
    (folder / ".lock").touch()
    if step:
        checkpoint(folder, step)
    if scores:
        write_scores(folder / "scores.json", [Score("Linear", name, value) for name, value in scores])
    return folder


@pytest.fixture
def tree(tmp_path, fields):
    top = tmp_path / "runs"
    run(top / "good", fields, scores=[("accuracy", 0.8), ("nll", 0.5)])
    run(top / "deep" / "study" / "seed-1", fields, seed=1, scores=[("accuracy", 0.9), ("nll", 0.9)])
    run(top / "stopped", fields, step=4, seed=2)
    run(top / "epochs", fields, step=4, steps=None, epochs=10.0)
    (run(top / "failed", fields, step=2).parent / "failed.json").write_text(
        '{"state": "failed", "why": "nan\\u001b[1m"}'
    )
    (run(top / "torn", fields) / "experiment.json").write_text('{"method": ')
    (run(top / "gone", fields) / "experiment.json").unlink()
    (run(top / "scores", fields) / "scores.json").write_text("[1]")
    checkpoint(run(top / "cut", fields, step=4), 8, size=2)
    run(top / "bare", fields, step=10)
    for name in sorted((top / "bare" / "checkpoints").rglob("*"), reverse=True):
        name.rmdir() if name.is_dir() else name.unlink()
    run(top / "new", fields, **{"objective": "Telepathy"})
    run(top / "newer", fields, **{"wishes": 3})
    (top / "loop").symlink_to(top)
    (top / "twice").symlink_to(top / "good")
    (top / "list.json").write_text("[]")
    return top


def test_every_run_is_listed_once_with_its_state(tree):
    found = {run.path.name: run for run in below(tree, tree / "good")}
    states = {name: run.state for name, run in found.items()}
    assert states == {
        "good": "done",
        "seed-1": "done",
        "stopped": "stopped",
        "epochs": "stopped",
        "failed": "failed",
        "torn": "damaged",
        "gone": "damaged",
        "scores": "damaged",
        "cut": "damaged",
        "bare": "damaged",
        "new": "foreign",
        "newer": "foreign",
    }
    assert len(below(tree, tree / "good")) == len(found)
    assert (found["epochs"].step, found["epochs"].length) == (4, 50)
    assert found["cut"].step == 4 and "step 8 is damaged" in found["cut"].fault
    assert "experiment.json is missing" in found["gone"].fault and "no checkpoint" in found["bare"].fault
    assert "'wishes'" in found["newer"].fault and "objective 'Telepathy'" in found["new"].fault


def test_no_content_of_a_file_stops_the_listing(tmp_path, fields):
    folder = run(tmp_path / "x", {**fields, "steps": None, "epochs": 10.0})
    for name in ("experiment.json", "metrics.jsonl", "scores.json", "../x.json"):
        before = (folder / name).read_bytes() if (folder / name).exists() else None
        for content in (
            b"",
            b"\xff\x00",
            b"[" * 100_000,
            b"3",
            b"null",
            b"{}",
            b'{"state": 3, "step": 1e999, "epoch": 1}',
        ):
            (folder / name).write_bytes(content)
            assert [each.path for each in below(tmp_path)] == [folder]
        huge = f'{{"step": 1{"0" * 400}, "epoch": 1}}'
        (folder / name).write_text(huge)
        assert len(below(tmp_path)) == 1
        (folder / name).unlink() if before is None else (folder / name).write_bytes(before)


def test_a_run_whose_lock_is_held_is_running(tree):
    with FileLock(tree / "stopped" / ".lock"):
        found = {run.path.name: run.state for run in below(tree)}
    assert found["stopped"] == "running" and found["good"] == "done"
    assert {run.path.name: run.state for run in below(tree)}["stopped"] == "stopped"


def test_the_listing_sorts_and_says_what_differs(tree, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["runs", str(tree), "only=done,stopped", "sort=acc"]) == 0
    out = capsys.readouterr().out
    assert out.index("seed-1") < out.index("good") < out.index("stopped")
    assert (
        "4 runs below" in out and "method=simclr" in out and "seed" in out.splitlines()[1] and "2 done, 2 stop" in out
    )
    assert main(["runs", str(tree), "sort=nll", "format=csv", "columns=nll,batch,temperature"]) == 0
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert read[0]["path"].endswith("good") and read[0]["Linear: nll"] == "0.5" and read[0]["batch"] == "64"
    assert {"objective.temperature", "fault"} <= set(read[0]) and len(read) == 12
    assert main(["runs", str(tree), "format=json"]) == 0
    made = {os.path.basename(each["path"]): each for each in json.loads(capsys.readouterr().out)}
    assert made["good"]["scores"] == {"Linear: accuracy": 0.8, "Linear: nll": 0.5} and made["gone"]["experiment"] == {}
    assert main(["runs", str(tree), "format=markdown"]) == 0
    assert "| run | state |" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 80, 200])
def test_faults_are_said_and_do_nothing_to_the_terminal(tree, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["runs", str(tree)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "failed: nan" in " ".join(out.split())
    assert all(len(line) <= width for line in out.split("12 runs")[0].splitlines())


def test_names_of_nothing_are_refused_with_the_nearest(tree, capsys, tmp_path):
    for words, said in (
        (["sort=acuracy"], "did you mean 'accuracy'"),
        (["columns=bacth"], "did you mean 'batch'"),
        (["only=finished"], "state of a run"),
        (["format=jsn"], "'json'"),
        (["order=path"], "option of kontrast runs"),
    ):
        assert main(["runs", str(tree), *words]) == 2
        assert said in capsys.readouterr().err
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    for form in ("text", "csv", "json", "markdown"):
        assert main(["runs", str(tmp_path / "empty"), f"format={form}"]) == 0
        assert capsys.readouterr().out.strip()


def test_a_thousand_runs_take_a_moment(tmp_path, fields):
    scores = [("accuracy", 0.5)]
    run(tmp_path / "0", fields, scores=scores)
    text = {path: (tmp_path / "0" / path).read_bytes() for path in ("experiment.json", "metrics.jsonl", "scores.json")}
    for at in range(1, 300):
        folder = tmp_path / str(at)
        folder.mkdir()
        for name, content in text.items():
            (folder / name).write_bytes(content)
    below(tmp_path / "0")
    began = time.process_time()
    assert len(below(tmp_path)) == 300
    assert time.process_time() - began < 1.5


def test_ages_are_in_their_largest_unit():
    assert [age(100, 100 + s) for s in (0, 59, 60, 7200, 200000)] == ["0 s", "59 s", "1 min", "2 h", "2 d"]
    assert age(0) == "–" and age(100, 50) == "0 s"


def test_what_training_logged_sorts_too_and_its_column_stays_where_there_is_little_room(tree, capsys, monkeypatch):
    for name, loss in (("good", 2.0), ("bare", 1.0)):
        rows = [{"step": step, "loss": loss, "online/accuracy": loss / 4} for step in (9, 10)]
        (tree / name / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["runs", str(tree), "sort=online", "format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["path"].rpartition("/")[2] for run in found[:2]] == ["good", "bare"]
    assert found[0]["scores"]["Training: loss"] == 2.0 and found[0]["scores"]["Online: accuracy"] == 0.5
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["runs", str(tree), "sort=nll"]) == 0
    said = capsys.readouterr().out
    assert "nll" in said.splitlines()[1] and "No room for" in said
