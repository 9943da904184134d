"""Searches by a probe's score: what is proposed, what guides it, and that a search that was stopped goes on."""

import json
import math
import sys

import numpy as np
import pytest
from rich.console import Console

from kontrast import probes
from kontrast.cli.sweeping import read_sweep
from kontrast.datasets import Digits, Subset
from kontrast.probes import Linear
from kontrast.results import column
from kontrast.run import Run
from kontrast.studies import Executor, cell, is_study, read_study
from kontrast.studies import guided as guided_study
from kontrast.studies.guided import FIRST, search
from kontrast.studies.guides import HELD, Guide, guide_of, guided
from kontrast.studies.proposing import ordered, propose
from kontrast.studies.sweep import runs
from kontrast.studies.values import Listed, Span
from kontrast.training import train

from small import digits

QUIET = Console(quiet=True)
VARIED = {
    "rate": Span(1e-5, 1.0, log=True),
    "width": Listed(("8", "16", "32", "64")),
    "name": Listed(("x", "y", "z")),
}
WORDS = (
    "inversion data.dim=2 data.layers=1 encoder=Mlp encoder.widths=[4] online=False steps=1,2,3 batch=16,32 "
    "optimizer.rate=log:1e-4..1e-1 search=optuna at_once=2 ask=recovery limit=120 score=recovery seed=0"
)


def value(setting):
    """A score with its peak at rate 1e-2, width 32, name y."""
    return (
        -abs(math.log10(float(setting["rate"])) + 2) - abs(int(setting["width"]) - 32) / 16 + (setting["name"] == "y")
    )


def proposed(count, sign=1, seed=0):
    told = []
    while len(told) < count:
        told += [(one, sign * value(one)) for one in propose(VARIED, told, 1, seed, sign)]
    return told


@pytest.mark.parametrize("sign", [1, -1])
def test_proposals_gather_where_the_score_is_good(sign):
    told = proposed(40, sign)
    early, late = (np.mean([sign * score for _, score in part]) for part in (told[:10], told[-10:]))
    assert late > early + 0.5
    for one, _ in told:
        assert 1e-5 <= float(one["rate"]) <= 1 and one["width"] in VARIED["width"].values


def test_proposals_are_a_function_of_what_was_told():
    told = proposed(8)
    assert propose(VARIED, told, 3, 0) == propose(VARIED, told, 3, 0) != propose(VARIED, told, 3, 1)
    failed = [*told[:-1], (told[-1][0], None)]
    assert len(propose(VARIED, failed, 3, 0)) == 3
    others = [
        ({**told[0][0], "rate": rate, "width": width}, 9.0) for rate, width in (("7", "8"), ("x", "8"), ("1", "9"))
    ]
    assert len(propose(VARIED, [*told, *others], 3, 0)) == 3


def test_no_setting_is_proposed_twice_and_none_when_all_were_tried():
    few = {"a": Listed(("1", "2", "3")), "b": Listed(("x", "y"))}
    told = [({"a": "1", "b": "x"}, 1.0), ({"a": "2", "b": "x"}, None)]
    found = propose(few, told, 9, 0)
    assert sorted((one["a"], one["b"]) for one in found) == [("1", "y"), ("2", "y"), ("3", "x"), ("3", "y")]
    assert propose(few, [*told, *((one, 0.0) for one in found)], 1, 0) == []


def test_numbers_that_rise_or_fall_are_in_order():
    assert ordered(Listed(("1", "2", "4"))) and ordered(Listed(("1e-1", "0.01", "0")))
    assert not any(map(ordered, (Listed(("1", "4", "2")), Listed(("1", "2")), Listed(("1", "2", "x")))))


def test_without_optuna_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    study, _ = read_sweep(WORDS.split())
    with pytest.raises(ValueError, match=r"pip install 'kontrast\[optuna\]'"):
        search(study, tmp_path / "out", console=QUIET)
    assert not (tmp_path / "out").exists()


class Here(Executor):
    """Cells in this process, until so many were performed; `failing` cells end in an error."""

    def __init__(self, stop=math.inf, failing=()):
        self.left, self.failing, self.performed = stop, failing, []

    def width(self, cells):
        return 1

    def __call__(self, tasks, look):
        for task in tasks:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.performed.append(task.name)
            cell.perform(task)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("search") / "out"
    study, _ = read_sweep([*WORDS.split(), "samples=13"])
    return out, search(study, out, executor=Here(), console=QUIET)


def test_a_search_runs_cells_of_a_study_and_says_what_it_chose_by_what(whole):
    out, results = whole
    assert is_study(out) and results.counted()["done"] == 13
    guide = Guide(probes.Recovery(), limit=120)
    name = f"Recovery {HELD}: r2/mean"
    scores = {levels: guided(found[0], guide).value for levels, found in runs(read_study(out), out).items()}
    best = max(scores, key=scores.get)
    assert results.of(best, name)[0].value == scores[best] == max(scores.values())
    test = results.of(best, "Recovery: r2/mean")[0].value
    assert results.score == "Recovery: r2/mean" and test != scores[best]
    for said in (
        f"{scores[best]:.4g}",
        f"{test:.4g} (1 seeds)",
        "chose nothing",
        read_study(out).settings[0].levels["batch"],
    ):
        assert said in results.reading
    label = next(one.label for one in read_study(out).settings if read_study(out).levels(one) == best)
    assert label in results.reading
    assert "scored on 24 others" in results.protocols[name] and "no test row" in results.protocols[name]


def test_a_search_that_was_stopped_ends_as_one_that_was_not(whole, tmp_path):
    out, undisturbed = whole
    ends, performed = 0, []
    for samples, stop in ((4, 3), (12, 5), (13, 1), (13, math.inf)):
        study, _ = read_sweep([*WORDS.split(), f"samples={samples}"])
        here = Here(stop)
        try:
            found = search(study, tmp_path / "out", executor=here, console=QUIET)
            ends += 1
        except KeyboardInterrupt:
            pass
        performed += here.performed
    assert ends < 4 and len(performed) == len(set(performed)) == 13
    assert read_study(tmp_path / "out").settings == read_study(out).settings
    assert found.reading == undisturbed.reading
    values = [
        {column(score): score.value for outcome in results.outcomes for score in outcome.scores}
        for results in (found, undisturbed)
    ]
    assert values[0] == values[1]


def test_what_differs_is_refused_and_a_finished_search_trains_nothing(whole):
    out, before = whole
    here = Here()
    study, _ = read_sweep([*WORDS.split(), "samples=12"])
    found = search(study, out, executor=here, console=QUIET)
    assert (found.outcomes, found.reading) == (before.outcomes, before.reading) and not here.performed
    for words, said in (("search_seed=1", "search_seed is 0 there and 1 here"), ("batch=16,64", "varied is")):
        field = words.partition("=")[0]
        other, _ = read_sweep([*(word for word in WORDS.split() if not word.startswith(f"{field}=")), words])
        with pytest.raises(ValueError, match=said):
            search(other, out, executor=here, console=QUIET)
    assert not here.performed


def test_failures_are_told_and_end_nothing(tmp_path, monkeypatch):
    def fail(experiment, folder, **options):
        if experiment.batch == 16:
            raise ArithmeticError("the loss is nan")
        return train(experiment, folder, **options)

    monkeypatch.setattr(cell, "train", fail)
    monkeypatch.setattr(cell.traceback, "print_exc", lambda: None)
    study, _ = read_sweep([*WORDS.split(), "samples=3"])
    results = search(study, tmp_path / "out", executor=Here(), console=QUIET)
    failed = {outcome.levels for outcome in results.failures()}
    assert 0 < len(failed) < 3 and "batch=32" in results.reading
    monkeypatch.setattr(cell, "train", train)
    again = search(study, tmp_path / "out", executor=Here(), again=True, console=QUIET)
    assert not [*again.failures()]


def test_a_proposal_that_means_nothing_is_told_as_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(guided_study, "FIRST", 3)
    study, _ = read_sweep([*WORDS.split(), "samples=5"])
    check, first = guided_study.check, {setting.label for setting in study.settings}

    def refuse(some, out, again=False):
        todo = check(some, out, again)
        if [one for one in some.settings if one.label not in first and any(cell.setting == one for cell in todo)]:
            raise ValueError("the cell cannot run")
        return todo

    monkeypatch.setattr(guided_study, "check", refuse)
    here = Here()
    for again in (False, True):
        results = search(study, tmp_path / "out", executor=here, again=again, console=QUIET)
        assert [outcome.why for outcome in results.failures()] == ["the cell cannot run"] * 2
    assert len(here.performed) == 3 and len(results.outcomes) == 5


def test_a_search_of_which_all_fails_chooses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(cell, "train", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(cell.traceback, "print_exc", lambda: None)
    study, _ = read_sweep([*WORDS.split(), f"samples={FIRST + 1}"])
    results = search(study, tmp_path / "out", executor=Here(), console=QUIET)
    assert len([*results.failures()]) == FIRST + 1 and not results.reading


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    return {
        name: train(digits(steps=1, online=False, data=data), folder / name, console=QUIET)
        for name, data in (("whole", Digits()), ("apart", Subset(of=Digits(), holdout=0.3)))
    }


@pytest.mark.parametrize("name", ["whole", "apart"])
def test_what_guides_is_of_training_rows_that_the_probe_was_not_fitted_on(pictures, name, monkeypatch):
    seen, run = [], Run(pictures[name].path)
    ask = Linear.__call__

    def spy(self, train, test):
        seen.append((train, test))
        return ask(self, train, test)

    monkeypatch.setattr(Linear, "__call__", spy)
    score = guided(run, Guide(Linear(), "accuracy"))
    [(fitted, held)] = seen
    rows = Digits().open("train").index.tolist()
    assert fitted.origin == held.origin and "/train/" in held.origin
    assert not {*fitted.index} & {*held.index} and {*fitted.index} | {*held.index} == {*rows}
    trained = {*run.experiment.data.open("train").index.tolist()}
    assert {*held.index} <= trained if name == "whole" else not {*held.index} & trained
    assert guided(run, Guide(Linear(), "accuracy")) == score and len(seen) == 1
    assert ("saw without their truth" if name == "whole" else "training left out") in score.protocol


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("simclr batch=32,64 score=mcc ask=linear", "no probe asked of these runs named 'mcc'"),
        ("simclr batch=32,64 score=liner ask=linear", "did you mean 'Linear'"),
        ("simclr batch=32,64 ask=finetune", "write ask=linear score=linear"),
        ("supcon batch=32,64 ask=linear", "write data=Subset data.of=Digits data.holdout=0.2"),
        ("supervised batch=32,64 ask=linear", "write data=Subset data.of=Digits data.holdout=0.2"),
    ],
)
def test_guides_that_mean_nothing_are_refused_before_anything_is_trained(words, said, tmp_path):
    study, _ = read_sweep([*words.split(), "search=optuna", "data=Digits", "encoder=Conv"])
    with pytest.raises(ValueError, match=said):
        search(study, tmp_path / "out", executor=Here(0), console=QUIET)
    assert not (tmp_path / "out").exists()


def test_rows_that_training_leaves_out_may_guide_what_is_told_labels(tmp_path):
    words = "supcon batch=32,64 search=optuna data=Subset data.of=Digits data.holdout=0.2 ask=linear,knn score=knn"
    study, _ = read_sweep(words.split())
    one = next(study.cells())
    experiment = study.experiment(one)
    assert guide_of("KNN: accuracy", study.asked(experiment).questions, experiment) == Guide(probes.KNN(), "accuracy")


def test_a_score_that_only_describes_guides_nothing(tmp_path):
    words = WORDS.replace("ask=recovery", "ask=rankme").replace("score=recovery", "score=rankme samples=2")
    study, _ = read_sweep(words.split())
    with pytest.raises(ValueError, match="neither more nor less of RankMe"):
        search(study, tmp_path / "out", executor=Here(), console=QUIET)


def test_a_folder_of_a_plain_study_and_a_damaged_search_are_refused(tmp_path, whole):
    study, _ = read_sweep([*WORDS.split(), "samples=2"])
    out = tmp_path / "out"
    search(study, out, executor=Here(), console=QUIET)
    (out / "search.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        search(study, out, executor=Here(0), console=QUIET)
    (out / "search.json").unlink()
    with pytest.raises(ValueError, match="no search"):
        search(study, out, executor=Here(0), console=QUIET)
    assert json.loads((whole[0] / "search.json").read_text())["search"] == "optuna"
