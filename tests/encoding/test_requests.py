"""What probes ask to have encoded besides: other rows, changes, views, and passes with dropout."""

from dataclasses import dataclass

import chz
import numpy as np
import pytest
import torch
from rich.console import Console

from kontrast import probes, train
from kontrast.augmentations import Invert, Recipe
from kontrast.augmentations.recipe import SLOTS
from kontrast.datasets import Digits, Sprites
from kontrast.draws import Draws
from kontrast.encoders import Conv
from kontrast.model import Student
from kontrast.probes import Encoding, Scores

from small import digits, latents

QUIET = Console(quiet=True)
INVERTED = chz.replace(Recipe(**dict.fromkeys(SLOTS)), invert=Invert(p=1.0))


@dataclass(frozen=True)
class Heard:
    """A probe that keeps what it is given."""

    requests: tuple = ()
    layer: str = "feature"
    given = {}  # noqa: RUF012

    def check(self, features):
        pass

    def extra(self):
        return dict(self.requests)

    def __call__(self, train, test):
        self.given[self.layer] = (train, test)
        return Scores({"rows": float(len(test))}, "heard")


@pytest.fixture(autouse=True)
def named(monkeypatch):
    from kontrast.examination import examination

    monkeypatch.setattr(examination, "label", lambda probe, *_: f"{type(probe).__name__} {probe.layer}")
    Heard.given.clear()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "digits"
    return train(digits(steps=5, encoder=Conv(width=4, dropout=0.3)), out, console=QUIET)


@pytest.fixture(scope="module")
def inversion(tmp_path_factory):
    return train(latents(steps=5), tmp_path_factory.mktemp("runs") / "latents", console=QUIET)


def heard(run, *requests, layer="feature", **options):
    found = run.examine(Heard(requests, layer), **{"baselines": False, "cache": False, **options})
    return Heard.given[layer][1].extra, found


def test_a_change_is_that_of_the_recipe_on_the_same_rows(run):
    extra, _ = heard(run, ("inverted", Encoding(change=INVERTED)))
    things = next(run.experiment.data.open("test").chunks(450))
    with torch.no_grad():
        expected = run.student().features(1 - things.observations.float() / 255)
    np.testing.assert_allclose(extra["inverted"].values, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert np.array_equal(extra["inverted"].index, things.index.numpy())
    assert np.array_equal(extra["inverted"].digest, run.encode("test", "raw").digest)
    raw, _ = heard(run, ("inverted", Encoding(change=INVERTED)), layer="raw")
    np.testing.assert_allclose(raw["inverted"].values, 255 - things.observations.flatten(1).numpy(), atol=1e-3)


def test_draws_are_a_function_of_the_seed_and_the_row(run):
    recipe = Recipe()
    requests = [(f"{seed}", Encoding(change=recipe, seed=seed)) for seed in (0, 1)]
    first, _ = heard(run, *requests)
    some, _ = heard(run, *requests, limit=60)
    rows = some["1"].index
    np.testing.assert_allclose(some["1"].values, first["1"].values[rows], rtol=1e-3, atol=1e-4)
    assert not np.allclose(first["0"].values, first["1"].values)


def test_views_are_those_of_the_pairing_of_the_run(run):
    extra, _ = heard(run, ("first", Encoding(view=0, seed=3)), ("second", Encoding(view=1, seed=3)))
    source = run.experiment.data.open("test")
    views = run.experiment.pairing(next(source.chunks(450)), source, Draws(3, 0, 450)).views
    with torch.no_grad():
        expected = [run.student().features(view).numpy() for view in views]
    for name, values in zip(("first", "second"), expected, strict=True):
        np.testing.assert_allclose(extra[name].values, values, rtol=1e-4, atol=1e-5)


def test_views_of_latents_are_near_each_other(inversion):
    extra, _ = heard(inversion, ("first", Encoding(view=0)), ("second", Encoding(view=1)), layer="raw", limit=600)
    first, second = extra["first"].values, extra["second"].values
    assert np.array_equal(first, Heard.given["raw"][1].values)
    assert 0 < np.square(first - second).mean() < 0.5 * np.square(first - second[::-1]).mean()


def test_passes_with_dropout_have_a_spread(run):
    extra, _ = heard(run, ("passes", Encoding(samples=4, seed=run.experiment.seed)))
    expected = run.encode("test", samples=4)
    for name in ("values", "spread", "concentration"):
        assert np.array_equal(getattr(extra["passes"], name), getattr(expected, name))


def test_other_data_have_no_more_rows_than_the_probe_has(run):
    extra, _ = heard(run, ("other", Encoding(data=Digits(), split="train")), limit=100)
    assert len(extra["other"]) == 100
    things = next(Digits().open("train").chunks(100, 100))
    assert np.array_equal(extra["other"].index, things.index.numpy())


def test_training_rows_are_those_of_the_fraction(run):
    extra, _ = heard(run, ("changed", Encoding(split="train", change=INVERTED)), fraction=0.1)
    train_rows = Heard.given["feature"][0]
    assert np.array_equal(extra["changed"].index, train_rows.index)
    assert len(train_rows) == 134


def test_what_cannot_be_had_is_left_out_and_said(inversion, run, tmp_path):
    extra, found = heard(inversion, ("changed", Encoding(change=INVERTED)), ("passes", Encoding(samples=2)), limit=100)
    assert not extra
    (row,) = found.scores
    assert "changed left out: Mixing gives vectors" in row.protocol
    assert "passes left out: nothing drops out before the feature layer" in row.protocol
    extra, found = heard(run, ("third", Encoding(view=2)), ("sprites", Encoding(data=Sprites(size=16))))
    assert not extra
    assert "makes 2 views" in found.scores[0].protocol
    assert "trained on shape" in found.scores[0].protocol


def test_the_same_request_of_two_probes_is_encoded_once(run, monkeypatch):
    sizes, features = [], Student.features
    monkeypatch.setattr(Student, "features", lambda self, x: sizes.append(len(x)) or features(self, x))
    request = Encoding(change=INVERTED, seed=4)
    asked = [Heard((("a", request),)), Heard((("b", request),), "stem"), probes.KNN()]
    run.examine(*asked, baselines=False, cache=False)
    assert sum(sizes) == 1347 + 450 + 450
    a, b = Heard.given["feature"][1].extra["a"], Heard.given["stem"][1].extra["b"]
    assert len(a) == len(b) == 450


def test_passes_that_one_layer_allows_are_not_lost_with_those_of_another(tmp_path):
    run = train(digits(steps=2, **{"head.dropout": 0.5}), tmp_path / "run", console=QUIET)
    request = (("passes", Encoding(samples=2)),)
    found = run.examine(Heard(request), Heard(request, "embedding"), baselines=False, cache=False)
    assert "nothing drops out before the feature" in found.scores[0].protocol
    assert Heard.given["embedding"][1].extra["passes"].spread.max() > 0
    assert not Heard.given["feature"][1].extra
