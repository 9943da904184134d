"""Random search: what is drawn, what is trained, what happens to failures, and how settings are ranked."""

import json

import numpy as np
import pytest
from rich.console import Console

from kontrast import comparing, probes
from kontrast.cli import main
from kontrast.lab import search as searching
from kontrast.studies.values import Listed, Span, drawn, read
from kontrast.lab.ranking import Search, Setting
from kontrast.lab.search import Plan, search
from kontrast.run import Run

QUIET = Console(quiet=True)
FIXED = {
    "data.dim": "2",
    "data.layers": "1",
    "encoder": "Mlp",
    "encoder.widths": "4,4",
    "batch": "32",
    "online": "False",
}


def plan(out, **changes):
    varied = {"steps": Listed(("2", "6")), "optimizer.rate": Span(1e-4, 1e-2, log=True)}
    return Plan("inversion", FIXED, **{"varied": varied, "seeds": (0, 1), "out": out, "runs": 2, **changes})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", None),
        ("../data", None),
        ("1e-3", None),
        ("a,b,c", Listed(("a", "b", "c"))),
        ("[4,4],[8]", Listed(("4,4", "8"))),
        ("[4,4]", Listed(("4,4",))),
        ("0..3", Listed(("0", "1", "2", "3"))),
        ("-1..1", Listed(("-1", "0", "1"))),
        ("0.1..0.9", Span(0.1, 0.9)),
        ("log:1e-4..1", Span(1e-4, 1.0, log=True)),
        ("2.0..2.0", Listed(("2.0",))),
    ],
)
def test_cells_are_read(text, values):
    assert read("field", text) == values


@pytest.mark.parametrize(
    ("text", "said"), [("3..1", "write f=1..3"), ("log:0..1", "no logarithm"), ("0..9999999", "too many")]
)
def test_spans_that_mean_nothing_are_refused(text, said):
    with pytest.raises(ValueError, match=said):
        read("f", text)


def test_draws_are_distinct_and_follow_their_law():
    varied = {"a": Listed(("1", "2", "3")), "b": Listed(("x", "y"))}
    assert sorted(map(str, drawn(varied, 50, 0))) == sorted(str({"a": a, "b": b}) for a in "123" for b in "xy")
    assert drawn({}, 9, 0) == [{}]
    spans = {"even": Span(0.0, 2.0), "log": Span(1e-4, 1e-2, log=True)}
    found = drawn(spans, 2000, 1)
    assert found[:10] == drawn(spans, 10, 1) != drawn(spans, 10, 2)
    even, log = (np.array([float(one[name]) for one in found]) for name in spans)
    assert np.mean(even < 1) == pytest.approx(0.5, abs=0.05)
    assert np.mean(log < 1e-3) == pytest.approx(0.5, abs=0.05)
    assert even.min() >= 0 and even.max() <= 2 and log.min() >= 1e-4 and log.max() <= 1e-2


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return search(plan(tmp_path_factory.mktemp("search") / "out"), limit=150, threads=1, console=QUIET)


def test_settings_are_ranked_by_udr_and_stand_beside_the_truth(found):
    assert [one.udr for one in found.settings] == sorted((one.udr for one in found.settings), reverse=True)
    for one in found.settings:
        runs = [Run(found.out / f"{one.number:03d}" / f"seed-{seed}") for seed in (0, 1)]
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

    monkeypatch.setattr(searching, "train", refuse)
    more = search(plan(found.out, runs=3), limit=150, console=QUIET)
    assert trained == ["002/seed-0", "002/seed-1"]
    last = next(one for one in more.settings if one.number == 2)
    assert (last.udr, last.seeds, last.failed) == (None, (), {0: "the loss is nan", 1: "the loss is nan"})
    assert more.settings[-1] == last
    search(plan(found.out, runs=3), limit=150, console=QUIET)
    assert len(trained) == 2
    search(plan(found.out, runs=3), limit=150, console=QUIET, again=True)
    assert len(trained) == 4


def test_a_signal_is_no_failure(tmp_path, monkeypatch):
    def leave(*_, **__):
        error = RuntimeError("asked to leave")
        error.status = 143
        raise error

    monkeypatch.setattr(searching, "train", leave)
    with pytest.raises(RuntimeError, match="asked to leave"):
        search(plan(tmp_path / "out"), console=QUIET)
    assert not (tmp_path / "out" / "search.json").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search_seed": 3}, "holds another search: search_seed is 0 there"),
        ({"varied": {"steps": Listed(("2", "7"))}}, "varied is"),
        ({"seeds": (1, 1)}, "different numbers"),
        ({"runs": 0}, "at least one setting"),
        ({"varied": {"batch": Listed(("1",))}, "out": None}, "at least two things"),
    ],
)
def test_bad_plans_are_refused_before_anything_is_trained(found, changes, said, tmp_path):
    changes = {"out": found.out, **changes}
    made = plan(**{**changes, "out": changes["out"] or tmp_path / "out"})
    with pytest.raises(ValueError, match=said):
        search(made, console=QUIET)
    assert not (tmp_path / "out").exists()


def test_agreement_is_the_correlation_of_ranks(tmp_path):
    pairs = [(0.1, 0.5), (0.2, 0.6), (0.3, 0.9), (0.4, 0.8)]
    settings = tuple(Setting(at, {}, udr, {"mcc": mcc}, {}, (0, 1)) for at, (udr, mcc) in enumerate(pairs))
    assert Search(tmp_path, "udr", settings, "").agreement("mcc") == pytest.approx(0.8)
    assert Search(tmp_path, "udr", settings[:2], "").agreement("mcc") is None


def test_the_command_says_what_udr_picked(capsys, tmp_path):
    fixed = " ".join(f"{name}=[{value}]" if "," in value else f"{name}={value}" for name, value in FIXED.items())
    words = f"search inversion {fixed} steps=2,8 seed=0,1 runs=5 limit=150 select=mcc out={tmp_path}/out threads=1"
    assert main(words.split()) == 0
    shown = capsys.readouterr()
    out = " ".join(shown.out.split())
    assert "setting steps UDR MCC R² seeds" in out
    assert "UDR picks setting" in out
    assert "2 of 2 settings" in out and "best first by mcc" in out
    assert main(words.replace("select=mcc", "select=mc").split()) == 2
    assert "did you mean 'mcc'" in capsys.readouterr().err
    assert main(["search"]) == 2
