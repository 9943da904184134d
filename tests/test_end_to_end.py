"""Short real runs that must have learned something, on held-out rows, against the same encoder untrained."""

import pytest
from rich.console import Console

from kontrast import methods, probes, train
from kontrast.cli.pages import DEMO

QUIET = Console(quiet=True)


@pytest.mark.slow
def test_pairs_of_near_latents_teach_where_a_sprite_is(tmp_path):
    experiment = methods.inversion.read([*DEMO, "steps=150", "batch=128"])
    run = train(experiment, tmp_path / "run", console=QUIET)
    found = {row.metric: row for row in run.probe(probes.Recovery(), limit=2000)}
    for name in ("r2/x", "r2/y"):
        row = found[name]
        assert row.value > 0.8
        assert row.value > row.untrained + 0.15
        assert abs(row.null) < 0.05


@pytest.mark.slow
def test_augmented_views_of_clothes_teach_more_than_the_untrained_encoder_knows(tmp_path):
    run = train(methods.simclr(epochs=1.0), tmp_path / "run", console=QUIET)
    rows = {row.metric: row for row in run.probe(probes.KNN(k=20), limit=4000)}
    row = rows["accuracy"]
    assert row.value > row.untrained + 0.01
    assert row.untrained > row.chance


@pytest.mark.slow
def test_matched_pairs_on_the_sphere_recover_the_latents_up_to_rotation(tmp_path):
    experiment = methods.inversion(**{"data.dim": 5, "batch": 256, "steps": 700})
    run = train(experiment, tmp_path / "run", console=QUIET)
    found = {row.metric: row for row in run.probe(probes.Recovery(), limit=4000)}
    assert found["r2/mean"].value > 0.9
    assert found["r2/mean"].value > found["r2/mean"].untrained + 0.1
