"""Random search: what is trained, what happens to failures, and how settings are ranked."""

import json

import numpy as np
import pytest
from rich.console import Console

from kontrast import comparing, probes
from kontrast.cli import main, searching
from kontrast.lab.ranking import Search, Setting
from kontrast.lab.search import Plan, search
from kontrast.run import Run
from kontrast.studies import Executor, cell
from kontrast.studies.values import Listed, Span

QUIET = Console(quiet=True)
FIXED = {
    "data.dim": "2",
    "data.layers": "1",
    "encoder": "Mlp",
    "encoder.widths": "4,4",
    "batch": "32",
    "online": "False",
}


class Here(Executor):
    """Cells in this process, one after the other."""

    def width(self, cells):
        return 1

    def __call__(self, tasks, look):
        for task in tasks:
            cell.perform(task)


HERE = Here()


def plan(out, **changes):
    varied = {"steps": Listed(("2", "6")), "optimizer.rate": Span(1e-4, 1e-2, log=True)}
    return Plan("inversion", FIXED, **{"varied": varied, "seeds": (0, 1), "out": out, "runs": 2, **changes})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return search(plan(tmp_path_factory.mktemp("search") / "out"), limit=150, executor=HERE, console=QUIET)


def test_settings_are_ranked_by_udr_and_stand_beside_the_truth(found):
    assert [one.udr for one in found.settings] == sorted((one.udr for one in found.settings), reverse=True)
    for one in found.settings:
        runs = [Run(found.out / one.path / f"seed-{seed}") for seed in (0, 1)]
        assert [str(run.experiment.steps) for run in runs] == [one.words["steps"]] * 2
        assert [run.experiment.seed for run in runs] == [0, 1]
        rows = comparing.compare(runs, probes.UDR(), limit=150, baselines=False, cache=False).scores
        assert one.udr == pytest.approx(next(row.value for row in rows if row.metric.endswith("mean")))
        each = [run.examine(probes.Recovery(), baselines=False, limit=150, cache=False).scores for run in runs]
        values = [next(row.value for row in scores if row.metric == "r2/mean") for scores in each]
        assert one.scores["recovery"] == pytest.approx(np.mean(values))
        assert one.spread["recovery"] == pytest.approx(np.std(values, ddof=1))
        assert set(one.scores) == {"recovery", "mcc"}
    kept = json.loads((found.out / "search.json").read_text())
    assert [one["number"] for one in kept["settings"]] == [one.number for one in found.settings]


def test_what_is_over_is_not_trained_again_and_more_runs_add_to_it(found, monkeypatch):
    trained = []

    def refuse(experiment, folder, **_):
        trained.append(folder.relative_to(found.out).as_posix())
        raise ArithmeticError("the loss is nan\nand more")

    monkeypatch.setattr(cell, "train", refuse)
    monkeypatch.setattr(cell.traceback, "print_exc", lambda: None)
    more = search(plan(found.out, runs=3), limit=150, executor=HERE, console=QUIET)
    last = next(one for one in more.settings if one.number == 2)
    assert trained == [f"{last.path}/seed-0", f"{last.path}/seed-1"]
    assert (last.udr, last.seeds, last.failed) == (None, (), {0: "the loss is nan", 1: "the loss is nan"})
    assert more.settings[-1] == last
    assert {one.path: one.udr for one in found.settings}.items() <= {one.path: one.udr for one in more.settings}.items()
    search(plan(found.out, runs=3), limit=150, executor=HERE, console=QUIET)
    assert len(trained) == 2
    search(plan(found.out, runs=3), limit=150, executor=HERE, console=QUIET, again=True)
    assert len(trained) == 4


def test_a_signal_is_no_failure(tmp_path, monkeypatch):
    def leave(*_, **__):
        error = RuntimeError("asked to leave")
        error.status = 143
        raise error

    monkeypatch.setattr(cell, "train", leave)
    with pytest.raises(RuntimeError, match="asked to leave"):
        search(plan(tmp_path / "out"), executor=HERE, console=QUIET)
    assert "settings" not in json.loads((tmp_path / "out" / "search.json").read_text())
    assert not list((tmp_path / "out").rglob("scores.json"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search_seed": 3}, "holds another search: search_seed is 0 there"),
        ({"varied": {"steps": Listed(("2", "7"))}}, "varied is"),
        ({"seeds": (1, 1)}, "different numbers"),
        ({"runs": 0}, "at least one setting"),
        ({"varied": {"steps": Listed(("0", "5"))}, "out": None}, "positive length"),
    ],
)
def test_bad_plans_are_refused_before_anything_is_trained(found, changes, said, tmp_path):
    changes = {"out": found.out, **changes}
    made = plan(**{**changes, "out": changes["out"] or tmp_path / "out"})
    with pytest.raises(ValueError, match=said):
        search(made, executor=HERE, console=QUIET)
    assert not (tmp_path / "out").exists()


def test_agreement_is_the_correlation_of_ranks(tmp_path):
    pairs = [(0.1, 0.5), (0.2, 0.6), (0.3, 0.9), (0.4, 0.8)]
    settings = tuple(Setting(at, {}, udr, {"mcc": mcc}, {}, (0, 1)) for at, (udr, mcc) in enumerate(pairs))
    assert Search(tmp_path, "udr", settings, "").agreement("mcc") == pytest.approx(0.8)
    assert Search(tmp_path, "udr", settings[:2], "").agreement("mcc") is None


def test_the_command_says_what_udr_picked(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(searching, "read_executor", lambda given: given.pop("executor.threads") and HERE)
    fixed = " ".join(f"{name}=[{value}]" if "," in value else f"{name}={value}" for name, value in FIXED.items())
    words = f"search inversion {fixed} steps=2,8 seed=0,1 runs=5 limit=150 select=mcc out={tmp_path}/out threads=1"
    assert main(words.split()) == 0
    shown = capsys.readouterr()
    out = " ".join(shown.out.split())
    assert "setting steps UDR MCC R² seeds" in out
    assert "UDR picks setting" in out
    assert "2 settings drawn" in out and "best first by mcc" in out
    assert main(words.replace("select=mcc", "select=mc").split()) == 2
    assert "did you mean 'mcc'" in capsys.readouterr().err
    assert main(["search"]) == 2
