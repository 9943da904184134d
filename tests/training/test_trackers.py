"""Trackers: what they are told, what happens when they fail, and the real ones where they are installed."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kontrast import train
from kontrast.augmentations import Normalize, Recipe
from kontrast.pairings import Augmented, Conditional
from kontrast.training import trackers
from kontrast.training.pictures import seen, sheet
from kontrast.training.records import Records
from kontrast.training.trackers import Tracker, chosen, identity
from kontrast.views import Views

from small import digits


class Told(Tracker):
    """Notes what it is told, and fails when asked to."""

    name, package = "told", "json"
    made = ()
    fails = ""

    def begin(self):
        type(self).made = (*type(self).made, self)
        self.heard = []
        self.fail("begin")

    def fail(self, what):
        if self.fails == what:
            raise RuntimeError(f"no network\nat {what}")

    def row(self, row):
        self.fail("row")
        self.heard.append(row)

    def picture(self, step, name, picture):
        self.fail("picture")
        self.heard.append((step, name, picture.shape))

    def close(self):
        self.fail("close")
        self.heard.append("closed")


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(Told, "made", ())
    return Told


def test_a_tracker_of_ones_own_is_one_class_and_hears_everything(told, tmp_path):
    run = train(digits(), tmp_path / "run", threads=1, track="told")
    (tracker,) = told.made
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    heard = [row for row in tracker.heard if isinstance(row, dict)]
    assert heard == rows
    assert tracker.config["objective.temperature"] == 0.5
    pictures = [each for each in tracker.heard if isinstance(each, tuple)]
    assert [step for step, _, _ in pictures][:2] == [1, 2]
    assert len(pictures) == 11
    assert tracker.heard[-1] == "closed"


@pytest.mark.parametrize("when", ["begin", "row", "picture", "close"])
def test_a_tracker_that_fails_does_not_end_the_run(when, told, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(told, "fails", when)
    run = train(digits(), tmp_path / "run", threads=1, track="told")
    assert run.checkpoint().step == 12
    said = capsys.readouterr().err
    assert said.count("Told failed") == 1
    assert "(no network)" in said


@pytest.mark.parametrize(
    ("track", "said"),
    [("wanbd", "did you mean 'wandb'"), ("neptune", "wandb, trackio"), ("wandb;trackio", "there is no")],
)
def test_an_unknown_tracker_is_refused_before_work_starts(track, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        train(digits(), tmp_path / "run", threads=1, track=track)
    assert not (tmp_path / "run").exists()


def test_a_missing_package_is_one_sentence_before_work_starts(told, tmp_path, monkeypatch):
    monkeypatch.setattr(told, "package", "no_such_package_anywhere")
    with pytest.raises(ValueError, match=r"pip install 'kontrast\[told\]'"):
        train(digits(), tmp_path / "run", threads=1, track="told")
    assert not (tmp_path / "run").exists()


def test_several_trackers_are_named_with_commas(monkeypatch):
    monkeypatch.setattr(trackers.Trackio, "package", "json")
    monkeypatch.setattr(trackers.WeightsAndBiases, "package", "json")
    assert chosen("wandb, trackio") == [trackers.WeightsAndBiases, trackers.Trackio]
    assert chosen("") == []


def test_a_run_keeps_its_identity(tmp_path):
    first = identity(tmp_path, "wandb")
    assert identity(tmp_path, "wandb") == first
    assert identity(tmp_path, "trackio") != first
    (tmp_path / "trackers.json").write_text("damaged")
    assert identity(tmp_path, "wandb") != first


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_offline(tmp_path, monkeypatch, capsys):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = train(digits(steps=3), tmp_path / "run", threads=1, track="wandb")
    assert "failed" not in capsys.readouterr().err
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    assert folder.name.endswith(json.loads((run.path / "trackers.json").read_text())["wandb"])
    assert [*folder.glob("*.wandb")]
    assert [*folder.rglob("*.png")]


def test_trackio_is_told_by_its_own_functions(tmp_path, monkeypatch):
    """A stand-in with the functions of trackio 0.43, which the real one was compared with."""
    heard = []
    run = types.SimpleNamespace(
        log=lambda metrics, step: heard.append((step, metrics)), finish=lambda: heard.append("finished")
    )
    fake = types.ModuleType("trackio")
    fake.init = lambda **given: heard.append(given) or run
    fake.Image = lambda picture: picture
    monkeypatch.setitem(sys.modules, "trackio", fake)
    with Records(tmp_path, 0, [trackers.Trackio], {"seed": 1}) as records:
        records.write({"step": 4, "loss": 2.0})
        records.picture(4, "views", np.zeros((2, 2, 3), np.uint8))
    assert heard[0]["config"] == {"seed": 1}
    assert heard[0]["resume"] == "allow"
    assert heard[1] == (4, {"loss": 2.0})
    assert heard[2][0] == 4
    assert heard[-1] == "finished"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_pictures_of_the_views(tmp_path):
    from PIL import Image

    run = train(digits(steps=30), tmp_path / "run", threads=1)
    events = EventAccumulator(str(run.path), size_guidance={"images": 0})
    events.Reload()
    shown = events.Images("views")
    assert [event.step for event in shown] == [1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    import io

    made = Image.open(io.BytesIO(shown[0].encoded_image_string))
    assert made.size == (8 * 64 + 7 * 2, 2 * 64 + 2)


def test_a_normalization_is_undone_and_what_leaves_the_range_is_stretched():
    pictures = torch.rand(3, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(crop=None, flip=None, jitter=None, grayscale=None, blur=None, normalize=Normalize(of="imagenet"))
    normalized = Normalize(of="imagenet")(pictures, None)
    plain = np.stack(seen(pictures))
    assert np.abs(np.stack(seen(normalized, recipe)).astype(int) - plain).max() <= 1
    stretched = np.stack(seen(normalized))
    assert (stretched.min((1, 2, 3)) == 0).all()
    assert (stretched.max((1, 2, 3)) == 255).all()
    assert np.array_equal(np.stack(seen((pictures * 255).round().to(torch.uint8))), plain)


def test_vectors_have_no_sheet():
    views = Views((torch.zeros(4, 3), torch.zeros(4, 3)), torch.arange(4))
    assert sheet(views, Conditional()) is None


def test_small_views_have_their_own_rows():
    large, small = torch.rand(9, 1, 32, 32), torch.rand(9, 1, 16, 16)
    views = Views((large, large, small), torch.arange(9))
    assert sheet(views, Augmented(small=1)).shape == (3 * 64 + 2 * 2, 8 * 64 + 7 * 2, 3)
