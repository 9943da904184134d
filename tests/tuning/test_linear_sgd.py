"""Linear evaluation by SGD: the encoder stays, the choice is fair, and it ends where L-BFGS does."""

import json

import chz
import numpy as np
import pytest
import torch
from rich.console import Console

from kontrast import probes, train
from kontrast.checkpoints import fingerprint
from kontrast.datasets import Digits, Subset
from kontrast.encoders import Conv
from kontrast.model import Student
from kontrast.schedules import Plateau, Step
from kontrast.tuning import LinearSGD
from kontrast.tuning.heads import Heads

from small import digits

QUIET = Console(quiet=True)
SHORT = LinearSGD(epochs=2.0)
ONE = {"rates": (0.1,), "decays": (0.0,)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    encoder = Conv(width=8, batch_norm=True, dropout=0.2)
    return train(digits(steps=60, encoder=encoder), tmp_path_factory.mktemp("runs") / "digits", console=QUIET)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rates": ()}, "write rates=0.01,0.03,0.1"),
        ({"rates": (0.1, -1.0)}, "different positive numbers"),
        ({"decays": ()}, "write decays=0,0.0001"),
        ({"holdout": 0.0}, "write holdout=0.1"),
        ({"epochs": 0.0}, "epochs and batch are positive"),
        ({"schedule": Plateau()}, "write schedule=Step"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        LinearSGD(**options)


def test_not_a_bit_of_the_encoder_changes(run, tmp_path, monkeypatch):
    seen = []
    found = type(run).student
    monkeypatch.setattr(
        type(run), "student", lambda *words, **options: seen.append(found(*words, **options)) or seen[-1]
    )
    before = fingerprint(found(run).state_dict())
    SHORT(run, tmp_path)
    assert len(seen) == 1
    assert fingerprint(seen[0].state_dict()) == before
    assert not any(module.training for module in seen[0].modules())
    assert all(parameter.grad is None for parameter in seen[0].parameters())


def test_without_augmentation_it_ends_where_the_linear_probe_does(run, tmp_path):
    """Within a point of L-BFGS on the same features at the same penalty."""
    tuning = LinearSGD(rates=(0.3,), decays=(2e-2,), epochs=60.0, recipe=None, batch=128)
    found = tuning(run, tmp_path).values["accuracy"]
    # decay / 2 |W|^2 of torch's SGD is penalty |W|^2 of the probe.
    features = run.encode("train"), run.encode("test")
    assert found == pytest.approx(probes.Linear(penalty=1e-2)(*features).values["accuracy"], abs=0.01)


def test_the_setting_is_chosen_by_rows_that_its_heads_never_saw(run, tmp_path, monkeypatch):
    learned, made = {}, []
    init, learn = Heads.__init__, Heads.learn

    def noted(heads, features, labels, factor):
        learned[id(heads)] = learned.get(id(heads), 0) + len(labels)
        learn(heads, features, labels, factor)

    monkeypatch.setattr(
        Heads, "__init__", lambda heads, *words, **options: made.append(heads) or init(heads, *words, **options)
    )
    monkeypatch.setattr(Heads, "learn", noted)
    tuning = LinearSGD(rates=(1e-6, 0.1), decays=(0.0,), epochs=4.0, batch=64, holdout=0.25)
    found = tuning(run, tmp_path, fraction=0.5)
    whole, part = made
    assert learned[id(whole)] == 4 * (673 // 64) * 64
    assert learned[id(part)] == pytest.approx(0.75 * learned[id(whole)], rel=0.03)
    assert not torch.equal(whole.weight, part.weight)
    choice = json.loads(next(tmp_path.glob("*/step-*/state.json")).read_text())
    assert choice["settings"] == [[1e-6, 0.0], [0.1, 0.0]]
    accuracies = [accuracy for accuracy, _ in choice["trials"]]
    assert (choice["rate"], accuracies[1]) == (0.1, max(accuracies))
    assert found.values["accuracy/validation"] == accuracies[1]
    assert "rate 0.1 is the largest of those tried" in found.warnings["accuracy"]
    assert "among 2 settings by the accuracy on 168 of these rows, held out" in found.protocol
    assert found.panels[-1].values == (tuple(accuracies),)


def test_the_choice_does_not_look_at_the_test_rows(run, tmp_path, monkeypatch):
    """With the labels of the test rows permuted, the same classifier is chosen."""
    one = LinearSGD(epochs=2.0)(run, tmp_path / "one")
    hold = Digits.hold

    def permuted(data, split):
        held = hold(data, split)
        order = torch.randperm(len(held.labels), generator=torch.Generator().manual_seed(0))
        return chz_free(held, held.labels[order]) if split == "test" else held

    def chz_free(held, labels):
        return type(held)(held.store, held.index, labels, held.latents)

    monkeypatch.setattr(Digits, "hold", permuted)
    two = LinearSGD(epochs=2.0)(run, tmp_path / "two")
    assert two.values["accuracy"] < 0.3 < one.values["accuracy"]
    heads = [next((tmp_path / name).glob("*/step-*/tensors.safetensors")) for name in ("one", "two")]
    assert heads[0].read_bytes() == heads[1].read_bytes()


def test_one_setting_leaves_nothing_to_choose(run, tmp_path):
    found = LinearSGD(epochs=2.0, **ONE)(run, tmp_path)
    assert "accuracy/validation" not in found.values and not found.warnings
    assert "held out" not in found.protocol


def test_it_repeats_bit_for_bit_and_is_kept(run, tmp_path, monkeypatch):
    torch.manual_seed(1)
    one = SHORT(run, tmp_path / "one")
    torch.manual_seed(2)
    assert SHORT(run, tmp_path / "two") == one
    monkeypatch.setattr(Heads, "learn", lambda *_: pytest.fail("trained again"))
    assert SHORT(run, tmp_path / "one") == one
    with pytest.raises(pytest.fail.Exception):
        chz.replace(SHORT, seed=1)(run, tmp_path / "one")


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
def test_what_is_damaged_is_trained_again(name, run, tmp_path):
    """Also where it can still be read: a bit of a weight, a digit of a rate."""
    one = LinearSGD(epochs=1.0, **ONE)(run, tmp_path)
    path = next(tmp_path.glob(f"*/step-*/{name}"))
    whole = path.read_bytes()
    altered = whole.replace(b'"rate": 0.1', b'"rate": 0.3').replace(b'"sha256": "', b'"sha256": "0')
    for damaged in (b"{", altered if altered != whole else whole[:-1] + bytes([whole[-1] ^ 64])):
        path.write_bytes(damaged)
        assert LinearSGD(epochs=1.0, **ONE)(run, tmp_path) == one
        assert path.read_bytes() == whole


def test_the_classifier_works_on_features_as_they_are(run, tmp_path):
    """Standardization is folded into the weights that are kept."""
    from safetensors.torch import load_file

    found = SHORT(run, tmp_path)
    head = load_file(next(tmp_path.glob("*/step-*/tensors.safetensors")))
    test = run.encode("test")
    guess = (test.values @ head["weight"].numpy().T + head["bias"].numpy()).argmax(1)
    assert np.mean(guess == test.labels) == pytest.approx(found.values["accuracy"], abs=0.005)


def test_a_feature_that_does_not_vary_does_no_harm(run, tmp_path, monkeypatch):
    features = Student.features
    monkeypatch.setattr(
        Student, "features", lambda *words: torch.cat([features(*words), torch.full((len(words[1]), 1), 3.0)], 1)
    )
    found = LinearSGD(epochs=1.0, **ONE)(run, tmp_path)
    assert found.values["accuracy"] > 0.2


def test_the_rate_falls_as_the_schedule_says(run, tmp_path, monkeypatch):
    factors = []
    learn = Heads.learn
    monkeypatch.setattr(Heads, "learn", lambda *words: factors.append(words[-1]) or learn(*words))
    LinearSGD(epochs=10.0, batch=1347, schedule=Step(), **ONE)(run, tmp_path)
    assert factors == pytest.approx([1.0] * 6 + [0.1] * 2 + [0.01] * 2)


def test_the_untrained_encoder_has_another_folder_and_score(run, tmp_path):
    found, base = SHORT(run, tmp_path), SHORT.baseline(run, tmp_path)
    assert len([*tmp_path.iterdir()]) == 2
    assert found.values != base.values
    assert "untrained encoder" in base.protocol


def test_an_encoder_is_asked_of_other_data_of_the_same_shape(run, tmp_path):
    found = SHORT(run, tmp_path, data=Subset(of=Digits(), holdout=0.5, test="held"))
    assert "trained on 674 rows" in found.protocol and "scored on 673" in found.protocol
