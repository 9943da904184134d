"""What holds for every tuning, however it trains."""

import math

import chz
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from kontrast import train
from kontrast.checkpoints import fingerprint
from kontrast.datasets import STL10, Digits, ImageFolder, Mixing, Subset
from kontrast.parts import known, summary
from kontrast.scores import Score
from kontrast.tuning import Tuning

from small import digits, latents

QUIET = Console(quiet=True)
EVERY = pytest.mark.parametrize(
    "tuning", [cls(epochs=1.0) for cls in known(Tuning).values()], ids=lambda tuning: type(tuning).__name__
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(digits(steps=20), tmp_path_factory.mktemp("runs") / "digits", console=QUIET)


def finite(scores):
    assert scores.values
    for name, value in scores.values.items():
        assert type(value) is float and math.isfinite(value)
        assert 0 <= scores.chance[name] <= 1
        if name in scores.interval:
            low, high = scores.interval[name]
            assert low <= value <= high
    assert "accuracy" in scores.interval
    assert "\n" not in scores.protocol
    for word in ("rows (hash ", "scored on ", "epochs", "steps", "crop and flip", "seed", "rate"):
        assert word in scores.protocol
    # What a run keeps of it.
    assert Score("tuning", "accuracy", scores.values["accuracy"], protocol=scores.protocol).value >= 0


@EVERY
def test_scores_are_finite_with_chance_interval_and_protocol(tuning, run, tmp_path):
    finite(tuning(run, tmp_path))
    finite(tuning.baseline(run, tmp_path))


@EVERY
def test_it_repeats_and_leaves_the_run_alone(tuning, run, tmp_path):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.suffix != ".npz"}
    mark = fingerprint(run.student().state_dict())
    assert tuning(run, tmp_path / "one", fraction=0.2) == tuning(run, tmp_path / "two", fraction=0.2)
    assert fingerprint(run.student().state_dict()) == mark
    assert {path: path.read_bytes() for path in before} == before


@EVERY
def test_few_rows_are_enough(tuning, run, tmp_path):
    finite(tuning(run, tmp_path, fraction=0.01))


@EVERY
def test_what_it_cannot_learn_from_is_one_sentence_before_anything_is_trained(tuning, run, tmp_path):
    vectors = train(latents(steps=2), tmp_path / "vectors", console=QUIET)
    for asked, data, said in (
        (vectors, None, "has no labels"),
        (run, Mixing(), "has no labels"),
        (run, STL10(), r"trained on shape \(1, 8, 8\), and STL10 has \(3, 96, 96\)"),
    ):
        with pytest.raises(ValueError, match=said) as error:
            tuning(asked, tmp_path / "out", data=data)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="has no checkpoint of step 3"):
        tuning(run, tmp_path / "out", step=3)
    with pytest.raises(ValueError, match="fraction of 0"):
        tuning(run, tmp_path / "out", fraction=0.0)
    assert not (tmp_path / "out").exists()


@EVERY
def test_rows_without_a_label_are_refused(tuning, run, tmp_path, monkeypatch):
    hold = Digits.hold

    def unlabeled(data, split):
        held = hold(data, split)
        labels = held.labels.clone()
        labels[3] = -1
        return type(held)(held.store, held.index, labels, held.latents)

    monkeypatch.setattr(Digits, "hold", unlabeled)
    with pytest.raises(ValueError, match="rows without a label in its train split"):
        tuning(run, tmp_path / "out")


@EVERY
def test_other_rows_go_to_another_folder(tuning, run, tmp_path):
    for data in (None, Subset(of=Digits(), holdout=0.5, test="held")):
        for fraction in (0.5, 0.2):
            tuning(run, tmp_path, data=data, fraction=fraction)
    assert len([*tmp_path.iterdir()]) == 4


def shown(root, tones, test=()):
    """Pictures of two classes, whose tones are these, and which are noise besides; of test pictures, the same ones."""
    for split, count in (("train", 20), ("test", 10)):
        for name, tone in tones.items():
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for k in range(count):
                seed = [tone, k, split == "test" and k not in test]
                noise = np.random.default_rng(seed).integers(-50, 50, (8, 8))
                Image.fromarray((tone + noise).astype(np.uint8)).save(root / split / name / f"{k}.png")


@EVERY
def test_other_pictures_of_the_same_names_are_learned_anew(tuning, run, tmp_path):
    shown(tmp_path / "pictures", {"dark": 60, "light": 190})
    data = ImageFolder(root=str(tmp_path / "pictures"), size=8, channels=1)
    learned = chz.replace(tuning, epochs=4.0, batch=8, rates=(0.01, 0.1))
    one, base = (start(run, tmp_path / "out", data=data) for start in (learned, learned.baseline))
    assert one.values["accuracy"] > 0.9
    shown(tmp_path / "pictures", {"dark": 190, "light": 60})
    two, other = (start(run, tmp_path / "out", data=data) for start in (learned, learned.baseline))
    assert two.values["accuracy"] > 0.9
    assert two.values["accuracy/validation"] > 0.5
    assert abs(other.values["accuracy"] - base.values["accuracy"]) < 0.5


@EVERY
def test_rows_of_both_splits_are_refused(tuning, run, tmp_path, monkeypatch):
    shown(tmp_path / "pictures", {"dark": 60, "light": 190}, test=range(2))
    data = ImageFolder(root=str(tmp_path / "pictures"), size=8, channels=1)
    for start in (tuning, tuning.baseline):
        with pytest.raises(ValueError, match="overlap the training rows: 4 of 20 are equal to one of them"):
            start(run, tmp_path / "out", data=data)
    hold, split_of = Digits.hold, {"test": "train"}
    monkeypatch.setattr(Digits, "hold", lambda data, split: hold(data, split_of.get(split, split)))
    with pytest.raises(ValueError, match="the test rows overlap the training rows: 1,347 of 1,347"):
        tuning(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@EVERY
def test_it_is_a_value_that_explains_itself(tuning):
    assert tuning == type(tuning)(epochs=1.0)
    assert summary(type(tuning)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(tuning).values())


def test_the_suite_knows_them():
    assert {"FineTune", "LinearSGD"} <= set(known(Tuning))
