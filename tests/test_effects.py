"""The map augmentation x latent at the size of seconds: what it trains, what it says, and what it refuses."""

import json

import chz
import numpy as np
import pytest

from kontrast import lab, methods
from kontrast.augmentations import Crop, Flip
from kontrast.datasets import Sprites
from kontrast.encoders import Conv
from kontrast.lab import effects, measure
from kontrast.lab.trials import BASE, MILD
from kontrast.panels import read_panels
from kontrast.probes import Linear, Recovery
from kontrast.run import Run

from small import digits, latents

CHANGES = {"crop": Crop(scale=(0.3, 0.4)), "flip": Flip()}


def sprites(**changes):
    encoder = Conv(width=2)
    small = {"data": Sprites(size=16, shapes=("ellipse",)), "encoder": encoder, "head.hidden": 8, "head.dim": 4}
    return methods.simclr(**{**small, "batch": 16, "steps": 3, "online": False, **changes})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("effects") / "out"
    return measure(sprites(), CHANGES, seeds=(0, 2), out=out, limit=200, threads=1)


def test_runs_differ_in_seed_and_slot_alone(found):
    folders = {path.name for path in found.out.iterdir() if path.is_dir()}
    assert folders == {f"{name}-{seed}" for name in (BASE, "crop", "flip") for seed in (0, 2)}
    base, crop = (Run(found.out / f"{name}-2").experiment for name in (BASE, "crop"))
    assert base.pairing.recipe == MILD
    assert crop == chz.replace(base, pairing=chz.replace(base.pairing, recipe=chz.replace(MILD, crop=CHANGES["crop"])))
    assert (base.seed, base.data) == (2, sprites().data)


def test_effects_are_means_of_paired_differences(found):
    scored = {(trial.augmentation, trial.seed): trial.scores["x"] for trial in found.trials}
    deltas = [scored["flip", seed] - scored[BASE, seed] for seed in (0, 2)]
    effect = found.of("flip", "x")
    assert effect.delta == pytest.approx(np.mean(deltas))
    assert effect.delta - effect.low == pytest.approx(effect.high - effect.delta)
    # Student's quantile of one degree of freedom, and on top of it the rows.
    assert effect.high - effect.delta > 12.706 * np.std(deltas, ddof=1) / np.sqrt(2)
    run = Run(found.out / "flip-0")
    train, test = (run.encode(split, "embedding", limit=200) for split in ("train", "test"))
    assert scored["flip", 0] == Recovery()(train, test).values["r2/x"]


def test_everything_is_kept(found):
    kept = json.loads((found.out / "effects.json").read_text())
    assert [effects.Effect(**row) for row in kept["effects"]] == list(found.effects)
    assert kept["seeds"] == [0, 2]
    assert "scale=(0.3, 0.4)" in kept["changes"]["crop"]
    assert kept["experiment"]["data"] == "Sprites"
    ((probe, panel),) = read_panels(found.out / "panels.json")
    assert (probe, panel) == ("effects", found.panel)
    assert panel.rows == ("crop", "flip")
    assert panel.columns[:4] == ("scale", "orientation", "x", "y")
    assert "</svg>" in (found.out / "effects.svg").read_text()
    assert (found.out / "effects.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_trained_is_not_trained_again(found, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("everything was trained already")

    monkeypatch.setattr(effects, "train", refuse)
    again = measure(sprites(), {"flip": Flip()}, seeds=(2,), out=found.out, limit=200, threads=1)
    assert again.of("flip", "x").delta == pytest.approx(
        next(t.scores["x"] for t in found.trials if (t.augmentation, t.seed) == ("flip", 2))
        - next(t.scores["x"] for t in found.trials if (t.augmentation, t.seed) == (BASE, 2))
    )
    assert "over test rows" in again.protocol


@pytest.mark.parametrize(
    ("said", "experiment", "changes", "options"),
    [
        ("write augmentations=crop", sprites(), {}, {}),
        ("did you mean 'crop'", sprites(), {"crp": Crop()}, {}),
        ("seeds are different", sprites(), CHANGES, {"seeds": (1, 1)}),
        ("latents are not known", digits(), CHANGES, {}),
        ("augments nothing", latents(), CHANGES, {}),
        ("at least 100 rows", sprites(), CHANGES, {"limit": 10}),
        ("no row has a label", sprites(), CHANGES, {"readout": Linear()}),
        ("write pairing.second=None", sprites(**{"pairing.second": MILD}), CHANGES, {}),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(said, experiment, changes, options, tmp_path):
    with pytest.raises(ValueError, match=said):
        measure(experiment, changes, **{"out": tmp_path / "out", "threads": 1, **options})
    assert not (tmp_path / "out").exists()


def test_other_things_in_the_folder_are_left_alone(found, tmp_path):
    with pytest.raises(ValueError, match="batch is 16 there and 32 here"):
        measure(sprites(batch=32), CHANGES, seeds=(0,), out=found.out, limit=200)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        measure(sprites(), CHANGES, out=tmp_path / "file")


def test_the_laboratory_exports_it():
    assert lab.measure is measure


@pytest.mark.slow
def test_a_mirror_image_takes_the_horizontal_place_and_no_other(tmp_path):
    """Views that may be mirrored leave |x - 1/2| alone of x, of which an affine map reads nothing."""
    experiment = methods.simclr(
        **{"data": Sprites(size=32, shapes=("ellipse",)), "encoder": Conv(width=8), "head.hidden": 64, "head.dim": 32},
        **{"objective.temperature": 0.2, "batch": 128, "steps": 300, "online": False},
    )
    found = measure(experiment, {"flip": Flip()}, seeds=(0,), out=tmp_path, limit=2000, threads=1)
    assert min(found.base(factor) for factor in ("scale", "x", "y")) > 0.85
    assert found.of("flip", "x").high < -0.6
    assert min(found.of("flip", factor).delta for factor in ("scale", "y")) > -0.1
