"""The inversion laboratory at the size of seconds: what it trains, what it takes over, and what it refuses."""

import json
import shutil
import statistics

import pytest

from kontrast import lab, methods, probes, theory
from kontrast.blueprints import values
from kontrast.encoders import Mlp
from kontrast.heads import Identity, Linear, Projection
from kontrast.lab import inversion, invert
from kontrast.run import Run
from kontrast.training import train

from small import digits, latents

QUIET = {"limit": 400, "threads": 1}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return invert(latents(), seeds=(0, 3), out=tmp_path_factory.mktemp("lab") / "out", **QUIET)


def test_every_encoder_is_scored_with_every_seed(found):
    assert [(row.seed, row.encoder) for row in found.rows] == [
        (seed, encoder) for seed in (0, 3) for encoder in ("identity", "untrained", "supervised", "unsupervised")
    ]
    folders = {path.name for path in found.out.iterdir() if path.is_dir()}
    assert folders == {"unsupervised-0", "supervised-0", "unsupervised-3", "supervised-3"}


def test_a_seed_is_that_of_the_run_and_of_the_mixing(found):
    for kind in ("unsupervised", "supervised"):
        experiment = Run(found.out / f"{kind}-3").experiment
        assert (experiment.seed, experiment.data.seed) == (3, 3)


def test_the_ceiling_differs_in_what_it_is_told_alone(found):
    free, told = (values(Run(found.out / f"{kind}-0").experiment) for kind in ("unsupervised", "supervised"))
    different = {path.partition(".")[0] for path in {**free, **told} if free.get(path) != told.get(path)}
    assert different == {"pairing", "space", "teacher", "objective"}


def test_scores_are_those_of_the_probes(found):
    run = Run(found.out / "unsupervised-0")
    scores = {score.metric: score for score in run.probe(probes.Recovery(), probes.MCC(), limit=QUIET["limit"])}
    row = next(row for row in found.rows if row.encoder == "unsupervised" and row.seed == 0)
    before = next(row for row in found.rows if row.encoder == "untrained" and row.seed == 0)
    assert (row.r2, row.r2_null) == (scores["r2/mean"].value, scores["r2/mean"].null)
    assert (row.mcc, row.spearman) == (scores["mcc/pearson"].value, scores["mcc/spearman"].value)
    assert before.r2 == scores["r2/mean"].untrained
    identity = next(row for row in found.rows if row.encoder == "identity" and row.seed == 0)
    raw = (run.encode(split, "raw", limit=400) for split in ("train", "test"))
    assert identity.r2 == probes.Recovery()(*raw).values["r2/mean"]


def test_the_gap_is_to_the_loss_of_the_true_latents(found):
    row = next(row for row in found.rows if row.encoder == "unsupervised" and row.seed == 0)
    rows = [json.loads(line) for line in (found.out / "unsupervised-0" / "metrics.jsonl").read_text().splitlines()]
    assert row.loss == rows[-1]["loss"]  # a twentieth of 12 steps is the last one
    assert row.gap == pytest.approx(row.loss - found.prediction.truth)
    assert found.prediction == theory.check(latents())
    assert all(row.gap is None for row in found.rows if row.encoder != "unsupervised")


def test_means_and_deviations_are_over_seeds(found):
    pair = [row.mcc for row in found.rows if row.encoder == "supervised"]
    assert found.over_seeds("supervised", "mcc") == (statistics.mean(pair), statistics.stdev(pair))
    assert found.over_seeds("identity", "loss") is None
    assert 0 < found.over_seeds("unsupervised", "cpu")[0] < 600


def test_the_file_has_all_numbers(found):
    kept = json.loads((found.out / "lab.json").read_text())
    assert [lab.Row(**row) for row in kept["rows"]] == list(found.rows)
    assert kept["seeds"] == [0, 3]
    assert kept["experiment"]["data"] == "Mixing"
    assert kept["prediction"]["recovery"] == "orthogonal"
    assert "torch" in kept["environment"]["packages"]
    assert "400 rows" in kept["protocol"]


def test_what_is_trained_is_not_trained_again(found, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("everything was trained already")

    monkeypatch.setattr(inversion, "train", refuse)
    again = invert(latents(), seeds=(0, 3), out=found.out, **QUIET)
    assert again.rows == found.rows
    fewer = invert(latents(), seeds=(3,), out=found.out, only="supervised", **QUIET)
    assert [row.encoder for row in fewer.rows] == ["identity", "untrained", "supervised"]


def test_a_stopped_run_goes_on(found, tmp_path):
    whole = Run(found.out / "unsupervised-0")
    train(whole.experiment, tmp_path / "unsupervised-0", save_seconds=0, threads=1)
    last = sorted((tmp_path / "unsupervised-0" / "checkpoints").iterdir())[-1]
    shutil.rmtree(last)
    assert Run(tmp_path / "unsupervised-0").checkpoint().step == 11
    made = invert(latents(), seeds=(0,), out=tmp_path, only="unsupervised", **QUIET)
    there, here = (Run(out / "unsupervised-0").checkpoint() for out in (found.out, tmp_path))
    assert here.state["fingerprint"] == there.state["fingerprint"]
    assert made.over_seeds("unsupervised", "r2")[0] == found.rows[3].r2


def test_the_length_of_the_ceiling_and_the_data_can_be_set(tmp_path):
    out = tmp_path / "lab"
    invert(latents(), seeds=(1,), out=out, only="supervised", supervised_steps=5, reseed_data=False, **QUIET)
    run = Run(out / "supervised-1")
    assert (run.experiment.steps, run.experiment.data.seed, run.checkpoint().step) == (5, 0, 5)


def test_a_head_that_gives_no_latents_is_replaced():
    bare = latents(encoder=Mlp(widths=(3,), relative=False), head=Identity())
    assert lab.supervised(bare).head == Linear()
    made = lab.supervised(latents(head=Projection(hidden=8, dim=5)))
    assert (made.head, made.dim) == (Projection(hidden=8), 3)


@pytest.mark.parametrize(
    ("said", "experiment", "options"),
    [
        ("does not know its latents", digits(), {}),
        ("the supervised run itself", lab.supervised(latents()), {}),
        ("seeds are different", latents(), {"seeds": (1, 1)}),
        ("seeds are different", latents(), {"seeds": ()}),
        ("seeds are different", latents(), {"seeds": (-1,)}),
        ("did you mean 'supervised'", latents(), {"only": "supervisd"}),
        ("at least 100 rows", latents(), {"limit": 10}),
        ("number of steps", latents(), {"supervised_steps": 0}),
        ("no end and so no epochs", latents(steps=None, epochs=1), {}),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(said, experiment, options, tmp_path):
    with pytest.raises(ValueError, match=said):
        invert(experiment, **{"out": tmp_path / "lab", **QUIET, **options})
    assert not (tmp_path / "lab").exists()


def test_other_things_in_the_folder_are_left_alone(found, tmp_path):
    with pytest.raises(ValueError, match=r"batch is 64 there and 32 here"):
        invert(latents(batch=32), seeds=(0,), out=found.out, **QUIET)
    (tmp_path / "supervised-0").mkdir()
    (tmp_path / "supervised-0" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="no run"):
        invert(latents(), seeds=(0,), out=tmp_path, **QUIET)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        invert(latents(), out=tmp_path / "file", **QUIET)


def test_a_final_loss_is_read_or_not(tmp_path):
    assert lab.final_loss(tmp_path) is None
    rows = [{"step": step, "loss": float(step)} for step in range(10, 1001, 10)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert lab.final_loss(tmp_path) == 980.0  # steps 960, 970, ..., 1000
    (tmp_path / "metrics.jsonl").write_text("no json\n")
    assert lab.final_loss(tmp_path) is None


def test_pictures_have_no_row_of_their_own(tmp_path):
    words = (
        "data=Sprites data.size=16 data.shapes=square encoder=Conv encoder.width=4 space=Euclidean batch=16 steps=3 "
        "pairing.similarity=Lp objective.similarity=Lp"
    )
    made = invert(methods.inversion.read(words.split()), seeds=(0,), out=tmp_path, only="unsupervised", **QUIET)
    assert [row.encoder for row in made.rows] == ["untrained", "unsupervised"]
    assert made.prediction.recovery == "none"


@pytest.mark.slow
def test_two_latents_in_a_box_are_told_apart(tmp_path):
    words = "data.space=Box data.dim=2 data.layers=2 pairing.similarity=Lp objective.similarity=Lp space=Box"
    experiment = methods.inversion.read([*words.split(), "batch=128", "steps=600", "online=False"])
    made = invert(experiment, seeds=(0,), out=tmp_path, limit=2000, threads=1)
    assert made.prediction.recovery == "permutation and sign"
    assert made.over_seeds("unsupervised", "mcc")[0] > 0.98 > made.over_seeds("untrained", "mcc")[0]
    assert made.over_seeds("supervised", "mcc")[0] > 0.98
    assert abs(made.over_seeds("unsupervised", "gap")[0]) < 0.15
