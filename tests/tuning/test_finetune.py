"""Fine-tuning: which rows and weights it takes, how it chooses, and that its runs are runs."""

import json
import shutil
import signal

import chz
import pytest
import torch
from rich.console import Console

from kontrast import methods, train
from kontrast.checkpoints import fingerprint
from kontrast.datasets import Digits, Subset
from kontrast.encoders import Conv
from kontrast.optimizers import LARS, SGD
from kontrast.run import Run
from kontrast.training import Interrupted, loop
from kontrast.tuning import FineTune, Task

from small import digits

QUIET = Console(quiet=True)
SHORT = FineTune(epochs=2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(digits(steps=60), tmp_path_factory.mktemp("runs") / "digits", console=QUIET)


def task(run, out, data=None, **options):
    found = run.checkpoint()
    return Task(run, out, data or run.experiment.data, found.step, found.state["fingerprint"], "", **options)


def folders(out):
    return sorted(path.name for path in out.iterdir())


def trained(monkeypatch):
    """The experiments that are trained from here on."""
    seen = []
    monkeypatch.setattr(
        "kontrast.tuning.finetune.train", lambda *words, **options: seen.append(words[0]) or train(*words, **options)
    )
    return seen


def test_the_experiment_is_that_of_the_paper(run, tmp_path):
    """Clip of semi-supervised evaluation: crop and flip alone, Nesterov's SGD, no decay, the run's encoder."""
    tuning = FineTune(block=2, decay=0.5, epochs=30, batch=64, optimizer=SGD(rate=0.02, momentum=0.98, nesterov=True))
    made = tuning.experiment(task(run, tmp_path), run.experiment.data, 0.02, 3)
    assert (made.encoder, made.seed, made.batch, made.epochs) == (run.experiment.encoder, 3, 64, 30.0)
    assert (made.start.run, made.start.checkpoint, made.start.frozen) == (str(run.path), 60, "block2")
    assert (made.start.decay, made.start.zero_head) == (0.5, True)
    assert [*made.pairing.recipe.steps()] == ["crop", "flip"]
    assert made.optimizer == SGD(rate=0.02, momentum=0.98, nesterov=True)
    assert made.optimizer.weight_decay == 0
    alone = tuning.experiment(task(run, tmp_path, untrained=True), run.experiment.data, 0.02, 3)
    assert alone == chz.replace(made, start=None)
    assert methods.supervised.read(methods.words(made)[1:]) == made


@pytest.mark.parametrize("block", [-1, "-1", None])
def test_block_minus_one_trains_everything(block, run, tmp_path):
    assert FineTune(block=block).experiment(task(run, tmp_path), run.experiment.data, 0.1, 0).start.frozen is None


def test_other_optimizers_keep_the_rate_that_is_asked_for(run, tmp_path):
    made = FineTune(optimizer=LARS()).experiment(task(run, tmp_path), run.experiment.data, 0.7, 0)
    assert made.optimizer == LARS(rate=0.7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": ()}, "write seeds=0,1,2"),
        ({"seeds": (1, 1)}, "write seeds=0,1,2"),
        ({"rates": (0.1, 0.0)}, "different positive numbers"),
        ({"rates": (0.1, 0.1)}, "different positive numbers"),
        ({"holdout": 1.0}, "write holdout=0.2"),
        ({"block": "tail"}, "frozen names a block"),
        ({"decay": 2.0}, "decay is a share"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        FineTune(**options)


def test_a_tuning_is_a_run_that_starts_from_the_encoder_and_beats_random_weights(run, tmp_path):
    tuning = FineTune(epochs=8.0, optimizer=SGD(rate=0.02, nesterov=True))
    found, base = tuning(run, tmp_path, threads=1), tuning.baseline(run, tmp_path, threads=1)
    assert found.values["accuracy"] > base.values["accuracy"] + 0.05
    names = folders(tmp_path)
    assert [name.split("-")[:2] for name in names] == [["finetune", "1347"], ["scratch", "1347"]]
    tuned, scratch = (Run(tmp_path / name) for name in names)
    assert tuned.experiment.start.run == str(run.path) and scratch.experiment.start is None
    test = tuned.encode("test", "embedding")
    assert found.values["accuracy"] == (test.values.argmax(1) == test.labels).mean()
    for word in (
        "fine-tuned on 1,347 rows (hash ",
        "scored on 450",
        "8 epochs",
        "168 steps",
        "crop and flip",
        "seed 0",
    ):
        assert word in found.protocol, word
    assert "trained from random weights" in base.protocol


def test_a_fraction_is_a_fixed_balanced_choice_that_is_listed(run, tmp_path):
    SHORT(run, tmp_path, fraction=0.1)
    chz.replace(SHORT, seeds=(1,))(run, tmp_path, fraction=0.1)
    one, two = (tmp_path / name for name in folders(tmp_path))
    told = [json.loads((folder / "rows.json").read_text())["rows of train"] for folder in (one, two)]
    expected = Subset(of=Digits(), fraction=0.1).hold("train")
    assert told[0] == told[1] == expected.index.tolist()
    counts = expected.labels.bincount(minlength=10)
    assert len(told[0]) == 134 and counts.max() - counts.min() <= 1


def test_what_is_there_is_not_trained_again_and_other_settings_go_elsewhere(run, tmp_path, monkeypatch):
    seen = trained(monkeypatch)
    first = SHORT(run, tmp_path, fraction=0.1)
    assert (SHORT(run, tmp_path, fraction=0.1), len(seen)) == (first, 1)
    SHORT.baseline(run, tmp_path, fraction=0.1)
    chz.replace(SHORT, decay=0.5)(run, tmp_path, fraction=0.1)
    SHORT(run, tmp_path, fraction=0.2)
    assert len(seen) == len(folders(tmp_path)) == 4
    moved = Run(shutil.copytree(run.path, tmp_path.parent / "moved"))
    assert SHORT(moved, tmp_path, fraction=0.1) == first
    assert len(seen) == 4
    other = train(digits(steps=60, seed=1), tmp_path.parent / "other", console=QUIET)
    assert SHORT(other, tmp_path, fraction=0.1) != first
    assert len(seen) == 5


def test_what_was_interrupted_goes_on_and_gives_the_same(run, tmp_path, monkeypatch):
    whole = SHORT(run, tmp_path / "whole")
    advance = loop.Trainer.advance

    def interrupted(trainer):
        if trainer.step == 3:
            signal.raise_signal(signal.SIGTERM)
        return advance(trainer)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Trainer, "advance", interrupted)
        with pytest.raises(Interrupted):
            SHORT(run, tmp_path / "cut")
    assert SHORT(run, tmp_path / "cut") == whole
    marks = [fingerprint(Run(next((tmp_path / name).iterdir())).checkpoint().tensors) for name in ("whole", "cut")]
    assert marks[0] == marks[1]


def test_a_rate_is_chosen_by_rows_held_out_of_training_alone(run, tmp_path, monkeypatch):
    seen = trained(monkeypatch)
    tuning = FineTune(epochs=3.0, rates=(1e-4, 0.05, 0.1))
    found = tuning(run, tmp_path, fraction=0.5)
    assert [experiment.optimizer.rate for experiment in seen[:3]] == [1e-4, 0.05, 0.1]
    train_rows = set(Subset(of=Digits(), fraction=0.5).hold("train").index.tolist())
    for experiment in seen[:3]:
        learned, judged = (set(experiment.data.hold(split).index.tolist()) for split in ("train", "test"))
        assert not learned & judged
        assert learned | judged == train_rows
        assert len(judged) == len(train_rows) // 5
    assert set(seen[3].data.hold("train").index.tolist()) == train_rows
    tried = {e.optimizer.rate: _accuracy(tmp_path, e) for e in seen[:3]}
    assert found.values["accuracy/validation"] == max(tried.values())
    assert tried[seen[3].optimizer.rate] == max(tried.values())
    assert seen[3].optimizer.rate != 1e-4
    assert f"{seen[3].optimizer.rate:g} ({max(tried.values()):.4f})" in found.protocol
    assert ("largest of those tried" in found.warnings.get("accuracy", "")) == (seen[3].optimizer.rate == 0.1)


def _accuracy(out, experiment):
    (folder,) = (path for path in out.iterdir() if Run(path).experiment == experiment)
    test = Run(folder).encode("test", "embedding")
    return (test.values.argmax(1) == test.labels).mean()


def test_over_seeds_scores_are_means(run, tmp_path):
    both = FineTune(epochs=2.0, seeds=(0, 1))(run, tmp_path)
    each = [FineTune(epochs=2.0, seeds=(seed,))(run, tmp_path).values["accuracy"] for seed in (0, 1)]
    assert len(folders(tmp_path)) == 2
    assert both.values["accuracy"] == pytest.approx(sum(each) / 2)
    assert f"standard deviation of {abs(each[0] - each[1]) / 2**0.5:.4f}" in both.protocol


def test_frozen_blocks_are_those_of_the_run(run, tmp_path):
    FineTune(block="encoder", epochs=1.0)(run, tmp_path)
    tuned = Run(tmp_path / folders(tmp_path)[0])
    one, two = (fingerprint(each.student().encoder.state_dict()) for each in (run, tuned))
    assert one == two


def test_an_earlier_checkpoint_can_be_tuned(tmp_path):
    run = train(digits(steps=5), tmp_path / "run", save_seconds=0.0, console=QUIET)
    SHORT(run, tmp_path / "out", step=4, fraction=0.1)
    (name,) = folders(tmp_path / "out")
    assert json.loads((tmp_path / "out" / name / "start.json").read_text())["step"] == 4


def test_an_encoder_moves_to_other_data_of_the_same_shape(run, tmp_path):
    """Transfer: the classes are those of the other data."""
    other = Subset(of=Digits(), holdout=0.5, test="held")
    found = SHORT(run, tmp_path, data=other)
    assert "fine-tuned on 674 rows" in found.protocol and "scored on 673" in found.protocol


def test_the_networks_of_two_threads_of_random_numbers_agree(run, tmp_path):
    torch.manual_seed(1)
    one = SHORT(run, tmp_path / "one")
    torch.manual_seed(2)
    assert SHORT(run, tmp_path / "two") == one


def test_batch_statistics_of_frozen_blocks_survive_tuning(tmp_path):
    encoder = Conv(width=4, batch_norm=True)
    run = train(digits(steps=10, encoder=encoder), tmp_path / "run", console=QUIET)
    FineTune(block="stem", epochs=1.0)(run, tmp_path / "out")
    tuned = Run(tmp_path / "out" / folders(tmp_path / "out")[0]).student().encoder
    before = run.student().encoder
    assert fingerprint(before[0].state_dict()) == fingerprint(tuned[0].state_dict())
    assert fingerprint(before[1].state_dict()) != fingerprint(tuned[1].state_dict())
