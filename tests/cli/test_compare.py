"""`kontrast compare` and `kontrast effects` as a user types them."""

import json

import pytest

from kontrast import train
from kontrast.cli import main

from small import digits, latents

SMALL = (
    "data=Sprites data.size=16 data.shapes=ellipse encoder.width=2 head.hidden=8 head.dim=4 batch=16 steps=2 "
    "online=False limit=150 threads=1"
)


def kontrast(words, capsys):
    status = main(words.split())
    shown = capsys.readouterr()
    return status, " ".join(shown.out.split()), " ".join(shown.err.split()), shown.out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("compare")
    for seed in range(3):
        train(digits(seed=seed, steps=2), out / f"d{seed}", threads=1)
    train(latents(steps=2), out / "other", threads=1)
    return out


def test_runs_are_compared(runs, capsys, tmp_path):
    names = " ".join(str(runs / f"d{seed}") for seed in range(3))
    status, said, _, _ = kontrast(f"compare {names} limit=300 out={tmp_path / 'found.json'}", capsys)
    assert status == 0
    for words in ("Consistency", "UDR", "run 2", "consistent is not correct", "interval over runs"):
        assert words in said
    kept = json.loads((tmp_path / "found.json").read_text())
    assert {score["probe"] for score in kept["scores"]} == {"Consistency", "UDR"}
    affine = next(score for score in kept["scores"] if score["metric"] == "consistency/affine")
    assert affine["low"] < affine["value"] <= affine["high"]
    assert affine["warning"]
    assert {panel["kind"] for panel in kept["panels"]} == {"Heat"}


def test_a_comparison_has_options_and_a_layer(runs, capsys):
    pair = f"{runs / 'd0'} {runs / 'd1'}"
    status, said, _, _ = kontrast(
        f"compare {pair} consistency consistency.by=permutation layer=feature limit=200 checkpoint=2", capsys
    )
    assert status == 0
    assert "permutation" in said
    assert "layer: feature" in said
    assert "UDR" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compare", "say which runs to compare"),
        ("compare {0}/d0", "say which runs to compare"),
        ("compare {0}/d0 {0}/none", "none is no run"),
        ("compare {0}/d0 {0}/d0 consistency", "is given twice"),
        ("compare {0}/d0 {0}/other", "trained on different data"),
        ("compare {0}/d0 {0}/d1 consistancy", "did you mean 'consistency'"),
        ("compare {0}/d0 {0}/d1 consistency udr.of=spearman", "belongs to no comparison"),
        ("compare {0}/d0 {0}/d1 consistency.by=linear", "by"),
        ("compare {0}/d0 {0}/d1 limit=few", "no whole number"),
        ("compare {0}/d0 {0}/d1 checkpoint=7", "no checkpoint of step 7"),
        ("effects simclr", "kontrast effects simclr"),
        ("effects simclr augmentations=crp", "did you mean 'crop'"),
        ("effects simclr augmentations=crop base=rotation", "has no rotation"),
        ("effects simclr augmentations=crop flip.p=1", "flip.p belongs to no augmentation tried"),
        ("effects simclr augmentations=crop crop.scal=1", "did you mean 'scale'"),
        ("effects simclr augmentations=crop seed=1", "write seeds=1"),
        ("effects inversion augmentations=crop", "augments nothing"),
        ("effects simclr augmentations=crop readout=recovry", "did you mean 'recovery'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(words, said, runs, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err, _ = kontrast(words.format(runs), capsys)
    assert status == 2
    assert said in err
    assert not list(tmp_path.iterdir())


def test_the_map_is_printed_and_kept(capsys, tmp_path):
    words = f"effects simclr {SMALL} augmentations=crop,flip crop.scale=.3,.4 base=none seeds=0 layer=feature"
    status, said, notes, raw = kontrast(f"{words} out={tmp_path / 'out'}", capsys)
    assert status == 0
    rows = [line.split()[0] for line in raw.splitlines() if line.strip()]
    assert [name for name in rows if name in ("base", "crop", "flip")] == ["base", "crop", "flip"]
    assert "scale orientation x y mean" in said
    assert "Recovery on the feature" in said
    assert max(map(len, raw.splitlines()[:4])) <= 80
    kept = json.loads((tmp_path / "out" / "effects.json").read_text())
    assert "scale=(0.3, 0.4)" in kept["changes"]["crop"]
    assert kept["experiment"]["pairing.recipe.crop"] is None
    status, _, notes, _ = kontrast(f"{words} out={tmp_path / 'out'}", capsys)
    assert notes.count("trained already") == 3


def test_the_base_keeps_slots_of_the_method(capsys, tmp_path):
    words = f"effects simclr {SMALL} augmentations=flip base=crop,blur pairing.recipe.crop.scale=.6,1 seeds=0"
    assert kontrast(f"{words} out={tmp_path / 'out'}", capsys)[0] == 0
    recipe = json.loads((tmp_path / "out" / "effects.json").read_text())["experiment"]
    on = {name for name in recipe if name.count(".") == 2 and name.startswith("pairing.recipe.") and recipe[name]}
    assert {"pairing.recipe.crop", "pairing.recipe.blur"} <= on
    assert "pairing.recipe.flip" not in on
    assert recipe["pairing.recipe.crop.scale"] == [0.6, 1.0]
