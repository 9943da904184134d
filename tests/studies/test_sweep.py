"""Sweeps: what is refused before the first cell, what is written down, and what a damaged folder does."""

import errno
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from kontrast.cli.planned import said
from kontrast.studies import Axis, Executor, Setting, Study, cell, collect, estimate, grid, jobs, read_study, records
from kontrast.studies import sweep as run
from kontrast.studies.executors import lost
from kontrast.studies.finished import begun
from kontrast.studies.progress import Progress
from kontrast.studies.records import Record, read_record, record_path

from sweeps import FIXED, study

QUIET = Console(quiet=True)


class Inside(Executor):
    """Cells in this process, one after the other."""

    def width(self, tasks):
        return 1

    def __call__(self, tasks, look):
        for task in tasks:
            cell.perform(task)


def sweep(study, out, **changes):
    return run(study, out, **{"executor": Inside(), "console": QUIET, "pages": False, **changes})


def cells(study):
    return [one.name for one in study.cells()]


ONE = study(Axis.of("objective.temperature", 0.5, 1), given={**FIXED, "steps": "4"})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "study"
    return out, sweep(ONE, out)


@pytest.fixture
def copy(done, tmp_path):
    shutil.copytree(done[0], tmp_path / "study")
    return tmp_path / "study"


def numbers(results):
    return [[(score.name, score.value) for score in outcome.scores] for outcome in results.outcomes]


def test_cells_that_are_done_are_not_run_again(copy, done, monkeypatch):
    assert done[1].counted() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}
    assert [(one.steps, one.length) for one in done[1].outcomes] == [(4, 4)] * 2
    monkeypatch.setattr(cell, "train", None)
    assert numbers(sweep(ONE, copy)) == numbers(done[1])
    more = sweep(replace(ONE, seeds=(0, 1)), copy)
    assert more.counted()["failed"] == 2 and more.counted()["done"] == 2


def test_cells_that_are_asked_more_are_open_and_keep_what_they_have(copy):
    seen = []

    class Looking(Inside):
        def __call__(self, tasks, look):
            seen.extend(jobs.is_open(jobs.Job(task, "1")) for task in tasks)
            seen.extend(bool(outcome.scores) for outcome in collect(copy).outcomes)
            super().__call__(tasks, look)

    more = sweep(replace(ONE, ask=(*ONE.ask, "mcc")), copy, executor=Looking())
    assert seen == [True] * 4  # what was known still stands in the table
    assert {outcome.state for outcome in more.outcomes} == {"done"}
    assert any(name.startswith("MCC") for name in more.columns)


def test_a_second_sweep_says_at_once_that_there_is_another(copy, monkeypatch):
    monkeypatch.setitem(run.__globals__, "check", None)
    with FileLock(copy / ".lock"):
        started = time.monotonic()
        with pytest.raises(ValueError, match="another sweep is at work"):
            sweep(ONE, copy)
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objectiv.temperature": "1"}, "objectiv"),
        ({"space": "Box", "objective.similarity": "Cosine"}, "Cosine"),
        ({"space": "Euclidean", "objective.similarity": "Mahalanobis", "batch": "2"}, "batch"),
        ({"ask": ("linear",)}, "label"),
        ({"ask": ("recovry",)}, "recovery"),
        ({"ask": ("recovery@block7",)}, "block7"),
    ],
)
def test_a_cell_that_means_nothing_is_refused_before_the_first_one_starts(tmp_path, changes, said):
    ask = changes.pop("ask", ("recovery",))
    one = study(ask=ask, given={**FIXED, "steps": "4", **changes})
    with pytest.raises(ValueError, match=said) as caught:
        sweep(one, tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_a_batch_larger_than_the_data_and_latents_that_are_not_there_are_refused(tmp_path):
    small = {"data": "Digits", "encoder": "Conv", "encoder.width": "4", "epochs": "None", "steps": "2"}
    for given, ask, why in [
        ({**small, "batch": "5000"}, "knn", r"cell rate=0.1 cannot run: a batch of 5000 is larger"),
        ({**small, "batch": "32"}, "recovery", "latents"),
    ]:
        one = Study("", "simclr", grid(Axis.of("optimizer.rate", 0.1)), (0,), given, (ask,))
        with pytest.raises(ValueError, match=why):
            sweep(one, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("lost", ["experiment", "damaged", "version", "other", "file"])
def test_a_run_that_cannot_be_gone_on_with_is_named_before_anything_starts(copy, lost):
    name = cells(ONE)[1]
    path = copy / name / "experiment.json"
    told = json.loads(path.read_text())
    if lost == "experiment":
        path.unlink()
    elif lost == "damaged":
        path.write_text("{")
    elif lost == "version":
        path.write_text(json.dumps({**told, "warp": 9}))
    elif lost == "other":
        path.write_text(json.dumps({**told, "batch": 64}))
    else:
        shutil.rmtree(copy / name)
        (copy / name).write_text("")
    said = {
        "experiment": "holds something that is no run .it has no experiment.json.; move it away",
        "damaged": "is damaged; remove",
        "version": "another version of kontrast.*'warp'.*use that version",
        "other": "holds another experiment: batch is 64 there and 32 here; give another out=",
        "file": "is a file",
    }[lost]
    with pytest.raises(ValueError, match=said) as caught:
        sweep(ONE, copy)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*no checkpoint that is whole")
@pytest.mark.parametrize(
    "lost", ["record", "torn", "scores", "half", "panels", "checkpoints", "folder", "study", "metrics"]
)
def test_what_was_deleted_is_made_again_and_the_table_is_the_same(copy, done, lost):
    first = copy / cells(ONE)[0]
    if lost == "record":
        record_path(copy, cells(ONE)[0]).unlink()
    elif lost == "torn":
        record_path(copy, cells(ONE)[0]).write_text('{"state": "do')
    elif lost == "scores":
        (first / "scores.json").unlink()
    elif lost == "half":
        (first / "scores.json").write_bytes((first / "scores.json").read_bytes()[:100])
    elif lost == "panels":
        (first / "panels.json").write_text("{")
        (first / "scores.json").unlink()
    elif lost == "checkpoints":
        shutil.rmtree(first / "checkpoints")
        (first / "scores.json").unlink()
    elif lost == "folder":
        shutil.rmtree(first.parent)
    elif lost == "study":
        (copy / "study.json").unlink()
    else:
        with (first / "metrics.jsonl").open("a") as file:
            file.write('{"step": 4, "lo')
    assert numbers(sweep(ONE, copy)) == numbers(done[1])


def test_a_folder_of_something_else_is_left_alone(copy, tmp_path):
    with pytest.raises(ValueError, match="batch is 32 there and 8 here"):
        sweep(replace(ONE, given={**ONE.given, "batch": "8"}), copy)
    fixed = replace(ONE, settings=(Setting({}),), given={**ONE.given, "objective.temperature": "2"})
    with pytest.raises(ValueError, match=r"temperature varies in this study.*as in objective.temperature=0.5,2"):
        sweep(fixed, copy)
    with pytest.raises(ValueError, match=r"temperature=0.50 is there already, as 0.5; write it like that"):
        sweep(replace(ONE, settings=grid(Axis.of("objective.temperature", "0.50", "3"))), copy)
    same = tuple(replace(one, words={**one.words, "batch": "8"}) for one in ONE.settings)
    given = {name: value for name, value in ONE.given.items() if name != "batch"}
    with pytest.raises(ValueError, match="holds another study"):
        sweep(replace(ONE, settings=same, given=given), copy)
    same = tuple(replace(one, words={**one.words, "dim": "8"}) for one in ONE.settings)
    with pytest.raises(ValueError, match=r"in temperature=0.5, dim is left open there and 8 here"):
        sweep(replace(ONE, settings=same), copy)
    (copy / "study.json").write_text("{")
    with pytest.raises(ValueError, match="remove that file alone, and the command of the study writes it again"):
        read_study(copy)
    (copy / "study.json").unlink()
    (copy / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"thesis.tex, which is no cell of this study; give another out="):
        sweep(ONE, copy)
    assert not (copy / "study.json").exists()


def test_cells_that_fail_are_written_down_and_the_others_go_on(tmp_path, monkeypatch):
    out, one = tmp_path / "out", study(Axis.of("optimizer.rate", "1e30", "1e-3"), given={**FIXED, "steps": "6"})
    results = sweep(one, out)
    bad, good = results.outcomes
    assert (bad.state, good.state) == ("failed", "done") and "lower optimizer.rate" in bad.why
    monkeypatch.setattr(cell, "train", None)
    assert sweep(one, out).counted()["failed"] == 1  # nothing is run
    monkeypatch.undo()

    def broken(*_, **__):
        raise KeyError("probe")

    monkeypatch.setattr(cell, "answered", broken)
    more = sweep(replace(one, seeds=(0, 1)), out, again=True)
    assert [outcome.state for outcome in more.outcomes] == ["failed", "done", "failed", "failed"]
    assert more.outcomes[3].why == "KeyError: 'probe'"


def test_what_was_said_of_an_earlier_start_is_not_said_of_this_one(tmp_path):
    out, name = tmp_path / "out", cells(ONE)[0]

    class Silent(Inside):
        def __call__(self, tasks, look):
            assert all(read_record(out, task.name).why == "" for task in tasks)
            lost(tasks[0], "its process ended of signal 9")

    Record("waiting", "it was stopped: at step 3", seconds=2.0).write(record_path(out, name))
    first, _ = sweep(ONE, out, executor=Silent()).outcomes
    assert (first.state, first.seconds) == ("failed", 2.0) and "signal 9" in first.why


def test_a_full_disk_is_no_fault_of_the_cell(tmp_path, monkeypatch):
    def full(*_, **__):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise OSError("could not be written") from error

    monkeypatch.setattr(cell, "train", full)
    with pytest.raises(OSError, match="could not be written"):
        sweep(ONE, tmp_path / "out")
    record = read_record(tmp_path / "out", cells(ONE)[0])
    assert (record.state, record.why) == ("waiting", "the disk is full")


def test_what_follows_a_run_is_called_once_and_may_fail(tmp_path):
    called = []

    def after(run):
        called.append(run.path.name)
        raise ValueError("no page")

    one = replace(ONE, settings=ONE.settings[:1])
    with pytest.warns(UserWarning, match="no page"):
        assert sweep(one, tmp_path / "out", after=after).counted()["done"] == 1
    assert called == ["seed-0"]


def test_each_run_has_its_page_and_one_that_fails_leaves_the_cell_done(tmp_path, monkeypatch):
    written = []

    def broken(record, folder):
        written.append((record.title, Path(folder).name))
        raise RuntimeError("no ink")

    monkeypatch.setattr(cell, "write_page", broken)
    one = replace(ONE, settings=ONE.settings[:1])
    with pytest.warns(UserWarning, match=r"the page of .*seed-0 failed \(RuntimeError: no ink\)"):
        assert sweep(one, tmp_path / "out", pages=True).counted()["done"] == 1
    assert written == [("inversion on Mixing", "seed-0")]


def test_a_dry_run_writes_nothing_and_tells_the_steps_that_are_left(copy, tmp_path):
    before = sorted((path, path.stat().st_mtime_ns) for path in copy.rglob("*"))
    found = estimate(replace(ONE, seeds=(0, 1)), copy, executor=Inside())
    assert [row.state for row in found.rows] == ["done", "done", "waiting", "waiting"]
    own = sum(read_record(copy, name).seconds for name in cells(ONE))
    assert found.seconds == pytest.approx((own, own)) and "cells that are done" in found.basis
    assert sorted((path, path.stat().st_mtime_ns) for path in copy.rglob("*")) == before
    fresh = estimate(study(), tmp_path / "out", executor=Inside())
    assert 0 < fresh.seconds[0] <= fresh.seconds[1] and "probes" in fresh.basis and len(fresh.todo) == 4
    assert sum(row.length for row in fresh.rows) == 160 and not (tmp_path / "out").exists()


def test_a_plan_goes_on_where_settings_do_not_train_and_tells_time_by_the_others(tmp_path):
    given = {**FIXED, "steps": "4"}
    some = estimate(study(Axis.of("optimizer.rate", "1e30", "1e-3"), given=given), tmp_path, executor=Inside())
    assert some.seconds is not None and "1 setting," in some.basis
    none = estimate(study(Axis.of("optimizer.rate", "1e30"), given=given), tmp_path, executor=Inside())
    assert none.seconds is None and "do not train" in said(none, tmp_path)


def test_progress_reads_finished_cells_once_and_says_what_it_sees(copy, monkeypatch):
    both, names = replace(ONE, seeds=(0, 1)), []
    third, fourth = cells(both)[2:]
    console = Console(record=True, force_terminal=True, width=130)
    progress = Progress(copy, both, 2, console)
    own = records.read_record
    monkeypatch.setattr("kontrast.studies.progress.read_record", lambda *at: names.append(at[1]) or own(*at))
    (copy / third).mkdir()
    (copy / third / "experiment.json").write_text((copy / cells(both)[0] / "experiment.json").read_text())
    Record("running").write(record_path(copy, third))
    Record("failed", "of [bold]hunger[/]").write(record_path(copy, fourth))
    with FileLock((copy / third).with_suffix(".lock")):
        for step in (1, 3):
            (copy / third / "metrics.jsonl").write_text(json.dumps({"step": step, "loss": 0.5}) + '\n{"st')
            progress.due = 0
            progress.look()
    assert set(names) == {third, fourth} and names.count(fourth) == 1
    assert progress.summary().startswith("4 cells: 2 done, 1 running, 1 failed")
    console.print(progress.panel())
    text = console.export_text()
    assert "3/4" in text and "loss 0.5" in text and "of [bold]hunger[/]" in text and third in text


def test_begun_tells_a_run_from_a_folder(tmp_path, done):
    experiment = ONE.experiment(next(ONE.cells()))
    assert begun(done[0] / cells(ONE)[0], experiment) and not begun(tmp_path / "none", experiment)
    assert collect(done[0]).outcomes[0].path == Path(cells(ONE)[0]).as_posix()
